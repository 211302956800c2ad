"""Single layers, ours against lax's and, if asked to, PyTorch's: forward, and forward with every gradient.

Ours is jaxconv by the table of its lowerings; "lax" is `lax.conv_general_dilated` and `lax.reduce_window`; PyTorch's
time is that of the faster of its two layouts. A ratio below 1 says that ours is faster; in brackets its quartiles. All
contenders have to agree on the results before they are timed.

    python benchmarks/layers.py --json layers.json --plot layers.png
    python benchmarks/layers.py --torch --only depthwise pool --batch 1 32
    python benchmarks/layers.py --dtype bfloat16
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import report
from layer_programs import CONTENDERS, PROGRAMS, calls
from layer_rows import ROWS, Layer
from timing import alternate, first_calls

# dtype -> by how much results may differ, as a part of the largest number: in float32 sums of up to 400,000 products in
# any order, in 16 bits what is rounded once here, and a few times there.
AGREE = {"float32": 1e-4, "float16": 4e-3, "bfloat16": 3e-2}


def _torchs(layer: Layer, name: str, given: Sequence[Any]) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """For each of PyTorch's layouts a call that computes, and one that gives results in JAX's order of axes."""
    import layer_torch

    found = layer_torch.contenders(layer, given, name)
    return {name: (run, lambda run=run: layer_torch.arrays(layer, run())) for name, run in found.items()}


def agree(layer: str, results: dict[str, list[np.ndarray]], dtype: str = "float32") -> None:
    """Refuse to time what does not compute the same.

    Raises:
        ValueError: a contender's results differ from lax's.
    """
    for contender, arrays in results.items():
        for one, other in zip(arrays, results["lax"], strict=True):
            if one.shape != other.shape:
                raise ValueError(f"{layer}: {contender} has the shape {one.shape}, but lax {other.shape}")
            one, other = np.asarray(one, np.float32), np.asarray(other, np.float32)
            worst, scale = np.abs(one - other).max(), np.abs(other).max()
            if not worst <= AGREE[dtype] * scale:
                raise ValueError(f"{layer}: {contender} differs from lax by {worst:.2g}, of numbers up to {scale:.2g}")


def measured(layer: Layer, name: str, batch: int, label: str, options: Any) -> dict[str, Any]:
    """One row."""
    given = layer.arguments(batch, jax.numpy.dtype(options.dtype))
    known = options.torch and layer.kind != "tiled"  # PyTorch has nothing like it
    runs, torchs = calls(layer, name, given), _torchs(layer, name, given) if known else {}
    results, first = first_calls(runs)
    results = {contender: [np.asarray(a) for a in jax.tree.leaves(found)] for contender, found in results.items()}
    agree(label, results | {contender: as_ours() for contender, (_, as_ours) in torchs.items()}, options.dtype)
    runs |= {contender: run for contender, (run, _) in torchs.items()}
    timing = alternate(runs, rounds=options.rounds, redo=options.redo)
    row = timing.row([("ours", other) for other in runs if other != "ours"], first)
    if torchs:
        faster = min(torchs, key=lambda contender: timing.of(contender).median)
        row["ratios"]["ours / faster torch"] = row["ratios"][f"ours / {faster}"]
    return {"layer": label, "batch": batch, "program": name, "dtype": options.dtype} | row


def shown(row: dict[str, Any]) -> str:
    """A line of the table."""
    milliseconds = [f"{contender} {1e3 * taken['median']:.3g}" for contender, taken in row["seconds"].items()]
    ratios = [report.ratio_text(row["ratios"][pair]) for pair in compared(row)]
    compiling = ", ".join(f"{row['compile_seconds'][contender]:.2f}" for contender in CONTENDERS)
    cells = f"{row['layer']:30} {row['batch']:>5}  {row['program']:19} "
    cells += "".join(f" {ratio:22}" for ratio in ratios)
    return f"{cells} {compiling:12} {report.rounds_text(row)};  ms: {', '.join(milliseconds)}"


def compared(row: dict[str, Any]) -> list[str]:
    """The pairs that the table and the picture show."""
    return [pair for pair in ("ours / lax", "ours / faster torch") if pair in row["ratios"]]


def means(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Geometric means over the rows: of each pair, for each program."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        for pair in compared(row):
            same = [
                other["ratios"][pair]["median"]
                for other in rows
                if other["program"] == row["program"] and pair in other["ratios"]  # PyTorch has no tiled layers
            ]
            found.setdefault(pair, {})[row["program"]] = statistics.geometric_mean(same)
    return found


def main() -> None:
    """Print a row for each layer, batch and program; write and draw them if asked to."""
    parser = report.parser(__doc__)
    parser.add_argument("--batch", type=report.positive, nargs="+", default=[1, 32, 128], help="%(default)s")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="layers named so, in part")
    parser.add_argument("--program", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--dtype", choices=AGREE, default="float32", help="of every array (%(default)s)")
    parser.add_argument("--torch", action="store_true", help="PyTorch, too; in float32")
    options = parser.parse_args()
    if options.torch and not report.here("torch"):
        parser.error("--torch needs PyTorch: pip install torch")
    if options.torch and options.dtype != "float32":
        parser.error(f"--torch is timed in float32, not in {options.dtype}")
    layers = {label: layer for label, layer in ROWS.items() if any(text in label for text in options.only)}
    asked = [(label, batch) for label in layers for batch in options.batch]
    cells = [(label, batch) for label, batch in asked if batch <= layers[label].largest_batch]
    if not cells:
        parser.error(f"no layer's name contains any of {options.only} and takes a batch of {options.batch}")
    machine = report.machine(*["torch"] * options.torch)
    jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))  # so that no row pays for starting the compiler
    print(f"{report.heading(machine)}; {options.dtype}")
    if len(cells) < len(asked):
        print(f"{len(asked) - len(cells)} of {len(asked)} layers and batches left out, for which lax takes minutes")
    pairs = "".join(f" {pair:22}" for pair in ["ours / lax", *["ours / faster torch"] * options.torch])
    print(f"{'layer':30} batch  {'program':19} {pairs} compile s    rounds")
    rows = []
    for label, batch in cells:
        for name in options.program:
            rows.append(measured(layers[label], name, batch, label, options))
            print(shown(rows[-1]), flush=True)
    found = means(rows)
    for pair, programs in found.items():
        for name, mean in programs.items():
            print(f"geometric mean of {pair}, {name}: {mean:.3f}")
    print(report.warning(rows))
    report.write(options.json, machine, rows, means=found)
    bars = [
        report.Bar(f"{pair}\n{row['program']}", row["layer"], f"batch {row['batch']}", row["ratios"][pair])
        for row in rows
        for pair in compared(row)
    ]
    title = report.title(f"Single layers, {options.dtype}", machine, rows)
    report.draw(options.plot, bars, title, reading="below 1: ours is faster")


if __name__ == "__main__":
    main()
