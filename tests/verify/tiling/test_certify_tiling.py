"""What is proved about tiles is what execution on whole numbers shows: no more, and where listed no less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from support.tiling_oracle import judged, signal

import jaxconv as jc
from jaxconv.verify import interpret
from jaxconv.verify.tiling.rules import RULES

CHANNELS = 3


def weights(*shape, seed=1):
    """A kernel of whole numbers, none of which is 0."""
    numbers = np.random.default_rng(seed).integers(1, 5, shape) * np.random.default_rng(seed + 1).choice([-1, 1], shape)
    return jnp.asarray(numbers.astype(np.float32))


KERNEL = {"kernel": weights(3, 5, CHANNELS, CHANNELS), "bias": weights(CHANNELS)}


def conv(x, **how):
    return jc.conv(jc.LayerParams(**KERNEL), x, **how)


def raw_conv(x, padding, strides=(1, 1), **how):
    dims = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, KERNEL["kernel"], strides, padding, dimension_numbers=dims, **how)


def upsampled(x, by=2):
    return jnp.repeat(jnp.repeat(x, by, 1), by, 2)


def unet(x, padding="same"):
    inner = jax.nn.relu(conv(jc.max_pool(conv(x, padding=padding), (2, 2)), padding=padding))
    return conv(jnp.concatenate([x, upsampled(inner)], -1)[..., 1:4], padding=padding)


def in_a_loop(x):
    return lax.fori_loop(0, 3, lambda _, y: jnp.round(conv(y, padding="same") / 8), x)


def counted(x):
    ones = jnp.ones((1, *x.shape[1:3], 1))
    dims = (1, 3, 3, 1)
    pool = lambda v: lax.reduce_window(v, 0.0, lax.add, dims, (1, 1, 1, 1), "SAME")
    return pool(x) * jnp.round(12 / pool(ones))


def blocks(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h // 2, w // 2, 4 * c)


def from_blocks(x):
    n, h, w, c = x.shape
    return (
        x.reshape(n, h, w, 1, c)
        .repeat(4, 3)
        .reshape(n, h, w, 2, 2, c)
        .transpose(0, 1, 3, 2, 4, 5)
        .reshape(n, 2 * h, 2 * w, c)
    )


PROVED = {
    "the input": lambda x: x,
    "a convolution without padding": conv,
    "zero padding": lambda x: conv(x, padding="same"),
    "reflection": lambda x: conv(x, padding="reflect"),
    "copies of the border": lambda x: conv(x, padding="edge"),
    "copies of the border at one end": lambda x: jnp.pad(x, ((0, 0), (2, 0), (0, 3), (0, 0)), mode="edge"),
    "circular padding": lambda x: conv(x, padding="circular"),
    "a stride": lambda x: conv(x, padding="same", stride=2),
    "two strides": lambda x: conv(conv(x, padding="same", stride=2), padding="same", stride=2),
    "dilation": lambda x: conv(x, padding="same", dilation=2),
    "one-sided padding": lambda x: raw_conv(x, [(2, 0), (0, 0)]),
    "more padding than the window": lambda x: raw_conv(x, [(4, 5), (2, 2)]),
    "zeros between the cells": lambda x: raw_conv(x, [(2, 1), (2, 2)], lhs_dilation=(2, 1)),
    "cropping by a convolution": lambda x: raw_conv(x, [(-2, -1), (0, 0)]),
    "max pooling": lambda x: jc.max_pool(x, (3, 2), stride=2, padding="same"),
    "average pooling that counts": counted,
    "up-sampling": upsampled,
    "the nearest cells": lambda x: jax.image.resize(x, (1, 2 * x.shape[1], 3 * x.shape[2], 3), "nearest"),
    "space to depth": blocks,
    "depth to space": from_blocks,
    "a U-Net": unet,
    "a U-Net with reflection": lambda x: unet(x, "reflect"),
    "a circular U-Net": lambda x: unet(x, "circular"),
    "reversed": lambda x: conv(x, padding="same")[:, ::-1],
    "cropped": lambda x: x[:, 2:-3] * x[:, 3:-2],
    "differences": lambda x: x[:, 1:] - x[:, :-1],
    "every other cell": lambda x: x[:, 1::2],
    "a loop of convolutions": in_a_loop,
    "sorted channels": lambda x: jnp.sort(x, -1),
    "channels sorted by constants": lambda x: lax.sort((jnp.broadcast_to(-jnp.arange(3), x.shape), x), num_keys=1)[1],
    "layer norm of channels": lambda x: jnp.round(8 * jax.nn.standardize(x, -1)),
    "the largest channel": lambda x: jnp.argmax(x, -1).astype(x.dtype),
    "a dense layer": lambda x: x @ weights(3, 7) + weights(1, 1, 1, 7),
    "the other axis averaged": lambda x: x - jnp.round(x.sum(2, keepdims=True)),
    "a row": lambda x: x + x[:, :, :1],
    "part of the other axis": lambda x: lax.dynamic_slice_in_dim(x, 1, 4, axis=2),
    "padded with ones": lambda x: lax.pad(x, jnp.float32(1), [(0, 0, 0), (3, 1, 0), (0, 0, 0), (0, 0, 0)]),
    "zeros between": lambda x: lax.pad(x, jnp.float32(0), [(0, 0, 0), (1, 2, 2), (0, 0, 0), (0, 0, 0)]),
    "a transposed axis": lambda x: jnp.swapaxes(conv(x, padding="same"), 1, 2),
    "an embedding": lambda x: weights(19, 4)[(x[..., 0] + 9).astype(int)],
    "a mask that is uniform inside": lambda x: jnp.where((jnp.arange(x.shape[1]) < 2)[None, :, None, None], 0.0, x),
}
SIZES = [(24, 12), (28, 12), (30, 14)]
WHOLE, OTHER = 24, 10


@pytest.mark.parametrize(("whole", "tile"), SIZES)
@pytest.mark.parametrize("name", PROVED)
def test_tiles_agree_where_it_is_proved_and_nowhere_else(name, whole, tile):
    """`inner` is the largest interval: with weights that are not 0, one cell more fails at some offset."""
    fn, x = PROVED[name], signal((1, whole, OTHER, CHANNELS))
    claim = jc.certify_tiling(fn, x, tile=tile, axes=(1,)).leaves[0].axes[0]
    assert claim.proved, claim
    false, always = judged(fn, x, 1, tile, claim)
    assert not false, (claim, false)
    assert list(range(*claim.inner)) == always, claim


NOT_PROVED = {
    "a global mean": (lambda x: x - x.mean((1, 2), keepdims=True), "reduce_sum"),
    "group norm": (lambda x: jc.group_norm(jc.init_norm(3), x, groups=1), "reduce_sum"),
    "the length": (lambda x: x / x.shape[1], "div"),
    "positions": (lambda x: x + jnp.arange(x.shape[1], dtype=x.dtype)[None, :, None, None], "add"),
    "positions from the end": (lambda x: x * jnp.arange(x.shape[1], 0, -1.0, dtype=x.dtype)[None, :, None, None], "mul"),
    "a running sum": (lambda x: jnp.cumsum(x, 1), "cumsum"),
    "attention": (lambda x: jax.nn.softmax(x[:, :, 0] @ x[:, :, 0].mT, -1), "dot_general"),
    "a cell of the whole": (lambda x: x - x[:, :1], "sub"),
    "sorted": (lambda x: jnp.sort(x, 1), "sort"),
    "a Fourier transform": (lambda x: jnp.fft.fft(x, axis=1), "fft"),
    "a branch on the size": (lambda x: x + 1 if x.shape[1] > 16 else jnp.sin(x), ""),
    "a kernel as long as the input": (
        lambda x: raw_conv(x, "SAME") * lax.slice_in_dim(x, 0, 1, axis=1).sum(), "reduce_sum"
    ),
    "windows whose stride is the length": (
        lambda x: lax.reduce_window(x, 0.0, lax.add, (1, x.shape[1] // 4, 1, 1), (1, x.shape[1] // 4, 1, 1), "VALID"),
        "reduce_window_sum",
    ),
    "a dilation that grows": (lambda x: raw_conv(x, "SAME", rhs_dilation=(x.shape[1] // 12, 1)), "conv_general_dilated"),
    "padding that grows": (lambda x: jnp.pad(x, ((0, 0), (x.shape[1] // 12, 0), (0, 0), (0, 0)))[:, :1], "slice"),
    "the first cell again and again": (lambda x: x[:, :8][:, np.zeros(x.shape[1], int)], "gather"),
    "random numbers": (lambda x: x + jax.random.normal(jax.random.key(0), x.shape), ""),
    "a tile without inner cells": (lambda x: conv(conv(x, padding="same", dilation=6), padding="same"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_PROVED)
def test_what_depends_on_the_whole_names_its_line(name):
    fn, primitive = NOT_PROVED[name]
    x = jax.ShapeDtypeStruct((1, WHOLE, OTHER, CHANNELS), "float32")
    claim = jc.certify_tiling(fn, x, tile=12, axes=(1,)).leaves[0].axes[0]
    assert not claim.proved
    assert claim.culprit.primitive == primitive or not primitive, claim
    assert "test_certify_tiling.py" in claim.culprit.source or claim.culprit.equation < 0
    assert claim.culprit.reason in str(claim)


def test_same_with_a_stride_pads_by_the_size():
    """The tile has to be as long as the whole, modulo the stride."""
    fn, x = PROVED["a stride"], jax.ShapeDtypeStruct((1, 25, OTHER, CHANNELS), "float32")
    claims = [jc.certify_tiling(fn, x, tile=tile, axes=(1,)).leaves[0].axes[0] for tile in (12, 13)]
    assert [claim.proved for claim in claims] == [False, True]
    assert "by part of a stride" in claims[0].culprit.reason
    assert claims[0].culprit.primitive == "jaxconv_conv"


def layers(draw, depth):
    """A chain of layers that can be tiled, drawn one by one."""
    steps = []
    for _ in range(depth):
        steps.append(
            draw(
                st.one_of(
                    st.tuples(st.just("conv"), st.sampled_from(["valid", "same", "reflect", "circular", "edge"]),
                              st.integers(1, 2), st.integers(1, 2)),
                    st.tuples(st.just("pool"), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1)),
                    st.tuples(st.just("repeat"), st.integers(2, 3)),
                    st.tuples(st.just("crop"), st.integers(0, 2), st.integers(0, 2), st.integers(1, 2)),
                    st.tuples(st.just("pad"), st.integers(-1, 2), st.integers(-1, 2), st.integers(0, 1)),
                    st.tuples(st.just("reverse")),
                    st.tuples(st.just("both"), st.integers(1, 3)),
                )
            )
        )  # fmt: skip
    return steps


def network(steps):
    """The function of a chain of layers."""

    def fn(x):
        for kind, *how in steps:
            if kind == "conv":
                x = jnp.round(conv(x, padding=how[0], stride=(how[1], 1), dilation=(how[2], 1)) / 16)
            elif kind == "pool":
                window, stride, padding = how
                pads = ((0, 0), (padding * (window > 1), padding * (window > 1)), (0, 0), (0, 0))
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, window, 1, 1), (1, stride, 1, 1), pads)
            elif kind == "repeat":
                x = jnp.repeat(x, how[0], 1)
            elif kind == "crop":
                x = x[:, how[0] : x.shape[1] - how[1] : how[2]]
            elif kind == "pad":
                x = lax.pad(x, jnp.float32(0), [(0, 0, 0), tuple(how), (0, 0, 0), (0, 0, 0)])
            elif kind == "reverse":
                x = x[:, ::-1]
            else:
                x = x[:, how[0] :] + x[:, : x.shape[1] - how[0]]
        return x

    return fn


@given(st.data())
@settings(max_examples=40)
def test_no_execution_refutes_a_chain_of_layers(data):
    """Of any lengths, so that windows, strides and padding end everywhere."""
    steps = layers(data.draw, data.draw(st.integers(1, 4)))
    tile = data.draw(st.integers(8, 20))
    whole = tile + data.draw(st.integers(1, 16))
    fn, x = network(steps), signal((1, whole, 6, CHANNELS), seed=tile)
    try:
        shape = jax.eval_shape(fn, jax.ShapeDtypeStruct((1, tile, 6, CHANNELS), "float32")).shape
        jax.eval_shape(fn, x)
    except ValueError:  # a layer refuses a signal that is this short
        return
    claim = jc.certify_tiling(fn, x, tile=tile, axes=(1,)).leaves[0].axes[0]
    if claim.proved and claim.output_axis is not None and 0 not in shape:
        false, _ = judged(fn, x, 1, tile, claim)
        assert not false, (steps, claim)


def test_several_outputs_and_arguments():
    x = jax.ShapeDtypeStruct((1, 40, 32, 3), "float32")
    both = lambda scale, a, b: {"sum": conv(a + b, padding="same") * scale, "coarse": a[:, ::4], "number": scale}
    certificate = jc.certify_tiling(both, jnp.ones(()), x, x, tile=(16, 8), axes={1: (1, 2), 2: (1, 2)})
    assert certificate.proved
    leaves = {leaf.path: leaf for leaf in certificate.leaves}
    assert [axis.shift for axis in leaves["['coarse']"].axes] == [4, 1]
    assert [axis.discarded for axis in leaves["['sum']"].axes] == [(1, 1), (2, 2)]
    assert leaves["['number']"].axes[0].output_axis is None
    assert "the output is the same for every tile" in str(certificate)


def test_two_axes_are_proved_one_after_the_other():
    """Where only the second depends on the size of the first, as in a branch, both claims speak of what was traced."""
    fn = lambda x: conv(x, padding="same") if x.shape[1] > 16 else conv(x, padding="circular")
    claims = jc.certify_tiling(fn, signal((1, 24, 20, 3)), tile=12, axes=(1, 2)).leaves[0].axes
    assert [claim.proved for claim in claims] == [False, True]
    assert claims[1].whole == 20


@pytest.mark.parametrize(
    ("tile", "axes", "error", "match"),
    [
        (24, (1,), ValueError, "the tile along axis 1 of argument 0 is 24, but should be at most 23"),
        (0, (1,), ValueError, "is 0, but should be 1 or more"),
        ((8, 8), (1,), ValueError, r"tile is \(8, 8\), but should be one size for each axis"),
        (8.5, (1,), TypeError, "tile is 8.5, but should be an integer"),
        (True, (1,), TypeError, "but should be an integer"),
        (8, (7,), ValueError, "an axis is 7"),
    ],
)
def test_bad_sizes_are_refused(tile, axes, error, match):
    with pytest.raises(error, match=match):
        jc.certify_tiling(lambda x: x, jax.ShapeDtypeStruct((1, 24, 10, 3), "float32"), tile=tile, axes=axes)


FIXED = {
    "times a table": lambda x: x[:, :8] * weights(1, 8, 1, 1),
    "padded to a fixed size": lambda x: (
        jnp.pad(x, ((0, 0), (0, -x.shape[1] % 24), (0, 0), (0, 0))) + weights(1, 24, 1, 1)
    ),
    "in a loop": lambda x: lax.fori_loop(0, 3, lambda _, y: jnp.minimum(y, weights(1, 8, 1, 1)), x[:, :8]),
    "weights for each cell": lambda x: jnp.einsum("nhwc,hcd->nhwd", x[:, :8], weights(8, 3, 2)),
    "the first cells and the last": lambda x: x[:, :8] + x[:, -8:],
    "beside a table": lambda x: lax.stack([x[0, :8], weights(8, OTHER, 3)]),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_table_of_a_fixed_size_does_not_move(name):
    """The tile is nearly as long as the whole, so that some cells at the start move with it; the table's do not."""
    fn, x = FIXED[name], signal((1, 24, OTHER, CHANNELS))
    claim = jc.certify_tiling(fn, x, tile=22, axes=(1,)).leaves[0].axes[0]
    assert not claim.proved
    assert jc.certify_tiling(lambda x: x[:, :8], x, tile=22, axes=(1,)).proved


