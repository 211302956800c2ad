"""Training steps inside `lax.scan`, and the same steps one call at a time: ours and lax's.

Inside loops on the CPU, XLA keeps the layouts of lax's gradients and computes them by scalar loops. Ours use a layout
for which XLA has fast code (`jaxconv/lowering/algorithms/nhwc.py`). A ratio below 1 means that ours is faster, inside
the loop or outside.

    python benchmarks/loops.py --json loops.json --plot loops.png
"""

from __future__ import annotations

from functools import partial
from typing import Any

import report
from architectures import CASES, weights
from peers.with_jaxconv import step
from steps import RATE, agree
from timing import alternate, first_calls

NETWORKS = ("LeNet-5, max, batch 128", "ResNet, batch 32")


def measured(name: str, turns: int, options: Any) -> dict[str, Any]:
    """One row of the results: `turns` steps of one network in a loop, and as many calls."""
    case, runs = CASES[name], {}
    for algorithm, contender in (("table", "ours"), ("lax", "lax")):
        make = partial(step, case, weights(case.network), RATE, algorithm=algorithm)
        runs[f"{contender}, in a loop"] = make(turns=turns)
        one_step = make()
        runs[f"{contender}, call by call"] = lambda one_step=one_step: [one_step() for _ in range(turns)][-1]
    results, first = first_calls(runs)
    agree(name, {"lax": [float(results["lax, call by call"])]} | {run: [float(x)] for run, x in results.items()})
    pairs = [(f"ours, {where}", f"lax, {where}") for where in ("in a loop", "call by call")]
    return {"case": name, "turns": turns, **alternate(runs, rounds=options.rounds, redo=options.redo).row(pairs, first)}


def main() -> None:
    """Print a table for each network; write and draw the rows if requested."""
    parser = report.parser(__doc__, rounds=5)
    parser.add_argument("--turns", type=int, default=4, help="steps in the loop (%(default)s)")
    only_help = "networks whose name contains one of these"
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help=only_help)
    options = parser.parse_args()
    machine, rows = report.machine(), []
    print(report.heading(machine))
    for name in NETWORKS:
        if any(text in name for text in options.only):
            rows.append(measured(name, options.turns, options))
            print(f"{name}, {options.turns} steps: {report.rounds_text(rows[-1])}")
            for run, spread in rows[-1]["seconds"].items():
                print(f"  {run:20} {1e3 * spread['median']:10.3f} ms")
            for pair, ratio in rows[-1]["ratios"].items():
                print(f"  {pair:42} {report.ratio_text(ratio)}", flush=True)
    print(report.warning(rows))
    report.write(options.json, machine, rows)
    bars = [report.Bar(row["case"], pair, "", ratio) for row in rows for pair, ratio in row["ratios"].items()]
    report.draw(options.plot, bars, report.title("Steps in a loop", machine, rows), reading="below 1: ours is faster")


if __name__ == "__main__":
    main()
