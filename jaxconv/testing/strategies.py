"""Hypothesis strategies: images, shifts, windows, parameters and whole networks, on which comparisons are exact.

Everything is drawn in small whole numbers, so that float32 rounds nothing and a test needs no tolerance. A new shape
costs a compilation, so images and networks have shapes from small pools; lengths along the axes of one image differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.checks import choice, flag, integer, several, shown
from jaxconv.errors import explain
from jaxconv.testing.configurations import Configuration, LayerConfiguration, Network
from jaxconv.window import BOUNDARIES, PADDINGS, Pad, slide

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as error:
    cure = "Install it: pip install 'jaxconv[test]'"
    raise ModuleNotFoundError(
        explain("jaxconv.testing.strategies", "hypothesis", "not installed", "there", cure)
    ) from error

# The spatial shapes of images and networks, for each number of axes: lengths that differ and have many divisors.
SPATIAL = {1: ((12,), (7,)), 2: ((12, 8), (5, 7)), 3: ((4, 6, 8), (3, 5, 4))}
CHANNELS = ((1, 1), (2, 3))  # (n, c)
EVEN = {1: ((12,),), 2: ((12, 8), (6, 4)), 3: ((4, 6, 8),)}  # of networks whose strides must divide them


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


def arrays(shape: Sequence[int], *, most: int = 4, dtype: Any = np.float32) -> st.SearchStrategy[np.ndarray]:
    """Arrays of whole numbers from -most to most: never all 0: a few cells on zeros, or on random numbers. They
    shrink to one cell where one will do.

    Args:
        shape: of the arrays.
        most: the largest number; unsigned arrays begin with 0.
        dtype: of the arrays.

    Raises:
        ValueError: `most` is not positive, or more than the dtype holds exactly: 2**24 of float32.

    >>> import hypothesis
    >>> hypothesis.find(arrays((1, 3)), lambda x: x.any())
    array([[1., 0., 0.]], dtype=float32)
    """
    return _arrays("arrays", shape, most, dtype)


def _arrays(where: str, shape: Sequence[int], most: int, dtype: Any) -> st.SearchStrategy[np.ndarray]:
    """The same, for another function's messages."""
    lengths, cure = several(shape), "Write (2, 3), or () for a scalar"
    if lengths is None:
        raise TypeError(explain(where, "shape", shown(shape), "a sequence of integers", cure))
    shape = [integer(where, "shape", length, least=0, cure=cure) for length in lengths]
    try:
        dtype, size = np.dtype(dtype), math.prod(shape)
    except TypeError as error:
        raise TypeError(explain(where, "dtype", shown(dtype), "a dtype", "Write np.float32")) from error
    most = _checked_most(where, most, dtype)
    low, top = (0 if dtype.kind in "ub" else -most), (1 if dtype.kind == "b" else most)

    def paint(dense: bool, seed: int, cells: list[tuple[int, int]]) -> np.ndarray:
        x = np.random.default_rng(seed).integers(low, top + 1, size) if dense else np.zeros(size)
        for at, value in cells:
            x[at] = value
        return x.reshape(tuple(shape)).astype(dtype)

    cells = st.tuples(st.integers(0, max(size - 1, 0)), st.integers(low, top).filter(bool))
    few = st.lists(cells, min_size=min(size, 1), max_size=min(size, 5))
    return st.builds(paint, st.booleans(), st.integers(0, 2**16), few)


def images(
    rank: int = 2, *, shapes: Sequence[Sequence[int]] | None = None, most: int = 4, dtype: Any = np.float32
) -> st.SearchStrategy[np.ndarray]:
    """Images [n, h, w, c], signals [n, w, c] or volumes [n, d, h, w, c] of small whole numbers; no two axes alike.

    Args:
        rank: the number of spatial axes, 1 to 3.
        shapes: the pool of shapes to draw from, instead of the default one of four.
        most: the largest number.
        dtype: of the images.

    Raises:
        ValueError: there is no pool for that rank.

    >>> import hypothesis
    >>> hypothesis.find(images(), lambda x: x.any()).shape
    (1, 12, 8, 1)
    """
    if shapes is None:
        spatial = SPATIAL[_checked_rank("images", rank)]
        shapes = [(n, *lengths, c) for n, c in CHANNELS for lengths in spatial]
    pool, cure = several(shapes), "Write [(1, 12, 8, 1)] for one shape, or leave it out"
    if not pool or any(several(shape) is None for shape in pool):
        error = ValueError if pool == () else TypeError
        raise error(explain("images", "shapes", shown(shapes), "a sequence of shapes, one or more", cure))
    each = {tuple(shape): _arrays("images", shape, most, dtype) for shape in pool}
    return st.sampled_from(list(each)).flatmap(each.__getitem__)


