"""The planting of faults: what it says of one that a test sees, one that none sees, a broken one and an endless one."""

import ast
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from functools import cache
from itertools import accumulate
from pathlib import Path

import pytest
from faults import executed, mechanical, plant, trial
from faults.fault import OWN, ROOT, Fault, written

SOURCE = b"def double(x):\n    return 2 * x\n\n\ndef unused(x):\n    return x + 1\n"
TESTS = "from small import double\n\n\ndef test_double():\n    assert double(3) == 6\n"
handwritten = cache(written)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tree of one module and one test, and this repository's plugins."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / "small.py").write_bytes(SOURCE)
    (folder / "test_small.py").write_text(TESTS)
    (folder / "tests").symlink_to(ROOT / "tests")
    return folder


def fault(old, new):
    """A fault in the small module."""
    start = SOURCE.index(old)
    return Fault("small", "a fault", "small.py", start, start + len(old), new)


@pytest.mark.parametrize(
    ("old", "new", "outcome", "by"),
    [
        (b"2 * x", b"3 * x", "killed", "test_small.py::test_double"),
        (b"x + 1", b"x + 2", "survived", ""),
        (b"return 2", b"return return 2", "invalid", "test_small.py"),
        (b"    return 2 * x", b"    import time\n    while True: time.sleep(1)", "timed out", ""),
    ],
)
def test_each_outcome_is_told_from_the_others(folder, old, new, outcome, by):
    """Seconds for the last: it is ended from outside."""
    found = trial.attempt(folder, fault(old, new), ["test_small.py"], 4 if outcome == "timed out" else 60)
    assert (found.outcome, found.by) == (outcome, by)
    assert (folder / "small.py").read_bytes() == SOURCE


def test_a_test_that_does_not_exist_is_no_survival(folder):
    with pytest.raises(RuntimeError, match="pytest ended with 4"):
        trial.attempt(folder, fault(b"2 * x", b"3 * x"), ["nothing.py"], 60)


def test_handwritten_faults_are_many_and_named():
    faults = handwritten()
    assert len(faults) >= 80
    assert len({fault.name for fault in faults}) == len(faults)
    assert all(test.split("::")[0].endswith(".py") for fault in faults for test in fault.tests)
    assert {test for fault in faults for test in fault.tests if not (ROOT / test.split("::")[0]).exists()} == set()


@pytest.mark.parametrize("listed", [handwritten, mechanical.drawn], ids=["handwritten", "mechanical"])
def test_faults_change_what_a_module_says_and_can_be_read(listed):
    """Each text occurs once, or it could not be read at all; what is put in is Python, and other than what was there."""
    for fault in listed():
        source, planted = (ROOT / fault.file).read_bytes(), fault.planted((ROOT / fault.file).read_bytes())
        first, last = changed_statements(source, fault.start, fault.stop)
        after = ast.parse(planted[first : last + len(planted) - len(source)])
        assert ast.dump(after) != ast.dump(ast.parse(source[first:last])), fault.name


@cache
def statements(source):
    """Where each of the module's outermost statements begins, and the end of the last; as offsets in bytes."""
    starts = [0, *accumulate(len(row) for row in source.splitlines(keepends=True))]
    lines = [
        min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        for node in ast.parse(source).body
    ]
    return [0, *(starts[line - 1] for line in lines[1:]), len(source)]


def changed_statements(source, start, stop):
    """The first and last byte of the outermost statements that hold these bytes: parsing these alone is fast."""
    borders = statements(source)
    return borders[bisect_right(borders, start) - 1], borders[max(bisect_left(borders, stop), 1)]


def test_a_text_that_occurs_twice_is_refused(tmp_path):
    (tmp_path / "tests" / "faults").mkdir(parents=True)
    (tmp_path / "small.py").write_bytes(SOURCE)
    row = 'name = "n"\nfile = "small.py"\ntext = "return"\nreplacement = ""\ntests = []\n'
    (tmp_path / "tests" / "faults" / "area.toml").write_text(f"[[fault]]\n{row}")
    with pytest.raises(ValueError, match=r"'n': its text occurs 2 times in small\.py, not once"):
        written(tmp_path)


def test_mechanical_faults_are_the_same_each_time_and_in_every_module():
    faults = mechanical.drawn()
    assert faults == mechanical.drawn()
    assert faults != mechanical.drawn(seed=mechanical.SEED + 1)
    assert len({(fault.file, fault.start, fault.stop) for fault in faults}) == len(faults) == mechanical.COUNT
    lines = {path: path.read_text().count("\n") for path in (ROOT / "jaxconv").rglob("*.py")}
    spacing = sum(lines.values()) / mechanical.COUNT
    large = {path for path, count in lines.items() if count > spacing}
    assert large <= {ROOT / fault.file for fault in faults}


