"""The user's code may exit, raise and print. Its status is not taken for a verdict, and stdout has only the report."""

import json
import os
import subprocess
import sys

import pytest
from support.profiles import NIGHTLY

from jaxconv.cli import commands, main
from jaxconv.cli.streams import stdout_to_stderr
from jaxconv.cli.usage import UsageError

SHAPE = ("--shape", "1,6,5,2")


@pytest.mark.parametrize("command", ["certify", "check", "falsify", "recheck", "summary"])
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("exits:net", "pkg.exits cannot be imported: SystemExit: 0 (exits.py:2)"),
        ("exits_with_text:net", "pkg.exits_with_text cannot be imported: SystemExit: no GPU (exits_with_text.py:2)"),
        ("stops:zero", "net fails with float32[1, 6, 5, 2]: SystemExit: 0 (stops.py:16)"),
    ],
)
def test_code_that_exits_gives_no_verdict(project, capsys, command, name, line):
    assert main([command, f"pkg.{name}", *SHAPE]) == 3
    assert capsys.readouterr() == ("", f"python -m jaxconv {command}: {line}\n")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("broken:net", "pkg.broken cannot be imported: RuntimeError: no weights here (broken.py:2)"),
        ("by_hand:net", "pkg.by_hand cannot be imported: ModuleNotFoundError: only with CUDA (by_hand.py:1)"),
        ("unwritten:net", "pkg.unwritten cannot be imported: SyntaxError: "),
        ("stops:none", "net fails with float32[1, 6, 5, 2]: SystemExit (stops.py:16)"),
        ("stops:two", "net fails with float32[1, 6, 5, 2]: SystemExit: 2 (stops.py:16)"),
        ("stops:base", "net fails with float32[1, 6, 5, 2]: Failure: gone (stops.py:16)"),
        ("stops:lazy_zero", "pkg.stops:lazy_zero cannot be read: SystemExit: 0 (stops.py:12)"),
    ],
)
def test_whatever_code_raises_is_one_line_with_its_place(project, capsys, name, line):
    assert main(["certify", f"pkg.{name}", *SHAPE]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"python -m jaxconv certify: {line}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["interrupts:net", "stops:interrupt", "stops:lazy_interrupt"])
def test_an_interrupt_passes(project, name):
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        main(["certify", f"pkg.{name}", *SHAPE])


def test_a_fault_of_ours_is_no_verdict_either(project, capsys, monkeypatch):
    """Python's status for an exception is 1, which means refuted here."""
    monkeypatch.setattr(commands, "_verdict", lambda *_: "".index("x"))
    assert main(["certify", "pkg.models:circular", *SHAPE]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m jaxconv certify: ValueError: substring not found (test_users_code.py:")


def test_a_report_that_cannot_be_written_is_no_verdict(project, capsys, monkeypatch):
    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["certify", "pkg.models:circular", *SHAPE]) == 3
    assert "OSError: [Errno 28] No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_process_without_streams_has_a_status(project, monkeypatch, stream):
    """As after `>&-` in a shell."""
    monkeypatch.setattr(sys, stream, None)
    assert main(["certify", "pkg.models:circular", *SHAPE]) == (3 if stream == "stdout" else 0)
    assert main(["certify", "pkg.exits:net", *SHAPE]) == 3


def run(*words):
    done = subprocess.run([sys.executable, "-m", "jaxconv", *words], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_what_code_prints_goes_to_stderr(project):
    """In a separate process: Python, a C library, a child process, JAX's callbacks, and handlers at the exit."""
    status, out, err = run("check", "pkg.noisy:net", *SHAPE, "--json")
    assert status == 0
    assert json.loads(out)["finding"] == "HELD"
    printed = ["imported", "a C library prints", "a child prints", "traced", "run", "the end"]
    assert [line for line in printed if line not in err.splitlines()] == []


@pytest.mark.parametrize(
    ("name", "status", "out", "err"),
    [
        ("models:zero_padded", 2, "interior PROVED", ""),
        *([("exits:net", 3, "", "SystemExit: 0 (exits.py:2)\n")] if NIGHTLY else []),
    ],
)
def test_from_the_shell(project, name, status, out, err):
    found = run("certify", f"pkg.{name}", *SHAPE, "--no-search")
    assert found[0] == status
    assert out in found[1]
    assert found[2].endswith(err)
    assert (found[1] == "", found[2] == "") == (out == "", err == "")


def test_stdout_is_back_after_an_error(capfd):
    def fail():
        with stdout_to_stderr():
            print("meanwhile")
            os.write(1, b"below\n")
            raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        fail()
    print("after")
    os.write(1, b"above\n")
    out, err = capfd.readouterr()
    assert sorted(out.split()) == ["above", "after"]
    assert sorted(err.split()) == ["below", "meanwhile"]
