"""The layers that are timed: "lax" is plain lax, written here by hand; and who computes something else is not timed."""

import jax
import jax.numpy as jnp
import layers
import numpy as np
import pytest
from equations import flat
from jax import lax
from layer_programs import CONTENDERS, PROGRAMS, calls, program
from layer_rows import ROWS

from jaxconv.verify import jaxprs

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
        identity, operation = (-np.inf, lax.max) if layer.kind == "max" else (0.0, lax.add)
        y = lax.reduce_window(x, identity, operation, (1, *layer.window, 1), (1, *stride, 1), "VALID")
        return y if layer.kind == "max" else y / float(np.prod(layer.window))

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

    known = {"conv": conv, "max": pool, "average": pool, "transposed": transposed, "tiled": tiled, "local": local}
    return known[layer.kind]


def windows(fn, *arguments):
    """The sliding operations of a jaxpr, with all that they are told."""
    equations = flat(jaxprs.trace(fn, arguments)[0])
    assert not any(equation.primitive.name.startswith("jaxconv") for equation in equations)
    kinds = ("conv_general_dilated", "reduce_window")
    found = [equation for equation in equations if equation.primitive.name.startswith(kinds)]
    return [(equation.primitive.name, dict(equation.params)) for equation in found]


@pytest.mark.parametrize("label", [label for label, layer in ROWS.items() if layer.kind not in {"tiled", "local"}])
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
    [
        "5x5 1->6 28px",
        "transposed 4x4 s2 c32 16px",
        "tiled 2x2 3x3 c16 32px",
        "tiled 4x4 3x3 c16 32px",
        "locally connected 3x3 14px c16",
    ],
)
def test_lax_computes_what_is_written_by_hand(label, name):
    layer = ROWS[label]
    x, dy, *kernel = map(np.asarray, layer.arguments(1))
    expected = jax.jit(by_hand(layer))
    found = calls(layer, name, [x, dy, *kernel])
    for call in (found[contender] for contender in CONTENDERS):
        y = jax.tree.leaves(call())[0]
        assert y.shape == dy.shape
        np.testing.assert_allclose(y, expected(x, *kernel), rtol=0, atol=1e-4 * np.abs(y).max())


def test_ours_is_not_lax():
    """The broken twin of the first: under the table a depthwise convolution is an equation of our own."""
    layer = ROWS["depthwise 3x3 c64 32px"]
    x, dy, kernel = layer.arguments(1)
    equations = flat(jaxprs.trace(program(layer, "forward", "ours"), (x, dy, kernel))[0])
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
