"""The counts multiplied out here; the accuracies beside the laws; where the digits stand."""

import contextlib
import io
import math
from argparse import Namespace

import numpy as np
import pytest
from support.example_scripts import Ran, defaults, module, pictured, rows
from support.profiles import NIGHTLY

NETWORKS = ["shared", "tiled", "local", *(["dense"] if NIGHTLY else []), "dense, small"]
PLACES = ["centred", "anywhere"]
TESTED = 360 if NIGHTLY else 120


def cells(ran, start):
    """The cells of each row, by its network."""
    return {name: row for name, *row in rows(ran.text, start, between=r"  +")}


def means(row):
    return [float(cell.split(" ± ")[0]) for cell in row]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """As the script runs; but for nights with one dense network, and few digits."""
    script, folder = module("show_generalisation"), tmp_path_factory.mktemp("pictures")
    out, errors, digits = io.StringIO(), io.StringIO(), script.bundled_digits(side=8)
    few = type(digits)(*(array[:100] for array in digits[:2]), *(array[:TESTED] for array in digits[2:]))
    with (
        pytest.MonkeyPatch.context() as patched,
        defaults(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        if not NIGHTLY:
            patched.setattr(script, "SIZES", (64, 100))
            patched.setattr(script, "bundled_digits", lambda side: few)
            patched.setattr(script, "NETWORKS", {name: script.NETWORKS[name] for name in NETWORKS})
            patched.setattr(script, "COLOURS", script.COLOURS[: len(NETWORKS)])
        script.run(Namespace(steps=2, seeds=2, seed=0, out=folder))
    return Ran(out.getvalue(), errors.getvalue(), folder)


def test_every_network_has_its_row(ran):
    assert list(cells(ran, "network ")) == NETWORKS
    assert {len(row) for row in cells(ran, "network ").values()} == {3 + 5}
    for place in PLACES:
        assert list(cells(ran, f"{place} ")) == NETWORKS
        assert {len(row) for row in cells(ran, f"{place} ").values()} == {4 if NIGHTLY else 2}


def test_the_parameters_and_products_are_counted(ran):
    """A 16x16 canvas, 16 detectors of 6x6, 10 digits: by hand."""
    kernel, head = 6 * 6 * 16 + 16, 16 * 10 + 10
    products = 16 * 16 * 6 * 6 * 16 + 16 * 10
    counted = {
        "shared": (f"{kernel + head:,}", f"{products:,}"),
        "tiled": (f"{4 * kernel + head:,}", f"{products:,}"),
        "local": (f"{16 * 16 * kernel + head:,}", f"{products:,}"),
        "dense": (f"{256 * 554 + 554 + 554 * 10 + 10:,}", f"{256 * 554 + 554 * 10:,}"),
        "dense, small": (f"{256 * 3 + 3 + 3 * 10 + 10:,}", f"{256 * 3 + 3 * 10:,}"),
    }
    found = cells(ran, "network ")
    assert {name: (row[1], row[2]) for name, row in found.items()} == {name: counted[name] for name in NETWORKS}


def test_accuracies_come_back_at_the_shifts_that_are_proved(ran):
    """A shared kernel's at all of them, two that take turns at every other; a local layer is the broken twin."""
    found = cells(ran, "network ")
    assert [row[0] for row in found.values()] == ["PROVED 1", "PROVED 2", *["REFUTED"] * len(NETWORKS[2:])]
    assert len(set(found["shared"][3:])) == 1
    tiled, local = found["tiled"][3:], found["local"][3:]
    assert tiled[0] == tiled[2] == tiled[4] != tiled[1] == tiled[3]
    assert len(set(local)) > 2


def test_a_shared_kernel_learns_the_same_from_digits_anywhere(ran):
    centred, anywhere = (cells(ran, f"{place} ") for place in PLACES)
    one = math.ceil(1000 / TESTED) / 10  # a digit, by rounding: in per cent, which have a decimal place
    assert np.allclose(means(centred["shared"]), means(anywhere["shared"]), atol=one)
    assert not np.allclose(means(centred["local"]), means(anywhere["local"]), atol=3)


def test_digits_stand_in_the_middle_or_anywhere_whole():
    placed = module("show_generalisation").placed
    digits = np.float32(np.random.default_rng(0).uniform(0.1, 1, (500, 8, 8, 1)))  # no pixel is empty
    corners = {}
    for place in PLACES:
        canvas = placed(digits, place, seed=3)
        assert canvas.shape == (500, 16, 16, 1)
        inked = [np.argwhere(image[..., 0]) for image in canvas]
        corners[place] = [tuple(pixels.min(0)) for pixels in inked]
        for image, digit, (top, left) in zip(canvas, digits, corners[place], strict=True):
            np.testing.assert_array_equal(image[top : top + 8, left : left + 8], digit)
            assert np.count_nonzero(image) == 64
    assert set(corners["centred"]) == {(4, 4)}
    assert set(corners["anywhere"]) == {(top, left) for top in range(9) for left in range(9)}
    np.testing.assert_array_equal(canvas, placed(digits, "anywhere", seed=3))
    assert not np.array_equal(canvas, placed(digits, "anywhere", seed=4))


def test_it_is_drawn(ran):
    colours = {"#0072B2", "#009E73", "#E69F00", "#D55E00"} | ({"#CC79A7"} if NIGHTLY else set())
    assert colours <= pictured(ran, "generalisation.png")
    assert ran.errors.count("2/2") >= len(NETWORKS)  # a progress bar for each network