def test_a_value_without_cells_has_no_claim():
    x = jax.ShapeDtypeStruct((1, 21, 3), "float32")
    claim = jc.certify_tiling(lambda x: x[:, 11:] * jnp.ones_like(x[:, 11:]), x, tile=10, axes=(1,)).leaves[0].axes[0]
    assert not claim.proved


def test_uniform_values_that_are_shorter_for_the_whole_lie_nowhere():
    """The whole has fewer uniform cells than a tile, so `first` and `last` cannot be where all of them are."""

    def fn(x, p):
        n = x.shape[1]
        uniform = jnp.pad(jnp.full((1, 267 - 2 * n, 3), p), ((0, 0), (n - 90, 3), (0, 0)))
        return jnp.concatenate([x[:, : 180 - n] * uniform, x[:, 160 - n :]], 1)

    x = signal((1, 100, 3))
    claim = jc.certify_tiling(fn, x, jnp.float32(2), tile=95, axes={0: (1,)}).leaves[0].axes[0]
    if claim.proved:
        assert judged(lambda x: fn(x, jnp.float32(2)), x, 1, 95, claim)[0] == []


def test_a_closed_over_array_that_the_function_writes_to_is_compared():
    numbers = np.zeros(3, np.float32)

    def fn(x):
        numbers[:] = x.shape[1]
        return x * jnp.asarray(numbers)[None, None, None]

    claim = jc.certify_tiling(fn, jax.ShapeDtypeStruct((1, 24, 10, 3), "float32"), tile=12, axes=(1,)).leaves[0].axes[0]
    assert not claim.proved


def test_a_rule_that_fails_ends_the_proof_and_not_the_call(monkeypatch):
    monkeypatch.setattr(interpret, "RAISE_FAILURES", False)
    monkeypatch.setitem(RULES, "sin", lambda pair: 1 // 0)
    claim = jc.certify_tiling(jnp.sin, jax.ShapeDtypeStruct((24,), "float32"), tile=12, axes=(0,)).leaves[0].axes[0]
    assert "the rule for sin of tiles failed" in claim.culprit.reason
