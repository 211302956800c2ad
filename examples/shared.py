"""Code that the scripts of this folder share: the command line, tables, and training on the digits."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from tqdm import tqdm

from jaxconv.training.data import Digits, batches
from jaxconv.training.fit import Interrupted, diagnosis, fit
from jaxconv.training.log import Progress
from jaxconv.training.step import Model, Params, make_step
from jaxconv.training.update import Loss, State, TrainState, classification, init_training, make_update
from jaxconv.verify.certificate import Claim, Verdict


def positive(text: str) -> int:
    """The positive integer in a command-line argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def within(least: int, most: int) -> Callable[[str], int]:
    """A reader of command-line integers from `least` to `most`."""

    def integer(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{number} is not from {least} to {most}")
        return number

    return integer


natural = within(0, 10**9)  # for seeds: NumPy's generators refuse negative seeds, and JAX's keys large ones


def options(description: str | None) -> argparse.ArgumentParser:
    """A command-line parser that shows a script's docstring under --help. The script adds the options."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def picture_options(description: str | None) -> argparse.ArgumentParser:
    """The same parser with `--out`, the folder for figures."""
    parser = options(description)
    parser.add_argument("--out", type=Path, default=Path("pictures"), metavar="FOLDER", help="for figures: pictures/")
    return parser


def writable(folder: Path) -> None:
    """Create the folder for figures, and refuse a folder in which no file can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(f"--out is {folder}, but should be a folder to write into ({error})") from error


def start(
    run: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser, quick: dict[str, Any] | None = None
) -> None:
    """Run a script with the arguments of the command line. A bad argument ends it with one line, before the work.

    `quick` has the defaults of its options under `--quick`, for a first look in seconds. Ctrl-C keeps the figures that
    are finished, and ends the script with one line.
    """
    if quick:
        few = " ".join(f"--{name} {str(value).strip('[]')}" for name, value in quick.items())
        parser.add_argument("--quick", action="store_true", help=f"a first look, in seconds: {few}")
    if quick and "--quick" in sys.argv:
        parser.set_defaults(**quick)
    args = parser.parse_args()
    try:
        if "out" in args:
            writable(args.out)
        run(args)
    except Interrupted as stopped:
        print(f"\n{stopped}", file=sys.stderr)
        raise SystemExit(stopped.status) from stopped
    except KeyboardInterrupt as stopped:
        kept = f"; figures that are finished are in {args.out}" if "out" in args else ""
        print(f"\ninterrupted{kept}", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from stopped
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


def table(rows: Sequence[Sequence[Any]], words: int = 1) -> str:
    """Rows of cells as lines, titles first. The first `words` columns are left-aligned, and the others right-aligned.

    >>> print(table([("layer", "weights"), ("C1", 150)]))
    layer  weights
    C1         150
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    aligned = lambda column, cell: f"{cell:{'<' if column < words else '>'}{widths[column]}}"
    return "\n".join("  ".join(aligned(*cell) for cell in enumerate(row)).rstrip() for row in cells)


def mean_and_deviation(shares: np.ndarray) -> list[str]:
    """For shares [seed, column], the mean and standard deviation of each column over the seeds, in per cent.

    >>> mean_and_deviation(np.array([[0.5, 1.0], [0.7, 1.0]]))
    ['60.0 ± 10.0', '100.0 ± 0.0']
    """
    return [f"{mean:.1f} ± {deviation:.1f}" for mean, deviation in 100 * np.stack([shares.mean(0), shares.std(0)], 1)]


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
    """The parameters of a classifier after `steps` steps of training. A progress bar shows the loss."""
    examples = digits.train_images, digits.train_labels
    how = {"steps": steps, "batch": batch, "seed": seed, "name": name}
    return trained(classification(model), params, {}, examples, optimiser, **how).params


def trained(
    loss: Loss,
    params: Params,
    state: State,
    examples: tuple[np.ndarray, ...],
    optimiser: optax.GradientTransformation,
    *,
    steps: int,
    batch: int,
    seed: int,
    name: str,
) -> TrainState:
    """The state of a training run after `steps` steps with any loss. A progress bar shows the loss."""
    chosen = batches(len(examples[0]), batch, seed=seed)
    start = init_training(params, optimiser, jax.random.key(seed), state=state)
    rows = lambda _: (tuple(array[indices] for array in examples) for indices in chosen)
    with Progress(name, steps) as progress:
        how = {"watch": [progress], "explain_nonfinite": diagnosis(loss)}
        return fit(make_update(loss, optimiser), start, rows, steps=steps, **how)


def training_options(description: str | None, *, steps: int) -> argparse.ArgumentParser:
    """A parser for a script that trains: `--steps`, `--seed` and `--quick`."""
    parser = options(description)
    parser.add_argument("--steps", type=positive, default=steps, help=f"training steps: {steps}")
    parser.add_argument(
        "--seed", type=natural, default=0, help="seed of the parameters, the batches and generated data"
    )
    parser.add_argument("--quick", action="store_true", help="3 steps on few and small examples, in seconds")
    return parser


def law(claim: Claim) -> str:
    """The proved law of a claim, such as "8 -> 1" for shifts of the input and the output, or its verdict.

    >>> from jaxconv.verify.certificate import Claim, Verdict
    >>> law(Claim(Verdict.PROVED, 8, ((1, 1),))), law(Claim(Verdict.UNDECIDED))
    ('8 -> 1', 'UNDECIDED')
    """
    if claim.verdict is not Verdict.PROVED:
        return claim.verdict.value
    return f"{claim.shift} -> {', '.join(str(move) for _, move in claim.moves) or 'no change'}"


def show_loss(bar: tqdm, loss: jax.Array) -> None:
    """Show the loss in the progress bar. Raise if it is infinite or NaN, because training then learns nothing more."""
    if not math.isfinite(loss):
        cure = "Lower the learning rate."
        raise ValueError(f"the loss is {loss} at step {bar.n} of training, but should be finite. {cure}")
    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)


def train_each(
    init: Callable[[jax.Array], Params],
    model: Model,
    sets: Sequence[tuple[np.ndarray, np.ndarray]],
    seeds: Sequence[int],
    optimiser: optax.GradientTransformation,
    *,
    steps: int,
    batch: int,
    name: str,
) -> list[Params]:
    """The parameters after training on each of several sets of images and labels, with one seed for each set.

    One program takes a step for each set in sequence. Under vmap the kernels would form one grouped convolution, which
    is several times as slow.
    """

    @jax.jit
    @jax.vmap
    def begin(seed: jax.Array) -> tuple[Params, optax.OptState]:
        params = init(jax.random.key(seed))
        return params, optimiser.init(params)

    params, opt_state = begin(np.array(seeds))
    step = jax.jit(lambda *states: jax.lax.map(lambda state: make_step(model, optimiser)(*state), states))
    orders = [batches(len(labels), batch, seed=seed) for (_, labels), seed in zip(sets, seeds, strict=True)]
    for _ in (bar := tqdm(range(steps), desc=name, unit="step")):
        chosen = [(images[at], labels[at]) for (images, labels), at in zip(sets, map(next, orders), strict=True)]
        params, opt_state, loss = step(params, opt_state, *map(np.stack, zip(*chosen, strict=True)))
        show_loss(bar, loss.mean())
    params = jax.device_get(params)  # slices of NumPy arrays compile nothing
    return [jax.tree.map(lambda leaf, number=number: leaf[number], params) for number in range(len(sets))]
