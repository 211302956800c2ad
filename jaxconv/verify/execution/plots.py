"""Pictures of a check: errors by position (effects of borders), by shift (the grid of a stride), and by layer.

Every function returns a new `matplotlib.figure.Figure`. None uses pyplot, changes global state or shows the figure.
`figure.savefig("error.png")` saves it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from jaxconv.checks import choice, integer, several, shown
from jaxconv.errors import explain, public
from jaxconv.verify.execution.check_report import Check, LeafCheck
from jaxconv.verify.execution.layerwise import LayerError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STATISTICS = {"mean": "means", "largest": "positions"}
NEVER = "#d9d9d9"  # colour of positions that are not compared
SMALLEST = 1e-38  # top of the scale for a picture of zeros
COLOURS = {"HELD": "#1a7f37", "VIOLATED": "#cf222e", "UNDECIDED": "#9a6700"}


@public
def position_map(
    check: Check,
    *,
    leaf: int = 0,
    axes: tuple[int, ...] | None = None,
    statistic: Literal["mean", "largest"] = "mean",
) -> Figure:
    """A heat map of the error at each position of f(shifted), over the shifts; it shows the effects of borders.

    `error[p] = mean_s |f(shift(x, s))[p] - f(x)[p - t]|`, or `max_s` for "largest", maximised over the axes that are
    not shown. With many shifts, every position is compared with one at the border for some shift. So the mean may
    show borders that the largest error hides.

    Args:
        check: the result of `jc.check`, of shifts or of an action.
        leaf: number of the output leaf.
        axes: the output's axes to show, down and across; by default those that move, or else the longest.
        statistic: "mean" or "largest".

    Returns:
        A figure. Positions that are not compared are grey, and the largest error is marked. One axis makes a curve.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: a leaf or axes that the check does not have, another statistic, or a scalar output.

    Law: for the statistic "largest", the largest value in the picture is `check.leaves[leaf].worst.error`.

    >>> import jax.numpy as jnp, jaxconv as jc
    >>> x = jnp.sin(jnp.arange(48.0)).reshape(6, 8)
    >>> figure = position_map(jc.check(lambda x: x.at[0].set(0.0), x, axes=(0, 1)))
    >>> figure.axes[0].get_title()
    'mean error at each position'
    """
    result = _leaf(check, leaf)
    rank = result.positions.ndim
    chosen = _axes(_shown(result) if axes is None else axes, rank)
    choice("statistic", statistic, tuple(STATISTICS))
    by_position: np.ndarray = getattr(result, STATISTICS[statistic])
    errors = by_position.max(tuple(axis for axis in range(rank) if axis not in chosen))
    errors = errors if tuple(sorted(chosen)) == chosen else errors.T
    figure, plot = _figure(check, result, f"{statistic} error at each position", errors.shape)
    names, ticks = [f"output axis {axis}" for axis in chosen], [np.arange(int(n)) for n in errors.shape]
    _draw(figure, plot, result, errors, names, ticks)
    return figure


@public
def shift_map(check: Check, *, leaf: int = 0) -> Figure:
    """A heat map of the error after each shift; it shows the grid of a stride.

    `error[s] = max_p |f(shift(x, s))[p] - f(x)[p - t]|`

    Args:
        check: the result of `jc.check`, for shifts along one axis or two.
        leaf: number of the output leaf.

    Returns:
        A figure with a cell for each shift. Shifts that were not tried are grey, and the worst is marked. One axis
        makes a curve.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: a leaf that the check does not have, shifts along three axes or more, or no shifts but an action.

    Law: the largest value in the picture is `check.leaves[leaf].worst.error`.

    >>> import jax.numpy as jnp, jaxconv as jc
    >>> x = jnp.sin(jnp.arange(48.0)).reshape(6, 8)
    >>> halves = lambda x: jnp.repeat(x[::2], 2, axis=0)
    >>> figure = shift_map(jc.check(halves, x, axes=(0, 1)))
    >>> figure.axes[0].get_ylabel()
    'shift along axis 0 of argument 0'
    """
    result = _leaf(check, leaf)
    if check.action:
        cure = "Print the check, which lists the elements of an action"
        raise ValueError(explain("the check", f"of {check.action}", "of shifts", cure))
    if result.shifts.shape[1] > 2:
        cure = "Check two axes at a time"
        raise ValueError(explain("the check", f"of {result.shifts.shape[1]} axes", "of one or two", cure))
    columns: list[np.ndarray] = list(result.shifts.T)
    ticks = [np.arange(int(column.min()), int(column.max()) + 1) for column in columns]
    ticks = [t[:: max(1, math.gcd(*(int(s) for s in column)))] for t, column in zip(ticks, columns, strict=True)]
    errors = np.full([len(t) for t in ticks], -1.0)
    cells = tuple(np.searchsorted(t, column) for t, column in zip(ticks, columns, strict=True))
    errors[cells] = result.errors
    figure, plot = _figure(check, result, "largest error after each shift", errors.shape)
    names = [f"shift along {axis.along}" for axis in result.axes]
    _draw(figure, plot, result, errors, names, ticks)
    return figure


@public
def layer_bars(layers: Sequence[LayerError], *, title: str = "error of each intermediate value") -> Figure:
    """A bar for each intermediate value, in the order of computation; the error rises at the culprit.

    Args:
        layers: the result of `layerwise`.
        title: the title of the figure.

    Returns:
        A figure with a bar for each mean error and a tick for each worst error. Layers without a known law have no bar.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: there are no layers.

    Law: as many rows as layers, the first at the top.

    >>> import jax.numpy as jnp
    >>> from jaxconv.verify.execution.layerwise import layerwise
    >>> figure = layer_bars(layerwise(lambda x: jnp.exp(x) * jnp.arange(6.0), jnp.ones(6) / 6, axes=(0,)))
    >>> [label.get_text().split(" ")[0] for label in figure.axes[0].get_yticklabels()]
    ['exp', 'mul']
    """
    measured = several(layers)
    if not measured or not all(isinstance(layer, LayerError) for layer in measured):
        error, cure = ValueError if measured == () else TypeError, "Pass layerwise(fn, x, axes=...)"
        raise error(explain("layers", shown(layers), "one LayerError or more, as layerwise returns them", cure))
    figure = _new((9.0, 1.4 + 0.28 * len(layers)))
    plot = figure.add_subplot()
    rows = np.arange(len(layers))
    values, worst = (np.nan_to_num([getattr(layer, name) for layer in layers]) for name in ("value", "worst"))
    plot.barh(rows, values, height=0.7, color="#4878a8", label="mean")
    plot.plot(worst, rows, "|", color="#1c3550", markersize=9, markeredgewidth=2, label="worst")
    for row, layer in enumerate(layers):
        if math.isnan(layer.value):
            plot.annotate(" no law known", (0, row), va="center", color="#707070", fontsize="small")
    labels = [
        f"{layer.primitive.removesuffix('_dilated').removesuffix('_general')} {layer.shape}  {layer.source}"
        for layer in layers
    ]
    plot.set_yticks(rows, labels, fontsize="small")
    plot.invert_yaxis()
    plot.set_xlim(0, max(1.08 * float(worst.max()), SMALLEST))
    plot.set_xlabel("error")
    figure.suptitle(title, fontsize="medium", x=0.01, ha="left")
    plot.grid(axis="x", color="#e0e0e0")
    plot.set_axisbelow(True)
    figure.legend(loc="outside upper right", fontsize="small", ncols=2)
    return figure


def _new(size: tuple[float, float]) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        message = "pictures need matplotlib, which is not installed. Install it: pip install matplotlib."
        raise ImportError(message) from error
    return Figure(figsize=size, layout="constrained")


def _leaf(check: object, leaf: int) -> LeafCheck:
    if not isinstance(check, Check):
        raise TypeError(explain("check", shown(check), "a Check", "Pass jc.check(fn, x, axes=...)"))
    number = integer("leaf", leaf, cure="Leave it out for the first output")
    if not 0 <= number < len(check.leaves):
        cure = "Leave it out for the first output"
        raise ValueError(explain("leaf", leaf, f"from 0 to {len(check.leaves) - 1}", cure))
    return check.leaves[number]


def _axes(axes: object, rank: int) -> tuple[int, ...]:
    """One or two axes of an output of this rank, validated."""
    expected, cure = f"one or two of the output's {rank} axes", "Write axes=(1, 2) for [n, h, w, c]"
    given = several(axes)
    if given is None:
        raise TypeError(explain("axes", shown(axes), expected, cure))
    chosen = tuple(integer("axes", axis, cure=cure) for axis in given)
    if not 1 <= len(chosen) <= 2 or len(set(chosen)) != len(chosen) or not all(0 <= axis < rank for axis in chosen):
        raise ValueError(explain("axes", chosen, expected, cure))
    return chosen


def _shown(result: LeafCheck) -> tuple[int, ...]:
    """The axes shown by default, at most two: those that move, or else the longest."""
    moving = [axis for along in result.axes for axis, _ in along.law.moves]
    longest = sorted(range(len(result.shape)), key=lambda axis: -result.shape[axis])
    others = [axis for axis in longest if result.shape[axis] > 1] or longest
    return tuple(sorted(list(dict.fromkeys(moving or others))[:2]))


def _figure(check: Check, result: LeafCheck, title: str, shape: Sequence[int]) -> tuple[Figure, Axes]:
    """A figure whose size fits the array, with the finding as its title."""
    if len(shape) == 1:
        size = (7.0, 3.4)
    else:
        down, across = shape
        wide = min(9.0, max(4.5, 0.25 * across + 2.0))
        size = (wide, min(9.0, max(3.2, (wide - 2.0) * down / across + 1.4)))
    figure = _new(size)
    name = f"{check.function}{result.path if len(check.leaves) > 1 else ''}"
    finding = f"{name}: {result.finding}, {check.action or f'{check.model} shifts'}"
    figure.suptitle(finding, color=COLOURS[str(result.finding)], fontsize="medium", fontweight="bold")
    plot = figure.add_subplot()
    plot.set_title(title, fontsize="medium")
    return figure, plot


def _draw(
    figure: Figure, plot: Axes, result: LeafCheck, errors: np.ndarray, names: Sequence[str], ticks: Sequence[np.ndarray]
) -> None:
    """Draw a curve for one axis, a map for two. Infinite errors are at the top of the scale; the largest is marked."""
    tolerance, finite, largest = result.tolerance.absolute, errors[np.isfinite(errors)], float(errors.max())
    top = max(float(finite.max(initial=0)), tolerance, SMALLEST)
    shown = np.ma.masked_less(np.minimum(errors, top), 0)
    mark = np.unravel_index(int(errors.argmax()), errors.shape)
    bound = f"tolerance {tolerance:.2g}" if tolerance else "compared exactly"
    if errors.ndim == 1:
        plot.plot(ticks[0], shown.filled(np.nan), ".-", color="#4878a8")
        plot.axhline(tolerance, color="#707070", linestyle="--", linewidth=1, label=bound)
        if largest > tolerance:
            at, label = int(ticks[0][mark[0]]), f"largest {largest:.3g}"
            plot.plot([at], [min(largest, top)], "o", mfc="none", mec="#cf222e", ms=11, mew=1.5, label=label)
        plot.set_xlabel(names[0])
        plot.set_ylabel("error")
        plot.set_ylim(0, 1.1 * top)
        plot.grid(color="#e0e0e0")
        plot.locator_params(axis="x", integer=True)
        figure.legend(loc="outside lower right", fontsize="small", ncols=2)
        return
    plot.set_facecolor(NEVER)
    image = plot.imshow(shown, cmap="magma", vmin=0, vmax=top, interpolation="nearest", origin="upper")
    figure.colorbar(image, ax=plot, label="error")
    for axis, values, length in ((plot.yaxis, ticks[0], errors.shape[0]), (plot.xaxis, ticks[1], errors.shape[1])):
        at = range(0, length, max(1, math.ceil(length / 12)))
        axis.set_ticks(at, [str(int(values[i])) for i in at], fontsize="small")
    plot.set_ylabel(names[0])
    plot.set_xlabel(names[1])
    notes = [bound]
    if largest > tolerance:
        plot.plot([mark[1]], [mark[0]], "s", mfc="none", mec="#30c0c0", ms=9, mew=2)
        notes.insert(0, f"largest {largest:.3g} (square)")
    if (errors < 0).any():
        notes.append("grey: not compared")
    figure.supxlabel("; ".join(notes), fontsize="small")
