"""The benchmarks run, as one would run them, but for a moment and on small networks; what they measure is not judged.

They run in this process, which has loaded JAX already, and every night one of them in a process of its own.
"""

import contextlib
import doctest
import io
import json
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import architectures
import jax
import layer_rows
import layers
import numpy as np
import pytest
import tiling
import timing
from architectures import Case, Conv, Dense, GlobalAverage, Pool, Relu, Residual
from support.example_scripts import defaults
from support.profiles import NIGHTLY

FOLDER = Path(__file__).parents[2] / "benchmarks"
PEERS = {"flax": "Flax NNX", "equinox": "Equinox", "haiku": "Haiku"}
# Each is timed as it is and accelerated.
CONTENDERS = {f"{name}{how}": package for package, name in PEERS.items() for how in ("", " accelerated")}
HERE = [name for name, package in CONTENDERS.items() if find_spec(package)]


@pytest.fixture(autouse=True)
def _moments(monkeypatch):
    """Turns and rounds that last as long as one call, and no rest between them."""
    for name in ("TURN", "SETTLE", "STRETCH"):
        monkeypatch.setattr(timing, name, 0.0)


@pytest.fixture
def small(monkeypatch):
    """In place of the real networks, of which a step takes seconds to compile."""
    conv, head = (Conv(3, (1, 4), pad=1), Relu()), (GlobalAverage(), Dense((4, 10)))
    networks = {
        "LeNet-5, max, batch 128": ((*conv, Pool("max"), *head), (4, 6, 6, 1)),
        "LeNet-5, average, batch 1": ((*conv, Pool("average"), *head), (1, 6, 6, 1)),
        "ResNet, batch 32": ((Residual(conv, (Conv(1, (1, 4)),)), *head), (2, 6, 6, 1)),
    }
    monkeypatch.setattr(architectures, "CASES", {name: Case(*case) for name, case in networks.items()})


def run(script, *settings):
    """What a script prints; with JAX's defaults, as a reader has them."""
    out = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        defaults(),
        contextlib.redirect_stdout(out),
    ):
        patched.setattr(sys, "argv", [script, *settings])
        runpy.run_path(str(FOLDER / script), run_name="__main__")
    return out.getvalue()


def found(tmp_path, script, *settings, run=run):
    """What a script wrote after one round, and what it printed."""
    numbers, picture = tmp_path / "found.json", tmp_path / "found.svg"
    more = ["--plot", str(picture)] if find_spec("matplotlib") else []
    said = run(script, "--rounds", "1", "--redo", "0", "--json", str(numbers), *more, *settings)
    assert picture.exists() == bool(more)
    read = json.loads(numbers.read_text())
    assert {"device", "processor", "cpus", "python", "jax", "jaxlib"} <= set(read["machine"])
    for row in read["rows"]:
        assert row["rounds"] >= 1
        assert {"redone", "disturbed", "compile_seconds"} <= set(row)
        for spread in (*row["seconds"].values(), *row["ratios"].values()):
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    return read, said


def test_imports_are_timed(tmp_path):
    numbers = tmp_path / "imports.json"
    assert "import jaxconv; jaxconv.certify" in run("imports.py", "--rounds", "1", "--json", str(numbers))
    alone, *ours = json.loads(numbers.read_text())["rows"]
    assert alone["ratio"] == 1
    assert all(row["seconds"] > 0 for row in ours)


def test_layers_are_timed(tmp_path, monkeypatch):
    wanted = "max pool 2x2 s2 c16 28px"
    monkeypatch.setattr(layer_rows, "ROWS", {wanted: layer_rows.ROWS[wanted]})
    read, said = found(tmp_path, "layers.py", "--batch", "2")
    assert [(row["layer"], row["batch"], row["program"]) for row in read["rows"]] == [
        (wanted, 2, "forward"),
        (wanted, 2, "forward + gradients"),
    ]
    assert {frozenset(row["seconds"]) for row in read["rows"]} == {frozenset({"ours", "lax"})}
    assert set(read["means"]["ours / lax"]) == {"forward", "forward + gradients"}
    assert "geometric mean of ours / lax, forward: " in said


def test_the_tables_choices_are_timed(tmp_path, monkeypatch):
    wanted = "max pool 2x2 s2 c16 28px"
    monkeypatch.setattr(layer_rows, "ROWS", {wanted: layer_rows.ROWS[wanted]})
    read, said = found(tmp_path, "table.py", "--batch", "2", "--save", str(tmp_path / "mine.json"))
    assert [(row["layer"], row["operation"]) for row in read["rows"]] == [
        (wanted, "max_pool"),
        (wanted, "max_pool_scatter"),
    ]
    assert {"cores", "l2_bytes"} <= set(read["machine"])
    assert "times slower than the fastest algorithm in" in said
    assert set(json.loads((tmp_path / "mine.json").read_text())) == {"about", "choices"}


