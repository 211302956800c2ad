"""Loops under vmap, on every small input: JAX runs what coq/Loops.v defines, and `jc.certify` proves what then holds.

A loop of four cells has three operands: where the state starts, how far it counts, and by how much. Each moves with the
input, or stays and is the same everywhere, or stays and differs from cell to cell.
"""

from functools import cache
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv as jc
from jaxconv.verify.claims import Verdict

CELLS = 4
INPUTS = np.float32(list(product(range(3), repeat=CELLS)))
OPERANDS = {
    "moves": lambda x: x,
    "alike": lambda x: np.ones(CELLS, np.float32),
    "differs": lambda x: np.arange(CELLS, dtype=np.float32),
}
LOOPS = list(product(OPERANDS, repeat=3))


def compiled(start, bound, step):
    """The loop as JAX runs it: every cell by itself."""
    cell = lambda s, b, d: lax.while_loop(lambda v: v < b, lambda v: v + d + 1, s)
    return lambda x: jax.vmap(cell)(*(OPERANDS[name](x) for name in (start, bound, step)))


def defined(start, bound, step, x):
    """The loop as Loops.round and Loops.ends define it, and its number of rounds."""
    state, bounds, steps = (OPERANDS[name](x) for name in (start, bound, step))
    rounds = 0
    while (state < bounds).any():
        state, rounds = np.where(state < bounds, state + steps + 1, state), rounds + 1
    return state, rounds


@cache
def results(*loop):
    """The loop's results on every input, each run by itself."""
    run = jax.jit(compiled(*loop))
    return np.stack([run(x) for x in INPUTS])


@pytest.mark.parametrize("loop", LOOPS, ids=" ".join)
def test_a_loop_under_vmap_is_what_the_theory_defines(loop):
    np.testing.assert_array_equal(results(*loop), [defined(*loop, x)[0] for x in INPUTS])


def test_inputs_of_a_batch_take_different_numbers_of_rounds_and_do_not_disturb_each_other():
    """Loops.late_rounds_change_nothing: a batch goes on until the last of its inputs is done."""
    loop = ("alike", "moves", "alike")
    assert {defined(*loop, x)[1] for x in INPUTS} == {0, 1}
    np.testing.assert_array_equal(jax.vmap(compiled(*loop))(INPUTS), results(*loop))


@pytest.mark.parametrize("loop", LOOPS, ids=" ".join)
def test_a_loop_under_vmap_is_proved_as_far_as_it_holds(loop):
    """Loops.cells_stop_by_themselves; Loops.one_truth_value_is_false: where the bound alone moves, the result does."""
    by_input = {tuple(x): y for x, y in zip(INPUTS, results(*loop), strict=True)}
    rolled = [by_input[tuple(np.roll(x, 1))] for x in INPUTS]
    equivariant = np.array_equal(rolled, np.roll(list(by_input.values()), 1, axis=1))
    invariant = np.array_equal(rolled, list(by_input.values()))
    (leaf,) = jc.certify(compiled(*loop), jnp.zeros(CELLS), axes=(0,), values=True, search=False).leaves
    claim = leaf.axes[0].cyclic
    assert (claim.verdict == Verdict.PROVED) == ("moves" not in loop or "differs" not in loop)
    if claim.verdict == Verdict.PROVED:
        assert claim.shift == 1
        assert equivariant if claim.moves else invariant
