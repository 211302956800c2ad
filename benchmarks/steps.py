"""One training step: forward, loss, gradients and plain gradient descent, in jaxconv and in other libraries.

Networks: LeNet-5, a small ResNet and a small MobileNet (`architectures.py`). Contenders: jaxconv with the algorithms of
its table ("ours"), jaxconv with lax only ("lax"), Flax NNX, Equinox and Haiku, each as it is and by `jc.accelerate`,
and PyTorch, eager in both of its memory layouts and compiled. All start from the same weights. Their losses over three
steps have to agree before they are timed. A ratio below 1 means that ours is faster; the brackets have its quartiles.
Libraries that are not installed are left out.

    python benchmarks/steps.py --json steps.json --plot steps.png
    python benchmarks/steps.py --torch --only LeNet
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import report
from architectures import CASES, Case, weights
from timing import alternate, first_calls

RATE = 1e-3  # small, so that the loss of a single image does not vanish
STEPS = 3  # number of losses that have to agree
AGREE = 1e-4


@dataclass(frozen=True)
class Contender:
    """The module and function that make a contender's step, and the package that it needs."""

    module: str
    function: str = "step"
    package: str | None = None

    def make(self, case: Case) -> Callable[[], float]:
        """A function that trains by one step, starting from the weights that all contenders share."""
        return getattr(import_module(f"peers.{self.module}"), self.function)(case, weights(case.network), RATE)


CONTENDERS = {
    "ours": Contender("with_jaxconv", "by_table"),
    "lax": Contender("with_jaxconv", "by_lax"),
    "Flax NNX": Contender("with_nnx", package="flax"),
    "Flax NNX accelerated": Contender("with_nnx", "accelerated", "flax"),
    "Equinox": Contender("with_equinox", package="equinox"),
    "Equinox accelerated": Contender("with_equinox", "accelerated", "equinox"),
    "Haiku": Contender("with_haiku", package="haiku"),
    "Haiku accelerated": Contender("with_haiku", "accelerated", "haiku"),
    "torch": Contender("with_torch", package="torch"),
    "torch channels_last": Contender("with_torch", "channels_last", "torch"),
    "torch compiled": Contender("with_torch", "compiled", "torch"),
}


def agree(case: str, losses: dict[str, list[float]]) -> None:
    """Check that all contenders compute the same losses.

    Raises:
        ValueError: a contender's losses differ from lax's.
    """
    for contender, values in losses.items():
        if not np.allclose(values, losses["lax"], rtol=AGREE, atol=0):
            raise ValueError(f"{case}: {contender} has the losses {values}, but lax {losses['lax']}")


def measured(name: str, case: Case, contenders: Sequence[str], options: Any) -> dict[str, Any]:
    """One row of the results."""
    runs = {contender: CONTENDERS[contender].make(case) for contender in contenders}
    results, first = first_calls(runs)
    losses = {contender: [float(loss)] for contender, loss in results.items()}
    for contender, run in runs.items():
        losses[contender] += [float(run()) for _ in range(STEPS - 1)]
    agree(name, losses)
    timing = alternate(runs, rounds=options.rounds, redo=options.redo)
    pairs = [("ours", other) for other in contenders if other != "ours"]
    return {"case": name, "losses": losses["lax"], **timing.row(pairs, first)}


def table(row: dict[str, Any]) -> str:
    """The lines of a row, one for each contender."""
    lines = [f"{row['case']}: {report.rounds_text(row)}"]
    for contender, spread in row["seconds"].items():
        ratio = row["ratios"].get(f"ours / {contender}")
        cells = f"{1e3 * spread['median']:10.3f}  {row['compile_seconds'][contender]:9.2f}"
        lines.append(f"  {contender:20} {cells}  {report.ratio_text(ratio) if ratio else '':22}".rstrip())
    return "\n".join(lines)


def main() -> None:
    """Print a table for each network; write and draw the rows if requested."""
    parser = report.parser(__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="TEXT", help="networks whose name contains one of these"
    )
    parser.add_argument("--torch", action="store_true", help="also time PyTorch")
    options = parser.parse_args()
    asked = [name for name, contender in CONTENDERS.items() if options.torch or contender.package != "torch"]
    missing = {name: package for name in asked if (package := CONTENDERS[name].package) and not report.here(package)}
    contenders = [name for name in asked if name not in missing]
    cases = {name: case for name, case in CASES.items() if any(text in name for text in options.only)}
    if not cases:
        parser.error(f"no case's name contains any of {options.only}: {', '.join(CASES)}")
    machine = report.machine(*dict.fromkeys(package for name in contenders if (package := CONTENDERS[name].package)))
    CONTENDERS["lax"].make(CASES["LeNet-5, average, batch 1"])()  # starts the compiler before the first row
    print(report.heading(machine))
    for name, package in missing.items():
        print(f"Without {name}: {package} is not installed.")
    print(f"  {'contender':20} {'ms':>10}  {'compile s':>9}  ours / contender (quartiles)")
    rows = []
    for name, case in cases.items():
        rows.append(measured(name, case, contenders, options))
        print(table(rows[-1]), flush=True)
    print(report.warning(rows))
    report.write(options.json, machine, rows, missing=sorted(missing))
    bars = [report.Bar(row["case"], pair, "", ratio) for row in rows for pair, ratio in row["ratios"].items()]
    report.draw(options.plot, bars, report.title("Training steps", machine, rows), reading="below 1: ours is faster")


if __name__ == "__main__":
    main()
