"""Rewriting replaces equations at any depth, and nothing else."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import jaxpr_as_fun

from jaxconv.jaxprs.rewrite import KeptError, Replacement, Rewriting
from jaxconv.jaxprs.source import source_line
from jaxconv.jaxprs.traverse import equations

X = np.arange(3.0, dtype=np.float32)


def sine_by_cosine(equation, makers):
    """cos(x) in place of sin(x); sin of an equation that doubles is kept."""
    if equation.primitive.name != "sin":
        return None
    (x,) = equation.invars
    if x in makers and makers[x].primitive.name == "mul":
        raise KeptError("doubled")
    return Replacement([x], lambda x: jnp.negative(jnp.negative(jnp.cos(x))))


def names(jaxpr):
    return [equation.primitive.name for equation, _ in equations(jaxpr)]


def nested(x):
    y = jax.jit(lambda x: lax.scan(lambda c, _: (jnp.sin(c), None), x, None, length=2)[0])(x)
    return lax.cond(y[0] > 0, jnp.sin, jnp.tanh, y), jnp.sin(2 * x)


def test_equations_are_replaced_at_any_depth_and_the_others_stay():
    notes = []
    jaxpr = jax.make_jaxpr(nested)(X)
    rewritten = Rewriting(sine_by_cosine, lambda *note: notes.append(note))(jaxpr)
    found = names(rewritten)
    assert (found.count("cos"), found.count("neg"), found.count("sin")) == (2, 4, 1)
    assert [name for name in found if name not in ("cos", "neg", "sin")] == [n for n in names(jaxpr) if n != "sin"]
    assert [str(outcome) for _, _, outcome in notes if isinstance(outcome, KeptError)] == ["doubled"]
    assert [len(stack) for _, stack, _ in notes] == [2, 1, 0]
    cosine = lambda x: (jnp.where(jnp.cos(jnp.cos(x))[0] > 0, jnp.cos(jnp.cos(jnp.cos(x))), 0), jnp.sin(2 * x))
    for one, other in zip(jaxpr_as_fun(rewritten)(X), cosine(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_replacement_has_the_source_line_of_the_equation():
    jaxpr = jax.make_jaxpr(nested)(X)
    lines = lambda jaxpr, *of: {source_line(e) for e, _ in equations(jaxpr) if e.primitive.name in of}
    found = lines(Rewriting(sine_by_cosine)(jaxpr), "neg", "cos")
    assert found
    assert found <= lines(jaxpr, "sin")


def test_a_jaxpr_without_anything_to_replace_is_returned_itself():
    jaxpr = jax.make_jaxpr(lambda x: lax.fori_loop(0, 3, lambda _, x: jax.nn.relu(x), x))(X)
    assert Rewriting(sine_by_cosine)(jaxpr) is jaxpr


def test_one_jaxpr_is_rewritten_once():
    """So that two calls of a jitted function still share one jaxpr, which XLA compiles once."""
    sine = jax.jit(jnp.sin)
    jaxpr = jax.make_jaxpr(lambda x: sine(sine(x)))(X)
    called = lambda jaxpr: [e.params["jaxpr"] for e in jaxpr.eqns if "jaxpr" in e.params]
    assert called(jaxpr)[0] is called(jaxpr)[1]
    rewriting = Rewriting(sine_by_cosine)
    found = called(rewriting(jaxpr))
    assert found[0] is found[1]
    assert found[0] is not called(jaxpr)[0]
    assert rewriting(jaxpr) is rewriting(jaxpr)


def test_what_was_rewritten_is_forgotten_with_its_jaxpr():
    rewriting = Rewriting(sine_by_cosine)
    jaxpr = jax.make_jaxpr(lambda x: jnp.sin(x) + x)(X)
    rewritten = weakref.ref(rewriting(jaxpr))
    assert len(rewriting.known) == 1
    del jaxpr
    gc.collect()
    jax.clear_caches()
    gc.collect()
    assert rewritten() is None
    assert len(rewriting.known) == 0


@pytest.mark.parametrize("compute", [lambda x: jnp.cos(x)[:2], lambda x: jnp.cos(x).astype(np.int32)])
def test_a_replacement_of_another_type_is_kept(compute):
    """The broken twin: shapes and dtypes."""
    notes = []
    wrong = lambda equation, makers: Replacement(equation.invars, compute) if equation.primitive.name == "sin" else None
    jaxpr = jax.make_jaxpr(jnp.sin)(X)
    assert "sin" in names(Rewriting(wrong, lambda *note: notes.append(str(note[-1])))(jaxpr))
    assert notes[0].startswith("the result would be ")
    assert notes[0].endswith("instead of float32[3]")
