"""The quickstart: somebody who follows it, from an empty folder, sees what it says."""

import fnmatch
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
INSTALLS = "python3 -m venv .venv && . .venv/bin/activate\npip install '../jaxconv[test]'\n"
FAILS = "pytest --shift-model interior\n"  # the page says so


def run(command, folder):
    """The command's status and lines, by this Python and on this tree."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTEST_ADDOPTS"}}
    environment |= {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]


def missing(expected, found):
    """The lines of the page that were not printed, "..." standing for anything."""
    patterns = [re.sub(r"\[", "[[]", line).replace("...", "*") for line in expected.splitlines()]
    return [pattern for pattern in patterns if not fnmatch.filter(found, pattern)]


def test_each_step_does_what_the_page_says(tmp_path):
    (kind, installs), *steps = BLOCKS
    assert (kind, installs) == ("bash", INSTALLS)  # tests/test_distribution.py installs
    ran, status, found = [], 0, []
    for kind, text in steps:
        if named := re.match(r"# (\w+\.py)\n", text):
            (tmp_path / named[1]).write_text(text)
        elif kind == "bash":
            status, found = run(text, tmp_path)
            ran.append(text)
            assert status == (text == FAILS), "\n".join(found)
        elif kind == "text":
            assert missing(text, found) == [], "\n".join(found)
    assert FAILS in ran
    assert len(ran) >= 7


def test_a_line_that_is_not_printed_would_be_seen():
    assert missing("on [2, 30) of ...\n", ["on [2, 30) of 32"]) == []
    assert missing("on [2, 30) of ...\n", ["on [2, 31) of 32"]) == ["on [[]2, 30) of *"]
