"""The commands: exit statuses for verdicts, and a report or JSON on stdout."""

import importlib
import json
from pathlib import Path

import jax
import pytest

from jaxconv.cli import main
from jaxconv.verify import certify as certifier
from jaxconv.verify.execution.action_violations import ActionCounterexample
from jaxconv.verify.execution.counterexample import Counterexample

SHAPE = ("--shape", "1,6,5,2")


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
        ("zero_padded", ("--no-search", "--cyclic"), 2),
        ("zero_padded", ("--no-search", "--cyclic", "--interior"), 2),
        ("zero_padded", ("--no-search",), 2),
        ("zero_padded", ("--seconds", "0", "--cyclic"), 2),
        ("zero_padded", ("--seconds", "60", "--cyclic"), 1),
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
    assert f"culprit: jaxconv_conv at {project}/pkg/models.py:" in out
    assert "counterexample executed" in out


def test_json_is_for_machines(project, capsys):
    assert run("certify", "circular", *SHAPE, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert [axis["claims"]["cyclic"]["verdict"] for axis in data["leaves"][0]["axes"]] == ["PROVED", "PROVED"]
    assert run("check", "circular", *SHAPE, "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_several_arguments_are_shifted_together(project, capsys):
    two = ("--shape", "1,6,5,2", "--shape", "1,6,5,1", "--axes", "0:1,2", "--no-search")
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


@pytest.mark.parametrize(
    ("function", "options", "status", "words"),
    [
        ("zero_padded", ("--action", "dihedral"), 0, ["HELD for 7 elements of dihedral"]),
        ("zero_padded", ("--action", "rot90", "--integers"), 0, ["HELD for 3 elements of rot90", "compared exactly"]),
        ("running_sum", ("--action", "flip", "--axes", "1"), 1, ["VIOLATED for 1 element of flip"]),
        ("running_sum", ("--action", "permute", "--axes", "0,3"), 0, ["HELD for 1 element of permute"]),
    ],
)
def test_check_measures_actions(project, capsys, function, options, status, words):
    assert run("check", function, *SHAPE, *options) == status
    out = capsys.readouterr().out
    assert [word for word in words if word not in out] == []


def test_falsify_searches_under_actions(project, capsys):
    assert run("falsify", "running_sum", *SHAPE, "--action", "flip", "--axes", "1", "--json") == 1
    data = json.loads(capsys.readouterr().out)
    x = jax.ShapeDtypeStruct((1, 6, 5, 2), "float32")
    found = ActionCounterexample.from_json(json.dumps(data["counterexample"]), x)
    models = importlib.import_module("pkg.models")
    assert found.replay(models.running_sum) == found.error > 0
    assert (data["elements"], len(data["laws"])) == (1, 1)
    assert run("falsify", "zero_padded", *SHAPE, "--action", "rot90", "--examples", "3") == 2
    assert "no violation found" in capsys.readouterr().out


def test_check_draws_what_it_found(project, capsys):
    assert run("check", "zero_padded", "--shape", "1,6,8,2", "--pictures", "drawn/here") == 1
    assert "VIOLATED" in capsys.readouterr().out
    pictures = sorted(Path("drawn/here").iterdir())
    assert [path.name for path in pictures] == ["by-layer.png", "output-0-by-position.png", "output-0-by-shift.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


@pytest.mark.parametrize(
    ("function", "axes", "drawn", "missing"),
    [
        ("identity", "1,2", ["output-0-by-position.png", "output-0-by-shift.png"], "no by-layer.png: no operation"),
        ("total", "1,2", ["by-layer.png", "output-0-by-shift.png"], "no output-0-by-position.png: position_map: axes"),
        (
            "identity",
            "1,2,3",
            ["output-0-by-position.png"],
            "no output-0-by-shift.png: shift_map: the check is of 3 axes",
        ),
    ],
)
def test_pictures_that_a_function_does_not_have_are_named_and_change_no_status(
    project, capsys, function, axes, drawn, missing
):
    assert run("check", function, *SHAPE, "--axes", axes, "--pictures", "drawn") == 0
    out, err = capsys.readouterr()
    assert "HELD" in out
    assert err.startswith(f"python -m jaxconv check: {missing}")
    assert sorted(path.name for path in Path("drawn").iterdir()) == drawn


def test_pictures_that_cannot_be_written_are_an_error(project, capsys):
    Path("drawn").write_text("a file")
    assert run("check", "zero_padded", *SHAPE, "--pictures", "drawn") == 3
    out, err = capsys.readouterr()
    assert (out, Path("drawn").read_text()) == ("", "a file")
    assert "--pictures drawn: FileExistsError: " in err


def test_a_seed_is_another_input(project, capsys):
    texts = []
    for seed in (1, 1, 2):
        run("check", "zero_padded", *SHAPE, "--seed", str(seed), "--json")
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


def test_summary_counts(project, capsys):
    """Computed by hand: 3*3*2*4 parameters, each used at 6x5 positions."""
    assert run("summary", "circular", *SHAPE) == 0
    out, err = capsys.readouterr()
    assert out.startswith("circular: 72 parameters, 2,160 multiply-adds for one call\n")
    assert " 3x3  models.py:" in out
    assert err == ""


def test_summary_for_machines(project, capsys):
    assert run("summary", "zero_padded", *SHAPE, "--json", "--axes", "1") == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["parameters"], data["multiply_adds"]) == (72, 2160)
    assert [layer["reuse"] for layer in data["layers"]] == [30]
    assert data["shifted"] == ["axis 1 of argument 0"]


def test_summary_takes_any_shapes(project, capsys):
    """A signal without spatial axes has no strides. Two shifted arguments are both inputs."""
    assert main(["summary", "jax.nn:relu", "--shape", "5,4"]) == 0
    assert "stride" not in capsys.readouterr().out
    both = ("--shape", "1,6,5,2", "--shape", "1,6,5,2", "--axes", "0:1", "--axes", "1:1")
    assert run("summary", "masked", *both) == 0
    assert "0 parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "options", "status", "words"),
    [
        ("zero_padded", (), 1, ["zero_padded: violated (", "shift by 1: f(shifted)[0, 0, 0, 0] is "]),
        ("circular", ("--examples", "5"), 2, ["circular: no violation found (", " examples, 9 shifts of each"]),
        ("circular", ("--examples", "5", "--interior"), 2, ["no violation found", "law: interior shifts by 1"]),
        ("circular", ("--invariant",), 1, ["circular: violated", "do not move output (1, 6, 5, 4)"]),
        ("circular", ("--shift", "-2", "--examples", "5"), 2, ["law: cyclic shifts by -2 along axis 1"]),
        ("dead", ("--examples", "5"), 2, ["nothing was tested: the output was the same"]),
    ],
)
def test_falsify_searches_and_never_proves(project, capsys, function, options, status, words):
    assert run("falsify", function, *SHAPE, *options) == status
    out, err = capsys.readouterr()
    assert [word for word in words if word not in out] == []
    assert err == ""


def test_falsify_for_machines(project, capsys):
    """The counterexample is in the library's format, so it can be read and replayed."""
    assert run("falsify", "zero_padded", *SHAPE, "--json") == 1
    data = json.loads(capsys.readouterr().out)
    found = Counterexample.from_json(json.dumps(data["counterexample"]), jax.ShapeDtypeStruct((1, 6, 4, 2), "float32"))
    models = importlib.import_module("pkg.models")  # the module that the fixture has written
    assert found.replay(models.zero_padded) == found.error > 0
    assert (data["function"], len(data["laws"])) == ("zero_padded", 2)
    assert run("falsify", "circular", *SHAPE, "--json", "--examples", "3") == 2
    data = json.loads(capsys.readouterr().out)
    assert (data["counterexample"], data["responded"]) == (None, True)
    assert 1 <= data["examples"] <= 3


@pytest.mark.parametrize(
    ("options", "status"), [((), 2), (("--interior",), 0), (("--cyclic",), 2), (("--cyclic", "--interior"), 2)]
)
def test_recheck_executes_the_proof(project, capsys, options, status):
    assert run("recheck", "zero_padded", *SHAPE, *options) == status
    assert capsys.readouterr() == ("zero_padded: cyclic shifts UNDECIDED, interior PROVED; no objections\n", "")


def saved(capsys, function):
    """A certificate in a file, written as by a redirect of the shell."""
    main(["certify", f"pkg.models:{function}", *SHAPE, "--json"])
    Path("made.json").write_text(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("function", "statuses"), [("circular", {(): 0}), ("zero_padded", {(): 1, ("--interior",): 0})]
)
def test_recheck_takes_a_certificate_from_a_file(project, capsys, function, statuses):
    """A certificate with a REFUTED claim has the same status as for certify."""
    saved(capsys, function)
    for options, status in statuses.items():
        assert main(["recheck", *SHAPE, *options, "made.json", f"pkg.models:{function}"]) == status
        out, err = capsys.readouterr()
        assert out.startswith(f"{function}: cyclic shifts ")
        assert out.endswith("; no objections\n")
        assert err == ""


def test_recheck_objects_to_a_certificate_of_another_function(project, capsys):
    saved(capsys, "circular")
    assert main(["recheck", "made.json", "pkg.models:zero_padded", *SHAPE]) == 1
    assert capsys.readouterr().out.startswith("circular: cyclic shifts PROVED, interior PROVED; ")


def test_recheck_objects_to_a_forged_certificate(project, capsys):
    saved(capsys, "circular")
    forged = json.loads(Path("made.json").read_text())
    forged["leaves"][0]["axes"][0]["claims"]["cyclic"]["moves"] = [[1, 2]]
    Path("made.json").write_text(json.dumps(forged))
    assert main(["recheck", "made.json", "pkg.models:circular", *SHAPE]) == 1
    assert "claim about output 0: the claimed moves are ((1, 2),)" in capsys.readouterr().out


@pytest.mark.parametrize("options", [(), ("--interior",), ("--json",)])
def test_recheck_objects_to_a_proof_that_is_wrong(project, capsys, monkeypatch, options):
    """A broken twin of all rules: a certifier to which everything is invariant."""
    true = certifier.claimed
    monkeypatch.setattr(certifier, "claimed", lambda value, length: true(value.with_axis(1, ()), length))
    assert run("recheck", "circular", "--shape", "1,6,5,2", "--axes", "1", *options) == 1
    out = capsys.readouterr().out
    objections = json.loads(out)["objections"] if options == ("--json",) else out.splitlines()[1:]
    assert len(objections) == 2
    assert all("claim about output 0: the claimed moves are ()" in objection for objection in objections)
