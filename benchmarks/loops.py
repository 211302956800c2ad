"""Training steps inside of `lax.scan`, beside the same steps one call after the other: ours and lax's.

Inside of loops XLA's CPU code computes the layouts of lax's gradients by scalar loops; ours are laid out before
(`jaxconv/lowering/algorithms/nhwc.py`). A ratio below 1 says that ours is faster, in the loop or out of it.

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
    """One network: as many steps in a loop, and as many calls."""
    case, runs = CASES[name], {}
    for way, says in (("table", "ours"), ("lax", "lax")):
        make = partial(step, case, weights(case.network), RATE, algorithm=way)
        runs[f"{says}, in a loop"] = make(turns=turns)
        one = make()
        runs[f"{says}, call by call"] = lambda one=one: [one() for _ in range(turns)][-1]
    results, first = first_calls(runs)
    agree(name, {"lax": [float(results["lax, call by call"])]} | {run: [float(x)] for run, x in results.items()})
    pairs = [(f"ours, {where}", f"lax, {where}") for where in ("in a loop", "call by call")]
    return {"case": name, "turns": turns, **alternate(runs, rounds=options.rounds, redo=options.redo).row(pairs, first)}


def main() -> None:
    """Print a table for each network; write and draw them if asked to."""
    parser = report.parser(__doc__, rounds=5)
    parser.add_argument("--turns", type=int, default=4, help="steps in the loop (4)")
    said = "networks whose name contains one of these"
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help=said)
    options = parser.parse_args()
    machine, rows = report.machine(), []
    print(report.heading(machine))
    for name in NETWORKS:
        if any(text in name for text in options.only):
            rows.append(measured(name, options.turns, options))
            print(f"{name}, {options.turns} steps: {report.rounds_text(rows[-1])}")
            for run, taken in rows[-1]["seconds"].items():
                print(f"  {run:20} {1e3 * taken['median']:10.3f} ms")
            for pair, ratio in rows[-1]["ratios"].items():
                print(f"  {pair:42} {report.ratio_text(ratio)}", flush=True)
    print(report.warning(rows))
    report.write(options.json, machine, rows)
    bars = [report.Bar(row["case"], pair, "", ratio) for row in rows for pair, ratio in row["ratios"].items()]
    report.draw(options.plot, bars, report.title("Steps in a loop", machine, rows), reading="below 1: ours is faster")


if __name__ == "__main__":
    main()
