"""The certified sizes beside the rule of thumb for them; no gradient outside; the effective part within."""

import contextlib
import io
from argparse import Namespace

import pytest
from support.example_scripts import Ran, defaults, module, pictured, rows, run
from support.profiles import NIGHTLY

DEEPEST = 12 if NIGHTLY else 4


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run("show_receptive_field", tmp_path_factory.mktemp("pictures"), "--networks", 2, "--depth", DEEPEST)


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
    expected = [(depth, size(depth, None)) for depth in (1, 2, 4, 8, 12) if depth <= DEEPEST]
    expected += [(depth, size(depth, 2)) for depth in (1, 2, 3, 4, 5) if depth <= DEEPEST]
    assert found == [(str(depth), str(its)) for depth, its in expected]


def test_no_gradient_leaves_the_certified_square_and_the_effective_part_lies_in_it(ran):
    for row in rows(ran.text, "network "):
        certified, effective, _, outside = row[-4:]
        assert outside == "0"
        assert 0 < float(effective) <= float(certified)


def test_it_is_drawn(ran):
    assert "#D55E00" in pictured(ran, "receptive_field.png")  # the certified square
    assert ("10/10" if NIGHTLY else "7/7") in ran.errors


def test_a_field_that_is_not_proved_is_a_line_of_the_table_and_ends_nothing(tmp_path, monkeypatch):
    """Steps of 4 with a field of 16 leave no pair of outputs on 16 pixels that see none of the border."""
    script, out = module("show_receptive_field"), io.StringIO()
    pooled = "max pooling after every second"
    monkeypatch.setattr(script, "NETWORKS", [("3x3 convolutions", (1,), None), (pooled, (4, 2), 2)])
    with defaults(), contextlib.redirect_stdout(out):
        script.run(Namespace(networks=1, depth=4, side=16, seed=0, out=tmp_path))
    ran = Ran(out.getvalue(), "", tmp_path)
    found = {tuple(row[:2]): row[2:] for row in rows(ran.text, "network ", between=r"  +")}
    assert list(found) == [("3x3 convolutions", "1"), (pooled, "4"), (pooled, "2")]
    unproved = {key: cells for key, cells in found.items() if cells[0] == "not proved"}
    assert unproved == {(pooled, "4"): ["not proved", "-", "-", "-"]}
    assert "not proved of max pooling after every second, depth 4: its receptive field, 16 cells, leaves" in ran.text
    pictured(ran, "receptive_field.png")


@pytest.mark.parametrize(("option", "value"), [("--depth", 13), ("--depth", 0), ("--side", 7)])
def test_what_is_out_of_range_is_refused(option, value, tmp_path):
    with pytest.raises(SystemExit, match=r"^2$"):
        run("show_receptive_field", tmp_path, option, value)
