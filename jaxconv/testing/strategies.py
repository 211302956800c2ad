"""Hypothesis strategies for images, shifts, windows, parameters and networks with exact arithmetic.

All values are small integers, so that float32 does not round and a test needs no tolerance. Each new shape costs a
compilation, so images and networks have shapes from small pools. The axes of an image have different lengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.checks import choice, flag, integer, several, shown
from jaxconv.errors import explain, message, public
from jaxconv.testing.configurations import Configuration, LayerConfiguration, Network
from jaxconv.window import BOUNDARIES, PADDINGS, Pad, slide

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as error:
    cure = "Install it: pip install hypothesis"
    raise ModuleNotFoundError(
        message("jaxconv.testing.strategies", "hypothesis", "not installed", "installed", cure)
    ) from error

# Spatial shapes of images and networks, by number of axes: different lengths with many divisors.
SPATIAL = {1: ((12,), (7,)), 2: ((12, 8), (5, 7)), 3: ((4, 6, 8), (3, 5, 4))}
CHANNELS = ((1, 1), (2, 3))  # (n, c)
EVEN = {1: ((12,),), 2: ((12, 8), (6, 4)), 3: ((4, 6, 8),)}  # spatial shapes that the networks' strides divide


def _any_case(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.lower(), name.title()])


_names = st.sampled_from(sorted(PADDINGS)).flatmap(_any_case)
_pads = st.builds(Pad, st.integers(0, 4), st.integers(0, 4), st.sampled_from(sorted(BOUNDARIES)))
_paddings = _names | st.tuples(st.integers(0, 3), st.integers(0, 3)) | _pads


def paddings() -> st.SearchStrategy[Any]:
    """The padding of one axis: a name in any letter case, a pair (lo, hi) of zeros, or a `Pad`.

    >>> import hypothesis
    >>> hypothesis.find(paddings(), lambda padding: isinstance(padding, Pad))
    Pad(lo=0, hi=0, boundary='CIRCULAR')
    """
    return _paddings


@public
def arrays(shape: Sequence[int], *, most: int = 4, dtype: Any = np.float32) -> st.SearchStrategy[np.ndarray]:
    """Arrays of integers from -most to most, not all 0: a few cells on zeros or on random integers. They shrink to one
    nonzero cell.

    Args:
        shape: shape of the arrays.
        most: largest absolute value. Unsigned arrays have no negative values.
        dtype: dtype of the arrays.

    Raises:
        ValueError: `most` is not positive, or the dtype does not hold all integers up to it (float32: up to 2**24).

    >>> import hypothesis
    >>> hypothesis.find(arrays((1, 3)), lambda x: x.any())
    array([[1., 0., 0.]], dtype=float32)
    """
    return _arrays(shape, most, dtype)


def _arrays(shape: Sequence[int], most: int, dtype: Any) -> st.SearchStrategy[np.ndarray]:
    """As `arrays`, for the public functions whose names its error messages begin with."""
    lengths, cure = several(shape), "Write (2, 3), or () for a scalar"
    if lengths is None:
        raise TypeError(explain("shape", shown(shape), "a sequence of integers", cure))
    shape = [integer("shape", length, least=0, cure=cure) for length in lengths]
    try:
        dtype, size = np.dtype(dtype), math.prod(shape)
    except TypeError as error:
        raise TypeError(explain("dtype", shown(dtype), "a dtype", "Write np.float32")) from error
    most = _checked_most(most, dtype)
    low, top = (0 if dtype.kind in "ub" else -most), (1 if dtype.kind == "b" else most)

    def paint(dense: bool, seed: int, cells: list[tuple[int, int]]) -> np.ndarray:
        x = np.random.default_rng(seed).integers(low, top + 1, size) if dense else np.zeros(size)
        for at, value in cells:
            x[at] = value
        return x.reshape(tuple(shape)).astype(dtype)

    cells = st.tuples(st.integers(0, max(size - 1, 0)), st.integers(low, top).filter(bool))
    few = st.lists(cells, min_size=min(size, 1), max_size=min(size, 5))
    return st.builds(paint, st.booleans(), st.integers(0, 2**16), few)


@public
def images(
    rank: int = 2, *, shapes: Sequence[Sequence[int]] | None = None, most: int = 4, dtype: Any = np.float32
) -> st.SearchStrategy[np.ndarray]:
    """Images [n, h, w, c], signals [n, w, c] or volumes [n, d, h, w, c] of small integers. All lengths differ.

    Args:
        rank: number of spatial axes, 1 to 3.
        shapes: the shapes to draw from, instead of the default four.
        most: largest absolute value.
        dtype: dtype of the images.

    Raises:
        ValueError: `rank` is not from 1 to 3.

    >>> import hypothesis
    >>> hypothesis.find(images(), lambda x: x.any()).shape
    (1, 12, 8, 1)
    """
    if shapes is None:
        spatial = SPATIAL[_checked_rank(rank)]
        shapes = [(n, *lengths, c) for n, c in CHANNELS for lengths in spatial]
    pool, cure = several(shapes), "Write [(1, 12, 8, 1)] for one shape, or leave it out"
    if not pool or any(several(shape) is None for shape in pool):
        error = ValueError if pool == () else TypeError
        raise error(explain("shapes", shown(shapes), "a sequence of shapes, one or more", cure))
    each = {tuple(shape): _arrays(shape, most, dtype) for shape in pool}
    return st.sampled_from(list(each)).flatmap(each.__getitem__)


@public
def shifts(*lengths: int) -> st.SearchStrategy[Any]:
    """Nonzero shifts of both signs by less than the length. With several lengths, tuples that are not all 0.

    Args:
        lengths: number of cells along each shifted axis.

    Raises:
        ValueError: no lengths, or none above 1.

    >>> import hypothesis
    >>> hypothesis.find(shifts(8), lambda s: s < -2)
    -3
    """
    cure = "Write shifts(8, 12) for axes of 8 and 12 cells"
    lengths = tuple(integer("lengths", length, least=1, cure=cure) for length in lengths)
    if not lengths or max(lengths) < 2:
        raise ValueError(explain("lengths", lengths, "one length or more, one of them above 1", cure))
    each = [st.integers(1 - length, length - 1) for length in lengths]
    return each[0].filter(bool) if len(each) == 1 else st.tuples(*each).filter(any)


@public
def parameters(tree: Any, *, most: int = 4) -> st.SearchStrategy[Any]:
    """Parameters of small integers, for a tree of arrays or shapes such as the result of an `init` function.

    Args:
        tree: a pytree of arrays or `jax.ShapeDtypeStruct`s. Only their shapes and dtypes are used.
        most: largest absolute value.

    Raises:
        ValueError: `most` is not positive, or a leaf's dtype does not hold all integers up to it.

    >>> import hypothesis, jax, jaxconv as jc
    >>> tree = jax.eval_shape(lambda key: jc.init_conv(key, (3, 2), 1, 4), jax.random.key(0))
    >>> jax.tree.map(np.shape, hypothesis.find(parameters(tree), lambda params: params["bias"].any()))
    {'bias': (4,), 'kernel': (3, 2, 1, 4)}
    """
    leaves, structure = jax.tree.flatten(tree)
    wrong = [leaf for leaf in leaves if not hasattr(leaf, "dtype")]
    if wrong or not leaves:
        cure = "Pass the result of an init function, or jax.eval_shape of it"
        actual, error = (wrong[0], TypeError) if wrong else (tree, ValueError)
        raise error(explain("tree", shown(actual), "a tree of arrays or shapes", cure))
    each = [_arrays(np.shape(leaf), most, leaf.dtype) for leaf in leaves]
    return st.tuples(*each).map(lambda drawn: jax.tree.unflatten(structure, drawn))


@public
def conv_configurations(
    max_rank: int = 3, padding: st.SearchStrategy[Any] = _paddings
) -> st.SearchStrategy[Configuration]:
    """Convolutions with 1 to `max_rank` spatial axes, and any stride, dilation, groups and paddings.

    Args:
        max_rank: maximum number of spatial axes, 1 or more.
        padding: a strategy for the padding of one axis.

    Raises:
        ValueError: `max_rank` is not positive.
        TypeError: `padding` is not a strategy.

    >>> import hypothesis
    >>> case = hypothesis.find(conv_configurations(), lambda case: case.groups > 1)
    >>> case.lengths, case.window, case.channels
    ((1,), (1,), (2, 2))
    """
    max_rank = integer("max_rank", max_rank, least=1, cure="Leave it out for 3")
    return _convolution(max_rank, _strategy(padding))


@st.composite
def _convolution(draw: st.DrawFn, max_rank: int, padding: st.SearchStrategy[Any]) -> Configuration:
    rank = draw(st.integers(1, max_rank))
    axes = []
    for _ in range(rank):
        taps, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        length = max(draw(st.integers(1, 6)), dilation * (taps - 1) + 1)
        axes.append((length, taps, draw(st.integers(1, 3)), dilation, draw(padding)))
    lengths, window, stride, dilation, padding_each = zip(*axes, strict=True)
    groups = draw(st.integers(1, 3))
    channels = (groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)))
    geometry = {"stride": stride, "dilation": dilation, "padding": padding_each, "groups": groups}
    return Configuration(lengths, window, geometry, channels, draw(st.integers(1, 2)), draw(st.integers(0, 2**16)))


@public
def pool_configurations(max_rank: int = 3) -> st.SearchStrategy[Configuration]:
    """Pooling windows with 1 to `max_rank` axes. They may overlap, be dilated or overhang; each reads a cell of x.

    Args:
        max_rank: maximum number of spatial axes, 1 or more.

    Raises:
        ValueError: `max_rank` is not positive.

    >>> import hypothesis
    >>> case = hypothesis.find(pool_configurations(max_rank=1), lambda case: case.out != case.lengths)
    >>> len(case.window), case.channels[0] == case.channels[1]
    (1, True)
    """
    return _pooling(integer("max_rank", max_rank, least=1, cure="Leave it out for 3"))


@st.composite
def _pooling(draw: st.DrawFn, max_rank: int) -> Configuration:
    rank, ceil_mode = draw(st.integers(1, max_rank)), draw(st.booleans())
    axes = []
    for _ in range(rank):
        taps, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        length = draw(st.integers(dilation * (taps - 1) + 1, 6))
        less = st.integers(0, taps - 1)
        zeros = st.tuples(less, less)
        copies = _names | st.builds(Pad, less, less, st.sampled_from(sorted(BOUNDARIES)))
        padding = st.just("VALID") | zeros if ceil_mode else zeros | copies
        axes.append((length, taps, draw(st.integers(1, 3)), draw(padding), dilation))
    lengths, window, stride, padding_each, dilation = zip(*axes, strict=True)
    channels = draw(st.integers(1, 2))
    geometry = {"stride": stride, "padding": padding_each, "dilation": dilation, "ceil_mode": ceil_mode}
    seed = draw(st.integers(0, 2**16))
    return Configuration(lengths, window, geometry, (channels, channels), draw(st.integers(1, 2)), seed)


@public
def circular_configurations(
    boundary: str | Pad = "CIRCULAR", *, divides: bool = True
) -> st.SearchStrategy[tuple[Configuration, int]]:
    """A circular convolution, and an axis whose length its stride divides (or does not divide).

    Args:
        boundary: another padding, for broken twins.
        divides: whether the stride divides the length.

    Raises:
        ValueError: there is no padding with that name.

    >>> import hypothesis
    >>> case, axis = hypothesis.find(circular_configurations(), lambda pair: max(pair[0].geometry["stride"]) > 1)
    >>> case.lengths[axis] % case.geometry["stride"][axis]
    0
    """
    cure = "Leave it out for CIRCULAR"
    if not isinstance(boundary, Pad):
        names = sorted(PADDINGS)
        boundary = choice("boundary", boundary, names, any_case=True, besides="a Pad", cure=cure)
    return _circular(boundary, flag("divides", divides))


@st.composite
def _circular(draw: st.DrawFn, boundary: str | Pad, divides: bool) -> tuple[Configuration, int]:
    case = draw(conv_configurations(max_rank=2, padding=st.just(boundary)))
    shifted = draw(st.integers(0, len(case.lengths) - 1))
    strides = case.geometry["stride"]
    lengths = list(case.lengths)
    if divides:
        lengths[shifted] += -lengths[shifted] % strides[shifted]
    elif lengths[shifted] % strides[shifted] == 0:
        lengths[shifted] += 1
    return Configuration(tuple(lengths), case.window, case.geometry, case.channels, case.batch, case.seed), shifted


@public
def networks(
    rank: int | None = None, *, padding: st.SearchStrategy[Any] | None = None, max_depth: int = 3
) -> st.SearchStrategy[Network]:
    """Networks of one to `max_depth` convolutions, pooling layers and dense layers, with a ReLU after some of them.

    Without `padding` all windows are circular and all strides divide the lengths. So cyclic shifts by `network.strides`
    along each axis move the output by one position. With `padding` a network need not be equivariant.

    Args:
        rank: number of spatial axes, 1 to 3; random if None.
        padding: a strategy for the padding of one axis, such as `paddings()`.
        max_depth: maximum number of layers except ReLU. More than 3 layers may exceed float32's exact integers.

    Raises:
        ValueError: `rank` is not from 1 to 3, or `max_depth` is not positive.
        TypeError: `padding` is not a strategy.

    >>> import hypothesis
    >>> print(hypothesis.find(networks(), lambda network: max(network.strides) > 1))
    max_pool 1 stride 2 CIRCULAR
    """
    rank = None if rank is None else _checked_rank(rank)
    padding = None if padding is None else _strategy(padding)
    return _network(rank, padding, integer("max_depth", max_depth, least=1, cure="Leave it out for 3"))


@st.composite
def _network(draw: st.DrawFn, rank: int | None, padding: st.SearchStrategy[Any] | None, max_depth: int) -> Network:
    rank = draw(st.integers(1, 3)) if rank is None else rank
    wraps = padding is None
    lengths = draw(st.sampled_from(EVEN[rank] if wraps else SPATIAL[rank]))
    batch, channels = draw(st.sampled_from(CHANNELS))
    shape, layers = (batch, *lengths, channels), []
    for _ in range(draw(st.integers(1, max_depth))):
        kind = draw(st.sampled_from(("max_pool", "conv", "avg_pool", "dense")))
        if kind == "dense":
            layers.append(LayerConfiguration(kind, channels=draw(st.integers(1, 3))))
        else:
            layer = _window(draw, kind, lengths, padding)
            lengths = tuple(axis.out for axis in slide(lengths, layer.window, layer.stride, layer.padding))
            layers.append(layer)
        if draw(st.booleans()):
            layers.append(LayerConfiguration("relu"))
    return Network(tuple(layers), shape, draw(st.integers(0, 2**16)))


def _window(
    draw: st.DrawFn, kind: str, lengths: tuple[int, ...], padding: st.SearchStrategy[Any] | None
) -> LayerConfiguration:
    """A convolution or pooling layer that fits x. Averages are over 1, 2 or 4 cells, so they are exact."""
    window, stride, paddings_of_axes = [], [], []
    for length in lengths:
        most = min(length, 2 if len(lengths) == 3 or kind == "avg_pool" else 3)
        taps = draw(st.integers(1, most))
        fits = [step for step in (1, 2) if padding is not None or length % step == 0]
        window.append(taps)
        stride.append(draw(st.sampled_from(fits)))
        chosen = "CIRCULAR" if padding is None else draw(padding)
        if kind != "conv" and padding is not None:
            chosen = draw(st.sampled_from(("VALID", "SAME", "CIRCULAR")))  # so that every window reads a cell of x
        paddings_of_axes.append(chosen)
    every = paddings_of_axes[0] if len(set(map(str, paddings_of_axes))) == 1 else tuple(paddings_of_axes)
    each = every if isinstance(every, str | Pad) else tuple(paddings_of_axes)
    channels = draw(st.integers(1, 3)) if kind == "conv" else 0
    return LayerConfiguration(kind, tuple(window), tuple(stride), each, channels)


def _checked_most(most: int, dtype: Any) -> int:
    """Return `most`, if the dtype holds all integers up to it."""
    most = integer("most", most, least=1, cure="Leave it out for 4")
    if jnp.issubdtype(dtype, np.inexact):
        exact = 2 ** (jnp.finfo(dtype).nmant + 1)
    elif jnp.issubdtype(dtype, np.integer):
        exact = int(jnp.iinfo(dtype).max)
    else:
        exact = most  # of booleans only 0 and 1 are drawn
    if most > exact:
        expected = f"at most {exact}, up to which {dtype} holds every integer"
        raise ValueError(explain("most", shown(most), expected, "Leave it out for 4"))
    return most


def _strategy(padding: object) -> st.SearchStrategy[Any]:
    """Return `padding`, if it is a strategy."""
    if not isinstance(padding, st.SearchStrategy):
        cure = 'Write st.just("same") for one padding, or leave it out'
        raise TypeError(explain("padding", shown(padding), "a strategy of paddings of one axis", cure))
    return padding


def _checked_rank(rank: int) -> int:
    """Return `rank`, if there are shapes with that number of spatial axes."""
    cure = "Write 2 for images"
    rank = integer("rank", rank, cure=cure)
    if rank not in SPATIAL:
        raise ValueError(explain("rank", rank, "1, 2 or 3 spatial axes", cure))
    return rank
