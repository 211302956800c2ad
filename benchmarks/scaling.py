"""How time grows with the batch and with the image, and the rate as a share of the machine's peak.

The layers are a 3x3 convolution of 16 channels to 32 and a depthwise one of 32 channels, forward with every gradient,
by ours and by lax. The same rounds time a product of two 2048x2048 matrices in float32, whose rate is the machine's
peak. The work of a layer is the multiplications and additions of its output and of both deltas, for every algorithm.

    python benchmarks/scaling.py --json scaling.json --plot scaling.png
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import report
from layer_programs import CONTENDERS, PROGRAMS, calls
from layer_rows import Layer, convolution, depthwise
from timing import Spread, Timing, alternate, first_calls

LAYERS: dict[str, Callable[[int], Layer]] = {
    "3x3 16->32": lambda side: convolution(3, side, 16, 32),
    "depthwise 3x3 c32": lambda side: depthwise(3, side, 32),
}
BATCHES, SIDE = (1, 4, 16, 64, 256), 32
SIDES, BATCH = (16, 32, 64, 128, 256), 8
PRODUCT = 2048


def product(size: int) -> Callable[[], object]:
    """A function that computes the matrix product whose rate is the peak."""
    lhs, rhs = (jax.random.normal(key, (size, size)) for key in jax.random.split(jax.random.key(0)))
    multiply = jax.jit(jnp.matmul)
    return lambda: jax.block_until_ready(multiply(lhs, rhs))


def shares(timing: Timing, flops: int, product_flops: int) -> dict[str, Any]:
    """The rate of each contender, its share of the peak round by round, and the peak."""
    rate = lambda name, flops: Spread.of([flops / seconds / 1e9 for seconds in timing.seconds[name]])
    share = lambda name: [
        flops / seconds / (product_flops / product_seconds)
        for seconds, product_seconds in zip(timing.seconds[name], timing.seconds["product"], strict=True)
    ]
    return {
        "gflops": {name: asdict(rate(name, flops)) for name in CONTENDERS},
        "peak_gflops": asdict(rate("product", product_flops)),
        "share_of_peak": {name: asdict(Spread.of(share(name))) for name in CONTENDERS},
    }


def measured(label: str, batch: int, side: int, options: Any) -> dict[str, Any]:
    """One row of the results."""
    layer, name = LAYERS[label](side), PROGRAMS[-1]
    runs = calls(layer, name, layer.arguments(batch)) | {"product": product(options.product)}
    _, first = first_calls(runs)
    timing = alternate(runs, rounds=options.rounds, redo=options.redo)
    row = timing.row([("ours", "lax")], first)
    rates = shares(timing, 3 * layer.flops(batch), 2 * options.product**3)
    return {"layer": label, "batch": batch, "side": side, "program": name} | row | rates


def shown(row: dict[str, Any]) -> str:
    """A line of the table."""
    cells = [f"{row['layer']:18} {row['batch']:>5} {row['side']:>5}"]
    for name in CONTENDERS:
        rate, share = row["gflops"][name]["median"], row["share_of_peak"][name]["median"]
        cells.append(f"{1e3 * row['seconds'][name]['median']:9.3f} {rate:7.2f} {100 * share:6.2f} %")
    cells += [f"{row['peak_gflops']['median']:6.1f}", f"{report.ratio_text(row['ratios']['ours / lax']):20}"]
    return "  ".join([*cells, report.rounds_text(row)])


def curves(path: Path | None, rows: Sequence[dict[str, Any]], title: str, sweeps: dict[str, Sequence[int]]) -> None:
    """Draw the time above the share of the peak, with a column for each layer and each sweep, if there is a path."""
    if not path:
        return
    columns = [(label, axis) for label in dict.fromkeys(row["layer"] for row in rows) for axis in sweeps]
    figure = report.new_figure(1 + 3.2 * len(columns), 6)
    above, below = figure.subplots(2, len(columns), sharey="row", squeeze=False)
    for (label, axis), upper, lower in zip(columns, above, below, strict=True):
        selected = [row for row in rows if row["layer"] == label and row["sweep"] == axis]
        sizes = [row[axis] for row in selected]
        for name, mark in zip(CONTENDERS, "os", strict=True):
            upper.plot(sizes, [1e3 * row["seconds"][name]["median"] for row in selected], mark + "-", label=name)
            lower.plot(sizes, [100 * row["share_of_peak"][name]["median"] for row in selected], mark + "-", label=name)
        fixed = f"{SIDE} pixels a side" if axis == "batch" else f"batch {BATCH}"
        upper.set_title(f"{label}\n{fixed}", fontsize="medium")
        lower.set_xlabel("batch" if axis == "batch" else "pixels a side")
        for axes in (upper, lower):
            axes.loglog()
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.grid(linewidth=0.4)
    above[0].set_ylabel("milliseconds")
    below[0].set_ylabel("share of the peak (%)")
    above[0].legend(loc="upper left")  # times grow to the right
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, dpi=130)


def main() -> None:
    """Print a row for each size; write and draw the rows if requested."""
    parser = report.parser(__doc__)
    batches_help, sides_help = f"batch sizes, for images of side {SIDE}", f"sides of images, in batches of {BATCH}"
    parser.add_argument("--batches", type=int, nargs="*", default=BATCHES, help=batches_help)
    parser.add_argument("--sides", type=int, nargs="*", default=SIDES, help=sides_help)
    parser.add_argument("--product", type=int, default=PRODUCT, help="size of the matrices (%(default)s)")
    options = parser.parse_args()
    sweeps = {axis: sizes for axis, sizes in (("batch", options.batches), ("side", options.sides)) if sizes}
    if not sweeps:
        parser.error("there is no batch and no side to measure")
    machine = report.machine()
    product(1)()  # starts the compiler before the first row
    print(report.heading(machine))
    print(f"{'':30}  {' ours':^25}  {' lax':^25}  product")
    print(f"{'layer':18} batch  side" + "         ms GFLOP/s  of peak" * 2 + "  GFLOP/s  ours / lax (quartiles) rounds")
    rows = []
    for label in LAYERS:
        for axis, sizes in sweeps.items():
            for size in sizes:
                batch, side = (size, SIDE) if axis == "batch" else (BATCH, size)
                rows.append({"sweep": axis} | measured(label, batch, side, options))
                print(shown(rows[-1]), flush=True)
    print(report.warning(rows))
    report.write(options.json, machine, rows)
    title = report.title("Forward with every gradient, by size", machine, rows)
    curves(options.plot, rows, title, sweeps)


if __name__ == "__main__":
    main()
