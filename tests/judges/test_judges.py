"""The certifier's verdicts on the judges: nothing false is proved, and what is not proved is what the list says."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from judges import report
from judges.judge import all_judges
from judges.truth import load, read
from judges.verdicts import KINDS, OTHER

TESTS = Path(__file__).parents[1]
OF_JAX = sorted({one.group for one in all_judges().values() if one.needs == "jax"})
OF_PEERS = sorted({(one.group, one.needs) for one in all_judges().values() if one.needs != "jax"})


def installed(group, needs):
    """The group as a parameter, skipped if its library is not installed."""
    missing = not any(one.installed for one in all_judges().values() if one.needs == needs)
    reason = f"{needs} is not installed: the extra peers has it, which CI installs for these tests"
    return pytest.param(group, marks=[pytest.mark.peers, pytest.mark.skipif(missing, reason=reason)])


each_group = pytest.mark.parametrize("group", [*OF_JAX, *(installed(*row) for row in OF_PEERS)])


@cache
def certified(group):
    """The claims about the judges of a group."""
    return report.all_results([group])


@each_group
def test_no_execution_refutes_what_is_proved(group):
    refuted = [(one.name, one.falsehoods) for one in certified(group) if one.falsehoods]
    assert refuted == []


@each_group
def test_the_list_of_omissions_is_up_to_date(group):
    """If this fails because more is proved, write the list again: `PYTHONPATH=tests python -m judges.report --write`."""
    names = {one.name for one in certified(group)}
    listed = {kind: [name for name in all_names if name in names] for kind, all_names in report.recorded().items()}
    assert report.omitted(certified(group)) == listed


def test_each_judge_has_a_truth_and_each_truth_a_judge():
    assert set(load()) == set(all_judges())


def test_marked_lines_break_a_claim():
    """A claim with a marked line is false of some output."""
    truths = load()
    for name, one in all_judges().items():
        for kind in KINDS:
            laws = [read(row, kind).expected(read(row, OTHER[kind])) for row in truths[name]]
            assert not (one.culprits(kind) and all(laws)), (name, kind)


def test_listed_omissions_are_of_judges():
    names = {name.split(" ")[0].split("[")[0] for names in report.recorded().values() for name in names}
    assert names <= set(all_judges())


@pytest.mark.slow
@each_group
def test_truths_are_what_executions_show(group, tmp_path):
    """The command writes the committed truths again; in a process of its own, since it computes in float64."""
    written = tmp_path / "truths.json"
    command = [sys.executable, "-m", "judges.truth", "--only", group, "--file", str(written)]
    subprocess.run(command, check=True, cwd=TESTS, env={**os.environ, "PYTHONPATH": str(TESTS)}, timeout=3600)
    computed = json.loads(written.read_text())
    assert computed == {name: rows for name, rows in load().items() if name in computed}
    assert computed
