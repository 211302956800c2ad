"""Reads at the places of largest and sorted cells: of the same cells they are invariant, of others ties matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.proved_and_twins import culprit, law

X = np.zeros((7, 3), np.float32)
INVARIANT = (1, (), ())

OWN = {
    "largest": lambda x: x[jnp.argmax(x[:, 0]), 0],
    "smallest, as a row of one": lambda x: jnp.take_along_axis(x, jnp.argmin(x, 0)[None], 0),
    "largest of each column": lambda x: x[jnp.argmax(x, 0), jnp.arange(3)],
    "largest of a negative": lambda x: x[:, 1][jnp.argmax(-x[:, 1])],
    "sorted": lambda x: jnp.take_along_axis(x, jnp.argsort(x, 0), 0),
    "sorted the other way round": lambda x: x[:, 2][jnp.argsort(-x[:, 2])],
    "largest three": lambda x: x[:, 2][jnp.argsort(x[:, 2])[-3:]],
    "order reversed": lambda x: x[:, 2][jnp.argsort(x[:, 2])[::-1]],
    "top two": lambda x: x[:, 0][lax.top_k(x[:, 0], 2)[1]],
    "read by its negative index": lambda x: x[:, 0][jnp.argmax(x[:, 0]) - 7],
    "largest of a function": lambda x: jnp.tanh(x[:, 0] + 1)[jnp.argmax(jnp.tanh(x[:, 0] + 1))],
    "argmax of a rolled array, read there": lambda x: jnp.roll(x, 2, 0)[jnp.argmax(jnp.roll(x, 2, 0)[:, 1]), 1],
}

OTHERS = {
    "another column": lambda x: x[jnp.argmax(x[:, 0]), 1],
    "the next cell": lambda x: x[(jnp.argmax(x[:, 0]) + 1) % 7, 0],
    "a rolled array": lambda x: jnp.roll(x, 1, 0)[jnp.argmax(x[:, 0]), 0],
    "the argmax of sizes": lambda x: x[jnp.argmax(jnp.abs(x[:, 0])), 0],
    "rows in the order of a column": lambda x: x[jnp.argsort(x[:, 0])],
    "columns in each other's order": lambda x: jnp.take_along_axis(x, jnp.argsort(jnp.roll(x, 1, 1), 0), 0),
    "a place twice as far": lambda x: x[(2 * jnp.argmax(x[:, 0])) % 7, 0],
    "a place divided by two": lambda x: x[jnp.argmax(x[:, 0]) // 2, 0],
    "clipped before the last place": lambda x: x[jnp.minimum(jnp.argmax(x[:, 0]), 5), 0],
    "rolled to the largest": lambda x: jnp.roll(x[:, 0], -jnp.argmax(x[:, 0])),
    "rounded, then read": lambda x: x[jnp.argmax(jnp.round(x[:, 0])), 0],
}


@pytest.mark.parametrize("name", OWN)
def test_a_read_of_its_own_extremes_is_invariant(name):
    assert law(OWN[name], X) == INVARIANT


@pytest.mark.parametrize("name", OTHERS)
def test_a_read_of_other_cells_is_not(name):
    """Each is the broken twin of one above; the read is to blame."""
    assert culprit(OTHERS[name], X) in ("gather", "dynamic_slice")
    assert law(OTHERS[name], X) is None


def test_a_place_that_is_not_read_stays_the_culprit():
    assert culprit(lambda x: jnp.argmax(x, 0), X) == "argmax"
    assert culprit(lambda x: jnp.argsort(jnp.argsort(x, 0), 0), X) == "sort"


def test_new_content_enters_the_extremes_in_the_interior():
    assert law(OWN["largest"], X, kind="interior") is None


def test_places_that_wrap_in_their_dtype_are_refused():
    """int8 counts to 127: a place beyond is read elsewhere."""
    x = np.zeros(200, np.float32)
    assert law(lambda x: x[lax.argmax(x, 0, jnp.int32)], x) == INVARIANT
    assert law(lambda x: x[lax.argmax(x, 0, jnp.int8)], x) is None


def test_known_rows_advance_while_columns_move():
    assert law(lambda x: x[jnp.arange(7), jnp.argmax(x, 1)], X) == (1, ((0, 1),), ())
    assert law(lambda x: x[jnp.arange(7), jnp.argmax(x, 1)], X, kind="interior") == (1, ((0, 1),), ((0, 0, 7),))
    assert law(lambda x: x[jnp.arange(7)[::-1], jnp.argmax(x, 1)[::-1]], X) == (1, ((0, -1),), ())
    assert law(lambda x: x[(jnp.arange(7) + 2) % 7, jnp.argmax(x, 1)], X) == (1, ((0, 1),), ())


def test_rows_and_columns_that_move_apart_are_not_proved():
    """The broken twins: the columns move against the rows, stay, or the rows have no step."""
    assert law(lambda x: x[jnp.arange(7)[::-1], jnp.argmax(x, 1)], X) is None
    assert law(lambda x: x[jnp.arange(7), jnp.arange(7) % 3], X) is None
    assert law(lambda x: x[jnp.array([0, 2, 1, 3, 4, 6, 5]), jnp.argmax(x, 1)], X) is None


def test_rolled_copies_move_as_the_array():
    assert law(lambda x: jax.vmap(lambda k: jnp.roll(x[:, 0], k))(jnp.arange(3)), X) == (1, ((1, 1),), ())
    short = lambda x: jax.vmap(lambda k: lax.dynamic_slice(x[:, 0], (k,), (6,)))(jnp.array([0, 1]))
    assert law(short, X) is None
    padded = lambda x: jnp.concatenate([jnp.zeros(1), x[:, 0], x[:, 0]])
    from_start = lambda first: (
        lambda x: jax.vmap(lambda k: lax.dynamic_slice(padded(x), (k,), (7,)))(first + jnp.arange(3))
    )
    assert law(from_start(1), X) == (1, ((1, 1),), ())
    assert law(from_start(0), X) is None


def test_a_dynamic_roll_has_an_interior():
    roll = lambda x: lax.fori_loop(1, 3, lambda k, y: y + jnp.roll(x, k, 0), x)
    assert law(roll, X, kind="interior") == (1, ((0, 1),), ((0, 2, 7),))
    beside = lambda x: lax.dynamic_slice(jnp.concatenate([x[:, 0], -x[:, 0]]), (5,), (7,))
    assert law(beside, X, kind="interior") == (1, ((0, 1),), ((0, 2, 7),))


def test_the_longest_part_of_a_concatenation_need_not_be_the_longest_of_a_slice():
    parts = lambda x: lax.dynamic_slice(jnp.concatenate([x[:5, 0], -x[:, 0]]), (1,), (6,))
    assert law(parts, X, kind="interior") == (1, ((0, 1),), ((0, 0, 4),))


def test_every_place_along_the_axis_is_tried():
    """One place of 200 is read elsewhere: a few drawn places would not show it."""
    x = np.zeros(200, np.float32)
    elsewhere = lambda place: jnp.where(place == 77, 78, place)
    moved = lambda x: x[elsewhere(jnp.argmax(x))]
    assert law(moved, x) is None
    assert culprit(moved, x) == "dynamic_slice"


def test_reads_that_depend_on_two_places_are_not_proved():
    """Each place of 200 may be tried, but not each pair of them."""
    columns, x = np.zeros((200, 2), np.float32), np.zeros(200, np.float32)

    def first_if_equal(x):
        place = jnp.argmax(x, 0)
        return x[jnp.where(place[0] == place[1], 0, place[0]), 0]

    def second_if_beside(x):
        order = jnp.argsort(x)
        return x[jnp.where(order[0] + 1 == order[1], order[1], order[0])]

    def at_both(x):
        place = jnp.argmax(x[:, :2], 0)
        return x[place[0], jnp.minimum(place[1], 1)]

    for fn, array in ((first_if_equal, columns), (second_if_beside, x), (at_both, columns)):
        assert law(fn, array) is None


def test_a_read_that_is_too_large_to_try_is_not_blamed():
    """Whether these are the array's own cells is not known."""
    largest = lambda x: x[jnp.argmax(x[:, 0]), 0]
    assert culprit(largest, np.zeros((1025, 1), np.float32)) == "argmax"  # places
    assert culprit(largest, np.zeros((1000, 20), np.float32)) == "argmax"  # cells
    assert law(largest, np.zeros((1024, 1), np.float32)) == INVARIANT


def test_recheck_follows_the_place_of_negative_integers_to_the_array():
    """A slice, a squeeze and a sign lie between; small whole numbers tie, so the place alone does not tell the cell."""
    x = X.astype(np.int32)
    assert law(lambda x: x[jnp.argsort(-x[:, 0]), 0], x) == INVARIANT
    assert law(lambda x: x[jnp.argsort(-x[:, 0]), 1], x) is None