def shifts(*lengths: int) -> st.SearchStrategy[Any]:
    """Shifts of either sign, never 0: by less than the length. With several lengths, a tuple of which one is not 0.

    Args:
        lengths: cells along each shifted axis.

    Raises:
        ValueError: no lengths, or none above 1.

    >>> import hypothesis
    >>> hypothesis.find(shifts(8), lambda s: s < -2)
    -3
    """
    cure = "Write shifts(8, 12) for axes of 8 and 12 cells"
    lengths = tuple(integer("shifts", "lengths", length, least=1, cure=cure) for length in lengths)
    if not lengths or max(lengths) < 2:
        raise ValueError(explain("shifts", "lengths", lengths, "one length or more, one of them above 1", cure))
    each = [st.integers(1 - length, length - 1) for length in lengths]
    return each[0].filter(bool) if len(each) == 1 else st.tuples(*each).filter(any)


def parameters(tree: Any, *, most: int = 4) -> st.SearchStrategy[Any]:
    """Parameters of small whole numbers, for a tree of arrays or shapes: what an `init` function returns.

    Args:
        tree: a pytree of arrays or `jax.ShapeDtypeStruct`s; of arrays only shapes and dtypes are used.
        most: the largest number.

    Raises:
        ValueError: `most` is not positive, or more than a leaf's dtype holds exactly.

    >>> import hypothesis, jax, jaxconv as jc
    >>> tree = jax.eval_shape(lambda key: jc.init_conv(key, (3, 2), 1, 4), jax.random.key(0))
    >>> jax.tree.map(np.shape, hypothesis.find(parameters(tree), lambda params: params["bias"].any()))
    {'bias': (4,), 'kernel': (3, 2, 1, 4)}
    """
    leaves, structure = jax.tree.flatten(tree)
    wrong = [leaf for leaf in leaves if not hasattr(leaf, "dtype")]
    if wrong or not leaves:
        cure = "Pass what an init function returns, or jax.eval_shape of it"
        found, error = (wrong[0], TypeError) if wrong else (tree, ValueError)
        raise error(explain("parameters", "tree", shown(found), "a tree of arrays or shapes", cure))
    each = [_arrays("parameters", np.shape(leaf), most, leaf.dtype) for leaf in leaves]
    return st.tuples(*each).map(lambda drawn: jax.tree.unflatten(structure, drawn))


def conv_configurations(
    max_rank: int = 3, padding: st.SearchStrategy[Any] = _paddings
) -> st.SearchStrategy[Configuration]:
    """Convolutions of 1 to `max_rank` axes with any stride, dilation, groups and mix of paddings.

    Args:
        max_rank: the most spatial axes, 1 or more.
        padding: of one axis.

    Raises:
        ValueError: `max_rank` is not positive.
        TypeError: `padding` is no strategy.

    >>> import hypothesis
    >>> case = hypothesis.find(conv_configurations(), lambda case: case.groups > 1)
    >>> case.lengths, case.window, case.channels
    ((1,), (1,), (2, 2))
    """
    max_rank = integer("conv_configurations", "max_rank", max_rank, least=1, cure="Leave it out for 3")
    return _convolution(max_rank, _strategy("conv_configurations", padding))


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


def pool_configurations(max_rank: int = 3) -> st.SearchStrategy[Configuration]:
    """Pooling windows of 1 to `max_rank` axes, overlapping, dilated, overhanging or not, that all see some cell of x.

    Args:
        max_rank: the most spatial axes, 1 or more.

    Raises:
        ValueError: `max_rank` is not positive.

    >>> import hypothesis
    >>> case = hypothesis.find(pool_configurations(max_rank=1), lambda case: case.out != case.lengths)
    >>> len(case.window), case.channels[0] == case.channels[1]
    (1, True)
    """
    return _pooling(integer("pool_configurations", "max_rank", max_rank, least=1, cure="Leave it out for 3"))


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


def circular_configurations(
    boundary: str | Pad = "CIRCULAR", *, divides: bool = True
) -> st.SearchStrategy[tuple[Configuration, int]]:
    """A convolution that wraps around, whose stride divides the length of its axis (or does not); and that axis.

    Args:
        boundary: another padding, for broken twins.
        divides: whether the stride divides the length.

    Raises:
        ValueError: there is no padding of that name.

    >>> import hypothesis
    >>> case, axis = hypothesis.find(circular_configurations(), lambda pair: max(pair[0].geometry["stride"]) > 1)
    >>> case.lengths[axis] % case.geometry["stride"][axis]
    0
    """
    where, cure = "circular_configurations", "Leave it out for CIRCULAR"
    if not isinstance(boundary, Pad):
        names = sorted(PADDINGS)
        boundary = choice(where, "boundary", boundary, names, any_case=True, besides="a Pad", cure=cure)
    return _circular(boundary, flag(where, "divides", divides))


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


