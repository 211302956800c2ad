"""The time to import jaxconv beside that to import JAX alone, each in a process of its own.

The seconds are those that the processor works for the import. They hardly depend on what else the machine does.

    python benchmarks/imports.py --json imports.json
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import report

CODE = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
CONTENDERS = ("jax, jax.numpy", "jaxconv")


def seconds(modules: str) -> float:
    """The processor's seconds of one import."""
    command = [sys.executable, "-c", CODE.format(modules)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Alternate the imports, print the medians and their ratio, and write them if requested."""
    parser = report.parser(__doc__, rounds=11)
    options = parser.parse_args()
    seconds("jaxconv")  # compiles the sources to bytecode
    rounds = [[seconds(modules) for modules in CONTENDERS] for _ in range(options.rounds)]
    median = {name: statistics.median(times) for name, times in zip(CONTENDERS, zip(*rounds, strict=True), strict=True)}
    ratio = statistics.median(ours / alone for alone, ours in rounds)
    found = report.machine()
    print(report.heading(found))
    for name, value in median.items():
        print(f"import {name:16}{value:8.2f} s")
    print(f"ratio {ratio:25.2f}")
    if options.json:
        options.json.write_text(json.dumps({"machine": found, "seconds": median, "ratio": ratio}, indent=1) + "\n")


if __name__ == "__main__":
    main()
