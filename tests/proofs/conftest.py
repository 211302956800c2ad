"""What Coq makes of the proofs, once for all tests of a run: many processes may run them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROVE = Path(__file__).parents[2] / "proofs" / "prove.py"


def prove(*arguments):
    return subprocess.run([sys.executable, PROVE, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def proved(tmp_path_factory):
    """The folder in which everything was built, and what was said of it; skips where there is no Coq."""
    tools = prove("--only", "tools")
    if tools.returncode:
        pytest.skip(f"the golden files were compared, but nothing was proved again: {tools.stderr.strip()}")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "proofs"
    try:
        folder.mkdir()  # the first process builds, the others wait
    except FileExistsError:
        while not (folder / "said").exists():
            time.sleep(0.5)
    else:
        done = prove("--only", "sources", "build", "golden", "checker", "--build", folder / "build")
        (folder / "writing").write_text(done.stdout + done.stderr)
        (folder / "writing").rename(folder / "said")
    return folder / "build", (folder / "said").read_text()