def test_the_layers_batches_and_programs_that_are_asked_for_are_timed(monkeypatch, capsys):
    """Without measuring; no layer in a batch for which lax would take minutes."""
    asked = []
    ratio = {"median": 1.0, "low": 1.0, "high": 1.0}

    def measured(layer, name, batch, label, options):
        assert layer is layers.ROWS[label]
        asked.append((label, batch, name, options.dtype))
        timed = {"seconds": dict.fromkeys(("ours", "lax"), ratio), "ratios": {"ours / lax": ratio}}
        rounds = {"rounds": 1, "redone": 0, "disturbed": 0, "compile_seconds": {"ours": 0.0, "lax": 0.0}}
        return {"layer": label, "batch": batch, "program": name} | timed | rounds

    monkeypatch.setattr(layers, "measured", measured)
    only = ("--only", "depthwise conv1d", "c16 28px", "--batch", "2", "128")
    monkeypatch.setattr(sys, "argv", ["layers.py", *only])
    layers.main()
    programs = "forward", "forward + gradients"
    depthwise, pool = "depthwise conv1d k5 c32 L1000", "max pool 2x2 s2 c16 28px"
    assert asked == [
        (label, batch, name, "float32")
        for label, batch in ((depthwise, 2), (pool, 2), (pool, 128))
        for name in programs
    ]
    assert "1 of 4 layers and batches left out, " in capsys.readouterr().out
    asked.clear()
    monkeypatch.setattr(sys, "argv", ["layers.py", *only, "--program", "forward", "--dtype", "bfloat16"])
    layers.main()
    assert {(name, dtype) for *_, name, dtype in asked} == {("forward", "bfloat16")}


@pytest.mark.torch
def test_layers_are_timed_beside_pytorchs(tmp_path):
    labels = (
        "5x5 6->16",
        "transposed 4x4",
        "grouped g4",
        "conv3d k3 1->8",
        "locally",
        "average pool 3x3",
        "max pool 3x3 d2",
        "min pool",
        "adaptive",
        "blur",
        "dilated",
        "k9",
    )
    read, _ = found(tmp_path, "layers.py", "--torch", "--batch", "1", "--only", *labels)
    assert len(read["rows"]) == 2 * len(labels)
    assert all("ours / faster torch" in row["ratios"] for row in read["rows"])


@pytest.mark.parametrize(
    ("script", "settings"),
    [
        ("layers.py", ["--only", "no such"]),
        ("steps.py", ["--only", "no such"]),
        ("table.py", ["--only", "no such"]),
        ("scaling.py", ["--batches", "--sides"]),
    ],
)
def test_nothing_to_time_is_refused(script, settings, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        run(script, *settings)
    assert "error: " in capsys.readouterr().err


@pytest.mark.peers  # and, of those that are here, without them
def test_steps_are_timed(tmp_path, request):
    """With the libraries that are here; the others are named. Where one is here, the networks are the real ones."""
    if not HERE:
        request.getfixturevalue("small")
    read, said = found(tmp_path, "steps.py", "--only", "average, batch 1", "ResNet", "MobileNet")
    cases = [name for name in architectures.CASES if name.startswith(("LeNet-5, average", "ResNet", "MobileNet"))]
    assert [row["case"] for row in read["rows"]] == cases
    for row in read["rows"]:
        assert list(row["seconds"]) == ["ours", "lax", *HERE]
        assert len(row["losses"]) == 3
    assert read["missing"] == sorted(set(CONTENDERS) - set(HERE))
    assert all(f"Without {name}: " in said for name in read["missing"])


@pytest.mark.torch
def test_steps_are_timed_beside_pytorchs(tmp_path):
    read, _ = found(tmp_path, "steps.py", "--torch", "--only", "max, batch 1", "ResNet", "MobileNet")
    assert {"torch", "torch channels_last", "torch compiled"} <= set(read["rows"][0]["seconds"])


def test_growth_is_timed(tmp_path):
    read, _ = found(tmp_path, "scaling.py", "--batches", "1", "--sides", "8", "--product", "64")
    sizes = [(row["layer"], row["sweep"], row["batch"], row["side"]) for row in read["rows"]]
    assert sizes == [
        (layer, *size)
        for layer in ("3x3 16->32", "depthwise 3x3 c32")
        for size in (("batch", 1, 32), ("side", 8, 8))
    ]  # fmt: skip
    for row in read["rows"]:
        peak, rate = row["peak_gflops"]["median"], row["gflops"]["ours"]["median"]
        assert rate == pytest.approx(3 * flops(row) / row["seconds"]["ours"]["median"] / 1e9, rel=0.5)
        assert peak > 0
        assert set(row["share_of_peak"]) == {"ours", "lax"}


def flops(row):
    """Of 16 channels to 32, or of 32 each by itself, by 3x3 taps."""
    return 2 * row["batch"] * row["side"] ** 2 * 9 * {"3x3 16->32": 16 * 32, "depthwise 3x3 c32": 32}[row["layer"]]


def in_a_process(script, *settings):
    """What a script prints, run as a reader runs it."""
    command = [sys.executable, str(FOLDER / script), *settings]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_certificates_are_timed(tmp_path):
    read, _ = found(
        tmp_path, "certify.py", "--sides", "32", "4096", "--stages", "1", "--only", "linear", "--rounds", "1",
        run=in_a_process if NIGHTLY else run,
    )  # fmt: skip
    row, resize = read["rows"]
    assert (resize["case"], resize["interior"], set(resize["ratios"])) == (
        "resize, linear",
        "PROVED",
        {"certify / trace"},
    )
    assert set(row["ratios"]) == {"32 / 32", "4096 / 32"}
    small, large = row["certificates"].values()
    assert small == large  # as many equations, whatever the size
    assert small["cyclic"] == "PROVED"


def test_the_check_is_timed_beside_loops(tmp_path, monkeypatch):
    """JAX forgets what it compiled before each turn "with compiling", and only then; here it is asked to, and does not."""
    cleared = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(1))
    read, _ = found(tmp_path, "check.py", "--sides", "3", "2", "--layers", "1")
    assert [(row["side"], row["shifts"], row["warm"]) for row in read["rows"]] == [
        (side, side**2, warm) for side in (3, 2) for warm in (False, True)
    ]
    for row in read["rows"]:
        assert set(row["seconds"]) == {"loop", "best loop", "network", "check"}
        assert set(row["ratios"]) == {"loop / check", "best loop / check", "network / check"}
    assert len(cleared) == 4 * sum(row["rounds"] for row in read["rows"] if not row["warm"])


