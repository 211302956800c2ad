"""Every algorithm that fits, for each operation of the layers in `layer_rows.py`: where is the table's choice slow?

The operations are those that the table decides about in each layer, forward and backward. A ratio is the time of the
table's choice to that of the fastest algorithm. `--save` writes the fastest algorithms of undisturbed rows as a
table of your own, which jaxconv reads if JAXCONV_TABLE names it.

    python benchmarks/table.py --batch 32
    python benchmarks/table.py --only 3x3 --save mine.json && JAXCONV_TABLE=mine.json python benchmarks/layers.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import report
from layer_programs import agree, program
from layer_rows import ROWS, Layer
from timing import Timing, alternate, first_calls

from jaxconv.lowering import saved_table
from jaxconv.lowering.algorithms import ALGORITHMS
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec
from jaxconv.lowering.machine import machine
from jaxconv.lowering.table import algorithm_for

SLOW = 1.15  # ratio from which a choice is printed as slow, and replaced in a saved table


@dataclass(frozen=True)
class Decision:
    """One operation that the table decides about."""

    operation: str
    spec: ConvSpec
    sizes: tuple[int, int, int]  # n, c, o
    equation: Any

    @property
    def candidates(self) -> list[str]:
        """The algorithms that compute it, lax included."""
        fitting = [
            name
            for name, algorithm in ALGORITHMS.items()
            if self.operation in algorithm.operations and algorithm.fits(self.spec, *self.sizes[1:])
        ]
        return ["lax", *fitting]

    @property
    def chosen(self) -> str:
        """The table's choice."""
        return algorithm_for(self.operation, self.spec, *self.sizes)

    def calls(self) -> dict[str, Callable[[], Any]]:
        """For each candidate, a function that computes the operation on random numbers."""
        generator, avals = np.random.default_rng(0), [operand.aval for operand in self.equation.invars]
        operands = [jnp.asarray(generator.normal(size=aval.shape), aval.dtype) for aval in avals]
        runs = {}
        for name in self.candidates:
            settings = self.equation.params | {"algorithm": name}
            jitted = jax.jit(lambda *operands, settings=settings: self.equation.primitive.bind(*operands, **settings))
            runs[name] = lambda jitted=jitted: jax.block_until_ready(jitted(*operands))
        return runs


def decisions(layer: Layer, batch: int) -> list[Decision]:
    """The operations of a layer, forward and backward, for which there are several algorithms.

    Pools whose stride and dilation have a common divisor are left out: the table decides about a part of their cells.
    """
    traced = jax.make_jaxpr(program(layer, "forward + gradients", "ours"))(*layer.arguments(batch))
    found = [_decision(equation) for equation in _equations(traced.jaxpr)]
    unique = {(one.operation, one.spec, one.sizes): one for one in found if one and len(one.candidates) > 1}
    return list(unique.values())


def _equations(jaxpr: Any) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                yield from _equations(getattr(value, "jaxpr", value))


def _decision(equation: Any) -> Decision | None:
    prefix, _, operation = equation.primitive.name.partition("_")
    if prefix != "jaxconv":
        return None
    shapes = [operand.aval.shape for operand in equation.invars]
    if operation in CONV_OPERANDS:
        spec = equation.params["spec"]
        return Decision(operation, spec, (shapes[0][0], *spec.channels(operation, *shapes)), equation)
    n, *_, c = shapes[0]
    spec = ConvSpec(equation.params["axes"], groups=c)
    subsampled = any(math.gcd(axis.stride, axis.dilation) > 1 for axis in spec.axes)
    return None if subsampled else Decision(operation, spec, (n, c, c), equation)


def measured(label: str, batch: int, decision: Decision, options: Any) -> dict[str, Any]:
    """One row of the results."""
    runs = decision.calls()
    results, first = first_calls(runs)
    agree(f"{label}, {decision.operation}", {name: [np.asarray(result)] for name, result in results.items()})
    timing = alternate(runs, rounds=options.rounds, redo=options.redo)
    fastest, chosen = fastest_of(timing), decision.chosen
    row = {"layer": label, "batch": batch, "operation": decision.operation, "chosen": chosen, "fastest": fastest}
    return row | timing.row([(chosen, fastest)], first)


