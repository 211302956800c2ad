"""The jaxpr layout that the rule for `dot_general` relies on, on every JAX version."""

import jax.numpy as jnp
from jax import lax
from support.equations import array, names, only, operands, results


def test_a_product_names_what_it_contracts_and_what_is_batch_and_comes_out_as_batch_and_both_rests():
    numbers = (((3,), (1,)), ((1,), (2,)))
    equation = only("dot_general", lambda x, y: lax.dot_general(x, y, numbers), array(2, 3, 4, 5), array(6, 5, 3, 7))
    assert equation.params["dimension_numbers"] == numbers
    assert operands(equation) == [(2, 3, 4, 5), (6, 5, 3, 7)]
    assert results(equation) == [(3, 2, 4, 6, 7)]


def test_einsum_arrives_at_one_product():
    primitives = names(lambda x, y: jnp.einsum("nac,nbc->nab", x, y), array(2, 3, 5), array(2, 4, 5))
    assert set(primitives) <= {"dot_general", "transpose"}
    assert primitives.count("dot_general") == 1
