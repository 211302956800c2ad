"""The table of primitives against JAX: every primitive has a row, and a row names every parameter."""

import itertools
import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax import lax
from support.primitive_examples import MET, defined

from jaxconv.jaxprs import guard
from jaxconv.jaxprs.evaluate import executed
from jaxconv.jaxprs.layout import CALLS, IDENTITIES
from jaxconv.jaxprs.primitives import PRIMITIVES, PRODUCTS, SUM, adds
from jaxconv.verify.domain import Moving
from jaxconv.verify.rules import RULES

VERSION = tuple(int(part) for part in jax.__version__.split(".")[:3])
# Parameters that some supported versions lack: the first version with the parameter, and the first without it.
FIRST, LAST = (0, 10, 0), (0, 99, 0)
VERSIONS = {
    ("eig", "enable_eigvec_derivs"): ((0, 10, 1), LAST),
    ("erfc", "accuracy"): ((0, 12, 0), LAST),
    ("new_ref", "pin"): ((0, 11, 1), LAST),
    ("ragged_dot_general", "out_sharding"): ((0, 10, 1), LAST),
    ("reduce_max", "out_sharding"): ((0, 11, 1), LAST),
    ("reduce_min", "out_sharding"): ((0, 11, 1), LAST),
    ("scan", "ft_in"): ((0, 11, 0), LAST),
    ("scan", "ft_out"): ((0, 11, 0), LAST),
    ("scan", "num_carry"): (FIRST, (0, 11, 0)),
    ("scan", "num_consts"): (FIRST, (0, 11, 0)),
    ("shard_map", "manual_axes"): (FIRST, (0, 10, 2)),
    ("shard_map", "newly_manual_axes"): ((0, 10, 2), LAST),
    ("top_k", "is_stable"): ((0, 11, 0), LAST),
}


def declared(name):
    """Return the parameters that a row names and that the installed JAX has."""
    row = PRIMITIVES[name]
    versions = lambda key: VERSIONS.get((name, key), (FIRST, LAST))
    return {
        key for key in (*row.understood, *row.irrelevant, *row.only) if versions(key)[0] <= VERSION < versions(key)[1]
    }


def test_every_primitive_has_a_row():
    assert len(defined()) > 250
    assert set(defined()) - set(PRIMITIVES) == set()


def test_every_rule_is_for_a_primitive_with_a_row():
    assert {name for rules in RULES.values() for name in rules} - set(PRIMITIVES) == set()


@pytest.mark.parametrize("name", sorted(MET))
def test_a_row_names_every_parameter_and_no_other(name):
    """A JAX version that adds a parameter fails here. Until the row names the parameter, it ends proofs."""
    actual = {key for equation in MET[name] for key in equation.params}
    assert actual == declared(name)


def test_what_no_example_shows_has_no_rule_and_names_no_parameter():
    """The table states only whether such a primitive is a function of its operands."""
    unseen = set(defined()) - set(MET)
    assert {name for name in unseen if name in RULES[Moving]} == set()
    # No function of JAX 0.10 makes these calls; searchsorted of 0.12 makes a `call_hi_primitive`.
    calls = {"call_hi_primitive", "call", "closed_call"}
    assert {name for name in unseen - calls if declared(name)} == set()


def test_the_rows_of_calls_are_those_of_the_calls_that_are_followed():
    assert {name for name, row in PRIMITIVES.items() if row.family == "call"} == CALLS
    assert {name for name, row in PRIMITIVES.items() if row.family == "identity"} == IDENTITIES


def test_the_sets_of_a_row_do_not_overlap():
    rows = PRIMITIVES.values()
    assert all(
        len({*r.understood, *r.irrelevant, *r.only}) == len([*r.understood, *r.irrelevant, *r.only]) for r in rows
    )


def test_an_effect_is_seen_in_the_row():
    """A primitive with effects in JAX is no function in its row: it has no rule and is not folded."""
    effectful = {name for name, examples in MET.items() if any(e.effects and not inner(e) for e in examples)}
    assert {name for name in effectful if PRIMITIVES[name].function} == set()
    assert {"io_callback", "debug_print", "get"} <= effectful


def inner(equation):
    """Whether the effects of an equation may come from a jaxpr inside it."""
    return PRIMITIVES[equation.primitive.name].family in ("call", "control")


@pytest.mark.parametrize("name", sorted(name for name, row in PRIMITIVES.items() if not row.function))
def test_no_rule_speaks_of_what_is_no_function_of_its_operands(name):
    assert all(name not in rules for rules in RULES.values())
    assert not PRIMITIVES[name].linear


# `reshard` can be executed only where its mesh is set.
LINEAR = {name: [e for e in examples if guard.is_linear(e)] for name, examples in MET.items() if name != "reshard"}


