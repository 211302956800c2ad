"""Test the search for counterexamples: what it refutes, what it does not, and that every witness violates its claim.

`violates_cyclic` and `violates_interior` verify the witnesses independently of the search. NumPy evaluates the
equations of the original function, and NumPy's roll and slices shift the inputs.
"""

from itertools import combinations, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.numpy_evaluation import evaluated
from support.searches import refute_cyclic, refute_interior

from jaxconv.verify.execution import experiment, program

KERNEL = np.array([[[3.0]], [[1.0]], [[2.0]]], np.float32)  # [w, in, out]
X = jax.ShapeDtypeStruct((1, 12, 1), jnp.float32)
SEEDS = pytest.mark.parametrize("seed", range(3))


def correlate(x, kernel, stride=1, padding="VALID"):
    return jax.lax.conv_general_dilated(x, kernel, (stride,), padding, dimension_numbers=("NWC", "WIO", "NWC"))


def wrapped(x, kernel, stride=1):
    return correlate(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap"), kernel, stride)


def zero_padded(x, kernel=KERNEL):
    return correlate(x, kernel, padding="SAME")


def circular(x, kernel=KERNEL):
    return wrapped(x, kernel)


def strided(x):
    return wrapped(x, KERNEL, 2)


def pooled(x):
    return jnp.max(circular(x), axis=1)


def biased(x):
    return circular(x) + jnp.arange(1, x.shape[1] + 1, dtype=x.dtype)[None, :, None] ** 2


def flipped(x):
    return circular(x)[:, ::-1]


def transposed(x):
    return jnp.transpose(circular(x), (2, 0, 1))


def running_sum(x):
    return jnp.cumsum(x, axis=1)


def ordered(x):
    return jnp.sort(x, axis=1)


def dense(x):
    weights = np.random.default_rng(1).integers(-4, 5, (x.size, 5)).astype(np.float32)
    return x.reshape(1, -1) @ weights


def gram(x):
    """An attention map, which moves along both axes jointly."""
    return jnp.einsum("nic,njc->nij", circular(x), x)


def normed(conv):
    def net(x):
        y = jax.nn.softmax(conv(x) / 3, axis=1)
        return jax.nn.softmax(conv(y * 12 - jnp.mean(x)), axis=1)

    return net


def upsampled(x):
    return jnp.repeat(x, 2, axis=1)


def run(fn, arguments, leaf=0):
    return np.asarray(jax.tree.leaves(evaluated(fn)(*arguments))[leaf], np.float64)


def executed(fn, witness, shift, leaf=0):
    """f(x) and f(y) for each sample of a witness; y is x rolled, or x shifted with new content."""
    outputs = []
    for sample in witness.samples:
        sides = sample.arguments, sample.shifted(witness.leaf, witness.axis, shift)
        x, y = (np.asarray(jax.tree.leaves(side)[witness.leaf]) for side in sides)
        i = np.arange(x.shape[witness.axis] - shift)
        np.testing.assert_array_equal(y.take(i + shift, witness.axis), x.take(i, witness.axis))
        if sample.entering is None:
            np.testing.assert_array_equal(y, np.roll(x, shift, witness.axis))
        outputs.append([np.atleast_1d(run(fn, side, leaf)) for side in sides])
    return outputs


def violates_cyclic(fn, witness, leaf=0, tolerance=1e-4):
    """Assert that, for each shift, every roll of f(x) along any axes differs from f(y) in some sample."""
    for shift in witness.shifts:
        pairs = executed(fn, witness, shift, leaf)
        shape = pairs[0][0].shape
        for t in np.ndindex(shape):
            assert (
                max(np.abs(after - np.roll(before, t, range(len(shape)))).max() for before, after in pairs) > tolerance
            )
    before, after = executed(fn, witness, witness.shift, leaf)[0]
    if before.ndim > witness.axis and witness.shift < before.shape[witness.axis]:
        gap = np.abs(after - np.roll(before, witness.shift, witness.axis))
        assert gap[witness.position] == pytest.approx(gap.max(), rel=1e-3)
    return witness.error > tolerance


def survives(alive, sizes):
    """Whether all cells of some box of `max(size, 2)` cells along each axis are alive."""
    runs = [max(size, 2) for size in sizes]
    corners = np.ndindex(tuple(max(0, m - run + 1) for m, run in zip(alive.shape, runs, strict=True)))
    return any(alive[tuple(slice(c, c + run) for c, run in zip(at, runs, strict=True))].all() for at in corners)


def violates_interior(fn, witness, leaf=0, tolerance=1e-4):
    """Assert that, for each shift, the output changes, and no move along one axis or two holds.

    A move by t holds if `max(|t|, 2)` consecutive cells move by t, along each axis of the move.
    """
    for shift in witness.shifts:
        pairs = executed(fn, witness, shift, leaf)
        shape = pairs[0][0].shape
        assert max(np.abs(after - before).max() for before, after in pairs) > tolerance
        for axes in [(b,) for b in range(len(shape))] + list(combinations(range(len(shape)), 2)):
            halves = [[t for t in range(-(shape[b] // 2), shape[b] // 2 + 1) if t] for b in axes]
            for move in product(*halves):
                alive = True
                for before, after in pairs:
                    for b, t in zip(axes, move, strict=True):
                        j = np.arange(max(0, -t), shape[b] - max(0, t))
                        before, after = before.take(j, b), after.take(j + t, b)
                    alive &= (np.abs(after - before) <= tolerance).all(tuple(set(range(len(shape))) - set(axes)))
                assert not survives(alive, [abs(t) for t in move]), (shift, axes, move)
    return witness.error > tolerance


def test_zero_padding_is_refuted_by_one_pixel_next_to_the_border():
    witness = refute_cyclic(zero_padded, (X,), 0, 1, 0, (1,))
    (x,) = witness.arguments
    assert x.dtype == np.float32
    assert sorted(x.ravel())[-2:] == [0, 1]
    assert np.count_nonzero(x) == 1
    assert violates_cyclic(zero_padded, witness)


@pytest.mark.parametrize("shift", [1, 11, 5])
@pytest.mark.parametrize("fn", [circular, pooled, flipped, transposed, ordered, gram, normed(circular)])
def test_what_is_equivariant_is_not_refuted(fn, shift):
    """A sort of all cells is invariant, flips move backwards, and attention maps move along two axes jointly."""
    assert refute_cyclic(fn, (X,), 0, 1, 0, (shift,)) is None


@pytest.mark.parametrize("fn", [zero_padded, biased, running_sum, dense, normed(zero_padded)])
@pytest.mark.parametrize("shift", [1, 2])
def test_what_is_not_equivariant_is_refuted(fn, shift):
    assert violates_cyclic(fn, refute_cyclic(fn, (X,), 0, 1, 0, (shift,)))


@pytest.mark.parametrize(("length", "shift", "holds"), [(12, 2, True), (12, 1, False), (13, 2, False), (12, 4, True)])
def test_strides_need_their_own_shift_and_an_even_length(length, shift, holds):
    witness = refute_cyclic(strided, (jax.ShapeDtypeStruct((1, length, 1), jnp.float32),), 0, 1, 0, (shift,))
    assert witness is None if holds else violates_cyclic(strided, witness)


@pytest.mark.parametrize("fn", [circular, zero_padded, flipped, transposed, gram, upsampled])
@pytest.mark.parametrize("shift", [1, 2])
def test_what_has_an_interior_is_not_refuted(fn, shift):
    assert refute_interior(fn, (X,), 0, 1, 0, (shift,)) is None


@pytest.mark.parametrize("fn", [biased, running_sum, ordered, dense, pooled])
@pytest.mark.parametrize("shift", [1, 2])
def test_what_has_no_interior_is_refuted(fn, shift):
    assert violates_interior(fn, refute_interior(fn, (X,), 0, 1, 0, (shift,)))


@SEEDS
def test_rounding_is_no_counterexample(seed):
    x = jax.ShapeDtypeStruct((2, 31, 3), jnp.float32)
    kernel = np.random.default_rng(seed).normal(size=(3, 3, 3)).astype(np.float32)
    net = normed(lambda x: circular(x, kernel))
    assert refute_cyclic(net, (x,), 0, 1, 0, (1,), seed=seed) is None
    broken = normed(lambda x: zero_padded(x, kernel))
    assert violates_cyclic(broken, refute_cyclic(broken, (x,), 0, 1, 0, (1,), seed=seed))


def all_there(x):
    """A softmax sums to 1 up to rounding. Whether the sum reaches 1 depends on the order of the terms."""
    return x * (jnp.sum(jax.nn.softmax(x, axis=1), axis=1, keepdims=True) >= 1).astype(x.dtype)


def counted(x):
    return jnp.floor(jnp.mean(x / 3, axis=1) * 3 * x.shape[1])


def binary(x):
    """The signs hide rounding of the input; the signs of the transform's zeros depend on rounding."""
    signs = jnp.fft.fft(jnp.sign(x - jnp.mean(x, axis=1, keepdims=True)), axis=1)
    return jnp.sign(jnp.fft.ifft(signs + 0 * jnp.conj(signs), axis=1).real - 1)


@SEEDS
@pytest.mark.parametrize("fn", [all_there, counted, binary])
def test_ties_are_no_counterexample(fn, seed):
    """Rounding decides ties, so a rounding error becomes an error of one unit."""
    assert refute_cyclic(fn, (jax.ShapeDtypeStruct((1, 37, 1), jnp.float32),), 0, 1, 0, (1,), seed=seed) is None


@pytest.mark.parametrize("fn", [all_there, counted, binary])
def test_without_doubt_ties_would_be_counterexamples(fn, monkeypatch):
    """The broken variant: without rounding bounds, ties are reported as counterexamples."""
    monkeypatch.setattr(program, "NOISES", [])
    x = jax.ShapeDtypeStruct((1, 37, 1), jnp.float32)
    assert any(refute_cyclic(fn, (x,), 0, 1, 0, (1,), seed=seed) for seed in range(8))


def test_abstract_parameters_are_drawn_and_shrunk_to_ones():
    def net(params, x):
        return zero_padded(x, params["kernel"]) + params["bias"]

    params = {
        "bias": jax.ShapeDtypeStruct((1, 1, 2), jnp.float32),
        "kernel": jax.ShapeDtypeStruct((3, 1, 2), jnp.float32),
    }
    witness = refute_cyclic(net, (params, X), 2, 1, 0, (1,))
    drawn, x = witness.arguments
    assert {name: (leaf.shape, set(leaf.ravel())) for name, leaf in drawn.items()} == {
        "bias": ((1, 1, 2), {1}),
        "kernel": ((3, 1, 2), {1}),
    }
    assert np.count_nonzero(x) == 1
    assert violates_cyclic(net, witness)


def test_concrete_parameters_are_kept_unless_they_are_free():
    def scaled(scale, x):
        return x + scale * jnp.arange(12, dtype=jnp.float32)[None, :, None]

    zero = np.zeros((1, 1, 1), np.float32)
    assert refute_cyclic(scaled, (zero, X), 1, 1, 0, (1,)) is None
    witness = refute_cyclic(scaled, (zero, X), 1, 1, 0, (1,), free_parameters=True)
    assert witness.arguments[0] != 0
    assert violates_cyclic(scaled, witness)


def test_leaves_are_counted_as_jax_counts_them():
    def two(pair):
        return {"first": circular(pair["a"]), "second": zero_padded(pair["b"])}

    assert refute_cyclic(two, ({"a": X, "b": X},), 0, 1, 0, (1,)) is None
    assert violates_cyclic(two, refute_cyclic(two, ({"a": X, "b": X},), 1, -2, 1, (1,)), leaf=1)


@pytest.mark.parametrize(
    "key", [jax.random.key(3), jax.eval_shape(lambda: jax.random.key(0, impl="rbg"))], ids=["given", "drawn"]
)
def test_keys_are_drawn_where_they_are_not_given(key):
    def dropped(key, x):
        return jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x, jnp.zeros_like(x))

    witness = refute_cyclic(dropped, (key, X), 1, 1, 0, (1,))
    assert violates_cyclic(dropped, witness)
    assert witness.arguments[0].dtype == key.dtype


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "complex64", "int32", "int8", "uint8", "bool"])
def test_every_dtype_is_drawn_in_its_range(dtype):
    def delayed(x):
        return jnp.pad(x, ((1, 0), (0, 0)))[:-1]

    x = jax.ShapeDtypeStruct((9, 2), jnp.dtype(dtype))
    witness = refute_cyclic(delayed, (x,), 0, 0, 0, (1,))
    assert witness.arguments[0].dtype == x.dtype
    before, after = (evaluated(delayed)(side[0]) for side in (witness.arguments, witness.shifted))
    assert all((after != np.roll(before, t, b)).any() for b in (0, 1) for t in range(9))
    assert refute_cyclic(lambda x: x[::-1], (x,), 0, 0, 0, (1,)) is None
    assert refute_interior(delayed, (x,), 0, 0, 0, (1,)) is None


def test_complex_numbers_are_drawn_with_imaginary_parts():
    x = jax.ShapeDtypeStruct((6,), jnp.complex64)
    weighed = lambda x: jnp.imag(x) * np.arange(6, dtype=np.float32)
    assert violates_cyclic(weighed, refute_cyclic(weighed, (x,), 0, 0, 0, (1,)))


def halves(value):
    return lambda x: jnp.where(jnp.arange(12)[None, :, None] < 6, x, value)


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf])
def test_what_is_no_number_on_both_sides_is_no_mismatch(value):
    assert refute_cyclic(lambda x: x + value, (X,), 0, 1, 0, (1,)) is None
    witness = refute_cyclic(halves(value), (X,), 0, 1, 0, (1,))
    before, after = (evaluated(halves(value))(side[0]) for side in (witness.arguments, witness.shifted))
    assert not any(np.array_equal(after, np.roll(before, t, 1), equal_nan=True) for t in range(12))


