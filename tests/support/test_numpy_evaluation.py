"""Each row of the evaluation by NumPy is what XLA computes, on an example of each primitive; and so are our layers."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxconv as jc
from jaxconv.lowering.primitive import COMPUTED
from support import numpy_evaluation
from support.numpy_evaluation import CONTROL, ROWS, evaluated
from support.primitive_examples import EXAMPLES, defined, equations


def computed_by_numpy():
    """The examples whose equations all have rows, and a name for each."""
    found = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for family in EXAMPLES[:1] + EXAMPLES[1:2] + EXAMPLES[3:5]:
            for fn, operands in family():
                operands = tuple(map(jnp.asarray, operands))
                closed = jax.make_jaxpr(fn)(*operands)
                names = {one.primitive.name for one in equations(closed.jaxpr)}
                ours = {primitive.name for primitive in COMPUTED}
                if names <= {*ROWS, *CONTROL, *ours, "jit", "custom_jvp_call", "custom_vjp_call", "remat2"}:
                    found[f"{len(found)}-{'-'.join(sorted(names))[:60]}"] = (fn, operands, names)
    return found


CASES = computed_by_numpy()
N = np.array([[3, -1, 4, 1], [-5, 9, 2, -6], [5, 3, -5, 8]])
MESH = jax.make_mesh((1,), ("i",), axis_types=(AxisType.Explicit,))
MORE = {
    "dilated windows of the spread input": lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, (2, 2), (1, 2), ((1, 0), (2, 1)), (2, 1), (1, 2)
    ),
    "convolution": lambda x: lax.conv_general_dilated(
        x.reshape(1, 2, 3, 2),
        jnp.arange(16, dtype=x.dtype).reshape(2, 2, 1, 4) - 7,
        (2, 1),
        ((1, 2), (0, 3)),
        (2, 1),
        (1, 2),
        ("NHWC", "HWIO", "NHWC"),
        2,
    ),
    "groups of the batch": lambda x: lax.conv_general_dilated(
        x.reshape(2, 2, 3), jnp.arange(16, dtype=x.dtype).reshape(4, 2, 2) - 7, (1,), ((1, 2),), batch_group_count=2
    ),
    "negative padding": lambda x: lax.pad(x, jnp.asarray(7, x.dtype), ((-1, 2, 1), (3, -4, 2))),
    "gather that fills": lambda x: x.at[jnp.array([0, 7, -1]), jnp.array([1, 2, 3])].get(mode="fill", fill_value=-2),
    "gather that clips": lambda x: x.at[jnp.array([[0], [7]])].get(mode="clip"),
    "gather by rows": lambda x: jnp.take_along_axis(x, jnp.array([[2, 0], [3, 1], [0, 0]]), 1),
    "scatter that drops": lambda x: x.at[jnp.array([0, 7, 0])].add(x[:, :4], mode="drop"),
    "scatter of windows": lambda x: lax.dynamic_update_slice(x, 10 * x[:2, :2], (jnp.int32(2), jnp.int32(1))),
    "a slice that overhangs": lambda x: lax.dynamic_slice(x, (jnp.int32(2), jnp.int32(-1)), (2, 2)),
    "sums in reverse": lambda x: lax.cumsum(x, 1, reverse=True),
    "products over a batch": lambda x: jnp.einsum("ij,ik->ijk", x, x[:, 1:]),
    "sorting by two keys": lambda x: lax.sort((x[0] * 0, -x[1], x[2]), num_keys=2),
    "division": lambda x: lax.div(x, jnp.roll(x, 1)),
    "remainders": lambda x: lax.rem(x, jnp.roll(x, 1)),
    "powers": lambda x: lax.integer_pow(x, 3),
    "rounding": lambda x: lax.convert_element_type(x / 2, jnp.int8) if x.dtype == np.float32 else x,
    "tangents of a maximum": lambda x: jax.jvp(
        lambda x: -lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (1, 2), ((1, 0), (0, 1))), (x,), (x * 2 - 1,)
    )[1],
    "tangents of a minimum": lambda x: jax.jvp(
        lambda x: lax.reduce_window(x, jnp.inf, lax.min, (2, 3), (1, 1), "VALID"), (x,), (x * 2 - 1,)
    )[1],
    "random numbers": lambda x: x + jax.random.uniform(jax.random.fold_in(jax.random.key(3), 1), x.shape, x.dtype),
    "draws of a split key": lambda x: (
        x + jax.random.truncated_normal(jax.random.split(jax.random.key(3))[0], -2, 2, x.shape, x.dtype)
    ),
    "of a raw key": lambda x: jnp.where(jax.random.bernoulli(jax.random.PRNGKey(3), 0.5, x.shape), x, -x),
    "bits": lambda x: lax.shift_right_logical(
        lax.bitcast_convert_type(x, jnp.uint32), jnp.full(x.shape, 9, jnp.uint32)
    ),
    "another sharding": lambda x: jax.sharding.reshard(x + 1, NamedSharding(MESH, PartitionSpec())),
    "transforms": lambda x: jnp.fft.ifft2(jnp.fft.fft(lax.complex(x, x[::-1]), axis=0)),
    "transforms of reals": lambda x: jnp.fft.irfft(jnp.fft.rfft(x / 2, axis=0), n=4, axis=0),
    "angles": lambda x: lax.atan2(x, x[::-1]),
    "a loop": lambda x: lax.fori_loop(0, 3, lambda i, y: y * 2 + i.astype(y.dtype), x),
    "loops of several lengths": jax.vmap(
        lambda row: lax.while_loop(lambda s: jnp.abs(s).max() < 99, lambda s: s * 2, row)
    ),
    "a scan backwards": lambda x: lax.scan(lambda c, row: (c + row, c * 2), jnp.zeros_like(x[0]), x, reverse=True),
    "branches": lambda x: lax.switch((x[0, 0] > 0).astype(int), [jnp.negative, jnp.abs], x),
}


def same(found, expected):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-6), found, expected)


def test_every_row_has_an_example():
    """A row that no example uses would be compared with nothing."""
    used = set().union(*(names for _, _, names in CASES.values()))
    for fn in MORE.values():
        used |= {one.primitive.name for one in equations(jax.make_jaxpr(fn)(N.astype(np.float32)).jaxpr)}
    assert {*ROWS, *CONTROL} & {*defined()} <= used


@pytest.mark.parametrize(("fn", "operands"), [case[:2] for case in CASES.values()], ids=CASES)
def test_each_primitive(fn, operands):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        same(evaluated(fn)(*operands), jax.jit(fn)(*operands))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("fn", MORE.values(), ids=MORE)
def test_settings_of_primitives(fn, dtype):
    x = N.astype(dtype)
    try:
        expected = jax.jit(fn)(x)
    except (TypeError, ValueError):
        pytest.skip("has no integers")
    same(evaluated(fn)(x), expected)


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_our_primitives_are_computed_as_on_the_platform(platform):
    """By the table on the CPU, by lax's own operations elsewhere: the same numbers."""
    kernel, x = np.float32(N.reshape(3, 1, 1, 4)), np.float32(np.arange(30).reshape(1, 5, 6, 1) % 7 - 3)
    fn = lambda kernel, x: jc.max_pool(jc.conv({"kernel": kernel}, x), (2, 2))
    both = lambda kernel, x: (fn(kernel, x), jax.grad(lambda *o: jnp.sum(fn(*o)), (0, 1))(kernel, x))
    with jax.default_device(jax.devices("cpu")[0]):
        same(evaluated(both, platform)(kernel, x), jax.jit(both)(kernel, x))


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_every_padding(length):
    x = np.arange(1.0, length + 1)
    for low, high, between in itertools.product(range(-7, 4), range(-7, 4), range(3)):
        spread = [value for cell in x for value in [cell, *[0.0] * between]][: max(length + (length - 1) * between, 0)]
        wide = [0.0] * max(low, 0) + spread + [0.0] * max(high, 0)
        expected = wide[max(-low, 0) : max(len(wide) - max(-high, 0), 0)]
        if low + len(spread) + high >= 0:  # else lax has no result
            found = numpy_evaluation.ROWS["pad"](x, np.float64(0), padding_config=((low, high, between),))
            np.testing.assert_array_equal(found, expected, str((low, high, between)))


def test_what_has_no_row_is_named():
    with pytest.raises(NotImplementedError, match="NumPy has no row for cbrt"):
        evaluated(lax.cbrt)(np.float32(1))


def test_a_row_that_forgets_a_dtype_is_found(monkeypatch):
    """The twin: each result is held against the type that JAX gives it."""
    monkeypatch.setitem(numpy_evaluation.ROWS, "sin", lambda x, **_: np.sin(x).astype(np.float64))
    with pytest.raises(AssertionError, match=r"sin: float64\(\) instead of float32\[\]"):
        evaluated(lax.sin)(np.float32(1))


def test_one_shape_is_traced_once():
    """As by `jax.jit`, and so are our own primitives inside: a loop would trace them at each turn."""
    traced = []

    def fn(x):
        traced.append(x.shape)
        return lax.fori_loop(0, 3, lambda _, y: jc.max_pool(y, (3,), stride=1, padding="same"), x)

    x, run = np.float32(N)[..., None], evaluated(fn)
    for image in (x, -x):
        np.testing.assert_array_equal(run(image), np.broadcast_to(image.max(1, keepdims=True), x.shape))
    run(x[:1])
    assert traced == [x.shape, x[:1].shape]
