"""lax's window reductions along any axes, and their derivatives, are replaced by operations that compute the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jax import lax
from support.accelerated_functions import assert_equal
from support.geometries import compiled_examples, examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv.lowering.accelerate import windows

REDUCTIONS = {"max": (-np.inf, lax.max), "min": (np.inf, lax.min), "sum": (0.0, lax.add)}


def pool(name, x, window, strides=None, padding="VALID", **dilations):
    start, operator = REDUCTIONS[name]
    return lax.reduce_window(x, start, operator, window, strides or window, padding, **dilations)


@st.composite
def reductions(draw):
    """A reduction, whether lax differentiates it, and a shape. Windows lie along any axes, in any place."""
    axes = []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            axes.append((draw(st.integers(1, 4)), 1, 1, 1, 1, (0, 0)))
        else:
            small = st.integers(1, 3)
            padding = draw(st.tuples(st.integers(-1, 2), st.integers(-1, 2)))
            axes.append(
                (
                    draw(st.integers(1, 6)),
                    *(draw(small) for _ in range(2)),
                    *draw(st.sampled_from([(1, 1), (2, 1), (1, 2)])),
                    padding,
                )
            )
    shape, window, strides, window_dilation, base_dilation, padding = zip(*axes, strict=True)
    name = draw(st.sampled_from(list(REDUCTIONS)))
    dilations = {"window_dilation": window_dilation, "base_dilation": base_dilation}
    fn = lambda x: pool(name, x, window, strides, padding, **dilations)
    try:
        out = jax.eval_shape(fn, jax.ShapeDtypeStruct(shape, np.float32))
    except TypeError:  # padding that cuts more cells off than there are
        out = None
    assume(out is not None and 0 not in out.shape)
    plain = not any(step > 1 for each in dilations.values() for step in each) and min(map(min, padding)) >= 0
    return fn, name == "sum" or plain, shape, draw(st.integers(0, 2**16))


def with_gradient(fn):
    def both(x, cotangent):
        y, pull = jax.vjp(fn, x)
        return y, *pull(cotangent)

    return both


def operands_of(fn, shape, seed):
    """Whole numbers, few of them different, so that many cells of a window are equal."""
    generator = np.random.default_rng(seed)
    out = jax.eval_shape(fn, jax.ShapeDtypeStruct(shape, np.float32)).shape
    return [generator.integers(-2, 3, each).astype(np.float32) for each in (shape, out)]


@given(reductions())
@examples(60)
def test_a_reduction_and_its_gradient_are_computed_alike(drawn):
    """`accelerate` after differentiation, and before it."""
    fn, differentiable, shape, seed = drawn
    x, cotangent = operands_of(fn, shape, seed)
    assert_equal(evaluated(jc.accelerate(fn))(x), evaluated(fn)(x))
    if differentiable:
        expected = evaluated(with_gradient(fn))(x, cotangent)
        assert_equal(evaluated(jc.accelerate(with_gradient(fn)))(x, cotangent), expected)
        assert_equal(evaluated(with_gradient(jc.accelerate(fn)))(x, cotangent), expected)


@given(reductions())
@compiled_examples(3)
def test_compiled(drawn):
    fn, differentiable, shape, seed = drawn
    x, cotangent = operands_of(fn, shape, seed)
    run = with_gradient(fn) if differentiable else lambda x, cotangent: fn(x)
    assert_equal(jax.jit(jc.accelerate(run))(x, cotangent), jax.jit(run)(x, cotangent))


X = np.random.default_rng(0).integers(-9, 9, (2, 6, 5, 3)).astype(np.float32)
WINDOW = (1, 2, 3, 1)
LAYOUTS = {
    "channels last": (X, WINDOW),
    "channels first": (X.transpose(0, 3, 1, 2), (1, 1, 2, 3)),
    "one example, channels first": (X[0].transpose(2, 0, 1), (1, 2, 3)),
    "a matrix": (X[0, :, :, 0], (2, 3)),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize(("x", "window"), LAYOUTS.values(), ids=LAYOUTS)
def test_every_equation_of_a_gradient_is_replaced(name, x, window):
    loss = lambda x: jnp.square(pool(name, x, window, (1,) * x.ndim)).sum()
    found = jc.accelerate(jax.grad(loss)).explain(x)
    expected = ["sum_pool"] * 2 if name == "sum" else [f"{name}_pool", "max_pool_scatter"]
    assert [next(iter(row.algorithms)) for row in found.replaced] == expected
    assert found.kept == ()
    assert_equal(evaluated(jc.accelerate(jax.grad(loss)))(x), evaluated(jax.grad(loss))(x))


def test_a_sum_with_base_dilation_is_the_gradient_of_a_strided_sum():
    found = jc.accelerate(jax.grad(lambda x: pool("sum", x, WINDOW).sum())).explain(X)
    assert [next(iter(row.algorithms)) for row in found.replaced] == ["sum_pool", "sum_pool_grad"]


@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("ends", [(1, 2, 0), (2, 0, 1), (-1, 1, 0)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (-1, 0)])
def test_a_sum_of_padded_cells(fill, ends, padding):
    """Zeros before a sum are the sum's own padding; ones are not, and cells that are cut off stay so."""
    padded = lambda x: lax.pad(x, jnp.float32(fill), ((0, 0, 0), ends, (0, 0, 0), (0, 0, 0)))
    fn = lambda x: pool("sum", padded(x), (1, 3, 1, 1), (1, 1, 1, 1), ((0, 0), padding, (0, 0), (0, 0)))
    assert_equal(evaluated(jc.accelerate(fn))(X), evaluated(fn)(X))


