"""The source of an equation is the user's line, on every JAX version."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.equations import array, call, only

import jaxconv as jc
from jaxconv.jaxprs.layout import called, opened
from jaxconv.jaxprs.source import frames, is_users


def doubled(x):
    return x + x


LINE = doubled.__code__.co_firstlineno + 1


def running_sum(x):
    return jnp.cumsum(x, axis=1)


def another_running_sum(x):
    return jnp.cumsum(x, axis=1)


def through_a_helper(x):
    return running_sum(x) * 2.0


def test_an_equations_frames_hold_the_users_line_innermost_first_and_end_before_the_trace():
    all_frames = frames(only("add", lambda x: doubled(x) * 2.0, array(2, 6)))
    users = [frame for frame in all_frames if is_users(frame[0])]
    assert users[0] == (__file__, LINE, "doubled")
    assert [function for _, _, function in users[1:]] == [
        "test_an_equations_frames_hold_the_users_line_innermost_first_and_end_before_the_trace.<locals>.<lambda>"
    ]


def test_frames_of_jax_and_of_this_package_are_not_the_users():
    assert is_users(__file__)
    assert not any(map(is_users, (jax.__file__, np.__file__, jc.__file__, pytest.__file__, "<frozen runpy>")))


def test_the_body_of_a_librarys_jit_has_none_of_the_users_frames_but_its_call_does():
    equation = call(running_sum, array(2, 6))
    (inner,) = opened(called(equation))[0].eqns
    line = running_sum.__code__.co_firstlineno + 1
    assert [frame for frame in frames(inner) if is_users(frame[0])] == []
    assert [frame for frame in frames(equation) if is_users(frame[0])] == [(__file__, line, "running_sum")]


@pytest.mark.parametrize(
    ("fn", "at"),
    [(running_sum, running_sum), (another_running_sum, another_running_sum), (through_a_helper, running_sum)],
)
def test_a_break_inside_a_librarys_jit_is_reported_at_the_users_call_of_it(fn, at):
    """The body is traced once and cached. The report for the second caller must not name the first caller's line."""
    claim = jc.certify(fn, array(2, 6), axes=(1,)).leaves[0].axes[0].cyclic
    assert claim.culprit.primitive == "cumsum"
    assert claim.culprit.source == f"{__file__}:{at.__code__.co_firstlineno + 1} ({at.__name__})"


@jax.custom_vjp
def squared(x):
    return jnp.sum(x**2)


squared.defvjp(lambda x: (squared(x), x), lambda x, dy: (dy * x * jnp.arange(8.0),))


def test_a_gradient_rule_of_the_users_has_no_line_and_none_of_jaxs_is_named():
    """JAX calls the rule while it transforms the function. No line of JAX's machinery may be reported."""
    broken = jc.certify(jax.grad(squared), array(8), axes=(0,), search=False).leaves[0].axes[0].cyclic.culprit
    assert broken.source == "a line that JAX does not record"
    assert (
        "jax" in jc.certify(jax.nn.softmax, array(8), axes=(0,), search=False).leaves[0].axes[0].interior.culprit.source
    )