@pytest.mark.parametrize("name", sorted(name for name, examples in LINEAR.items() if examples))
def test_a_primitive_is_affine_in_the_operands_of_its_row(name):
    """Equal steps of one operand give equal steps of the result, unlike for a maximum."""
    draws = np.random.default_rng(7)
    equation = LINEAR[name][0]
    operands = [drawn(draws, atom.aval) for atom in equation.invars]
    for place in range(len(operands)):
        if operands[place].dtype.kind in "fc" and place in PRIMITIVES[name].linear:
            step = drawn(draws, equation.invars[place].aval)
            points = [[*operands[:place], operands[place] + n * step, *operands[place + 1 :]] for n in range(3)]
            for low, middle, high in zip(*(executed(equation, point) for point in points), strict=True):
                np.testing.assert_allclose(high - middle, middle - low, rtol=0, atol=1e-4 if name == "fft" else 0)


@pytest.mark.parametrize(
    ("fn", "dtype", "linear"),
    [
        (lambda x: 2 * x, "float32", True),
        (lambda x: 2 * x, "int32", False),  # it may wrap around
        (lambda x: lax.convert_element_type(x, "float32"), "float16", True),
        (lambda x: lax.convert_element_type(x, "float32"), "int32", False),
        (lambda x: lax.convert_element_type(x, "int32"), "float32", False),
    ],
    ids=["floats", "integers", "to finer floats", "from integers", "to integers"],
)
def test_only_floats_are_linear(fn, dtype, linear):
    (equation,) = jax.make_jaxpr(fn)(np.ones(3, dtype)).eqns
    assert guard.is_linear(equation) == linear


SUMMED = {name: examples for name, examples in MET.items() if PRIMITIVES[name].rounds in (SUM, PRODUCTS)}


@pytest.mark.parametrize("name", sorted(SUMMED))
def test_as_many_terms_are_counted_as_ones_add_up_to(name):
    """All indices are equal, so that all updates of a scatter reach one cell."""
    for equation in SUMMED[name]:
        ones = [np.full(atom.aval.shape, atom.aval.dtype.kind in "fc", atom.aval.dtype) for atom in equation.invars]
        (result,) = executed(equation, ones)
        assert np.abs(result).max() <= guard.terms(equation)


# Excluded: a cast to a coarser float changes numbers, and `iota` has no operand.
MOVING = sorted({name for name in MET if PRIMITIVES[name].moves} - {"iota", "reduce_precision", "reshard"})


@pytest.mark.parametrize("name", MOVING)
def test_what_moves_cells_makes_no_others(name):
    """Except fill values, which are operands or 0."""
    equation, numbers = MET[name][0], itertools.count(5)
    operands = [
        np.reshape([next(numbers) for _ in range(math.prod(atom.aval.shape))], atom.aval.shape).astype(atom.aval.dtype)
        if np.issubdtype(atom.aval.dtype, np.inexact) else np.zeros(atom.aval.shape, atom.aval.dtype)
        for atom in equation.invars
    ]  # fmt: skip
    for result in executed(equation, operands):
        assert np.isin(result, np.concatenate([[0], *map(np.ravel, operands)])).all()


WITHOUT_POLES = sorted(name for name in MET if not PRIMITIVES[name].poles)


@pytest.mark.parametrize("name", WITHOUT_POLES)
def test_what_has_no_poles_is_finite_at_small_numbers(name):
    """A logarithm and a quotient are infinite at 0."""
    draws, equation = np.random.default_rng(3), MET[name][0]
    small = [draws.choice([-1, -0.5, 0, 0.5, 1], atom.aval.shape).astype(atom.aval.dtype) for atom in equation.invars]
    assert all(np.isfinite(np.asarray(result, complex)).all() for result in executed(equation, small))


@pytest.mark.parametrize("name", ["div", "log", "rsqrt", "rem", "integer_pow"])
def test_what_is_not_finite_at_0_has_poles(name):
    assert PRIMITIVES[name].poles


def drawn(draws, aval):
    """Draw floats that are powers of two up to the sign, so that quotients are exact, or the indices 0 and 1."""
    numbers = draws.choice([-4, -2, -1, 1, 2, 4], aval.shape)
    return np.asarray(numbers if np.issubdtype(aval.dtype, np.inexact) else abs(numbers) // 4, aval.dtype)


def test_an_effect_whose_result_nobody_reads_spoils_nothing():
    called = lambda x: jax.experimental.io_callback(np.sin, x, x)
    assert guard.impurity_of(jax.make_jaxpr(lambda x: (called(x), x + 1)[1])(np.float32(1))) == ""
    assert "io_callback" in guard.impurity_of(jax.make_jaxpr(lambda x: called(x) + 1)(np.float32(1)))


def test_a_scattered_function_that_adds_does_nothing_else():
    number = jax.ShapeDtypeStruct((), np.float32)
    traced = lambda fn: jax.make_jaxpr(fn)(number, number)
    assert adds(traced(lambda a, b: a + b))
    assert adds(traced(lambda a, b: b + a))
    assert not adds(traced(lambda a, b: a * b))
    assert not adds(traced(lambda a, b: a + a))
    assert not adds(traced(lambda a, b: a + b + b))
    assert not adds(traced(lambda a, b: (a + b, a)))
    assert not adds(None)


def test_a_parameter_that_no_row_names_is_objected_to():
    """A future version of JAX may add a parameter of unknown meaning."""
    for name in PRIMITIVES:
        equation = SimpleNamespace(primitive=SimpleNamespace(name=name), params={"novel": 1})
        assert guard.objection(equation) == f"the parameter novel of {name} is not known"