def test_scalars_are_either_invariant_or_refuted():
    weights = np.arange(12, dtype=np.float32)[None, :, None]
    assert refute_cyclic(jnp.sum, (X,), 0, 1, 0, (1,)) is None
    for search in (refute_cyclic, refute_interior):
        witness = search(lambda x: jnp.sum(x * weights), (X,), 0, 1, 0, (1,))
        assert witness.position == ()
        assert witness.error == abs(np.sum(witness.shifted[0] * weights) - np.sum(witness.arguments[0] * weights))


def looped(x):
    """A scan, a loop and a branch."""
    carry, ys = jax.lax.scan(lambda carry, row: (carry + row, carry), jnp.zeros((1, 1), x.dtype), jnp.moveaxis(x, 1, 0))
    total = jax.lax.fori_loop(0, 3, lambda _, total: total + carry, carry)
    return jnp.moveaxis(ys, 0, 1) + jax.lax.cond(True, lambda y: y, jnp.negative, total)[:, None]


def test_loops_and_branches_are_executed():
    assert violates_cyclic(looped, refute_cyclic(looped, (X,), 0, 1, 0, (1,)))
    assert violates_cyclic(jax.checkpoint(zero_padded), refute_cyclic(jax.checkpoint(zero_padded), (X,), 0, 1, 0, (1,)))


def raises(x):
    """A function that can be traced, but raises when it runs."""

    def callback(x):
        raise RuntimeError

    return jax.pure_callback(callback, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential")


@pytest.mark.parametrize("refute", [refute_cyclic, refute_interior])
def test_nothing_is_said_where_nothing_can_be_executed(refute, monkeypatch):
    assert refute(raises, (X,), 0, 1, 0, (1,)) is None
    assert refute(dense, (X,), 0, 1, 0, (0,)) is None
    assert refute(dense, (jax.ShapeDtypeStruct((0, 12, 1), jnp.float32),), 0, 1, 0, (1,)) is None
    assert refute(dense, (X,), 0, 1, 0, (1,)) is not None
    monkeypatch.setattr(experiment, "LARGEST", 11)
    assert refute(dense, (X,), 0, 1, 0, (1,)) is None


def test_a_shift_by_the_whole_length_says_nothing_of_the_interior():
    assert refute_interior(dense, (X,), 0, 1, 0, (12,)) is None


def test_the_same_seed_finds_the_same_witness():
    first, second = (refute_interior(dense, (X,), 0, 1, 0, (1,), seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.arguments[0], second.arguments[0])
    assert (first.error, first.position) == (second.error, second.position)