def networks(
    rank: int | None = None, *, padding: st.SearchStrategy[Any] | None = None, max_depth: int = 3
) -> st.SearchStrategy[Network]:
    """Networks of one to `max_depth` convolutions, poolings and dense layers, a ReLU after some of them.

    Without `padding` every window wraps around and every stride divides its length, so that by construction cyclic
    shifts by `network.strides` along each axis move the output by one. With it, nothing is promised.

    Args:
        rank: the number of spatial axes, 1 to 3; drawn if None.
        padding: of one axis, `paddings()` for all kinds.
        max_depth: at most this many layers with windows or weights; more than 3 may leave what float32 holds exactly.

    Raises:
        ValueError: `rank` is another number, or `max_depth` is not positive.
        TypeError: `padding` is no strategy.

    >>> import hypothesis
    >>> print(hypothesis.find(networks(), lambda network: max(network.strides) > 1))
    max_pool 1 stride 2 CIRCULAR
    """
    rank = None if rank is None else _checked_rank("networks", rank)
    padding = None if padding is None else _strategy("networks", padding)
    return _network(rank, padding, integer("networks", "max_depth", max_depth, least=1, cure="Leave it out for 3"))


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
            lengths = tuple(axis.out for axis in slide("networks", lengths, layer.window, layer.stride, layer.padding))
            layers.append(layer)
        if draw(st.booleans()):
            layers.append(LayerConfiguration("relu"))
    return Network(tuple(layers), shape, draw(st.integers(0, 2**16)))


def _window(
    draw: st.DrawFn, kind: str, lengths: tuple[int, ...], padding: st.SearchStrategy[Any] | None
) -> LayerConfiguration:
    """A convolution or a pooling that fits: averages over 1, 2 or 4 cells, so that they are exact."""
    window, stride, paddings_of_axes = [], [], []
    for length in lengths:
        most = min(length, 2 if len(lengths) == 3 or kind == "avg_pool" else 3)
        taps = draw(st.integers(1, most))
        fits = [step for step in (1, 2) if padding is not None or length % step == 0]
        window.append(taps)
        stride.append(draw(st.sampled_from(fits)))
        chosen = "CIRCULAR" if padding is None else draw(padding)
        if kind != "conv" and padding is not None:
            chosen = draw(st.sampled_from(("VALID", "SAME", "CIRCULAR")))  # no window sees nothing but padding
        paddings_of_axes.append(chosen)
    every = paddings_of_axes[0] if len(set(map(str, paddings_of_axes))) == 1 else tuple(paddings_of_axes)
    each = every if isinstance(every, str | Pad) else tuple(paddings_of_axes)
    channels = draw(st.integers(1, 3)) if kind == "conv" else 0
    return LayerConfiguration(kind, tuple(window), tuple(stride), each, channels)


def _checked_most(where: str, most: int, dtype: Any) -> int:
    """A largest number up to which a dtype holds every integer."""
    most = integer(where, "most", most, least=1, cure="Leave it out for 4")
    if jnp.issubdtype(dtype, np.inexact):
        exact = 2 ** (jnp.finfo(dtype).nmant + 1)
    elif jnp.issubdtype(dtype, np.integer):
        exact = int(jnp.iinfo(dtype).max)
    else:
        exact = most  # of booleans only 0 and 1 are drawn
    if most > exact:
        expected = f"at most {exact}, up to which {dtype} holds every integer"
        raise ValueError(explain(where, "most", shown(most), expected, "Leave it out for 4"))
    return most


def _strategy(where: str, padding: object) -> st.SearchStrategy[Any]:
    """A strategy for the padding of one axis."""
    if not isinstance(padding, st.SearchStrategy):
        cure = 'Write st.just("same") for one padding, or leave it out'
        raise TypeError(explain(where, "padding", shown(padding), "a strategy of paddings of one axis", cure))
    return padding


def _checked_rank(where: str, rank: int) -> int:
    """A number of spatial axes for which there is a pool of shapes."""
    cure = "Write 2 for images"
    found = integer(where, "rank", rank, cure=cure)
    if found not in SPATIAL:
        raise ValueError(explain(where, "rank", found, "1, 2 or 3 spatial axes", cure))
    return found
