"""The counts of the seeds, each multiplied out here."""

import pytest
from support.example_scripts import pictured, rows, run


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run("count_parameters", tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize(
    ("layer", "said", "counted"),
    [
        ("2x2 kernel over a 3x3 input, shared", "4", 2 * 2),
        ("the same, a kernel for each position", "16", 2 * 2 * 4),
        ("the same, dense", "36", 9 * 4),
        ("32x32 image to 64 units, dense", "65,536", 32 * 32 * 64),
        ("32x32 image, eight 3x3 filters", "72", 3 * 3 * 8),
        ("224x224 image, one 3x3 filter, shared", "9", 3 * 3),
        ("the same, a kernel for each position", "about 148,000", 3 * 3 * 222 * 222),
        ("100x100 image, map of its size, dense", "10^8", 100**4),
        ("the same, 10x10 kernel for each position", "10^6", 100 * 100 * 10 * 10),
    ],
)
def test_what_is_said_stands_beside_what_is_counted(ran, layer, said, counted):
    found = [" ".join(line.split()) for line in ran.text.splitlines()]
    assert f"{layer} {said} {counted:,}" in found


def test_the_dense_layer_has_910_times_more(ran):
    assert 32 * 32 * 64 // (3 * 3 * 8) == 910
    assert " 910x         910x\n" in ran.text


def test_the_slides_product_has_lost_a_factor(ran):
    assert "3*3*222*222, is 443,556; 3*222*222 = 147,852 has lost a factor 3" in ran.text


def test_only_the_shared_count_does_not_grow(ran):
    for row in rows(ran.text, "side  "):
        side, shared, unshared, dense = (int(cell.replace(",", "")) for cell in row)
        assert (shared, unshared, dense) == (9, 9 * (side - 2) ** 2, side**2 * (side - 2) ** 2)


def test_the_growth_is_drawn(ran):
    pictured(ran, "parameters.png")


def test_another_window_is_counted(tmp_path):
    found = rows(run("count_parameters", tmp_path, "--window", "16").text, "side  ")
    assert found[0] == ["16", "256", "256", "256"]  # as large as the image: there is one position
    assert found[1] == ["32", "256", f"{256 * 17 * 17:,}", f"{32 * 32 * 17 * 17:,}"]


@pytest.mark.parametrize(
    ("window", "message"), [("0", "^2$"), ("1024", "^error: growth: window is 1024, but should be 512 or less")]
)
def test_windows_that_do_not_fit_are_refused(window, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        run("count_parameters", tmp_path, "--window", window)
