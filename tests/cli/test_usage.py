"""Bad usage: a one-line error in the library's format, status 3, and help."""

import os
import subprocess
import sys

import pytest

from jaxconv.cli import main

SHAPE = ("--shape", "1,6,5,2")
CIRCULAR = ("certify", "pkg.models:circular")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "jaxconv: the command is missing, but should be certify, check, falsify, recheck, summary, certify-tiling, tile or machine."),
        (["--json"], "jaxconv: the command is missing, but should be certify, check, "),
        (["summarise", "pkg.models:circular"], "jaxconv: the command is 'summarise', but should be certify, "),
        (["certify"], "the function's name is missing, but should be one word, package.module:function."),
        (["certify", "a:b", "c:d", *SHAPE], "the function's name is 2 words, a:b c:d, but should be one word, package"),
        (["recheck", "some.json", *SHAPE], "the function's name is missing, but should be one word, package.module:"),
        (["recheck", "some.json", "a:b", "c:d", *SHAPE], "the function's name is 2 words, a:b c:d, but should be one"),
        (["recheck", "no.json", "pkg.models:circular", *SHAPE], "no.json cannot be read: FileNotFoundError: "),
        (["recheck", "pkg/models.py", "pkg.models:circular", *SHAPE], "pkg/models.py cannot be read: ValueError: from_"),
        (["recheck", "no.json", "pkg.models:circular", *SHAPE, "--axes", "1"], "--axes is given, but should be left out"),
        (["certify", "pkg.nowhere:net", *SHAPE], "there is no module 'pkg.nowhere' here or installed"),
        (["certify", "pkg.needy:net", *SHAPE], "there is no module 'a_package_that_is_not_there'"),
        (["certify", "pkg.models:net", *SHAPE], "there is no pkg.models:net: 'net' is not in 'pkg.models'"),
        (["certify", "pkg.models:Model.run", *SHAPE], "there is no pkg.models:Model.run: 'run' is not in 'Model'"),
        (["certify", "pkg.models:WIDTH", *SHAPE], "pkg.models:WIDTH is int, but should be a function."),
        (["certify", "pkg.models", *SHAPE], "name is 'pkg.models', but should be written as package.module:function"),
        (["certify", "pkg/models:net", *SHAPE], "name is 'pkg/models:net', but should be written as package.module:"),
        (["certify", ".models:net", *SHAPE], "name is '.models:net', but should be written as package.module:"),
        (["certify", "pkg.models.py:net", *SHAPE], "should be written as package.module:function. Leave .py out."),
        (["certify", "pkg.models:circular"], "--shape is missing, but should be given once for each argument"),
        ([*CIRCULAR, "--shape"], "--shape is without a value, but should be given with one"),
        ([*CIRCULAR, "--shape", "1,a"], "--shape is '1,a', but should be sizes from 0 to 2**31 - 1, separated by"),
        ([*CIRCULAR, "--shape", "1,,4,2"], "--shape is '1,,4,2', but should be sizes from 0 to 2**31 - 1"),
        ([*CIRCULAR, "--shape", "-1,8,8,1"], "--shape is '-1,8,8,1', but should be sizes from 0 to 2**31 - 1"),
        ([*CIRCULAR, "--shape=-1,8,8,1"], "--shape is '-1,8,8,1', but should be sizes from 0 to 2**31 - 1"),
        ([*CIRCULAR, "--shape", "1,2147483648,8,1"], "--shape is '1,2147483648,8,1', but should be sizes from 0"),
        ([*CIRCULAR, "--shape", "1,6,4,3"], "circular fails with float32[1, 6, 4, 3]: ValueError: conv: x's"),
        ([*CIRCULAR, "--shape", "6,4"], "--axes is missing, but should be given for an argument of shape (6, 4)."),
        ([*CIRCULAR, *SHAPE, "--axes", "4"], "an axis in --axes is 4, but should be from -4 to 3, since argument 0 has 4 axes. Write --axes 1,2"),
        ([*CIRCULAR, *SHAPE, "--axes", "x:1"], "--axes is 'x:1', but should be whole numbers like 1,2 or, for"),
        ([*CIRCULAR, *SHAPE, "--axes", ""], "--axes is '', but should be whole numbers like 1,2 or, for"),
        ([*CIRCULAR, *SHAPE, "--axes"], "--axes is without a value, but should be given with one"),
        ([*CIRCULAR, *SHAPE, "--axes", "1:1"], "the argument in --axes is 1, but should be from 0 to 0, the arguments"),
        ([*CIRCULAR, *SHAPE, "--axes", "1", "--axes", "0:2"], "--axes is given twice for argument 0, but should be"),
        ([*CIRCULAR, *SHAPE, "--dtype", "float33"], "--dtype is 'float33', but should be the name of a dtype of"),
        ([*CIRCULAR, *SHAPE, "--dtype", "object"], "--dtype is 'object', but should be the name of a dtype of"),
        ([*CIRCULAR, *SHAPE, "--dtype", "float64"], "--dtype is 'float64', but should be a dtype of at most 32 bits. Set"),
        ([*CIRCULAR, *SHAPE, "--dtype", "int32", "--dtype", "int8"], "the number of --dtype is 2, but should be 1, or 1"),
        ([*CIRCULAR, *SHAPE, "--seed", "a"], "--seed is 'a', but should be a whole number, 0 or more."),
        ([*CIRCULAR, *SHAPE, "--seed", "-1"], "--seed is '-1', but should be a whole number, 0 or more."),
        ([*CIRCULAR, *SHAPE, "--seconds", "-1"], "--seconds is '-1', but should be a number, 0 or more. Leave it out for 60"),
        ([*CIRCULAR, *SHAPE, "--seconds", "inf"], "--seconds is 'inf', but should be a number, 0 or more."),
        ([*CIRCULAR, *SHAPE, "--seconds", "a minute"], "--seconds is 'a minute', but should be a number, 0 or more."),
        ([*CIRCULAR, *SHAPE, "--fast"], "'--fast' is not an option, but should be an option of certify. python -m jaxconv certify --help lists"),
        ([*CIRCULAR, *SHAPE, "--json=3"], "argument --json: ignored explicit argument '3'. python -m jaxconv --help"),
        ([*CIRCULAR, *SHAPE, *SHAPE, "--axes", "0:1"], "number of --shape is 2, but should be 1, one for each argument"),
        (["certify", "jaxconv:conv", *SHAPE], "conv without a default: params, x. Bind parameters and settings"),
        (["certify", "pkg.models:scaled", *SHAPE], "number of --shape is 1, but should be 2, one for each argument of scaled without a default: x, scale. Bind"),
        (["certify", "pkg.models:masked", *SHAPE, *SHAPE], "--axes is missing, but should be given for at least one"),
        (["certify", "pkg.models:masked", *SHAPE, *SHAPE, "--axes", "1"], "--axes is '1', but should be given with"),
        (["certify", "pkg.models:branches", *SHAPE], "float32[1, 6, 5, 2]: TracerBoolConversionError: Attempted"),
        (["check", "pkg.models:circular", *SHAPE, "--cyclic", "--interior"], "--interior is given beside --cyclic, but should be left out"),
        (["check", "pkg.models:circular", *SHAPE, "--pictures"], "--pictures is without a value"),
        (["check", "pkg.models:circular", *SHAPE, "--action", "shear"], "--action is 'shear', but should be rot90, flip, transpose, dihedral or permute. Leave"),
        (["check", "pkg.models:circular", *SHAPE, "--action", "flip", "--interior"], "--interior is given beside --action, but should be left out"),
        (["check", "pkg.models:circular", *SHAPE, "--action", "flip", "--pictures", "x"], "--pictures is given beside --action, but should be"),
        (["falsify", "pkg.models:circular", *SHAPE, "--action", "flip", "--shift", "1"], "--shift is given beside --action, but should be left"),
        (["falsify", "pkg.models:circular", *SHAPE, "--examples", "0"], "--examples is '0', but should be a whole"),
        (["falsify", "pkg.models:circular", *SHAPE, "--shift", "0"], "falsify: shift is 0, but should be a non-zero number"),
        (["falsify", "pkg.models:circular", *SHAPE, "--shift", "1.5"], "--shift is '1.5', but should be a whole number."),
        (["certify-tiling", "pkg.models:circular", *SHAPE], "--tile is missing, but should be sizes of tiles, 1 or more"),
        (["certify-tiling", "pkg.models:circular", *SHAPE, "--tile", "a"], "--tile is 'a', but should be sizes of tiles"),
        (["certify-tiling", "pkg.models:circular", *SHAPE, "--tile", "0"], "--tile is '0', but should be sizes of tiles"),
        (["certify-tiling", "pkg.models:circular", *SHAPE, "--tile", "9"], "the tile along axis 1 of argument 0 is 9, but should be at"),
        (["certify-tiling", "pkg.models:circular", "--tile", "3"], "--shape is missing, but should be given once"),
        (["tile"], "in.npy out.npy is missing, but should be two words after the function's name"),
        (["tile", "pkg.models:circular", "x.npy"], "in.npy out.npy is 1 words, x.npy, but should be two words after"),
        (["tile", "pkg.models:circular", "x.npy", "y.npy"], "--tile is missing, but should be sizes of tiles"),
        (["tile", "pkg.models:circular", "x.npy", "y.npy", "--tile", "3"], "x.npy cannot be read: FileNotFoundError"),
        (["tile", "pkg.models:circular", "pkg/models.py", "y.npy", "--tile", "3"], "pkg/models.py cannot be read: ValueError"),
        (["tile", "pkg.models:circular", "x.npy", "y.png", "--tile", "3"], "the second file is 'y.png', but should be the name of"),
        (["tile", "pkg.models:circular", "x.npy", "y.npy", "--tile", "auto"], "--memory is missing, but should be given with --tile auto"),
        (["tile", "pkg.models:circular", "x.npy", "y.npy", "--tile", "3", "--memory", "9"], "--memory is given, but should be given with"),
        (["tile", "pkg.models:circular", "x.npy", "y.npy", "--tile", "3", "--batch", "0"], "--batch is '0', but should be a whole number, 1"),
        (["tile", "pkg.models:circular", "x.npy", "y.npy", "--tile", "3", *SHAPE], "'--shape' is not an option, but should be an"),
        (["summary", "pkg.models:net", *SHAPE], "there is no pkg.models:net"),
        (["summary", "pkg.models:circular", "--shape", "1,6,4,3"], "circular fails with float32[1, 6, 4, 3]: "),
        (["summary", "pkg.models:masked", *SHAPE, *SHAPE], "--axes is missing, but should be given for at least one"),
        (["summary", "pkg.models:circular", *SHAPE, "--axes", "4"], "an axis in --axes is 4, but should be from -4 to 3"),
        (["summary", "pkg.models:circular", *SHAPE, "--seed", "3"], "'--seed' is not an option, but should be an option of summary"),
    ],
)  # fmt: skip
def test_bad_usage_is_one_clear_line_and_status_3(project, capsys, words, message):
    assert main(words) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m jaxconv")
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_negative_axes_and_scalars_are_no_bad_usage(project, capsys):
    """Values that begin with a minus sign are not options, and a shape may be empty."""
    assert main([*CIRCULAR, *SHAPE, "--axes", "-3,-2"]) == 0
    assert main(["certify", "pkg.models:masked", *SHAPE, "--shape", "", "--axes", "0:1"]) == 0
    assert "axis 1 of argument 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [[], ["certify"], ["check"], ["falsify"], ["recheck"], ["summary"], ["certify-tiling"], ["tile"], ["machine"]],
)
def test_help_has_examples_and_statuses(capsys, words):
    assert main([*words, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(" ".join(["usage: python -m jaxconv", *words]))
    assert "python -m jaxconv certify models.resnet:features --shape 1,224,224,3" in out
    assert (
        "exit status:\n  0  proved (certify, certify-tiling; recheck, without objections), held (check), counted (summary), written (tile)"
        in out
    )
    assert err == ""


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("jaxconv ")


def test_help_is_on_stdout_when_that_is_a_pipe():
    """As in `python -m jaxconv --help | less`: argparse leaves the text in a buffer, which ended on stderr."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    words = [sys.executable, "-m", "jaxconv", "--help"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=buffered)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: python -m jaxconv")
    assert done.stderr == ""
