"""The benchmarks run; what they measure is not judged here."""

import subprocess
import sys
from pathlib import Path


def test_certificates_are_timed():
    script = Path(__file__).parents[1] / "benchmarks" / "certify.py"
    done = subprocess.run([sys.executable, str(script), "--rounds", "1"], check=True, capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["32", "256", "1024", "4096"]
    assert len({row[1] for row in rows}) == 1  # as many equations, whatever the size
    assert {row[-1] for row in rows} == {"PROVED"}
