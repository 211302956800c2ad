"""The layers that are timed: "lax" is plain lax, written here by hand; and who computes something else is not timed."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import layers
import numpy as np
import pytest
from jax import lax
from layer_programs import CONTENDERS, PROGRAMS, calls, program
from layer_rows import ROWS
from support.equations import flat
from support.numpy_evaluation import evaluated

from jaxconv.jaxprs.layout import trace

IMAGES = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


def by_hand(layer):
    """What a person would write, without jaxconv."""
    rank, padding, stride = len(layer.window), [(layer.pad, layer.pad)] * len(layer.window), (layer.stride,) * 2

    def conv(x, kernel):
        settings = {"rhs_dilation": (layer.dilation,) * rank, "feature_group_count": layer.groups}
        return lax.conv_general_dilated(
            x, kernel, stride[:1] * rank, padding, dimension_numbers=IMAGES[rank], **settings
        )

    def pool(x):
        identity, operation = {"max": (-np.inf, lax.max), "min": (np.inf, lax.min), "average": (0.0, lax.add)}[
            layer.kind
        ]
        window, edge = (1, *layer.window, 1), ((0, 0), *padding, (0, 0))
        apart = (1, *(layer.dilation,) * rank, 1)
        y = lax.reduce_window(x, identity, operation, window, (1, *stride, 1), edge, window_dilation=apart)
        return y / float(np.prod(layer.window)) if layer.kind == "average" else y

    def blur(x):
        row = np.float32([1, 2, 1]) / 4
        kernel = np.broadcast_to(row[:, None, None, None] * row[:, None, None], (3, 3, 1, x.shape[-1]))
        return lax.conv_general_dilated(
            x, kernel, stride, padding, feature_group_count=x.shape[-1], dimension_numbers=IMAGES[2]
        )

    def adaptive(x):
        """Window by window."""
        (h, w), (m, k) = layer.spatial, layer.window
        cut = lambda n, m: [slice(int(np.floor(j * n / m)), int(np.ceil((j + 1) * n / m))) for j in range(m)]
        means = [[x[:, rows, columns].mean(axis=(1, 2)) for columns in cut(w, k)] for rows in cut(h, m)]
        return jnp.stack([jnp.stack(row, axis=1) for row in means], axis=1)

    def transposed(x, kernel):
        edge = [(taps - 1 - layer.pad,) * 2 for taps in layer.window]
        kernel, apart = lax.rev(kernel, (0, 1)), {"lhs_dilation": stride, "dimension_numbers": ("NHWC", "HWOI", "NHWC")}
        return lax.conv_general_dilated(x, kernel, (1, 1), edge, **apart)

    def local(x, kernel):
        weights = np.moveaxis(kernel, -2, 2).reshape(*layer.out, -1, layer.channels[1])
        return lax.conv_general_dilated_local(x, weights, stride, padding, layer.window, dimension_numbers=IMAGES[2])

    def tiled(x, kernel):
        y = jnp.zeros((len(x), *layer.out, layer.channels[1]), x.dtype)
        for i, j in np.ndindex(*layer.period):
            rows, columns = slice(i, None, layer.period[0]), slice(j, None, layer.period[1])
            y = y.at[:, rows, columns].set(conv(x, kernel[i, j])[:, rows, columns])
        return y

    pools = {"max": pool, "min": pool, "average": pool, "blur": blur, "adaptive": adaptive}
    return (pools | {"conv": conv, "transposed": transposed, "tiled": tiled, "local": local})[layer.kind]


def windows(fn, *arguments):
    """The sliding operations of a jaxpr, with all that they are told."""
    equations = flat(trace(fn, arguments)[0])
    assert not any(equation.primitive.name.startswith("jaxconv") for equation in equations)
    kinds = ("conv_general_dilated", "reduce_window")
    found = [equation for equation in equations if equation.primitive.name.startswith(kinds)]
    return [(equation.primitive.name, dict(equation.params)) for equation in found]


# What lax has no operation for, and what it has none for that has a derivative.
BY_SLICES = {label for label, layer in ROWS.items() if layer.kind in {"tiled", "local", "adaptive"}} | {
    "max pool 3x3 d2 s2 c64 32px"
}


@pytest.mark.parametrize("label", [label for label in ROWS if label not in BY_SLICES])
def test_lax_is_what_a_person_would_write(label):
    """The same equation with the same parameters."""
    layer = ROWS[label]
    x, dy, *kernel = layer.arguments(1)
    mine, theirs = windows(program(layer, "forward", "lax"), x, dy, *kernel), windows(by_hand(layer), x, *kernel)
    assert len(mine) == 1
    assert mine == theirs


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(
    "label",
    sorted(
        {"5x5 1->6 28px", "transposed 4x4 s2 c32 16px", "min pool 3x3 s2 c64 32px", "blur pool 3x3 s2 c64 32px"}
        | BY_SLICES
    ),
)
def test_lax_computes_what_is_written_by_hand(label, name):
    """On fewer pixels and channels, by NumPy: a benchmark compares what is compiled before it is timed."""
    layer = ROWS[label]
    layer = replace(layer, spatial=(9, 10), channels=tuple(min(c, 3) for c in layer.channels))
    x, dy, *kernel = layer.arguments(2)
    expected = evaluated(by_hand(layer))(x, *kernel)
    results = []
    for contender in CONTENDERS:
        y, *deltas = jax.tree.leaves(evaluated(program(layer, name, contender))(x, dy, *kernel))
        assert y.shape == dy.shape
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4 * np.abs(y).max())
        results.append(deltas)
    assert [delta.shape for delta in results[0]] == ([] if name == "forward" else [x.shape, *(k.shape for k in kernel)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * np.abs(other).max())


def test_what_is_called_is_compiled():
    layer = ROWS["5x5 1->6 28px"]
    x, dy, kernel = layer.arguments(1)
    found = {name: call() for name, call in calls(layer, "forward + gradients", [x, dy, kernel]).items()}
    assert list(found) == list(CONTENDERS)
    for one, other in zip(found["ours"], found["lax"], strict=True):
        assert isinstance(one, jax.Array)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * np.abs(other).max())


def test_ours_is_not_lax():
    """The broken twin of the first: under the table a depthwise convolution is an equation of our own."""
    layer = ROWS["depthwise 3x3 c64 32px"]
    x, dy, kernel = layer.arguments(1)
    equations = flat(trace(program(layer, "forward", "ours"), (x, dy, kernel))[0])
    assert "jaxconv_conv" in [equation.primitive.name for equation in equations]


def test_multiplications_are_counted():
    """A 3x3 convolution of 16 channels on 32x32 pixels: 2 * 32^2 * 3^2 * 16^2; a transposed one sees its input's."""
    assert ROWS["3x3 16->16 32px"].flops(4) == 4 * 2 * 1024 * 9 * 256
    assert ROWS["depthwise 3x3 c64 32px"].flops(1) == 2 * 1024 * 9 * 64
    assert ROWS["transposed 4x4 s2 c32 16px"].flops(1) == 2 * 256 * 16 * 1024


