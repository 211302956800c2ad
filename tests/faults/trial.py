"""Runs tests in a copy of the tree, with a fault in it or without, and says how they ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from faults.executed import LINES
from faults.fault import OWN, ROOT, Fault
from faults.watch import OUTCOME

# killed: a test failed. survived: all passed. timed out: neither, for too long. invalid: nothing could be collected.
OUTCOMES = ("killed", "survived", "timed out", "invalid")


@dataclass(frozen=True)
class Trial:
    """How the tests ended with a fault in place, by which test, and after how long."""

    outcome: str
    by: str
    seconds: float


def copy(folder: Path, root: Path = ROOT) -> Path:
    """A copy of the files that git knows or would know, as they are now."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    return folder


@contextmanager
def planted(folder: Path, fault: Fault) -> Iterator[None]:
    """The fault in the copy, meanwhile. Compiled files go: one of the same second and size would pass for new."""
    path = folder / fault.file
    source = path.read_bytes()

    def write(text: bytes) -> None:
        path.write_bytes(text)
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()

    write(fault.planted(source))
    try:
        yield
    finally:
        write(source)


def attempt(folder: Path, fault: Fault, tests: Sequence[str], limit: float) -> Trial:
    """Plant the fault and run the tests that could see it, until one fails."""
    with planted(folder, fault):
        return run(folder, tests, limit)


def run(folder: Path, tests: Sequence[str], limit: float, *options: str) -> Trial:
    """The tests, or with none all of them, in a copy."""
    outcome = folder / "build" / "outcome.json"
    outcome.parent.mkdir(exist_ok=True)
    outcome.unlink(missing_ok=True)
    options = ("-x", "-p", "faults.watch", f"--ignore={OWN}", "--hypothesis-seed=0", *options)
    start = time.monotonic()
    code, text = _pytest(folder, [*options, *tests], {OUTCOME: str(outcome)}, limit)
    seconds = time.monotonic() - start
    if outcome.exists():
        return Trial(**json.loads(outcome.read_text()), seconds=seconds)
    if code is None:
        return Trial("timed out", "", seconds)
    if code == 0:
        return Trial("survived", "", seconds)
    if code == 3:
        return Trial("killed", "pytest itself", seconds)
    if code == 4 and "ImportError" in text:
        return Trial("invalid", "conftest", seconds)
    raise RuntimeError(f"pytest ended with {code} for {' '.join(tests[:3])}:\n{text[-3000:]}")


def record(folder: Path, file: str, limit: float) -> str:
    """Which lines the tests of a file execute, one row for each; nothing if they did not end in time."""
    lines = folder / "build" / "lines.jsonl"
    lines.parent.mkdir(exist_ok=True)
    lines.unlink(missing_ok=True)
    _pytest(folder, ["-p", "faults.executed", file], {LINES: str(lines), "HYPOTHESIS_PROFILE": "brief"}, limit)
    return lines.read_text() if lines.exists() else ""


def _pytest(folder: Path, options: list[str], extra: Mapping[str, str], limit: float) -> tuple[int | None, str]:
    """pytest's exit status and output; None where it, or something that it started, has not ended in time."""
    environment = os.environ | extra | {"PYTHONPATH": os.pathsep.join([str(folder), str(folder / "tests")])}
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(folder / "build" / "programs")}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            text, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, ""
    return process.returncode, text.decode(errors="replace")