def test_a_nan_is_the_maximum_of_its_windows_at_any_size():
    """lax's own maxima drop it from some size on, on the CPU (docs/lowering.md)."""
    x = np.zeros((1, 64, 64, 1), np.float32)
    x[0, 3, 5] = np.nan
    y = jax.jit(jc.accelerate(lambda x: pool("max", x, (1, 2, 2, 1))))(x)
    assert np.isnan(y[0, 1, 2, 0])
    assert np.isnan(y).sum() == 1


KEPT = {
    "a function of the user's": (lambda x: lax.reduce_window(x, np.float32(1), lax.mul, WINDOW, WINDOW, "VALID"), "function of its own"),
    "one cell": (lambda x: pool("max", x, (1, 1, 1, 1)), "one cell"),
    "a window in the padding": (lambda x: pool("max", x, WINDOW, padding=((0, 0), (2, 0), (0, 0), (0, 0))), "in the padding"),
    "a dilated maximum": (lambda x: pool("max", x, WINDOW, base_dilation=(1, 2, 2, 1)), "it is no sum"),
    "strides and base_dilation": (lambda x: pool("sum", x, WINDOW, base_dilation=(1, 2, 2, 1)), "window_strides and base_dilation"),
    "no window reads a cell": (
        lambda x: pool("sum", x, WINDOW, (1, 1, 1, 1), ((0, 0), (3, 3), (0, 0), (0, 0)), base_dilation=(1, 2, 2, 1)), "no window reads"),
    "complex numbers": (lambda x: pool("max", x.astype(jnp.bfloat16).astype(jnp.float8_e4m3fn), WINDOW), "no float8_e4m3fn"),
    "lax's forward mode": (lambda x: jax.jvp(lambda x: pool("max", x, WINDOW), (x,), (x,))[1], "forward mode"),
    "few windows": (lambda x: pool("sum", jnp.tile(x, (1, 1, 1, 32)), WINDOW), "lax is as fast"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_has_a_reason(name):
    fn, reason = KEPT[name]
    found = jc.accelerate(fn).explain(X)
    assert reason in found.kept[-1].reason
    kept = [equation.primitive.name for equation in jax.make_jaxpr(jc.accelerate(fn))(X).jaxpr.eqns]
    assert (
        kept == [equation.primitive.name for equation in jax.make_jaxpr(fn)(X).jaxpr.eqns]
        or name == "lax's forward mode"
    )


def test_a_wrong_arrangement_would_be_seen(monkeypatch):
    """The broken twin: the channels take the place of the batch."""
    monkeypatch.setattr(windows._Arrangement, "restored", lambda self, a, shape: a.reshape(shape))
    fn = lambda x: pool("max", x, (1, 1, 2, 3))
    x = X.transpose(0, 3, 1, 2)
    with pytest.raises(AssertionError):
        assert_equal(evaluated(jc.accelerate(fn))(x), evaluated(fn)(x))
