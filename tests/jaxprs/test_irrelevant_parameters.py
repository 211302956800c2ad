"""Irrelevant parameters of the table of primitives: another value does not change the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.equations import alone, variables_of
from support.primitive_examples import MET, mesh

from jaxconv.jaxprs.primitives import PRIMITIVES
from jaxconv.verify.domain import Moving
from jaxconv.verify.rules import RULES


def drawn(equation: Any) -> list[Any]:
    """Return operands of the equation's types. They increase, so that indices are sorted and unique."""
    shapes = [(v.aval.shape, v.aval.dtype) for v in variables_of(equation)]
    return [jnp.asarray(np.arange(int(np.prod(shape))).reshape(shape) / 4 + 1).astype(dtype) for shape, dtype in shapes]


def on_one_device(value: Any) -> Any:
    """Return a sharding that is equivalent to no sharding on one device."""
    return jax.sharding.NamedSharding(mesh("Auto"), jax.sharding.PartitionSpec())


def in_the_type(value: Any) -> Any:
    """Return the same sharding as part of an array type, which names no devices."""
    return jax.sharding.NamedSharding(mesh("Auto").abstract_mesh, jax.sharding.PartitionSpec())


def negated(value: Any) -> Any:
    return tuple(not item for item in value) if isinstance(value, tuple) else not value


# Parameters that state where and how to compute, and a function that returns another value of each.
IRRELEVANT: dict[str, Callable[[Any], Any]] = {
    "accuracy": lambda value: lax.AccuracyMode.HIGHEST,
    "name": lambda value: "another",
    "devices": lambda value: (jax.devices()[0],),
    "copy_semantics": lambda value: (next(member for member in type(value[0]) if member != value[0]),),
    "unconstrained_dims": lambda value: frozenset({0}),
    "precision": lambda value: lax.Precision.HIGHEST,
    "algorithm": lambda value: "lax",
    "policy": lambda value: jax.checkpoint_policies.everything_saveable,
    "out_trees": lambda value: lambda: None,
    "unroll": lambda value: 2,
    "out_sharding": in_the_type,
    "out_shardings": lambda value: tuple(map(on_one_device, value)),
    "in_shardings": lambda value: tuple(map(on_one_device, value)),
    "compiler_options_kvs": lambda value: (("xla_cpu_enable_fast_min_max", False),),
    "ctx_mesh": lambda value: mesh("Auto"),
    "context_mesh": lambda value: mesh("Auto"),
    "inline": lambda value: not value if isinstance(value, bool) else next(m for m in type(value) if m != value),
} | dict.fromkeys(
    ("weak_type", "indices_are_sorted", "unique_indices", "donated_invars", "keep_unused", "prevent_cse",
     "differentiated", "symbolic_zeros"), negated)  # fmt: skip
# Derivatives of calls, which do not affect the value: another example's derivatives replace them.
DERIVATIVES = {"jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd"}
# Memory layouts: the CPU has only one.
MEMORY = {("device_put", "srcs"), ("sharding_constraint", "layout"), ("jit", "in_layouts"), ("jit", "out_layouts")}

CALLS = [name for name, row in PRIMITIVES.items() if row.family == "call"]
irrelevant = sorted(
    (name, key)
    for name in {*RULES[Moving], *CALLS} & set(MET)
    for key in PRIMITIVES[name].irrelevant & set(MET[name][0].params)
    if (name, key) not in MEMORY
)


def another(name: str, key: str) -> Callable[[Any], Any]:
    """Return a function that returns another value of a parameter."""
    if key == "sharding":
        return on_one_device if name in ("sharding_constraint", "convert_element_type") else in_the_type
    return IRRELEVANT[key]


@pytest.mark.parametrize(("name", "key"), irrelevant)
def test_an_irrelevant_parameter_changes_no_number(name, key):
    equation = MET[name][0]
    value = equation.params[key]
    other = MET[name][-1].params[key] if key in DERIVATIVES else another(name, key)(value)
    assert other is not value
    assert other != value
    operands = drawn(equation)
    before, after = (alone(equation, **changed)(*operands) for changed in ({}, {key: other}))
    assert len(before) == len(after) > 0
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-5)


def test_a_parameter_that_matters_would_be_seen():
    """The broken twin: a relevant parameter fails the check above."""
    equation = MET["reduce_precision"][0]
    before, after = (alone(equation, mantissa_bits=bits)(*drawn(equation)) for bits in (3, 1))
    with pytest.raises(AssertionError, match="Mismatched elements"):
        np.testing.assert_allclose(before[0], after[0], rtol=1e-5)
