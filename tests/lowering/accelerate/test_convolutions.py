"""lax's convolutions of any parameters, and their derivatives, are replaced by operations that compute the same.

NumPy evaluates the equations of both, on whole numbers, so that they are equal without a tolerance.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, target
from hypothesis import strategies as st
from jax import lax
from support.accelerated_functions import assert_equal
from support.geometries import compiled_examples, examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv.lowering.accelerate import convolutions


@dataclass(frozen=True)
class Drawn:
    """A convolution of lax and the shapes of its operands."""

    settings: dict
    lhs: tuple
    rhs: tuple
    seed: int

    def __call__(self, lhs, rhs):
        """Run it."""
        return lax.conv_general_dilated(lhs, rhs, **self.settings)

    def operands(self, dtype=np.float32):
        """lhs, rhs and a cotangent, of whole numbers."""
        generator = np.random.default_rng(self.seed)
        out = jax.eval_shape(self, *(jax.ShapeDtypeStruct(shape, dtype) for shape in (self.lhs, self.rhs)))
        return [generator.integers(-3, 4, shape).astype(dtype) for shape in (self.lhs, self.rhs, out.shape)]


@st.composite
def convolutions_of_lax(draw):
    """Any layout, strides, dilations of both operands, groups of either kind, and padding of both signs."""
    rank = draw(st.integers(1, 3))
    each = lambda lo, hi: tuple(draw(st.lists(st.integers(lo, hi), min_size=rank, max_size=rank)))
    groups, of_batch = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (3, 1), (1, 2)]))
    n, c, o = draw(st.integers(1, 3)) * of_batch, draw(st.integers(1, 3)), draw(st.integers(1, 2)) * groups * of_batch
    lengths, window = each(1, 6), each(1, 3)
    kind = draw(st.sampled_from(["strided", "lhs_dilated", "both"]))
    settings = {
        "window_strides": each(1, 3) if kind != "lhs_dilated" else (1,) * rank,
        "lhs_dilation": each(1, 3) if kind != "strided" else (1,) * rank,
        "rhs_dilation": each(1, 2),
        "padding": tuple(zip(each(-1, 4), each(-1, 4), strict=True)),
        "feature_group_count": groups,
        "batch_group_count": of_batch,
    }
    orders = [draw(st.permutations(range(rank + 2))) for _ in range(3)]
    if draw(st.booleans()):  # as lax derives the kernel's gradient: the batch is summed over
        orders[0] = [rank + 1, 0, *range(1, rank + 1)]
    settings["dimension_numbers"] = lax.ConvDimensionNumbers(*map(tuple, orders))
    shape = lambda order, sizes: tuple(size for _, size in sorted(zip(order, sizes, strict=True)))
    drawn = Drawn(
        settings,
        shape(orders[0], (n, c * groups, *lengths)),
        shape(orders[1], (o, c, *window)),
        draw(st.integers(0, 2**16)),
    )
    # lax refuses padding that cuts more cells off than there are.
    dilated = [(n - 1) * step + 1 for n, step in zip(lengths, settings["lhs_dilation"], strict=True)]
    assume(all(n + min(lo, 0) + min(hi, 0) > 0 for n, (lo, hi) in zip(dilated, settings["padding"], strict=True)))
    out = jax.eval_shape(drawn, *(jax.ShapeDtypeStruct(each, np.float32) for each in (drawn.lhs, drawn.rhs)))
    assume(0 not in out.shape)
    return drawn


def step_of(fn):
    """The function's value and its derivatives, which are convolutions of other kinds."""

    def step(lhs, rhs, cotangent):
        y, pull = jax.vjp(fn, lhs, rhs)
        return y, *pull(cotangent)

    return step


@given(convolutions_of_lax())
@examples(60)
def test_a_step_is_computed_alike(drawn):
    """`accelerate` after differentiation: forward, input and kernel gradient, and those of transposed convolutions."""
    step, operands = step_of(drawn), drawn.operands()
    target(len(jc.accelerate(step).explain(*operands).replaced))
    assert_equal(evaluated(jc.accelerate(step))(*operands), evaluated(step)(*operands))


@given(convolutions_of_lax())
@examples(40)
def test_the_derivative_of_what_is_replaced_is_alike(drawn):
    """`accelerate` before differentiation."""
    operands = drawn.operands()
    assert_equal(evaluated(step_of(jc.accelerate(drawn)))(*operands), evaluated(step_of(drawn))(*operands))


@given(convolutions_of_lax())
@compiled_examples(3)
def test_compiled(drawn):
    step, operands = step_of(drawn), drawn.operands()
    assert_equal(jax.jit(jc.accelerate(step))(*operands), jax.jit(step)(*operands))