def test_who_differs_is_not_timed():
    result = [np.ones((2, 3), np.float32)]
    layers.agree("a layer", {"lax": result, "ours": [result[0] + 1e-5]})
    with pytest.raises(ValueError, match=r"a layer: ours differs from lax by 0\.5, of numbers up to 1$"):
        layers.agree("a layer", {"lax": result, "ours": [result[0] + 0.5]})
    with pytest.raises(ValueError, match="differs from lax by nan"):
        layers.agree("a layer", {"lax": result, "ours": [result[0] + np.nan]})
    with pytest.raises(ValueError, match=r"has the shape \(3,\), but lax \(2, 3\)"):
        layers.agree("a layer", {"lax": result, "ours": [result[0][0]]})


def test_means_are_geometric():
    rows = [
        {"program": name, "ratios": {"ours / lax": {"median": ratio}}}
        for name, ratio in (("forward", 0.5), ("forward", 2.0), ("forward + gradients", 0.25))
    ]
    assert layers.means(rows) == {"ours / lax": {"forward": pytest.approx(1.0), "forward + gradients": 0.25}}


def test_means_of_a_pair_are_over_the_rows_that_have_it():
    """PyTorch has no tiled layers."""
    rows = [
        {"program": "forward", "ratios": {pair: {"median": ratio} for pair in pairs}}
        for ratio, pairs in ((0.5, ["ours / lax", "ours / faster torch"]), (0.125, ["ours / lax"]))
    ]
    assert layers.means(rows) == {"ours / lax": {"forward": 0.25}, "ours / faster torch": {"forward": 0.5}}
