"""The assertions about actions: a search without a violation passes, and a violation fails with its witness."""

import re
import warnings

import jax
import jax.numpy as jnp
import pytest
from support.symmetric_subjects import BROKEN, HOLDING

from jaxconv.testing import UndecidedWarning, assert_equivariant, assert_invariant

X = jax.ShapeDtypeStruct((3, 3, 5, 4), "float32")


@pytest.mark.parametrize("name", ["isotropic kernels", "a sum over channels", "a group convolution"])
def test_equivariant_functions_pass(name):
    fn, action, axes = HOLDING[name]
    searched = assert_equivariant(fn, X, action=action, axes=axes, examples=10)
    assert searched.counterexample is None
    assert searched.responded


@pytest.mark.parametrize("name", ["an unsymmetric kernel", "a weighted sum over channels", "an even function"])
def test_broken_twins_fail(name):
    fn, action, axes = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"^{fn.__name__} is not equivariant: .* is violated\n  witness: "):
        assert_equivariant(fn, X, action=action, axes=axes)


def test_a_failure_shows_the_smallest_witness():
    with pytest.raises(AssertionError) as caught:
        assert_equivariant(
            lambda x: jnp.cumsum(x, 1), jax.ShapeDtypeStruct((1, 3), "float32"), action="flip", axes=(1,)
        )
    assert str(caught.value).splitlines() == [
        "<lambda> is not equivariant: flip along axis 1 of argument 0 acts on output (1, 3) as on the input is violated",
        "  witness: flip along axis 1 of argument 0: f(moved)[0, 0] is 0, but f(x)[0, 2] is 1",
        "           argument 0: zeros (1, 3) but for [0, 0] = 1",
        "           argument 0, moved: zeros (1, 3) but for [0, 2] = 1",
    ]


def test_invariance():
    mean = lambda x: x.mean((1, 2), keepdims=True)
    assert assert_invariant(mean, X, action="dihedral", axes=(1, 2), examples=10).counterexample is None
    with pytest.raises(
        AssertionError, match=r"is not invariant: flip along axis 1 of argument 0 does not change output"
    ):
        assert_invariant(lambda x: x, X, action="flip", axes=(1,))


def test_a_dead_function_is_not_tested():
    dead = lambda x: x * 0
    with pytest.raises(AssertionError, match=r"neither tested nor refuted(.|\n)*was the same for every example"):
        assert_equivariant(dead, X, action="flip", axes=(1,), examples=5)
    with pytest.warns(UndecidedWarning, match="neither tested nor refuted to be equivariant") as warned:
        assert_equivariant(dead, X, action="flip", axes=(1,), examples=5, undecided="pass")
    assert [warning.filename for warning in warned] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_equivariant(lambda x: x, X, action="flip", axes=(1,), examples=5)


def test_interpolations_are_refused_and_named():
    half = lambda x: (x + jnp.roll(x, 1, 1)) / 2
    message = (
        "assert_equivariant: the action on the input is an interpolation or other computation, but should be one that"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        assert_equivariant(lambda x: x, X, action=(half, half))
