"""The command line: verdicts as exit statuses, a report or JSON, and one clear line for what cannot be done."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jaxconv.__main__ import main

MODULE = """
import functools
import jax, jax.numpy as jnp, jaxconv as jc

kernel = jnp.ones((3, 3, 2, 4))

def circular(x):
    return jc.conv({"kernel": kernel}, x, padding="circular")

def zero_padded(x):
    return jc.conv({"kernel": kernel}, x, padding="same")

def running_sum(x):
    return jnp.cumsum(x, axis=1)

def last_of_the_running_sums(x):
    return jnp.cumsum(x, axis=1)[:, -1]

def masked(x, mask):
    return x * mask

def dead(x):
    return jax.nn.relu(circular(x) * 0 - 1)

class Model:
    apply = staticmethod(functools.partial(jc.conv, {"kernel": kernel}, padding="circular"))

def branches(x):
    return x if x.sum() > 0 else -x

WIDTH = 3
"""
BROKEN = "import jax\nraise RuntimeError('no weights here')\n"
SHAPE = ("--shape", "1,6,4,2")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a user's modules, the current one; nothing of it stays imported."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "models.py").write_text(MODULE)
    (tmp_path / "pkg" / "broken.py").write_text(BROKEN)
    (tmp_path / "pkg" / "needy.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "pkg"]:
        del sys.modules[name]


def run(command, function, *options):
    return main([command, f"pkg.models:{function}", *options])


@pytest.mark.parametrize(
    ("function", "options", "status"),
    [
        ("circular", (), 0),
        ("Model.apply", (), 0),
        ("zero_padded", (), 1),
        ("zero_padded", ("--interior",), 0),
        ("zero_padded", ("--cyclic",), 1),
        ("zero_padded", ("--cyclic", "--interior"), 1),
        ("zero_padded", ("--no-search",), 2),
        ("zero_padded", ("--no-search", "--interior"), 0),
        ("running_sum", (), 1),
        ("running_sum", ("--axes", "2"), 0),
        ("last_of_the_running_sums", ("--axes", "1", "--cyclic"), 2),
    ],
)
def test_certify_ends_with_the_weakest_verdict(project, capsys, function, options, status):
    assert run("certify", function, *SHAPE, *options) == status
    out, err = capsys.readouterr()
    assert out.startswith(f"{function.split('.')[-1] if '.' not in function else 'partial'}: cyclic shifts ")
    assert err == ""


def test_certify_prints_the_report(project, capsys):
    run("certify", "zero_padded", *SHAPE, "--axes", "1")
    out = capsys.readouterr().out
    assert "zero_padded: cyclic shifts REFUTED, interior PROVED" in out
    assert f"because of jaxconv_conv at {project}/pkg/models.py:" in out
    assert "counterexample executed" in out


def test_json_is_for_machines(project, capsys):
    assert run("certify", "circular", *SHAPE, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert [axis["cyclic"]["verdict"] for axis in data["leaves"][0]["axes"]] == ["PROVED", "PROVED"]
    assert run("check", "circular", *SHAPE, "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_several_arguments_are_shifted_together(project, capsys):
    two = ("--shape", "1,6,4,2", "--shape", "1,6,4,1", "--axes", "0:1,2", "--no-search")
    assert run("certify", "masked", *two) == 2
    assert run("certify", "masked", *two, "--axes", "1:1,2") == 0
    assert run("certify", "masked", *two, "--axes", "1:1,2", "--dtype", "int32") == 0


@pytest.mark.parametrize(
    ("function", "options", "status", "word"),
    [
        ("circular", (), 0, "HELD"),
        ("circular", ("--integers",), 0, "HELD"),
        ("zero_padded", (), 1, "VIOLATED"),
        ("zero_padded", ("--interior",), 0, "HELD"),
        ("dead", ("--seed", "3"), 0, "HELD"),
        ("circular", ("--dtype", "bfloat16", "--axes", "1"), 3, "TypeError"),
    ],
)
def test_check_measures(project, capsys, function, options, status, word):
    assert run("check", function, *SHAPE, *options) == status
    assert word in "".join(capsys.readouterr())


def test_check_draws_what_it_found(project, capsys):
    assert run("check", "zero_padded", "--shape", "1,6,8,2", "--pictures", "drawn/here") == 1
    assert "VIOLATED" in capsys.readouterr().out
    pictures = sorted(Path("drawn/here").iterdir())
    assert [path.name for path in pictures] == ["by-layer.png", "output-0-by-position.png", "output-0-by-shift.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_a_seed_is_another_input(project, capsys):
    texts = []
    for seed in (1, 1, 2):
        run("check", "zero_padded", *SHAPE, "--seed", str(seed), "--json")
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["certify", "pkg.nowhere:net", *SHAPE], "there is no module 'pkg.nowhere' here or installed"),
        (["certify", "pkg.needy:net", *SHAPE], "there is no module 'a_package_that_is_not_there'"),
        (["certify", "pkg.broken:net", *SHAPE], "pkg.broken cannot be imported: RuntimeError: no weights here"),
        (["certify", "pkg.models:net", *SHAPE], "pkg.models has no 'net'"),
        (["certify", "pkg.models:WIDTH", *SHAPE], "pkg.models:WIDTH is int, and should be a function"),
        (["certify", "pkg.models", *SHAPE], "write package.module:function"),
        (
            ["certify", "pkg.models:branches", *SHAPE],
            "branches fails with float32[1, 6, 4, 2]: TracerBoolConversionError: ",
        ),
        (
            ["certify", "pkg.models:circular", "--shape", "1,6,4,3"],
            "circular fails with float32[1, 6, 4, 3]: ValueError: conv: x's",
        ),
        (
            ["certify", "pkg.models:circular", *SHAPE, "--axes", "4"],
            "certify: an axis is 4, but should be from -4 to 3",
        ),
        (
            ["certify", "pkg.models:masked", *SHAPE, *SHAPE],
            "with several arguments say which axes are shifted: --axes 0:1,2",
        ),
        (["certify", "pkg.models:masked", *SHAPE, *SHAPE, "--axes", "1"], "with several arguments name the one"),
        (["certify", "pkg.models:circular", "--shape", "6,4"], "say which axes of (6, 4) are shifted"),
        (["certify", "pkg.models:circular", *SHAPE, "--dtype", "float33"], "--dtype: "),
        (
            ["certify", "pkg.models:circular", *SHAPE, "--dtype", "int32", "--dtype", "int8"],
            "2 times --dtype for 1 times --shape",
        ),
        (["check", "pkg.models:circular", *SHAPE, "--cyclic", "--interior"], "check runs one kind of shifts at a time"),
        (
            ["certify", "pkg.models:circular"],
            "the following arguments are required: --shape (see python -m jaxconv certify --help)",
        ),
        (["certify", "pkg.models:circular", "--shape", "1,a"], "'1,a' is not a list of whole numbers like 1,32,32,3"),
        (["certify", "pkg.models:circular", *SHAPE, "--axes", "x:1"], "'x:1' is not a list of axes like 1,2"),
        (["summarise", "pkg.models:circular"], "invalid choice: 'summarise'"),
        (["summary", "pkg.models:net", *SHAPE], "pkg.models has no 'net'"),
        (["summary", "pkg.models:circular", "--shape", "1,6,4,3"], "circular fails with float32[1, 6, 4, 3]: "),
        (["summary", "pkg.models:masked", *SHAPE, *SHAPE], "with several arguments say which axes are shifted"),
        (
            ["summary", "pkg.models:circular", *SHAPE, "--axes", "4"],
            "summary: an axis is 4, but should be from -4 to 3",
        ),
        (["summary", "pkg.models:circular", *SHAPE, "--seed", "3"], "unrecognized arguments: --seed 3"),
        ([], "the following arguments are required: command"),
    ],
)
def test_bad_usage_is_one_clear_line_and_status_3(project, capsys, words, message):
    assert main(words) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m jaxconv")
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_summary_counts(project, capsys):
    """By hand: 3*3*2*4 parameters, each used at 6x4 positions."""
    assert run("summary", "circular", *SHAPE) == 0
    out, err = capsys.readouterr()
    assert out.startswith("circular: 72 parameters, 1,728 multiply-adds for one call\n")
    assert " 3x3  models.py:" in out
    assert err == ""


def test_summary_for_machines(project, capsys):
    assert run("summary", "zero_padded", *SHAPE, "--json", "--axes", "1") == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["parameters"], data["multiply_adds"]) == (72, 1728)
    assert [layer["reuse"] for layer in data["layers"]] == [24]
    assert data["shifted"] == ["axis 1 of argument 0"]


def test_summary_takes_any_shapes(project, capsys):
    """A signal without spatial axes has no strides; two arguments are the input where both are shifted."""
    assert main(["summary", "jax.nn:relu", "--shape", "5,4"]) == 0
    assert "stride" not in capsys.readouterr().out
    both = ("--shape", "1,6,4,2", "--shape", "1,6,4,2", "--axes", "0:1", "--axes", "1:1")
    assert run("summary", "masked", *both) == 0
    assert "0 parameters" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["certify", "--help"], ["check", "--help"], ["summary", "--help"]])
def test_help_has_examples_and_statuses(capsys, words):
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "python -m jaxconv certify models.resnet:features --shape 1,224,224,3" in out
    assert "exit status:\n  0  proved (certify), held (check), counted (summary)" in out


def test_from_the_shell(project):
    done = subprocess.run(
        [sys.executable, "-m", "jaxconv", "certify", "pkg.models:zero_padded", *SHAPE, "--no-search"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "")
    assert "interior PROVED" in done.stdout
