"""The benchmark of the numeric check runs; what it measures is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "check.py"


def test_the_check_is_timed_beside_loops():
    command = [sys.executable, str(SCRIPT), "--rounds", "1", "--sides", "4", "3", "--layers", "1", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = json.loads(done.stdout)["rows"]
    assert [(row["side"], row["shifts"], row["warm"]) for row in rows] == [
        (4, 16, False),
        (4, 16, True),
        (3, 9, False),
        (3, 9, True),
    ]
    for row in rows:
        assert set(row["seconds"]) == {"loop", "best loop", "check"}
        assert all(ratio > 0 for ratio in row["ratios"].values())
