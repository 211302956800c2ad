"""Slices, pads, reversals and reshapes, each alone and of all small shapes.

Execution does not refute what is proved.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_twins import (
    all_certified,
    bordered,
    certified,
    judge_line,
    longest_interior,
    proved,
    refutation,
    spread,
    survey,
    worth_reporting,
)

from jaxconv import certify

FILL = 7  # the padding value: not 0, to tell padding from missing cells


# Slices, pads, reversals


def slices(n):
    for start, stop, stride in itertools.product(range(n), range(1, n + 1), (1, 2, 3)):
        if start < stop:
            yield start, stop, stride


@pytest.mark.parametrize("n", range(1, 8))
@pytest.mark.parametrize("turn", [1, -1])
def test_slices_keep_all_they_show_and_reversed_ones_move_backwards(turn, n):
    cuts = [lambda x, s=slice(*case): x[:, s][:, ::turn] for case in slices(n)]
    for (start, stop, stride), cut, claims in zip(slices(n), cuts, all_certified(cuts, (1, n)), strict=True):
        assert refutation(cut, (1, n), claims) is None, (start, stop, stride)
        count = len(range(start, stop, stride))
        whole = count * stride == n and start < stride and count > 1
        assert ("cyclic" in proved(claims)) == whole, (start, stop, stride)
        worth = worth_reporting(n, stride, count, 1)
        assert ("interior" in proved(claims)) == worth, (start, stop, stride)
        if worth:
            claim = claims["interior"]
            assert (claim.shift, claim.moves, claim.region) == (stride, ((1, turn),), ((1, 0, count),))
            assert claim.receptive_field.size == 1


@pytest.mark.parametrize("n", range(1, 6))
def test_pads_of_every_sign_show_the_signal_where_it_is(n):
    every = itertools.product(range(-2, 3), range(-2, 3), range(3))
    cases = [case for case in every if n + case[2] * (n - 1) + case[0] + case[1] >= 1]
    fns = [lambda x, case=case: lax.pad(x, jnp.int32(FILL), ((0, 0, 0), case)) for case in cases]
    for (before, after, between), claims in zip(cases, all_certified(fns, (1, n)), strict=True):
        twin = lambda x: bordered(spread(x, between + 1, FILL), before, after, FILL)
        assert refutation(twin, (1, n), claims) is None, (before, after, between)
        longest = longest_interior(twin, (1, n), 1, between + 1)
        worth = worth_reporting(n, 1, longest, between + 1)
        assert ("interior" in proved(claims)) == worth, (before, after, between)
        if worth:
            ((_, lo, hi),) = claims["interior"].region
            assert hi - lo == longest, (before, after, between)
        if before + after == between and 0 <= before <= between and n > 1:
            assert "cyclic" in proved(claims), (before, after, between)


# Reshapes


def factorisations(size, most):
    """Ordered factorisations into at most `most` factors."""
    if most == 1:
        return [(size,)]
    smaller = {(d, *rest) for d in range(1, size + 1) if size % d == 0 for rest in factorisations(size // d, most - 1)}
    return sorted({(size,)} | smaller)


SHAPES = [(12, 1), (6, 2), (4, 3), (3, 4), (2, 6)]
BETWEEN = {
    "nothing": lambda y: y,
    "reversal": lambda y: y[:, ::-1],
    "swap": lambda y: y.swapaxes(1, y.ndim - 1),
    "stride": lambda y: y[:, ::2] if y.shape[1] % 2 == 0 else y,
}


@pytest.mark.parametrize("one_in", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("between", BETWEEN)
def test_two_reshapes_in_a_row_lose_and_invent_nothing(between, one_in):
    """Every pair of reshapes, for one of five input shapes; each reshape comes first and second with each shape."""
    middle, sizes = BETWEEN[between], factorisations(12, 3)

    def cases():
        for (i, first), (j, second), (k, shape) in itertools.product(*map(enumerate, (sizes, sizes, SHAPES))):
            if between == "stride" and first[0] % 2 == 0:
                second = (*second[:-1], second[-1] // 2) if second[-1] % 2 == 0 else None
            if second is not None and (i + j + k) % one_in == 0:
                fn = lambda x, first=first, second=second: middle(x.reshape(-1, *first)).reshape(-1, *second)
                yield (first, second), fn, fn, (1, *shape)

    assert survey(cases()) > 150 / one_in


def test_a_split_and_its_merge_are_nothing():
    for n, minor in ((6, 2), (6, 3), (12, 4), (8, 2)):
        claims = certified(lambda x: x.reshape(1, n // minor, minor).reshape(1, n), (1, n))
        assert claims["cyclic"].moves == ((1, minor),)
        assert claims["cyclic"].shift == minor


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_reshape_may_read_the_axes_in_any_order(order):
    """`after` is the order with the axis of examples in front, which the twin has more of."""
    after = (0, *(1 + n for n in order))

    def cases():
        for shape in ((1, 6, 2, 3), (1, 4, 3, 2)):
            for sizes in factorisations(math.prod(shape), 3):
                fn = lambda x, sizes=sizes: lax.reshape(x, (1, *sizes), after)
                yield (shape, sizes), fn, lambda x, sizes=sizes: x.transpose(after).reshape(-1, *sizes), shape

    assert survey(cases()) >= 10


# Everything else


# Functions of one line on [b, 6, 2]; `n` is jnp or np.
LINES = {
    "swapped": lambda n, x: n.swapaxes(x, 1, 2),
    "stacked": lambda n, x: n.stack([x, x * 2], 2),
    "stacked before": lambda n, x: n.stack([x, x * 2], 1),
    "joined channels": lambda n, x: n.concatenate([x, x * 2], 2),
    "joined channels, one shifted": lambda n, x: n.concatenate([x, n.roll(x, 1, 1)], 2),
    "joined channels, one reversed": lambda n, x: n.concatenate([x, x[:, ::-1]], 2),
    "split": lambda n, x: n.split(x, [2], axis=1)[1],
    "split and joined anew": lambda n, x: n.concatenate(n.split(x, [2], axis=1)[::-1], 1),
    "interleaved": lambda n, x: n.stack([x, x * 2], 2).reshape(-1, 12, 2),
    "interleaved wrongly": lambda n, x: n.concatenate([x, x * 2], 1),
    "twice in a row": lambda n, x: n.concatenate([x, x], 1),
    "two channels joined": lambda n, x: n.concatenate([x[:, :, :1], x[:, :, 1:]], 1),
    "two channels wrapped": lambda n, x: n.concatenate([x[:, 2:, :1], x[:, :2, 1:]], 1),
    "joined with nothing": lambda n, x: n.concatenate([x[:, :0], x, x[:, 6:]], 1),
    "joined with channels of no cell": lambda n, x: n.concatenate([x[:, :, :0], x], 2),
    "joined with reversed channels of no cell": lambda n, x: n.concatenate([x[:, ::-1, 2:], x], 2),
    "edge padded": lambda n, x: n.pad(x, ((0, 0), (1, 2), (0, 0)), mode="edge"),
    "repeated": lambda n, x: n.repeat(x, 2, axis=1),
    "tiled": lambda n, x: n.tile(x, (1, 2, 1)),
    "first position everywhere": lambda n, x: x[:, :1] + 0 * x,
    "a constant": lambda n, x: n.zeros((len(x), 4), x.dtype),
    "one position": lambda n, x: x[:, 3],
}
# No shift preserves these. The judge refutes any proof of one, and the test also asserts that there is none.
HOPELESS = {"joined channels, one reversed", "first position everywhere", "one position"}
# Both kinds of shifts preserve these.
SURE = {
    "swapped", "stacked", "joined channels", "interleaved", "repeated", "a constant", "joined with nothing",
    "joined with channels of no cell", "joined with reversed channels of no cell",
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_one_line_proves_nothing_that_is_false(name):
    judge_line(LINES[name], hopeless=name in HOPELESS, sure=name in SURE)


@pytest.mark.parametrize(("stride", "shift"), [(1, 4), (2, 2), (3, 4), (4, 1)])
def test_a_pattern_of_which_every_second_cell_is_left_repeats_sooner(stride, shift):
    """The pattern is known and the factor is not, so no constant is folded."""
    pattern = np.tile([1, 2, 3, 4], 12)
    fn = lambda scale, x: x * (scale * jnp.asarray(pattern).astype(x.dtype))[: 12 * stride : stride]
    shapes = [jax.ShapeDtypeStruct(shape, "float32") for shape in ((), (12,))]
    assert certify(fn, *shapes, axes={1: (0,)}, search=False).leaves[0].axes[0].cyclic.shift == shift


def test_what_stands_at_the_end_stands_at_the_beginning_of_the_reverse():
    """Two zeros enter at the start, so the last two cells of the reversed array depend on the border."""
    late = lambda x: jnp.pad(x, ((0, 0), (2, 0)))[:, :-2]
    assert certified(late, (1, 10))["interior"].region == ((1, 2, 10),)
    assert certified(lambda x: late(x)[:, ::-1], (1, 10))["interior"].region == ((1, 0, 8),)


def test_positions_of_a_split_are_python_integers():
    """jnp.split leaves NumPy integers in the jaxpr, which would appear in the report and its JSON."""
    (leaf,) = certify(lambda x: sum(jnp.split(x, 3)), jax.ShapeDtypeStruct((12,), "float32"), axes=(0,)).leaves
    assert {type(number) for numbers in leaf.axes[0].interior.region for number in numbers} == {int}


def test_the_phases_of_a_strided_slice_are_two_signals():
    """The beginning of the even cells and the end of the odd ones are no window of either."""
    both = lambda first, second: lambda x: jnp.concatenate([x[:, first::2][:, :4], x[:, second::2][:, 4:]], axis=1)
    even, mixed = (certified(both(0, second), (1, 16)) for second in (0, 1))
    assert (proved(even), even["interior"].region) == ({"cyclic", "interior"}, ((1, 0, 8),))
    assert (proved(mixed), mixed["interior"].region) == ({"interior"}, ((1, 0, 4),))  # the first half