def fastest_of(timing: Timing) -> str:
    """The contender with the smallest lower quartile: on a busy machine the median counts what others do."""
    return min(timing.seconds, key=lambda name: timing.of(name).low)


def is_slow(row: dict[str, Any]) -> bool:
    """Whether the table's choice is slower than the fastest algorithm by more than noise, in the lower quartiles."""
    seconds = row["seconds"]
    return seconds[row["chosen"]]["low"] > SLOW * seconds[row["fastest"]]["low"]


def shown(row: dict[str, Any]) -> str:
    """A line of the table; slow choices are marked."""
    ratio = report.ratio_text(row["ratios"][f"{row['chosen']} / {row['fastest']}"])
    times = ", ".join(f"{name} {1e3 * taken['low']:.3g}" for name, taken in row["seconds"].items())
    slow = "SLOW" if is_slow(row) else ""
    cells = f"{row['layer']:30} {row['batch']:>5}  {row['operation']:17} {row['chosen']:16} {slow:4}"
    return f"{cells} {ratio:22} {report.rounds_text(row)};  ms: {times}"


def saved_text(rows: Sequence[dict[str, Any]], found: Sequence[Decision], about: dict[str, Any]) -> str:
    """The text of a table that has the fastest algorithm wherever the table's choice is slow.

    Rows that other processes disturbed are left out.
    """
    choices = [
        saved_table.choice(decision.operation, decision.spec, *decision.sizes, row["fastest"])
        for row, decision in zip(rows, found, strict=True)
        if is_slow(row) and not row["disturbed"]
    ]
    return saved_table.text(choices, **about)


def main() -> None:
    """Print a row for each operation; save, write and draw the rows if requested."""
    parser = report.parser(__doc__)
    parser.add_argument("--batch", type=report.positive, nargs="+", default=[1, 32], help="batch sizes (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="TEXT", help="layers whose name contains one of these"
    )
    parser.add_argument(
        "--operation", nargs="+", default=[""], metavar="TEXT", help="operations that contain one of these"
    )
    parser.add_argument("--save", type=report.file, metavar="FILE", help="write a table with the fastest algorithms")
    options = parser.parse_args()
    labels = [label for label in ROWS if any(text in label for text in options.only)]
    found = {
        (label, batch): [
            one for one in decisions(ROWS[label], batch) if any(text in one.operation for text in options.operation)
        ]
        for label in labels
        for batch in options.batch
        if batch <= ROWS[label].largest_batch
    }
    if not any(found.values()):
        parser.error(f"no operation to time: --only {options.only}, --operation {options.operation}")
    about = report.machine() | asdict(machine())
    print(report.heading(about))
    print(f"{'layer':30} {'batch':>5}  {'operation':17} {'choice':16}      choice / fastest (quartiles)")
    rows, timed = [], []
    for (label, batch), several in found.items():
        for decision in several:
            rows.append(measured(label, batch, decision, options))
            timed.append(decision)
            print(shown(rows[-1]), flush=True)
    slow = sum(map(is_slow, rows))
    print(
        f"The table's choice is more than {SLOW} times slower than the fastest algorithm in {slow} of {len(rows)} rows."
    )
    print(report.warning(rows))
    if options.save:
        options.save.write_text(saved_text(rows, timed, about))
    report.write(options.json, about, rows)
    bars = [
        report.Bar(row["operation"], f"{row['layer']}, {row['batch']}", "", next(iter(row["ratios"].values())))
        for row in rows
    ]
    report.draw(
        options.plot, bars, report.title("The table's choices", about, rows), reading="above 1: another is faster"
    )


if __name__ == "__main__":
    main()
