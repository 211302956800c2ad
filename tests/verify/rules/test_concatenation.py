"""Concatenations, rolls and wraps of all small shapes: execution does not refute what is proved."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from support.numpy_twins import all_certified, certified, each_certified, refutation, survey


def test_two_slices_joined_are_a_signal_only_where_they_continue_one_another():
    def cases():
        for n in range(1, 6):
            pieces = [slice(a, b) for a, b in itertools.combinations(range(n + 1), 2)]
            for first, second in itertools.product(pieces, pieces):
                yield (
                    (first, second),
                    lambda x, first=first, second=second: jnp.concatenate([x[:, first], x[:, second]], 1),
                    lambda x, first=first, second=second: np.concatenate([x[:, first], x[:, second]], 1),
                    (1, n),
                )

    assert survey(cases()) > 200


@pytest.mark.parametrize("n", range(2, 6))
def test_wrapping_by_every_amount_shows_the_signal_everywhere(n):
    """Every window of one whole period of the padded array shows the signal, wherever the window starts."""
    for before, after in itertools.product(range(2 * n + 1), range(n + 1)):
        starts = range(before + after + 1)

        def views(np_, x):
            wide = np_.pad(x, ((0, 0), (before, after)), mode="wrap")
            return [wide, *(wide[:, start : start + n] for start in starts)]

        whole_claims, *view_claims = each_certified(lambda x: views(jnp, x), (1, n))
        assert refutation(lambda x: views(np, x)[0], (1, n), whole_claims) is None
        for start, claims in zip(starts, view_claims, strict=True):
            assert claims["cyclic"].moves == ((1, 1),), (before, after, start)
            twin = lambda x: np.pad(x, ((0, 0), (before, after)), mode="wrap")[:, start : start + n]
            assert refutation(twin, (1, n), claims) is None, (before, after, start)


@pytest.mark.parametrize("n", range(2, 8))
def test_rolling_by_every_amount_is_proved(n):
    amounts = range(-8, 9)
    fns = [lambda x, by=by: jnp.roll(x, by, axis=1) for by in amounts]
    for by, claims in zip(amounts, all_certified(fns, (1, n)), strict=True):
        assert claims["cyclic"].moves == ((1, 1),), by
        assert claims["cyclic"].receptive_field.size == 1
        assert refutation(lambda x: np.roll(x, by, axis=1), (1, n), claims) is None


def test_pieces_of_a_reversed_strided_or_mapped_signal_join_only_with_their_own_kind():
    views = {
        "itself": lambda x: x,
        "reversed": lambda x: x[:, ::-1],
        "doubled": lambda x: x * 2,
        "negated": lambda x: -x,
        "even": lambda x: x[:, ::2],
        "odd": lambda x: x[:, 1::2],
        "reversed odd": lambda x: x[:, ::-2],
    }

    def cases():
        for (a, first), (b, second) in itertools.product(views.items(), views.items()):
            for at in range(5):
                join = lambda np_, first=first, second=second, at=at: (
                    lambda x: np_.concatenate([first(x)[:, at:], second(x)[:, :at]], 1)
                )
                yield (a, b, at), join(jnp), join(np), (1, 6)

    assert survey(cases()) > 30


def test_edge_padding_is_a_border_like_any_other():
    pad = lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 0)), mode="edge")
    assert certified(pad, (1, 8, 2))["interior"].region == ((1, 1, 9),)
