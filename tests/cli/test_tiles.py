"""Commands about tiles: exit statuses for proofs, and files that are complete or continued."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tiling_oracle import signal as drawn

import jaxconv as jc
from jaxconv.apply import record as records
from jaxconv.cli import main
from jaxconv.verify.tiling.certificate import TilingCertificate

ROOT = Path(__file__).parents[2]
X = drawn((1, 30, 14, 2))
SHAPE = ("--shape", "1,30,14,2")
EXPECTED = np.asarray(jc.conv({"kernel": jnp.ones((3, 3, 2, 4))}, jnp.asarray(X), padding="same"))


def tile(function="zero_padded", *options, out="y.npy", size="8"):
    return main(["tile", f"pkg.models:{function}", "x.npy", out, "--tile", size, *options])


@pytest.fixture
def image(project):
    np.save("x.npy", X)
    return project


@pytest.mark.parametrize(
    ("function", "options", "status"),
    [
        ("zero_padded", ("--tile", "8"), 0),
        ("zero_padded", ("--tile", "8,6"), 0),
        ("Model.apply", ("--tile", "8", "--axes", "1"), 0),
        ("running_sum", ("--tile", "8"), 2),
        ("running_sum", ("--tile", "8", "--axes", "2"), 0),
        ("masked", ("--shape", "1,30,14,2", "--axes", "0:1", "--axes", "1:1", "--tile", "8"), 0),
    ],
)
def test_certify_tiling_ends_with_the_verdict(project, capsys, function, options, status):
    assert main(["certify-tiling", f"pkg.models:{function}", *SHAPE, *options]) == status
    out, err = capsys.readouterr()
    assert out.startswith("tiling of ")
    assert ("UNDECIDED, because of cumsum" in out) == (status == 2)
    assert err == ""


def test_certificates_are_json_which_recheck_reads(project, capsys):
    for function, status in (("zero_padded", 0), ("running_sum", 2)):
        assert main(["certify-tiling", f"pkg.models:{function}", *SHAPE, "--tile", "8", "--json"]) == status
        text = capsys.readouterr().out
        shape = jax.ShapeDtypeStruct(X.shape, "float32")
        assert TilingCertificate.from_json(text).leaves[0].axes[0].tile == 8
        Path("made.json").write_text(text)
        words = ["recheck", "made.json", f"pkg.models:{function}", *SHAPE]
        assert main(words) == status
        verdict = {0: "PROVED", 2: "UNDECIDED"}[status]
        assert capsys.readouterr().out == f"{function}: tiling {verdict}; no objections\n"
        assert main([*words, "--json"]) == status
        data = json.loads(capsys.readouterr().out)
        assert data == {"function": function, "objections": [], "tiling": verdict}
        assert shape.shape == X.shape
    Path("made.json").write_text(text.replace('"shift": 1', '"shift": 2'))
    assert main(["recheck", "made.json", "pkg.models:zero_padded", *SHAPE]) == 1
    assert "objection" in capsys.readouterr().out


@pytest.mark.parametrize("options", [(), ("--batch", "3"), ("--axes", "1"), ("--json",)])
def test_tile_writes_the_result_of_the_whole(image, capsys, options):
    assert tile("zero_padded", *options) == 0
    out, err = capsys.readouterr()
    np.testing.assert_array_equal(np.load("y.npy"), EXPECTED)
    assert sorted(path.name for path in image.iterdir() if path.is_file()) == ["x.npy", "y.npy"]
    if "--json" in options:
        assert json.loads(out) == {"file": "y.npy", "shape": list(EXPECTED.shape), "dtype": "float32"}
    else:
        assert out == "y.npy: float32[1, 30, 14, 4]\n"
    assert "tiles" in err  # progress


def test_tile_in_a_memory_and_in_silence(image, capsys):
    assert tile("zero_padded", "--memory", "20000", "--quiet", size="auto") == 0
    np.testing.assert_array_equal(np.load("y.npy"), EXPECTED)
    assert capsys.readouterr().err == ""


def test_without_a_proof_the_report_is_printed_and_nothing_is_written(image, capsys):
    assert tile("running_sum") == 2
    assert "UNDECIDED, because of cumsum" in capsys.readouterr().out
    assert not Path("y.npy").exists()
    assert not Path("y.npy.part").exists()


def test_results_that_no_file_has_are_refused(image, capsys):
    (image / "pkg" / "models.py").write_text(
        (image / "pkg" / "models.py").read_text()
        + "\ndef two(x): return x, x\ndef half(x): return x.astype(jnp.bfloat16)\n"
    )
    assert tile("two") == 3
    assert "the function's result is a container of arrays, but should be one array" in capsys.readouterr().err
    assert tile("half") == 3
    assert "the dtype of the result is bfloat16, but should be one that .npy files have" in capsys.readouterr().err


def test_a_run_that_failed_continues(image, capsys, monkeypatch):
    """The disk is full after three tiles; the next run computes the others. Another function is refused meanwhile."""
    honest, calls = records.Record.add, []

    def full(self, *row):
        calls.append(row)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        honest(self, *row)

    with monkeypatch.context() as patch:
        patch.setattr(records.Record, "add", full)
        assert tile() == 3
    assert "No space left on device" in capsys.readouterr().err
    assert not Path("y.npy").exists()
    assert Path("y.npy.part.record").read_text().count("\n") == 4
    assert tile("circular") == 3
    assert "is of another function (zero_padded), but should be of circular" in capsys.readouterr().err
    calls.clear()
    monkeypatch.setattr(records.Record, "add", lambda self, *row: calls.append(row) or honest(self, *row))
    assert tile() == 0
    np.testing.assert_array_equal(np.load("y.npy"), EXPECTED)
    new = len(calls)
    calls.clear()
    assert tile("zero_padded", out="z.npy") == 0
    assert new == len(calls) - 3


def test_a_command_that_is_killed_continues(image):
    """From the shell, with kill -9 as soon as the record has two tiles."""
    (image / "pkg" / "slow.py").write_text(
        "import os, signal\nfrom pathlib import Path\nfrom pkg.models import *\n"
        "from jaxconv.apply import record\nhonest = record.Record.add\n"
        "def add(self, *row):\n    honest(self, *row)\n"
        "    if 'STOP' in os.environ and self.path.read_bytes().count(b'\\n') == 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\nrecord.Record.add = add\n"
    )
    words = [sys.executable, "-m", "jaxconv", "tile", "pkg.slow:zero_padded", "x.npy", "y.npy", "--tile", "8,14"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(words, check=False, env=environment | {"STOP": "1"}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not Path("y.npy").exists()
    assert main(["tile", "pkg.models:zero_padded", "x.npy", "y.npy", "--tile", "8,14"]) == 0
    np.testing.assert_array_equal(np.load("y.npy"), EXPECTED)


def test_the_input_is_not_overwritten(image, capsys):
    """Under any of its names."""
    os.link("x.npy", "linked.npy")
    for out in ("x.npy", "./x.npy", "linked.npy"):
        assert tile(out=out) == 3
        assert "should be another file than the first" in capsys.readouterr().err
    np.testing.assert_array_equal(np.load("x.npy"), X)
    assert sorted(path.name for path in Path().glob("*.npy*")) == ["linked.npy", "x.npy"]
