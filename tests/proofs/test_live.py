"""Coq itself, where it is installed: the theories compile, and the golden files are what they compute.

What takes longer, the audit and the mutants, is left to `python proofs/prove.py`, which CI runs.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PROVE = Path(__file__).parents[2] / "proofs" / "prove.py"


def prove(*arguments):
    return subprocess.run([sys.executable, PROVE, *arguments], capture_output=True, text=True, check=False)


def test_coq_accepts_the_theories_and_the_golden_files(tmp_path):
    tools = prove("--only", "tools")
    if tools.returncode:
        pytest.skip(f"the golden files were compared, but nothing was proved again: {tools.stderr.strip()}")
    done = prove("--only", "sources", "build", "golden", "--build", str(tmp_path / "proofs"))
    assert done.returncode == 0, done.stderr
    assert "windows.json, conv.json are what the reference computes" in done.stdout