def conv(x, kernel, numbers=("NHWC", "HWIO", "NHWC"), strides=(1, 1), padding="SAME", **settings):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=numbers, **settings)


X, KERNEL = np.ones((2, 7, 6, 4), np.float32), np.ones((3, 2, 4, 5), np.float32)


def first(explanation):
    """The operations that replace equations, in order."""
    return [next(iter(row.algorithms)) for row in explanation.replaced]


@pytest.mark.parametrize(
    ("numbers", "x", "kernel"),
    [
        (("NHWC", "HWIO", "NHWC"), X, KERNEL),
        (("NCHW", "OIHW", "NCHW"), X.transpose(0, 3, 1, 2), KERNEL.transpose(3, 2, 0, 1)),
        (("HWNC", "OHWI", "NCHW"), X.transpose(1, 2, 0, 3), KERNEL.transpose(3, 0, 1, 2)),
    ],
)
@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_each_equation_of_a_step_is_read_as_what_it_is(numbers, x, kernel, strides):
    """In each layout; a strided convolution's input gradient has lhs_dilation, and the kernel's rhs_dilation."""
    loss = lambda x, kernel: jnp.square(conv(x, kernel, numbers, strides)).sum()
    found = jc.accelerate(jax.grad(loss, (0, 1))).explain(x, kernel)
    names = ["conv", "conv_kernel_grad", "conv_input_grad"]
    if numbers[0] == "HWNC":  # where no axis of the layout tells a kernel gradient, it is read as a convolution
        assert set(first(found)) <= set(names)
        assert not found.kept
    else:
        assert (first(found), found.kept) == (names, ())


def test_the_gradients_of_a_transposed_convolution_are_read_as_such():
    """Of Flax's transposed convolution: an input gradient, whose derivatives are a convolution and a kernel gradient."""
    transposed = lambda x, kernel: lax.conv_transpose(x, kernel, (2, 2), "SAME").sum()
    found = jc.accelerate(jax.grad(transposed, (0, 1))).explain(X, KERNEL)
    assert sorted(first(found)) == ["conv", "conv_input_grad", "conv_kernel_grad"]
    assert found.kept == ()


def test_a_reversed_kernel_is_not_reversed_twice():
    loss = lambda x, kernel: conv(x, kernel).sum()
    jaxpr = jax.make_jaxpr(jc.accelerate(jax.grad(loss)))(X, KERNEL).jaxpr
    (gradient,) = (e for e in jaxpr.eqns if e.primitive.name == "jaxconv_conv_input_grad")
    reversals = [e for e in jaxpr.eqns if e.primitive.name == "rev"]
    assert gradient.invars[1] is jaxpr.invars[1]
    assert all(variable not in gradient.invars for e in reversals for variable in e.outvars)


@pytest.mark.parametrize("dimensions", [(0,), (0, 1), (1, 2)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_a_kernel_that_the_user_reverses(dimensions, strides):
    """Along all of the window's axes, as a convolution of mathematics does, it reads as an input gradient."""
    fn = lambda x, kernel: conv(x, lax.rev(kernel, dimensions), strides=strides)
    x, kernel = (np.random.default_rng(0).integers(-3, 4, a.shape).astype(np.float32) for a in (X, KERNEL))
    assert_equal(evaluated(jc.accelerate(fn))(x, kernel), evaluated(fn)(x, kernel))
    expected = "conv_input_grad" if dimensions == (0, 1) and strides == (1, 1) else "conv"
    assert first(jc.accelerate(fn).explain(x, kernel)) == [expected]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.int8, np.uint8, np.int32, np.complex64])
def test_dtypes(dtype):
    x, kernel = X.astype(dtype), KERNEL.astype(dtype)
    assert first(jc.accelerate(conv).explain(x, kernel)) == ["conv"]
    found, expected = jax.eval_shape(jc.accelerate(conv), x, kernel), jax.eval_shape(conv, x, kernel)
    assert (found.dtype, found.shape, found.weak_type) == (expected.dtype, expected.shape, expected.weak_type)
    if dtype != np.complex64:
        assert_equal(evaluated(jc.accelerate(conv))(x, kernel), evaluated(conv)(x, kernel))


