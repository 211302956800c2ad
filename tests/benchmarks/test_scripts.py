"""The benchmarks run, as one would run them; what they measure is not judged here."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
PEERS = {"flax": "Flax NNX", "equinox": "Equinox", "haiku": "Haiku"}


def found(tmp_path, script, *settings):
    """What a script wrote after one round, and what it printed."""
    numbers, picture = tmp_path / "found.json", tmp_path / "found.svg"
    more = ["--plot", str(picture)] if find_spec("matplotlib") else []
    command = [sys.executable, str(FOLDER / script), "--rounds", "1", "--redo", "0", "--json", str(numbers), *more]
    done = subprocess.run([*command, *settings], check=True, capture_output=True, text=True)
    assert picture.exists() == bool(more)
    read = json.loads(numbers.read_text())
    assert {"device", "processor", "cpus", "python", "jax", "jaxlib"} <= set(read["machine"])
    for row in read["rows"]:
        assert row["rounds"] >= 1
        assert {"redone", "disturbed", "compile_seconds"} <= set(row)
        for spread in (*row["seconds"].values(), *row["ratios"].values()):
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    return read, done.stdout


def test_layers_are_timed(tmp_path):
    read, said = found(tmp_path, "layers.py", "--batch", "2", "128", "--only", "depthwise conv1d", "c16 28px")
    assert [(row["layer"], row["batch"], row["program"]) for row in read["rows"]] == [
        ("depthwise conv1d k5 c32 L1000", 2, "forward"),
        ("depthwise conv1d k5 c32 L1000", 2, "forward + gradients"),  # and no batch of 128
        ("max pool 2x2 s2 c16 28px", 2, "forward"),
        ("max pool 2x2 s2 c16 28px", 2, "forward + gradients"),
        ("max pool 2x2 s2 c16 28px", 128, "forward"),
        ("max pool 2x2 s2 c16 28px", 128, "forward + gradients"),
    ]
    assert {frozenset(row["seconds"]) for row in read["rows"]} == {frozenset({"ours", "lax"})}
    assert set(read["means"]["ours / lax"]) == {"forward", "forward + gradients"}
    assert "geometric mean of ours / lax, forward: " in said
    assert "1 of 4 layers and batches left out, " in said


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
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
        ("scaling.py", ["--batches", "--sides"]),
    ],
)
def test_nothing_to_time_is_refused(script, settings):
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *settings], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "error: " in done.stderr


@pytest.mark.peers  # and, of those that are here, without them
def test_steps_are_timed(tmp_path):
    """With the libraries that are here; the others are named."""
    read, said = found(tmp_path, "steps.py", "--only", "average, batch 128", "ResNet", "MobileNet")
    here = [name for package, name in PEERS.items() if find_spec(package)]
    assert [row["case"] for row in read["rows"]] == [
        "LeNet-5, average, batch 128",
        "ResNet, batch 32",
        "MobileNet, batch 32",
    ]
    for row in read["rows"]:
        assert list(row["seconds"]) == ["ours", "lax", *here]
        assert len(row["losses"]) == 3
    assert read["missing"] == sorted(set(PEERS.values()) - set(here))
    assert all(f"Without {name}: " in said for name in read["missing"])


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_steps_are_timed_beside_pytorchs(tmp_path):
    read, _ = found(tmp_path, "steps.py", "--torch", "--only", "max, batch 1", "ResNet", "MobileNet")
    assert {"torch", "torch channels_last", "torch compiled"} <= set(read["rows"][0]["seconds"])


def test_growth_is_timed(tmp_path):
    read, _ = found(tmp_path, "scaling.py", "--batches", "1", "2", "--sides", "8", "--product", "64")
    sizes = [(row["layer"], row["sweep"], row["batch"], row["side"]) for row in read["rows"]]
    assert sizes[:3] == [("3x3 16->32", "batch", 1, 32), ("3x3 16->32", "batch", 2, 32), ("3x3 16->32", "side", 8, 8)]
    assert len(sizes) == 6
    for row in read["rows"]:
        peak, rate = row["peak_gflops"]["median"], row["gflops"]["ours"]["median"]
        assert rate == pytest.approx(3 * flops(row) / row["seconds"]["ours"]["median"] / 1e9, rel=0.5)
        assert peak > 0
        assert set(row["share_of_peak"]) == {"ours", "lax"}


def flops(row):
    """Of 16 channels to 32, or of 32 each by itself, by 3x3 taps."""
    return 2 * row["batch"] * row["side"] ** 2 * 9 * {"3x3 16->32": 16 * 32, "depthwise 3x3 c32": 32}[row["layer"]]


def test_certificates_are_timed(tmp_path):
    read, _ = found(tmp_path, "certify.py", "--sides", "32", "4096")
    (row,) = read["rows"]
    assert set(row["ratios"]) == {"32 / 32", "4096 / 32"}
    small, large = row["certificates"].values()
    assert small == large  # as many equations, whatever the size
    assert small["cyclic"] == "PROVED"


def test_the_check_is_timed_beside_loops(tmp_path):
    read, _ = found(tmp_path, "check.py", "--sides", "4", "3", "--layers", "1")
    assert [(row["side"], row["shifts"], row["warm"]) for row in read["rows"]] == [
        (4, 16, False),
        (4, 16, True),
        (3, 9, False),
        (3, 9, True),
    ]
    for row in read["rows"]:
        assert set(row["seconds"]) == {"loop", "best loop", "network", "check"}
        assert set(row["ratios"]) == {"loop / check", "best loop / check", "network / check"}


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


def test_loops_are_timed(tmp_path):
    read, said = found(tmp_path, "loops.py", "--turns", "2", "--only", "LeNet")
    assert [row["case"] for row in read["rows"]] == ["LeNet-5, max, batch 128"]
    assert set(read["rows"][0]["ratios"]) == {
        "ours, in a loop / lax, in a loop",
        "ours, call by call / lax, call by call",
    }
    assert "lax, in a loop" in said
