"""The time to import jaxconv, and to use its functions for the first time, beside that to import JAX alone.

Each is measured in a process of its own. Modules are imported when a name is first used. The seconds are those that the
processor works for the import. They hardly depend on what else the machine does.

    python benchmarks/imports.py --json imports.json
"""

from __future__ import annotations

import statistics
import subprocess
import sys

import report

CODE = "import time; start = time.process_time(); import jax.numpy; {}; print(time.process_time() - start)"
ALONE = "import jax"
CONTENDERS = (
    ALONE,
    "import jaxconv",
    "import jaxconv; jaxconv.conv",
    "import jaxconv; jaxconv.certify",
    "import jaxconv; [getattr(jaxconv, name) for name in jaxconv.__all__]",
)


def seconds(statement: str) -> float:
    """The processor's seconds of one statement, after the import of JAX."""
    command = [sys.executable, "-c", CODE.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Alternate the imports, print the medians and the ratios to JAX's, and write them if requested."""
    options = report.parser(__doc__, rounds=11).parse_args()
    seconds(CONTENDERS[-1])  # compiles the sources to bytecode
    rounds = [{statement: seconds(statement) for statement in CONTENDERS} for _ in range(options.rounds)]
    rows = [
        {
            "statement": statement,
            "seconds": statistics.median(each[statement] for each in rounds),
            "ratio": statistics.median(each[statement] / each[ALONE] for each in rounds),
        }
        for statement in CONTENDERS
    ]
    found = report.machine()
    print(report.heading(found))
    for row in rows:
        print(f"{row['seconds']:6.2f} s {row['ratio']:6.2f}  import jax.numpy; {row['statement']}")
    report.write(options.json, found, rows)


if __name__ == "__main__":
    main()
