"""Chunks give the whole's result, `==` on whole numbers, or the function is refused with the line that is the reason."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.streamed_networks import FIVE, MORE, NETWORKS, PAIR, THREE, padded, unet, upsampled, wavenet
from support.streaming_oracle import assert_streams, outputs_of
from support.tiling_oracle import signal

import jaxconv as jc

SHAPE = jax.ShapeDtypeStruct((1, 48, 2), "float32")


@pytest.mark.parametrize("name", NETWORKS)
def test_chunks_give_the_whole(name):
    """Chunks of several multiples of the lattice, for signals of several lengths."""
    fn = NETWORKS[name]
    stream = jc.streamed(fn, SHAPE, axes=(1,), chunk=12)
    unit = stream.multiple
    assert 12 % unit == 0
    for seed, sizes in enumerate(([12, 12, 12], [unit, 24, unit, 3 * unit, 12], [36], [unit] * 14)):
        assert_streams(stream, fn, signal((1, sum(sizes), 2), seed), sizes)


LAYERS = {
    "causal": (1, lambda x: jc.conv(FIVE, x, padding="causal", dilation=2)[..., 1:]),
    "same": (1, lambda x: jc.conv(THREE, x, padding="same")[..., :2]),
    "valid": (1, lambda x: jc.conv(THREE, x)[..., :2]),
    "strided": (2, lambda x: jc.conv(THREE, x, stride=2, padding=((1, 0),))[..., :2]),
    "strided by three": (3, lambda x: jc.conv(FIVE, x, stride=3, padding=((1, 1),))[..., :2]),
    "pooled": (2, lambda x: jc.max_pool(x, (2,))),
    "wide pool": (1, lambda x: jc.min_pool(x, (5,), stride=1, padding=((3, 1),))),
    "repeated": (1, lambda x: jnp.repeat(x, 2, 1)),
    "transposed": (1, lambda x: upsampled(x, padding="same")[..., 1:]),
    "blocks": (2, lambda x: x[:, : x.shape[1] // 2 * 2].reshape(1, -1, 4)[..., 1:3]),
    "residual": (1, lambda x: x + jnp.round(jc.conv(FIVE, x, padding="same")[..., :2] / 4)),
    "edge": (1, lambda x: padded(x, 2, 1, "edge")),
    "reflect": (1, lambda x: padded(x, 1, 2, "reflect")),
    "constant": (1, lambda x: jnp.pad(x, ((0, 0), (3, 1), (0, 0)), constant_values=4)),
    "cropped": (1, lambda x: x[:, 2:-1]),
    "activation": (1, lambda x: jax.nn.relu(x - 1)),
}


@given(st.lists(st.sampled_from(sorted(LAYERS)), min_size=2, max_size=5), st.data())
@settings(max_examples=40)
def test_chains_of_layers(names, data):
    """Any chain, in chunks of any sizes. Numbers stay small, so that float32 is exact."""

    def chain(x):
        for name in names:
            x = jnp.round(LAYERS[name][1](x) / 8)
        return x

    unit = int(np.prod([LAYERS[name][0] for name in names]))
    stream = jc.streamed(chain, jax.ShapeDtypeStruct((1, 4 * unit, 2), "float32"), axes=(1,), chunk=unit)
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    sizes = [size * stream.multiple for size in sizes]
    sizes += [stream.multiple] * -(-max(stream.shortest + 64 - sum(sizes), 0) // stream.multiple)
    assert_streams(stream, chain, signal((1, sum(sizes), 2), seed=len(names)), sizes)


def test_no_cache_is_longer_than_the_layer_needs():
    """(taps - 1) * dilation cells for each layer; both gates of a layer share one."""
    stream = jc.streamed(wavenet, SHAPE, axes=(1,), chunk=1)
    assert stream.latency == 0
    assert stream.state_size == 1 * 2 + (1 + 2 + 4) * 3
    assert stream.state_bytes == 4 * stream.state_size
    stack = lambda x: jc.conv(MORE, jc.conv(THREE, x, padding="causal", dilation=8), padding="causal", dilation=4)
    assert jc.streamed(stack, SHAPE, axes=(1,), chunk=4).state_size == 2 * 8 * 2 + 2 * 4 * 3
    strided = lambda x: jc.conv(FIVE, x, stride=4, padding=((1, 0),))
    assert jc.streamed(strided, SHAPE, axes=(1,), chunk=4).state_size == 1 * 2
    assert jc.streamed(lambda x: jax.nn.relu(x)[:, 1::3], SHAPE, axes=(1,), chunk=3).state_size == 0


@pytest.mark.parametrize(
    "name", ["WaveNet", "U-Net", "a strided causal encoder", "two that look ahead", "layers in a loop"]
)
def test_each_layer_computes_each_sample_once(name):
    """A step of a chunk has as many multiply-adds as the function of a signal of that length."""
    stream = jc.streamed(NETWORKS[name], SHAPE, axes=(1,), chunk=12)
    state = jax.eval_shape(stream.init)
    step = jc.summary(lambda x: stream.step(jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), state), x)[1],
                      jax.ShapeDtypeStruct((1, 12, 2), "float32"))  # fmt: skip
    whole = jc.summary(NETWORKS[name], jax.ShapeDtypeStruct((1, 12, 2), "float32"))
    assert step.multiply_adds == whole.multiply_adds > 0


LATENCIES = {
    "causal": (lambda x: jc.conv(FIVE, x, padding="causal"), 0, 5),
    "same": (lambda x: jc.conv(FIVE, x, padding="same"), 2, 5),
    "two": (NETWORKS["two that look ahead"], 3, 7),
    "no padding": (lambda x: jc.conv(FIVE, x), 4, 5),
    "a pool": (lambda x: jc.max_pool(x, (4,)), 0, 4),
    "finer": (lambda x: jnp.repeat(jc.conv(THREE, x, padding="same"), 4, 1), 1, 3),
}


@pytest.mark.parametrize("name", LATENCIES)
def test_the_latency_is_the_look_ahead(name):
    fn, latency, field = LATENCIES[name]
    stream = jc.streamed(fn, SHAPE, axes=(1,), chunk=4)
    assert (stream.latency, stream.receptive_field) == (latency, field)
    assert f"latency {latency}, " in repr(stream)
    assert f"receptive field: {field}" in stream.report()


def test_run_scans_over_chunks_and_a_rest():
    x = jnp.asarray(signal((1, 50, 2)))
    stream = jc.streamed(unet, SHAPE, axes=(1,), chunk=8)
    np.testing.assert_array_equal(stream.run(x), unet(x))
    parts = list(stream.iterate([x[:, :2], x[:, 2:12], x[:, 12:]]))
    assert [part.shape[1] for part in parts] == [0, 7, 38, 5]
    np.testing.assert_array_equal(np.concatenate(parts, 1), unet(x))


def test_outputs_at_several_rates_and_two_streamed_arguments():
    def fn(params, a, b):
        return {"sum": jc.conv(params, a + b, padding="same"), "coarse": jc.max_pool(b, (2,))}

    a, b = jnp.asarray(signal((2, 20, 2))), jnp.asarray(signal((2, 20, 2), seed=1))
    stream = jc.streamed(fn, THREE, a, b, axes={1: (1,), 2: (1,)}, chunk=8)
    assert stream.warm_up == {"sum": 1, "coarse": 0}
    found, expected = stream.run(a, b), fn(THREE, a, b)
    assert found.keys() == expected.keys()
    for name, own in expected.items():
        np.testing.assert_array_equal(found[name], own)


def test_an_image_by_rows():
    first = jax.tree.map(jnp.round, jc.init_conv(jax.random.key(3), (3, 5), 2, 3))
    second = jax.tree.map(lambda p: jnp.round(5 * p), jc.init_conv(jax.random.key(3), (3, 2), 3, 4))
    fn = lambda x: jc.conv(
        second, jc.max_pool(jax.nn.relu(jc.conv(first, x, padding="same")), (2, 2)), padding="reflect"
    )
    x = signal((2, 24, 10, 2))
    stream = jc.streamed(fn, x, axes={0: (1,)}, chunk=4)
    assert_streams(stream, fn, x, [4, 2, 10, 8])
    np.testing.assert_array_equal(stream.run(x), fn(x))


def test_gradients_through_the_scan_are_those_of_the_whole():
    def fn(params, x):
        hidden = jax.nn.relu(jc.conv(params["first"], x, padding="same") - 2)  # some of them are 0
        return jc.conv(params["second"], hidden, padding="causal", dilation=2)

    params, x = {"first": THREE, "second": MORE}, jnp.asarray(signal((1, 20, 2)))
    weights = jnp.asarray(signal((1, 20, 3), seed=5))
    expected = jax.grad(lambda params, x: (fn(params, x) * weights).sum(), (0, 1))(params, x)

    def of_argument(params, x):
        return (jc.streamed(fn, params, x, axes={1: (1,)}, chunk=6).run(x) * weights).sum()

    def of_closure(params, x):
        return (jc.streamed(lambda x: fn(params, x), SHAPE, axes=(1,), chunk=4).run(x) * weights).sum()

    for loss in (of_argument, jax.jit(of_closure)):
        jax.tree.map(np.testing.assert_array_equal, jax.grad(loss, (0, 1))(params, x), expected)


def test_with_the_state_stopped_gradients_are_exact_within_a_chunk():
    """They are those of a whole whose earlier cells are constants."""
    fn = lambda x: jc.conv(
        THREE,
        jax.nn.relu(
            jc.conv(PAIR | {"kernel": PAIR["kernel"][:, :2, :2], "bias": PAIR["bias"][:2]}, x, padding="causal")
        ),
        padding="causal",
    )
    x = jnp.asarray(signal((1, 16, 2)))
    stream = jc.streamed(fn, x, axes=(1,), chunk=8)
    state, _ = stream.step(stream.init(), x[:, :8])
    truncated = jax.grad(lambda chunk: (stream.step(jax.lax.stop_gradient(state), chunk)[1] ** 2).sum())(x[:, 8:])
    whole = jax.grad(lambda chunk: (fn(jnp.concatenate([x[:, :8], chunk], 1))[:, 8:] ** 2).sum())(x[:, 8:])
    np.testing.assert_array_equal(truncated, whole)


def test_real_numbers_agree_up_to_rounding():
    params = jc.init_conv(jax.random.key(0), (3,), 2, 2)
    fn = lambda x: jnp.tanh(jc.conv(params, x, padding="causal")) * jax.nn.sigmoid(jc.conv(params, x, padding="causal"))
    x = np.asarray(np.random.default_rng(0).normal(size=(1, 24, 2)), np.float32)
    (found,) = outputs_of(jc.streamed(fn, x, axes=(1,), chunk=8), x, [8, 8, 8])
    # Both sum 6 products of at most 1, in any order, and the derivatives of both factors are at most 1.
    np.testing.assert_allclose(found, fn(jnp.asarray(x)), rtol=0, atol=64 * np.finfo(np.float32).eps)


@pytest.mark.parametrize("dtype", ["bfloat16", "int32", "uint8"])
def test_dtypes(dtype):
    fn = lambda x: jc.max_pool(x, (3,), stride=1, padding="same")
    x = np.abs(signal((1, 16, 2))).astype(jnp.dtype(dtype))
    assert_streams(jc.streamed(fn, x, axes=(1,), chunk=4), fn, x, [4, 8, 4])


def test_a_long_stream_counts_no_further_than_it_needs():
    """The counter stops, and the cells at the start are those of no later chunk."""
    fn, x = NETWORKS["average pooling"], jnp.asarray(signal((1, 8, 2)))
    stream = jc.streamed(fn, SHAPE, axes=(1,), chunk=8)
    state = {**stream.init(), "seen": jnp.int32(2**24 + 8)}
    late, outputs = stream.step(state, x)
    assert late["seen"] == state["seen"]
    np.testing.assert_array_equal(outputs[:, 2:], fn(x)[:, 1:-1])


REFUSED = {
    "a global mean": (lambda x: x - x.mean(1, keepdims=True), "because of reduce_sum at .*test_streamed.py"),
    "positions": (lambda x: x + jnp.arange(x.shape[1], dtype=x.dtype)[None, :, None], "because of add at"),
    "the shape": (lambda x: x / x.shape[1], "a number in it depends on the size of the input"),
    "reversed": (
        lambda x: x[:, ::-1],
        "cannot be streamed, because of rev at .*test_streamed.py.* should be one whose outputs each depend on a window",
    ),
    "circular": (lambda x: jc.conv(THREE, x, padding="circular"), "cells that depend on the other end"),
    "rolled": (lambda x: jnp.roll(x, 2, 1), "cells that depend on the other end"),
    "attention": (lambda x: jax.nn.softmax(x @ x.swapaxes(1, 2)) @ x, "because of dot_general at"),
    "a running sum": (lambda x: jnp.cumsum(x, 1), "because of cumsum at"),
    "the first cell": (lambda x: x - x[:, :1], "because of sub at"),
    "the last cells": (lambda x: x[:, -5:], "because of slice at"),
    "at places": (lambda x: x[:, jnp.array([0, 2])], "because of"),
    "as channels": (lambda x: x.swapaxes(1, 2) @ jnp.ones((x.shape[1], 2)), "because of dot_general at"),
    "no signal": (
        lambda x: (x, jnp.ones(x.shape)),
        "the output depends on the place of the tile, but does not move with it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_function_that_is_no_stream_is_refused_with_its_line(name):
    fn, match = REFUSED[name]
    with pytest.raises(ValueError, match=f"streamed: .*(?s:.*){match}"):
        jc.streamed(fn, SHAPE, axes=(1,), chunk=12)


@pytest.mark.parametrize(
    ("fn", "chunk", "multiple", "suits"),
    [
        (NETWORKS["a strided encoder"], 5, 4, 8),
        (NETWORKS["a strided encoder"], 6, 4, 8),
        (lambda x: x.reshape(1, -1, 8), 6, 4, 8),
        (lambda x: jc.max_pool(x, (7,)), 3, 7, 7),
        (lambda x: upsampled(jc.conv(THREE, x, stride=3, padding=((2, 0),))[..., :2], 3, 1), 4, 3, 6),
    ],
)
def test_a_chunk_that_is_no_multiple_is_refused_and_the_smallest_that_works_works(fn, chunk, multiple, suits):
    match = rf"streamed: chunk is {chunk}, but should be a multiple of {multiple}.* Use chunk={suits}\."
    with pytest.raises(ValueError, match=match):
        jc.streamed(fn, SHAPE, axes=(1,), chunk=chunk)
    stream = jc.streamed(fn, SHAPE, axes=(1,), chunk=suits)
    assert stream.multiple == multiple
    with pytest.raises(ValueError, match=f"the number of cells of chunk is {multiple + 1}, but should be a positive"):
        stream.step(stream.init(), jnp.zeros((1, multiple + 1, 2)))


def test_what_cannot_be_streamed_at_run_time_is_refused():
    stream = jc.streamed(NETWORKS["a long reflection"], SHAPE, axes=(1,), chunk=2)
    with pytest.raises(ValueError, match="streamed: the signal is 4 cells, but should be 6 cells or more"):
        stream.run(jnp.zeros((1, 4, 2)))
    with pytest.raises(ValueError, match="streamed: the signal is 0 cells, but should be"):
        list(stream.iterate([]))
    with pytest.raises(ValueError, match=r"streamed: state is .*, but should be that of init"):
        stream.step(jc.streamed(unet, SHAPE, axes=(1,), chunk=2).init(), jnp.zeros((1, 4, 2)))
    other = jc.streamed(NETWORKS["a long reflection"], jax.ShapeDtypeStruct((2, 9, 2), "float32"), axes=(1,), chunk=2)
    with pytest.raises(ValueError, match=r"streamed: state is .*, but should be that of init"):
        stream.finish(other.init())
    shapes = jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, p.dtype), THREE)
    with pytest.raises(
        ValueError, match="streamed: an argument that is not streamed is a shape, but should be an array"
    ):
        jc.streamed(
            lambda params, x: jc.conv(params, x, padding="causal"), shapes, SHAPE, axes={1: (1,)}, chunk=2
        ).init()
    pair = jc.streamed(lambda a, b: a + b, SHAPE, SHAPE, axes={0: (1,), 1: (1,)}, chunk=2)
    with pytest.raises(TypeError, match=r"streamed: chunk is an array of .* but should be a tuple of 2 arrays"):
        pair.step(pair.init(), jnp.zeros((1, 4, 2)))


def test_a_cache_that_is_one_cell_too_short_would_be_wrong():
    """The oracle tells: with the oldest cell of a cache lost, the outputs differ."""
    fn, x = NETWORKS["dilated and causal"], signal((1, 24, 2))
    stream = jc.streamed(fn, SHAPE, axes=(1,), chunk=12)
    state, first = stream.step(stream.init(), jnp.asarray(x[:, :12]))
    short = {**state, "caches": tuple(cache.at[:, 0].set(0) for cache in state["caches"])}
    expected = fn(jnp.asarray(x))
    np.testing.assert_array_equal(first, expected[:, :12])
    np.testing.assert_array_equal(stream.step(state, jnp.asarray(x[:, 12:]))[1], expected[:, 12:])
    assert (stream.step(short, jnp.asarray(x[:, 12:]))[1] != expected[:, 12:]).any()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_signal_as_short_as_a_window_may_have_no_output(length):
    """x[1:] - x[:-1] of one cell has none."""
    differences = lambda x: x[:, 1:] - x[:, :-1]
    stream = jc.streamed(differences, jnp.zeros((1, 36, 2)), axes=(1,), chunk=12)
    x = jnp.arange(2.0 * length).reshape(1, length, 2) ** 2
    np.testing.assert_array_equal(stream.run(x), differences(x))
    np.testing.assert_array_equal(jnp.concatenate([*stream.iterate([x])], 1), differences(x))
