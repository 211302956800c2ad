"""What the scripts of this folder share: their command line, their tables, and training on the digits."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optax
from tqdm import tqdm

from jaxconv.training.data import Digits, batches
from jaxconv.training.step import Model, Params, make_step


def positive(text: str) -> int:
    """A positive integer of the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def options(description: str | None) -> argparse.ArgumentParser:
    """A command line that shows a script's docstring under --help; the script adds its options."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def picture_options(description: str | None) -> argparse.ArgumentParser:
    """The same, with the folder for figures, `--out`."""
    parser = options(description)
    parser.add_argument("--out", type=Path, default=Path("pictures"), metavar="FOLDER", help="for figures: pictures/")
    return parser


def start(run: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> None:
    """Run what the command line asks for; bad arguments end in one line."""
    try:
        run(parser.parse_args())
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


def table(rows: Sequence[Sequence[Any]], words: int = 1) -> str:
    """Rows of cells as lines, titles first; the first columns, `words` of them, to the left and numbers to the right.

    >>> print(table([("layer", "weights"), ("C1", 150)]))
    layer  weights
    C1         150
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    place = lambda number, cell: f"{cell:{'<' if number < words else '>'}{widths[number]}}"
    return "\n".join("  ".join(place(*cell) for cell in enumerate(row)).rstrip() for row in cells)


def train(
    model: Model,
    params: Params,
    digits: Digits,
    optimiser: optax.GradientTransformation,
    *,
    steps: int,
    batch: int,
    seed: int,
    name: str,
) -> Params:
    """The parameters after so many steps, with a progress bar that shows the loss."""
    opt_state = optimiser.init(params)
    step = make_step(model, optimiser)
    order = batches(len(digits.train_images), batch, seed=seed)
    for _ in (bar := tqdm(range(steps), desc=name, unit="step")):
        chosen = next(order)
        params, opt_state, loss = step(params, opt_state, digits.train_images[chosen], digits.train_labels[chosen])
        bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
    return params
