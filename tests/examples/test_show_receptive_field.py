"""The certified sizes beside the rule of thumb for them; no gradient outside; the effective part within."""

import pytest
from scripts import pictured, rows, run


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run("show_receptive_field", tmp_path_factory.mktemp("pictures"), "--networks", 2, "--depth", 4)


def size(depth, pool_after):
    """Each tap beyond the first adds a step, and steps double at each pooling: `1 + sum (window - 1) * step`."""
    size, step = 1, 1
    for layer in range(1, depth + 1):
        size += 2 * step
        if pool_after and layer % pool_after == 0:
            size, step = size + step, 2 * step
    return size


def test_certified_sizes_are_those_of_the_recurrence(ran):
    found = [(row[-5], row[-4]) for row in rows(ran.text, "network ")]
    expected = [(depth, size(depth, None)) for depth in (1, 2, 4)] + [(depth, size(depth, 2)) for depth in (1, 2, 3, 4)]
    assert found == [(str(depth), str(its)) for depth, its in expected]
    assert size(5, 2) == 24


def test_no_gradient_leaves_the_certified_square_and_the_effective_part_lies_in_it(ran):
    for row in rows(ran.text, "network "):
        certified, effective, _, outside = row[-4:]
        assert outside == "0"
        assert 0 < float(effective) <= float(certified)


def test_it_is_drawn(ran):
    assert "#D55E00" in pictured(ran, "receptive_field.png")  # the certified square
    assert "7/7" in ran.errors
