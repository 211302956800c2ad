"""Single layers of jaxconv, lax and, with `--torch`, PyTorch: forward, and forward with every gradient.

"Ours" is jaxconv with the algorithms of its table; "lax" is `lax.conv_general_dilated` and `lax.reduce_window`;
PyTorch's time is that of the faster of its two memory layouts. A ratio below 1 means that ours is faster; the brackets
have its quartiles. The results of all contenders have to agree before they are timed.

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
from layer_programs import AGREE, CONTENDERS, PROGRAMS, agree, calls
from layer_rows import ROWS, Layer
from timing import alternate, first_calls


def _torch_calls(
    layer: Layer, name: str, given: Sequence[Any]
) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """For each layout of PyTorch, a function that runs the layer, and one that returns results in JAX's axis order."""
    import layer_torch

    runs = layer_torch.contenders(layer, given, name)
    return {name: (run, lambda run=run: layer_torch.arrays(layer, run())) for name, run in runs.items()}


def measured(layer: Layer, name: str, batch: int, label: str, options: Any) -> dict[str, Any]:
    """One row of the results."""
    given = layer.arguments(batch, jax.numpy.dtype(options.dtype))
    in_torch = options.torch and layer.kind != "tiled"  # PyTorch has no tiled layer
    runs, torch_runs = calls(layer, name, given), _torch_calls(layer, name, given) if in_torch else {}
    results, first = first_calls(runs)
    results = {contender: [np.asarray(a) for a in jax.tree.leaves(tree)] for contender, tree in results.items()}
    agree(label, results | {contender: as_ours() for contender, (_, as_ours) in torch_runs.items()}, options.dtype)
    runs |= {contender: run for contender, (run, _) in torch_runs.items()}
    timing = alternate(runs, rounds=options.rounds, redo=options.redo)
    row = timing.row([("ours", other) for other in runs if other != "ours"], first)
    if torch_runs:
        faster = min(torch_runs, key=lambda contender: timing.of(contender).median)
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
    """The pairs of contenders in the table and the picture."""
    return [pair for pair in ("ours / lax", "ours / faster torch") if pair in row["ratios"]]


def means(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Geometric means of the ratios over the rows, for each pair and program."""
    by_pair: dict[str, dict[str, float]] = {}
    for row in rows:
        for pair in compared(row):
            medians = [
                other["ratios"][pair]["median"]
                for other in rows
                if other["program"] == row["program"] and pair in other["ratios"]  # PyTorch has no tiled layers
            ]
            by_pair.setdefault(pair, {})[row["program"]] = statistics.geometric_mean(medians)
    return by_pair


def main() -> None:
    """Print a row for each layer, batch and program; write and draw the rows if requested."""
    parser = report.parser(__doc__)
    parser.add_argument(
        "--batch", type=report.positive, nargs="+", default=[1, 32, 128], help="batch sizes (%(default)s)"
    )
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="TEXT", help="layers whose name contains one of these"
    )
    parser.add_argument("--program", nargs="+", choices=PROGRAMS, default=PROGRAMS, help="programs to time")
    parser.add_argument("--dtype", choices=AGREE, default="float32", help="dtype of every array (%(default)s)")
    parser.add_argument("--torch", action="store_true", help="also time PyTorch, in float32")
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
    jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))  # starts the compiler before the first row
    print(f"{report.heading(machine)}; {options.dtype}")
    if len(cells) < len(asked):
        print(
            f"{len(asked) - len(cells)} of {len(asked)} layers and batches left out, because lax takes minutes for them"
        )
    pairs = "".join(f" {pair:22}" for pair in ["ours / lax", *["ours / faster torch"] * options.torch])
    print(f"{'layer':30} batch  {'program':19} {pairs} compile s    rounds")
    rows = []
    for label, batch in cells:
        for name in options.program:
            rows.append(measured(layers[label], name, batch, label, options))
            print(shown(rows[-1]), flush=True)
    by_pair = means(rows)
    for pair, programs in by_pair.items():
        for name, mean in programs.items():
            print(f"geometric mean of {pair}, {name}: {mean:.3f}")
    print(report.warning(rows))
    report.write(options.json, machine, rows, means=by_pair)
    bars = [
        report.Bar(f"{pair}\n{row['program']}", row["layer"], f"batch {row['batch']}", row["ratios"][pair])
        for row in rows
        for pair in compared(row)
    ]
    title = report.title(f"Single layers, {options.dtype}", machine, rows)
    report.draw(options.plot, bars, title, reading="below 1: ours is faster")


if __name__ == "__main__":
    main()
