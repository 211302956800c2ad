"""Test that pictures show the numbers of the check, change no global state, and raise errors for bad arguments."""

import io
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.verify.execution.check import check
from jaxconv.verify.execution.layerwise import LayerError, layerwise
from jaxconv.verify.execution.plots import layer_bars, position_map, shift_map

X = np.random.default_rng(0).normal(size=(1, 6, 8, 2)).astype(np.float32)


def bordered(x):
    """Equivariant except in its first row."""
    return x.at[:, 0].set(0.0)


def halved(x):
    return jnp.repeat(x[:, :, ::2], 2, axis=2)


def drawn(figure):
    """The numbers of the heat map; NaN where it is grey."""
    (image,) = figure.axes[0].get_images()
    return np.ma.filled(image.get_array().astype(float), np.nan)


@pytest.fixture(autouse=True)
def _needs_matplotlib(request):
    if "without" not in request.node.name:
        pytest.importorskip("matplotlib")


def test_positions_are_drawn_as_they_are():
    found = check(bordered, X, axes=(1, 2))
    (leaf,) = found.leaves
    np.testing.assert_allclose(drawn(position_map(found)), leaf.means.max((0, 3)))
    largest = drawn(position_map(found, statistic="largest"))
    np.testing.assert_allclose(largest, leaf.positions.max((0, 3)))
    assert largest.max() == pytest.approx(leaf.worst.error)
    np.testing.assert_allclose(drawn(position_map(found, axes=(3, 1))), leaf.means.max((0, 2)).T)


def test_shifts_are_drawn_as_they_are():
    found = check(halved, X, axes=(1, 2))
    figure = shift_map(found)
    np.testing.assert_allclose(drawn(figure), found.leaves[0].errors.reshape(6, 8))
    assert (drawn(figure)[:, ::2] < 1e-6).all()  # the stride's grid
    assert (drawn(figure)[:, 1::2] > 0.1).all()
    assert figure.axes[0].get_ylabel() == "shift along axis 1 of argument 0"
    assert figure.get_suptitle() == "halved: VIOLATED, cyclic shifts"


def test_an_action_has_a_map_of_positions():
    """One column of the output does not follow a flip of the rows; its rows show the error."""
    found = check(lambda x: x.at[:, :, 2].multiply(jnp.arange(6.0)[None, :, None]), X, action="flip", axes=(1,))
    figure = position_map(found, axes=(1, 2))
    np.testing.assert_allclose(drawn(figure), found.leaves[0].means.max((0, 3)))
    assert (drawn(figure)[:, [0, 1, *range(3, 8)]] == 0).all()
    assert (drawn(figure)[:, 2] > 0).all()
    assert figure.get_suptitle() == "<lambda>: VIOLATED, flip"


def test_what_was_not_compared_is_grey():
    inner = lambda x: jnp.pad(x[:, 1:-1] - x[:, :-2], ((0, 0), (1, 1), (0, 0), (0, 0)))
    found = check(inner, X, axes=(1, 2), model="interior", region={1: (1, 5), 2: (0, 8)}, shifts=[[1, 0], [-2, 3]])
    positions, shifts = position_map(found), shift_map(found)
    assert np.isnan(drawn(positions)[[0, 5]]).all()
    assert not np.isnan(drawn(positions)[2:5]).any()
    assert np.isfinite(drawn(shifts)).sum() == 2
    assert "grey: not compared" in positions.get_supxlabel()
    assert shifts.axes[0].get_yticklabels()[0].get_text() == "-2"


def test_one_axis_makes_a_curve():
    found = check(bordered, X, axes=(1,))
    for figure in (shift_map(found), position_map(found)):
        (curve, *_) = figure.axes[0].get_lines()
        assert curve.get_ydata().shape == (6,)
        assert figure.axes[0].get_images() == []
    np.testing.assert_allclose(shift_map(found).axes[0].get_lines()[0].get_ydata(), found.leaves[0].errors)
    pooled = check(lambda x: x[:, 0].mean(1), X, axes=(1,))
    assert position_map(pooled).axes[0].get_xlabel() == "output axis 1"


