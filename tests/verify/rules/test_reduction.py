"""Sums, extrema, cumulative sums and sorts: execution does not refute what is proved."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_twins import by_kinds, certified, each_certified, judge_line, proved, refutation

import jaxconv as jc
from jaxconv.verify.claims import Verdict

X = jax.ShapeDtypeStruct((2, 8), jnp.float32)

# Functions of one line on [b, 6, 2]; `n` is jnp or np.
LINES = {
    "sum over channels": lambda n, x: x.sum(2),
    "largest of channels": lambda n, x: x.max(2),
    "sum over positions": lambda n, x: x.sum(1),
    "largest of positions": lambda n, x: x.max(1),
    "sum over the first positions": lambda n, x: x[:, :4].sum(1),
    "sum over pairs": lambda n, x: x.reshape(-1, 3, 2, 2).sum(2),
    "sum over thirds": lambda n, x: x.reshape(-1, 3, 2, 2).sum(1),
    "place of the largest channel": lambda n, x: n.argmax(x, 2),
    "place of the largest position": lambda n, x: n.argmax(x, 1),
    "running sum over channels": lambda n, x: n.cumsum(x, 2),
    "running sum over positions": lambda n, x: n.cumsum(x, 1),
    "sorted channels": lambda n, x: n.sort(x, 2),
    "sorted positions": lambda n, x: n.sort(x, 1),
    "sorted first positions": lambda n, x: n.sort(x[:, :4], 1),
    "outer axes, summed": lambda n, x: (x[:, :, None, :] * x[:, None, :, :]).sum(2),
    "mean removed": lambda n, x: 6 * x - x.sum(1, keepdims=True),
}
# No shift preserves these. The judge refutes any proof of one, and the test also asserts that there is none.
HOPELESS = {
    "sum over the first positions",
    "place of the largest position",
    "running sum over positions",
    "sorted first positions",
}
# Both kinds of shifts preserve these.
SURE = {
    "sum over channels",
    "largest of channels",
    "place of the largest channel",
    "running sum over channels",
    "sorted channels",
}


@pytest.mark.parametrize("name", LINES)
def test_one_line_proves_nothing_that_is_false(name):
    judge_line(LINES[name], hopeless=name in HOPELESS, sure=name in SURE)


def test_a_sum_over_what_entered_at_the_border_is_no_sum_over_a_period():
    late = lambda x: jnp.pad(x, ((0, 0), (2, 0)))[:, :-2]
    assert certified(lambda x: jnp.sum(x, axis=1), (1, 10))["cyclic"].moves == ()
    assert certified(lambda x: jnp.sum(late(x), axis=1), (1, 10))["cyclic"].verdict == "UNDECIDED"


@pytest.mark.parametrize("times", [1, 2])
def test_the_largest_cells_of_whole_periods_are_invariant_and_their_indices_are_not(times):
    periods = lambda x: jnp.concatenate([x] * times, axis=1)
    values, indices = jc.certify(lambda x: lax.top_k(periods(x), 3), X, axes=(1,), seed=1).leaves
    assert (values.axes[0].cyclic.verdict, values.axes[0].cyclic.moves) == (Verdict.PROVED, ())
    assert values.axes[0].interior.verdict == Verdict.REFUTED
    assert indices.axes[0].cyclic.verdict == Verdict.REFUTED
    assert "indices of the largest cells along the shifted axis move" in indices.axes[0].cyclic.culprit.reason
    assert "test_reduction.py" in indices.axes[0].cyclic.culprit.source


def test_the_largest_cells_of_a_part_of_a_period_are_not_invariant():
    """The broken twin."""
    claim = jc.certify(lambda x: lax.top_k(x[:, :5], 3)[0], X, axes=(1,), search=False).leaves[0].axes[0].cyclic
    assert claim.verdict == Verdict.UNDECIDED


def ordered(n, operands, keys):
    """The operands in the order of the first `keys` of them, along axis 1; `n` is jnp or np."""
    if n is jnp:
        return lax.sort(tuple(operands), dimension=1, num_keys=keys)
    order = np.lexsort(operands[:keys][::-1], axis=1)
    return [np.take_along_axis(operand, order, 1) for operand in operands]


# Operands of a sort, from x [b, 6, 2]: few numbers, so that keys are often equal.
OPERANDS = {
    "a residue": lambda x: x % 2,
    "its neighbour": lambda x: x[:, np.array([1, 2, 3, 4, 5, 0])] % 3,
    "itself": lambda x: x,
    "the mirror image": lambda x: x[:, ::-1] % 3,
    "positions": lambda x: np.broadcast_to(np.arange(6, dtype=np.int32)[None, :, None], x.shape),
    "the same everywhere": lambda x: 0 * x + x.sum(1, keepdims=True) % 2,
}


@pytest.mark.parametrize("keys", [1, 2, 3])
def test_sorted_keys_are_invariant_if_all_keys_move_together_and_no_other_operand_is(keys):
    names = list(itertools.permutations(OPERANDS, 3))
    run = lambda n, x, chosen: ordered(n, [OPERANDS[name](x) for name in chosen], keys)
    found = each_certified(lambda x: [run(jnp, x, chosen) for chosen in names], (1, 6, 2))
    for place, (chosen, number) in enumerate(itertools.product(names, range(3))):
        claims = found[place]
        assert refutation(lambda x, c=chosen, n=number: run(np, x, c)[n], (1, 6, 2), claims) is None, (chosen, number)
        together = {*chosen[:keys]} == {"the mirror image"} or not {*chosen[:keys]} & {"the mirror image", "positions"}
        expected = {"cyclic"} if together and number < keys else set()
        if chosen[:keys] == ("positions",):  # known and in order: the operands stay as they are
            unknown = number and "the same everywhere" in chosen  # which has no state in the interior, as a sum of x
            expected = {"cyclic"} if unknown else {"cyclic", "interior"}
        assert proved(claims) == expected, (chosen, number)


def reduced(axis, function, *operands):
    starts = [jnp.zeros((), x.dtype) for x in operands]
    if len(operands) == 1:
        return lax.reduce(*operands, *starts, function, (axis,))
    return lax.reduce(operands, tuple(starts), function, (axis,))


def larger_with_payload(a, b):
    """The pair with the larger first number: of equal ones, the first."""
    first = a[0] >= b[0]
    return lax.select(first, a[0], b[0]), lax.select(first, a[1], b[1])


# Reductions by a function of the user, of x [b, 6, 2], and their NumPy twins.
BOTH = {
    "channels, by any function": (
        lambda x: reduced(2, lambda a, b: jnp.maximum(a, b) + 0 * a * b, x), lambda x: x.max(2, initial=0),
    ),
    "channels, with payload": (
        lambda x: reduced(2, larger_with_payload, x, -x)[1], lambda x: np.minimum(-x.max(2), 0),
    ),
}  # fmt: skip
CYCLIC = {
    "positions, by a sum": (lambda x: reduced(1, lax.add, (x % 8)), lambda x: (x % 8).sum(1)),
    "positions, by a maximum": (lambda x: reduced(1, lambda a, b: lax.max(b, a), x), lambda x: x.max(1, initial=0)),
    "positions, by log-sum-exp": (
        lambda x: reduced(1, jnp.logaddexp, x % 8), lambda x: np.logaddexp.reduce(np.sort(x % 8, 1), 1, initial=0),
    ),
    "positions, by log-sum-exp to base two": (
        lambda x: reduced(1, lambda a, b: jnp.logaddexp2(a, b), x % 8),  # noqa: PLW0108
        lambda x: np.logaddexp2.reduce(np.sort(x % 8, 1), 1, initial=0),
    ),
    "positions, one operand each": (
        lambda x: reduced(1, lambda a, b: (lax.max(a[0], b[0]), lax.add(a[1], b[1])), x, x % 8)[1],
        lambda x: (x % 8).sum(1),
    ),
    "positions, from a start that depends on the input": (
        lambda x: lax.reduce(x % 8, x.sum(), lax.max, (1,)), lambda x: np.maximum(x.sum((1, 2))[:, None], (x % 8).max(1)),
    ),
    "positions, from a start that depends on every other cell": (
        lambda x: lax.reduce(x % 8, x[:, ::2].sum(), lax.max, (1,)),
        lambda x: np.maximum(x[:, ::2].sum((1, 2))[:, None], (x % 8).max(1)),
    ),
}  # fmt: skip
NEITHER = {
    "positions, by a difference": (lambda x: reduced(1, lax.sub, x), lambda x: -x.sum(1)),
    "positions, by log-sum-exp of twice a cell": (
        lambda x: reduced(1, lambda a, b: jnp.logaddexp(a, 2 * b), x), lambda x: -x.sum(1),
    ),
    "positions, by log-sum-exp plus one": (
        lambda x: reduced(1, lambda a, b: jnp.logaddexp(a, b) + 1, x), lambda x: -x.sum(1),
    ),
    "positions, with payload": (
        lambda x: reduced(1, larger_with_payload, x % 2, x)[1], lambda x: x[:, 0],
    ),
    "positions, one operand into the other": (
        lambda x: reduced(1, lambda a, b: (lax.add(a[0], b[1]), lax.add(a[1], b[1])), x, x)[0], lambda x: x[:, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pair", "kinds"), by_kinds(BOTH, CYCLIC, NEITHER))
def test_a_reduction_by_the_users_function_is_proved_if_the_order_does_not_matter(pair, kinds):
    fn, twin = pair
    claims = certified(fn, (1, 6, 2))
    assert refutation(twin, (1, 6, 2), claims, samples=4) is None
    assert proved(claims) == kinds
