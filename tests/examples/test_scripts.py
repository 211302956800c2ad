"""What all scripts have in common: they explain themselves, and say what is wrong with their arguments in one line."""

import doctest
import importlib
import sys
from unittest import mock

import pytest
from scripts import EXAMPLES, run

OTHERS = {"figures", "shared", "train_lenet"}  # what scripts share, and one without pictures
SCRIPTS = sorted({path.stem for path in EXAMPLES.glob("*.py")} - OTHERS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_shows_what_it_is_for(name, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        run(name, tmp_path, "--help")
    assert capsys.readouterr().out == ""  # the script's own output is caught
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_docstring_gives_its_command(name):
    text = (EXAMPLES / f"{name}.py").read_text()
    assert f"\n    python examples/{name}.py" in text.split('"""')[1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_unknown_arguments_are_refused(name, tmp_path):
    with pytest.raises(SystemExit, match=r"^2$"):
        run(name, tmp_path, "--no-such-option")


def test_the_example_of_what_they_share_runs():
    with mock.patch.object(sys, "path", [str(EXAMPLES), *sys.path]):
        found = doctest.testmod(importlib.import_module("shared"))
    assert found.attempted >= 1
    assert found.failed == 0
