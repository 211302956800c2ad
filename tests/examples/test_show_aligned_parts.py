"""The counts multiplied out here; the faces taken apart again."""

from argparse import Namespace

import numpy as np
import pytest
from support.example_scripts import defaults, module, pictured, rows, run

FEW = ("--quick",)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run("show_aligned_parts", tmp_path_factory.mktemp("pictures"), *FEW)


def found(ran):
    """Parameters, multiply-adds and accuracy, by network and filters."""
    return {(name, int(filters)): row for name, filters, *row in rows(ran.text, "network ", between=r"  +")}


def test_every_network_is_counted_by_hand(ran):
    """36 weights and a bias: once, in 4 quarters, at 256 positions; 36 units of 256 weights for each filter; 5 counts."""
    n = 3
    head, products = 5 * 4 * n + 5, 256 * 36 * n + 5 * 4 * n
    expected = {
        ("shared", n): (f"{37 * n + head:,}", f"{products:,}"),
        ("regional", n): (f"{4 * 37 * n + head:,}", f"{products:,}"),
        ("local", n): (f"{256 * 37 * n + head:,}", f"{products:,}"),
        ("dense", n): (f"{257 * 36 * n + 5 * 36 * n + 5:,}", f"{256 * 36 * n + 5 * 36 * n:,}"),
    }
    assert {key: (row[0], row[1]) for key, row in found(ran).items()} == expected
    assert all(0 <= float(row[2].split(" ± ")[0]) <= 100 for row in found(ran).values())


def test_a_face_is_labelled_by_the_parts_that_are_in_place():
    """Digits that are blank but for their own value, so that a quarter tells which it is."""
    labels = np.int32(np.arange(50) % 10)
    images = np.ones((50, 8, 8, 1), np.float32) * labels[:, None, None, None]
    faces, counts = module("show_aligned_parts").faces(images, labels, 1000, seed=0)
    quarters = [faces[:, top : top + 8, left : left + 8, 0] for top in (0, 8) for left in (0, 8)]
    digits = np.stack([quarter[:, 3, 5] for quarter in quarters], axis=1)
    assert all((quarter == quarter[:, :1, :1]).all() for quarter in quarters)
    np.testing.assert_array_equal(counts, (digits == [0, 1, 2, 3]).sum(1))
    for place in range(4):
        odds = np.bincount(np.int32(digits[:, place]), minlength=4) / len(digits)
        assert odds[place] == pytest.approx(1 / 2, abs=0.08)  # five standard deviations
        assert np.delete(odds, place) == pytest.approx([1 / 6] * 3, abs=0.06)


def test_parts_are_digits_as_they_are():
    images = np.float32(np.random.default_rng(0).uniform(size=(40, 8, 8, 1)))
    faces, _ = module("show_aligned_parts").faces(images, np.int32(np.arange(40) % 4), 50, seed=0)
    whole = {image.tobytes() for image in images}
    parts = [face[top : top + 8, left : left + 8] for face in faces for top in (0, 8) for left in (0, 8)]
    assert {part.tobytes() for part in parts} <= whole
    assert faces[0, 2:10, :8].tobytes() not in whole  # not cut where two parts meet


def test_the_seed_decides(tmp_path, monkeypatch, capsys):
    """Of one network, so that few programs are compiled; and its figure, which shows the faces. Filters have rows."""
    script = module("show_aligned_parts")
    monkeypatch.setattr(script, "LAYERS", {"shared": script.LAYERS["shared"]})
    monkeypatch.setattr(script, "COLOURS", script.COLOURS[:1])

    def drawn(name, seed, *filters):
        with defaults():
            script.run(Namespace(filters=filters, steps=2, seeds=1, seed=seed, out=tmp_path / name))
        lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("shared")]
        return lines, (tmp_path / name / "aligned_parts.png").read_bytes()

    one, again, other = drawn("one", 0, 3), drawn("again", 0, 3), drawn("other", 1, 3, 2)
    assert one == again
    assert [line[1] for line in other[0]] == ["3", "2"]
    assert one[0][0] != other[0][0]
    assert one[1] != other[1]


def test_it_is_drawn(ran):
    assert {"#0072B2", "#009E73", "#E69F00", "#D55E00"} <= pictured(ran, "aligned_parts.png")
    assert ran.errors.count("2/2") >= 4  # a progress bar for each network


@pytest.mark.parametrize("filters", [("0",), ("two",)])
def test_filters_are_positive(filters, tmp_path):
    with pytest.raises(SystemExit, match=r"^2$"):
        run("show_aligned_parts", tmp_path, "--filters", *filters)