def test_precision_and_accumulation_are_passed_on():
    """A bfloat16 convolution that accumulates in float32 at the highest precision, and its gradients."""
    x, kernel = X.astype(jnp.bfloat16), KERNEL.astype(jnp.bfloat16)
    precise = lambda x, kernel: conv(x, kernel, precision="highest", preferred_element_type=np.float32)
    jaxpr = jax.make_jaxpr(jc.accelerate(precise))(x, kernel).jaxpr
    (equation,) = jaxpr.eqns
    assert equation.params["preferred_element_type"] == np.float32
    assert set(equation.params["precision"]) == {lax.Precision.HIGHEST}
    step = jax.grad(lambda x, kernel: precise(x, kernel).sum(), (0, 1))
    assert_equal(evaluated(jc.accelerate(step))(x, kernel), evaluated(step)(x, kernel))


def test_two_precisions_are_exchanged_with_the_operands():
    """The kernel gradient of a transposed convolution, whose operands change places."""
    transposed = lambda x, kernel: lax.conv_transpose(x, kernel, (2, 2), "SAME", precision=("highest", "default"))
    step = jc.accelerate(jax.grad(lambda x, kernel: transposed(x, kernel).sum(), 1))
    precisions = [
        equation.params["precision"]
        for equation in jax.make_jaxpr(step)(X, KERNEL).jaxpr.eqns
        if equation.primitive.name == "jaxconv_conv_kernel_grad"
    ]
    (by_lax,) = [
        equation.params["precision"]
        for equation in jax.make_jaxpr(jax.grad(lambda x, k: transposed(x, k).sum(), 1))(X, KERNEL).jaxpr.eqns
        if equation.primitive.name == "conv_general_dilated" and equation.outvars[0].aval.shape == KERNEL.shape
    ] or [None]
    assert precisions == [by_lax[::-1]]


DILATED = {"lhs_dilation": (2, 2)}
KEPT = {
    "strides and lhs_dilation": (lambda: (X, KERNEL), {"strides": (2, 2), "padding": ((1, 1), (1, 1)), **DILATED}, "window_strides and lhs_dilation"),
    "cells that nothing reads": (lambda: (X, KERNEL), {"padding": ((5, 5), (5, 5)), **DILATED}, "no window of a"),
    "no cell left": (lambda: (X, KERNEL[:1, :1]), {"padding": ((-7, 2), (0, 0))}, "cuts every cell off"),
    "a dtype": (lambda: (X.astype(jnp.float8_e4m3fn), KERNEL.astype(jnp.float8_e4m3fn)), {}, "no float8_e4m3fn"),
    "no example": (lambda: (X[:0], KERNEL), {}, "an array is empty"),
    "no axis": (lambda: (X[:, 0, 0], KERNEL[0, 0]), {"numbers": ("NC", "IO", "NC"), "strides": (), "padding": ()}, "no spatial axis"),
    "groups of the batch": (
        lambda: (X, np.ones((3, 2, 4, 6), np.float32)), {"padding": ((1, 1), (1, 1)), "batch_group_count": 2, **DILATED},
        "groups of the batch and lhs_dilation"),
    "integers to floats": (
        lambda: (X.astype(np.int8), KERNEL.astype(np.int8)), {"preferred_element_type": np.float32}, "its result is float32"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_the_table_does_not_take_is_kept_with_the_reason(name):
    operands, settings, reason = KEPT[name]
    fn = lambda x, kernel: conv(x, kernel, **settings)
    found = jc.accelerate(fn).explain(*operands())
    assert found.replaced == ()
    (row,) = found.kept
    assert reason in row.reason
    kept = jax.make_jaxpr(jc.accelerate(fn))(*operands()).jaxpr
    assert [equation.primitive.name for equation in kept.eqns] == ["conv_general_dilated"]


TWINS = {
    "padding of the input gradient": ("axis_of_windows", lambda made: replace(made, axis=replace(made.axis, pad=jc.Pad(made.axis.pad.hi, made.axis.pad.lo)))),
    "cells that are cut off": ("padded_axis", lambda made: replace(made, start=0, stop=made.stop - made.start)),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_a_wrong_geometry_would_be_seen(name, monkeypatch):
    """The broken twins."""
    function, broken = TWINS[name]
    right = getattr(convolutions, function)
    monkeypatch.setattr(convolutions, function, lambda *settings: broken(right(*settings)))
    crop = lambda x, kernel: conv(x, kernel, padding=((-2, 3), (1, 0)))
    loss = lambda x, kernel: jnp.square(crop(x, kernel)).sum()
    step = jax.value_and_grad(loss, (0, 1))
    x = np.arange(X.size, dtype=np.float32).reshape(X.shape) % 7
    with pytest.raises(AssertionError):
        assert_equal(evaluated(jc.accelerate(step))(x, KERNEL), evaluated(step)(x, KERNEL))
