"""With the proved overlap tiles are the whole; with one cell less, or from an odd pixel, they are not."""

import numpy as np
import pytest
from support.example_scripts import module, pictured, rows, run


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run("show_tile_border", tmp_path_factory.mktemp("pictures"))


def test_only_the_proved_overlap_leaves_no_seam(ran):
    """By hand: the windows reach 2 + 2 * 2 = 6 pixels, which are 3 cells of the output."""
    found = {" ".join(row[:-2]): row[-2:] for row in rows(ran.text, "tiles ")}
    assert list(found) == ["3 cells discarded", "2 discarded", "from an odd pixel"]
    assert found.pop("3 cells discarded") == ["0", "0.0"]
    for cells, largest in found.values():
        assert int(cells.replace(",", "")) > 100
        assert float(largest) > 1


def test_parts_are_written_where_their_tiles_lie():
    """Parts are written to the place of their tile; inner tiles that begin late are written to the same place."""
    script = module("show_tile_border")
    blur = lambda x: np.asarray(x)[:, ::2, ::2]  # of windows of one pixel: nothing to discard
    x = script.image(1)
    np.testing.assert_array_equal(script.joined(blur, x, 0), x[0, ::2, ::2, 0])
    moved = script.joined(blur, x, 0, late=1)
    assert (moved[:24, :24] == x[0, :48:2, :48:2, 0]).all()
    assert (moved[24:48, 24:48] == x[0, 49:97:2, 49:97:2, 0]).all()


def test_it_is_drawn(ran):
    pictured(ran, "tile_border.png")