def test_exact_numbers_are_timed(tmp_path):
    read, said = found(tmp_path, "exactness.py", "--only", "one image", "layer norm")
    assert [(row["case"], row["program"]) for row in read["rows"]] == [
        (case, program)
        for case in ("max pool 2x2 s2, one image", "layer norm")
        for program in ("forward", "forward + gradient")
    ]
    assert set(read["rows"][0]["ratios"]) == {"ours / lax", "ours / lax, NaNs kept"}
    assert set(read["rows"][-1]["ratios"]) == {"ours / two passes"}
    assert "lax, NaNs kept" in said


@pytest.mark.usefixtures("small")
def test_loops_are_timed(tmp_path):
    read, said = found(tmp_path, "loops.py", "--turns", "2", "--only", "LeNet")
    assert [row["case"] for row in read["rows"]] == ["LeNet-5, max, batch 128"]
    assert set(read["rows"][0]["ratios"]) == {
        "ours, in a loop / lax, in a loop",
        "ours, call by call / lax, call by call",
    }
    assert "lax, in a loop" in said


def test_tiles_are_timed(tmp_path):
    """Each contender in a process of its own; they have the same labels, up to rounding."""
    sizes = ("--side", "192", "--tile", "96", "--shards", "128", "--only", "by hand", "tiled")
    read, said = found(tmp_path, "tiling.py", *sizes)
    processes, devices = read["rows"]
    assert set(processes["ratios"]) == {"tiled / by hand"}
    assert set(processes["different_labels"]) == {"by hand", "tiled"}
    assert max(processes["different_labels"].values()) < 192 * 192 / 1000
    assert all(2**5 < peak["median"] < 2**11 for peak in processes["mebibytes"].values())
    assert set(devices["ratios"]) == {"sharded / partitioner", "sharded / one device"}
    assert devices["received"]["sharded"] == {"collective-permute": 4, "cells": 2 * 24 * 128 * 3}
    assert max(devices["difference"].values()) < 1e-4
    assert "other labels" in said


def test_tiles_that_do_not_fit_are_refused(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        run("tiling.py", "--tile", "90")
    assert "--tile is 96 or more, and 4 divides it and --side" in capsys.readouterr().err


def test_the_examples_of_the_tiling_benchmark_run():
    tested = doctest.testmod(tiling)
    assert (tested.attempted, tested.failed) == (2, 0)


def test_the_outputs_that_are_compared_are_not_all_the_same():
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    with defaults():
        found = np.asarray(jax.jit(tiling.labels)(tiling.parameters(), image))
    assert len(np.unique(found)) > 20
