"""A convolution computed a few examples at a time equals one of the whole batch, under every transformation."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax.sharding import AxisType, PartitionSpec
from support.geometries import convolutions, few_compiled
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference
from jaxconv.lowering import table, use_algorithm
from jaxconv.lowering.algorithms import chunked
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.machine import Machine
from jaxconv.lowering.table import algorithm_for
from jaxconv.testing.strategies import conv_configurations
from jaxconv.window import slide


def pulled(algorithm, kernel, x, dy, compute=jax.jit, **geometry):
    """y, and the gradients of kernel and x."""

    def run(kernel, x, dy):
        with use_algorithm(algorithm):
            y, pull = jax.vjp(lambda kernel, x: jc.conv({"kernel": kernel}, x, **geometry), kernel, x)
            return y, *pull(dy)

    return compute(run)(kernel, x, dy)


def check_one_example_at_a_time(case, compute):
    case = replace(case, batch=2, geometry=case.geometry | {"groups": 1})
    kernel, x, dy = case.params()["kernel"], case.x(), case.dy()
    deltas = reference.conv_deltas(kernel, x, dy, **case.geometry)
    expected = reference.conv(kernel, 0.0, x, **case.geometry), deltas.kernel, deltas.x
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunked, "chunk_length", lambda *_: 1)  # otherwise such a small batch is a single chunk
        actual = pulled("chunked", kernel, x, dy, compute, **case.geometry)
    for result, expected_result in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(result, expected_result)


@given(case=conv_configurations(max_rank=2))
def test_one_example_at_a_time(case):
    check_one_example_at_a_time(case, evaluated)


@few_compiled
@given(case=convolutions())
def test_one_example_at_a_time_compiled(case):
    check_one_example_at_a_time(case, jax.jit)


def integers(seed, *shape):
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)


@pytest.mark.parametrize(("n", "c", "o", "few"), [(32, 8, 10, 8), (48, 3, 16, 8)], ids=["large", "few channels"])
def test_several_examples_at_a_time(n, c, o, few, monkeypatch):
    """The table chooses chunks for large arrays, and for smaller arrays with few channels."""
    monkeypatch.setattr(table, "machine", lambda: Machine(l3_bytes=2**21))
    spec = ConvSpec(slide((32, 35), (3, 3), padding="same"), 1)
    assert algorithm_for("conv_kernel_grad", spec, n, c, o) == "chunked"
    arrays = integers(0, 3, 3, c, o), integers(1, n, 32, 35, c), integers(2, n, 32, 35, o)
    taken, chunk_length = [], chunked.chunk_length

    def noted(*sizes):
        taken.append(chunk_length(*sizes))
        return taken[-1]

    monkeypatch.setattr(chunked, "chunk_length", noted)
    actual, expected = (pulled(algorithm, *arrays, padding="same")[1] for algorithm in ("table", "lax"))
    assert taken == [few]
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("n", "size", "enough", "few"),
    [
        (128, 2**14, 2**16, 8),  # at least 8 examples
        (128, 2**11, 2**16, 32),  # and at least `enough` numbers
        (100, 2**14, 2**16, 10),  # a divisor of the batch size
        (6, 2**14, 2**16, 6),
        (31, 2**14, 2**16, 31),  # a prime batch size is not split
        (8, 2**20, 2**19, 4),  # large images
        (7, 2**20, 2**19, 1),
        (5, 2**23, 2**19, 1),
    ],
)
def test_how_many_are_a_portion(n, size, enough, few):
    assert chunked.chunk_length(n, size, enough) == few


@pytest.mark.parametrize("check_vma", [True, False])
def test_inside_of_shard_map(check_vma, monkeypatch):
    """Sums that start from zeros must vary over the same mesh axes as their terms."""
    monkeypatch.setattr(chunked, "chunk_length", lambda *_: 1)
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
    split = PartitionSpec("batch")
    kernel, x, dy = integers(0, 3, 2, 2, 4), integers(1, 4, 6, 7, 2), integers(2, 4, 6, 7, 4)

    def inside(kernel, x, dy):
        if check_vma:
            kernel = jax.lax.pcast(kernel, "batch", to="varying")
        y, of_kernel, of_x = pulled("chunked", kernel, x, dy, padding="same")
        return y, jax.lax.psum(of_kernel, "batch"), of_x

    specs = (split, PartitionSpec(), split)
    run = jax.shard_map(
        inside, mesh=mesh, in_specs=(PartitionSpec(), split, split), out_specs=specs, check_vma=check_vma
    )
    for actual, expected in zip(jax.jit(run)(kernel, x, dy), pulled("lax", kernel, x, dy, padding="same"), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_batch_of_any_size_is_one_portion():
    """For `jax.export` with a symbolic batch size, the number of examples is unknown."""
    shape = jax.export.symbolic_shape("n, 64, 64, 8")
    kernel, x = integers(0, 3, 3, 8, 16), integers(1, 2, 64, 64, 8)
    layer = lambda kernel, x: jc.conv({"kernel": kernel}, x, padding="same")
    delta = jax.jit(lambda x: jax.grad(lambda kernel: jnp.sum(layer(kernel, x)))(kernel))
    assert (
        algorithm_for("conv_kernel_grad", ConvSpec(slide((64, 64), (3, 3), padding="same"), 1), shape[0], 8, 16)
        == "chunked"
    )
    exported = jax.export.export(delta)(jax.ShapeDtypeStruct(shape, np.float32))
    np.testing.assert_array_equal(exported.call(x), delta(x))