def test_mechanical_faults_leave_texts_alone():
    """Of a module that consists of docstrings, annotations and messages there is nothing to change."""
    source = b'''"""1 + 1."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    ONE = 1 + 1

__all__ = ["f" + "g"]


def f(x: "1 + 1") -> "1 + 1":
    """1 + 1."""
    cure = f"{1 + 1}"
    found = explain("f", "x", 1 + 1)
'''
    assert mechanical.places(source) == ()
    assert {what for _, _, what, _, _ in mechanical.places(SOURCE)} == {
        "another operator", "the first operand alone", "one more"
    }  # fmt: skip


def test_no_fault_is_found_by_the_tests_of_the_planting():
    """They would find all, since each text has to occur in its file."""
    files = executed.files()
    assert {"tests/test_window.py", "jaxconv/window.py"} <= set(files)
    assert str(OWN) not in files


@pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="the recorder needs sys.monitoring of Python 3.12: CI runs this test on its newest Python",
)
def test_executed_lines_are_recorded_by_test(folder, tmp_path):
    """In a tree whose package is called jaxconv, as the recorder looks for no other."""
    (tmp_path / "jaxconv").mkdir()
    (tmp_path / "jaxconv" / "__init__.py").write_bytes(SOURCE)
    (tmp_path / "test_small.py").write_text(TESTS.replace("small", "jaxconv") + "\n\ndef test_other():\n    pass\n")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    rows = trial.record(tmp_path, "test_small.py", 60)
    (tmp_path / "lines.jsonl").write_text(rows)
    record = executed.read(tmp_path / "lines.jsonl")
    assert set(record.seconds) == {"test_small.py::test_double", "test_small.py::test_other"}
    assert record.tests("jaxconv/__init__.py", 2, most=60) == ("test_small.py::test_double",)
    assert record.tests("jaxconv/__init__.py", 6, most=60) == ()
    assert record.tests("jaxconv/__init__.py", None, most=60) == ("test_small.py::test_double",)
    assert record.tests("jaxconv/other.py", 1, most=60) == ()


def test_defaults_and_tables_are_no_lines_of_a_body():
    source = b"ONE = 1\n\n\ndef f(\n    x=ONE,\n):\n    return x\n"
    assert [line for line in range(1, 8) if executed.is_called(source, line)] == [7]


def test_a_module_is_first_tested_by_the_file_that_mirrors_it():
    seconds = {"tests/a/test_b.py::test_slow": 9.0, "tests/test_c.py::test_fast": 0.1, "tests/a/test_b.py::test_2": 8.0}
    record = executed.Record(seconds, {test: {"a/b.py": frozenset([3])} for test in seconds})
    slow, fast, other = seconds
    assert record.tests("jaxconv/a/b.py", 3, most=60) == (other, slow, fast)
    assert record.tests("jaxconv/a/b.py", 3, most=10) == (other,)
    assert record.tests("jaxconv/c.py", 3, most=60) == ()


def test_an_error_of_one_trial_ends_the_planting_at_once(tmp_path):
    """Not after hours of trials whose results nobody keeps."""
    started = []

    def one(number, folder):
        started.append(number)
        if number:
            time.sleep(0.1)
        else:
            raise RuntimeError("pytest ended with 4")

    with pytest.raises(RuntimeError, match="pytest ended with 4"):
        list(plant.spread(one, range(100), [tmp_path]))
    assert len(started) < 10


def test_the_command_lists_totals_and_remembers_results(tmp_path, monkeypatch, capsys):
    """Without running anything: each fault has a result already, one of them of a survivor."""
    faults = [one for one in handwritten() if one.area == "certificates"]
    results = tmp_path / "results.jsonl"
    outcomes = ["survived", *["killed"] * (len(faults) - 1)]
    rows = [
        {"digest": plant.digest(one), "name": one.name, "file": one.file, "outcome": outcome, "by": "", "seconds": 1.0}
        for one, outcome in zip(faults, outcomes, strict=True)
    ]
    results.write_text("".join(plant.as_line(row) for row in rows))
    status = plant.main(["--handwritten", "--only", "certificates", "--results", str(results), "--jobs", "1"])
    assert status == 1
    assert capsys.readouterr().out.splitlines()[-1].split() == [
        "total", str(len(faults) - 1), "1", "0", "0", "0"
    ]  # fmt: skip


def test_the_command_runs_as_a_script():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "faults" / "plant.py"), "--help"],
        check=True, capture_output=True, text=True, cwd=Path("/"),
    )  # fmt: skip
    assert "--handwritten" in done.stdout