def test_infinite_errors_stand_at_the_top_of_the_scale():
    found = check(lambda x: x.at[0, 1, 2, 0].set(jnp.nan), X, axes=(1, 2))
    shown = drawn(position_map(found, statistic="largest"))
    assert np.isfinite(shown).all()
    assert "largest inf" in position_map(found, statistic="largest").get_supxlabel()


def test_bars_are_the_layers():
    ramp = jnp.arange(6.0).reshape(1, 6, 1, 1)
    layers = layerwise(lambda x: jnp.tanh(jnp.tanh(x) * ramp), X, axes=(1, 2))
    unknown = LayerError("sort", "net.py:3 (net)", (3, 4), float("nan"), float("nan"))
    figure = layer_bars([*layers, unknown], title="which layer?")
    (plot,) = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in plot.patches], [*(layer.value for layer in layers), 0])
    labels = [label.get_text() for label in plot.get_yticklabels()]
    assert [label.split(" ")[0] for label in labels] == ["tanh", "mul", "tanh", "sort"]
    assert [text.get_text().strip() for text in plot.texts] == ["no law known"]
    assert plot.yaxis_inverted()
    assert figure.get_suptitle() == "which layer?"


def test_every_picture_can_be_saved():
    held = check(lambda x: 2 * x, X, axes=(1, 2))
    broken = check(bordered, X, axes=(1, 2))
    layers = layer_bars(layerwise(jnp.tanh, X, axes=(1,)))
    for figure in (position_map(held), shift_map(held), position_map(broken), shift_map(broken), layers):
        buffer = io.BytesIO()
        figure.savefig(buffer)
        assert buffer.getvalue().startswith(b"\x89PNG")


def test_nothing_global_is_touched():
    program = """
import sys, numpy as np, matplotlib
from jaxconv.verify.execution.check import check
from jaxconv.verify.execution.plots import position_map, shift_map
settings = lambda: {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
found = check(lambda x: x.at[0].set(0.0), np.arange(12.0, dtype="float32").reshape(3, 4), axes=(0, 1))
assert position_map(found) is not position_map(found)
shift_map(found)
assert "matplotlib.pyplot" not in sys.modules
assert settings() == before
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_matplotlib_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib"):
        position_map(check(bordered, X, axes=(1,)))


@pytest.mark.parametrize(
    ("draw", "match"),
    [
        (lambda found: position_map(found, leaf=1), "position_map: leaf is 1, but should be from 0 to 0"),
        (lambda found: shift_map(found, leaf=-1), "shift_map: leaf is -1"),
        (lambda found: position_map(found, axes=(1, 1)), "one or two of the output's 4 axes"),
        (lambda found: position_map(found, axes=(0, 1, 2)), "one or two of the output's 4 axes"),
        (lambda found: position_map(found, axes=(4,)), r"Write axes=\(1, 2\)"),
        (lambda found: position_map(found, statistic="median"), "statistic is 'median'"),
        (lambda found: layer_bars([]), r"layer_bars: layers is \[\], but should be one LayerError or more"),
    ],
)
def test_errors_name_the_argument(draw, match):
    with pytest.raises(ValueError, match=match):
        draw(check(bordered, X, axes=(1,)))


def test_scalars_and_three_axes_have_no_map():
    with pytest.raises(ValueError, match="one or two of the output's 0 axes"):
        position_map(check(lambda x: x.sum(), X, axes=(1,)))
    with pytest.raises(ValueError, match="shift_map: the check is of flip, but should be of shifts"):
        shift_map(check(lambda x: x, np.arange(6.0).reshape(2, 3), action="flip", axes=(0, 1)))
    with pytest.raises(ValueError, match="shift_map: the check is of 3 axes, but should be of one or two"):
        shift_map(check(bordered, X, axes=(1, 2, 3)))
