"""The search for orders finds those that trying all permutations finds."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from jaxconv.convert.order import ENOUGH, blocks_of, natural, orders

keys = st.one_of(st.integers(0, 2), st.sampled_from(["a", "b", "conv1", "conv2", "conv10"]))
# No path is the beginning of another: a layer has no layers below it.
paths = st.lists(st.tuples(keys, keys), min_size=1, max_size=5, unique=True)


def chain(a, b):
    """Whether the first of two keys must come first, by a rule written for these keys only."""
    numbers = {"conv1": 1, "conv2": 2, "conv10": 10}
    if isinstance(a, int) and isinstance(b, int):
        return a < b
    return a in numbers and b in numbers and numbers[a] < numbers[b]


def allowed(order):
    """Whether a permutation of paths keeps the layers below a key together, and numbers in order."""
    firsts = [path[0] for path in order]
    together = all(firsts[i] == firsts[j] for i in range(len(order)) for j in range(i, len(order)) if firsts[i] in firsts[j:] and firsts[j] == firsts[i])  # fmt: skip
    runs = [key for n, key in enumerate(firsts) if n == 0 or firsts[n - 1] != key]
    if len(runs) != len(set(map(repr, runs))) or not together:
        return False
    later = [(a, b) for n, a in enumerate(order) for b in order[n + 1 :]]
    return not any(chain(b[0], a[0]) or (a[0] == b[0] and chain(b[1], a[1])) for a, b in later)


@given(paths, st.data())
def test_the_orders_are_those_of_all_permutations(paths, data):
    entries = [(f"m{n}",) for n in range(len(paths))]
    kinds = st.lists(st.integers(0, 1), min_size=len(paths), max_size=len(paths))
    ours, theirs = data.draw(kinds), data.draw(kinds)
    found, _ = orders(paths, entries, lambda layer, entry: ours[layer] == theirs[entry])
    expected = {
        order
        for order in permutations(range(len(paths)))
        if allowed([paths[n] for n in order]) and all(ours[n] == theirs[e] for e, n in enumerate(order))
    }
    assert set(found) <= expected
    assert len(found) == len(set(found)) == min(len(expected), ENOUGH)


def test_the_names_of_a_state_dict_restrict_the_orders():
    """The layers below x may not be one of those below the prefix `side` and one beside it."""
    ours = [("a",), ("x", "p"), ("x", "q")]
    fits = lambda layer, entry: (layer == 1) == (entry == 1)
    assert len(orders(ours, [("m",), ("n",), ("o",)], fits)[0]) == 2
    assert orders(ours, [("m",), ("side", 0), ("side", 1)], fits)[0] == [(0, 1, 2)]
    assert orders(ours, [("side", 0), ("side", 1), ("m",)], fits)[0] == [(2, 1, 0)]
    # names that no order respects restrict nothing
    ours, crossing = [("x", 0), ("x", 1), ("y", 0), ("y", 1)], [("m",), ("s", 0), ("s", 1), ("n",)]
    assert orders(ours, crossing, lambda layer, entry: layer == entry)[0] == [(0, 1, 2, 3)]


def test_a_search_without_end_is_given_up():
    ours = [(chr(97 + n), key) for n in range(20) for key in ("p", "q")]
    entries = [(f"m{n}",) for n in range(40)]
    found, _ = orders(ours, entries, lambda layer, entry: entry < 39 and layer % 2 == entry % 2)
    assert found in ([], [(), ()])


def test_blocks_and_natural_order():
    assert blocks_of([("a", 0, "x"), ("a", 0, "y"), ("a", 1, "x"), ("b", "x")]) == [(0, 2), (0, 3)]
    assert sorted([("f", "10"), ("f", "9"), ("e1",)], key=natural) == [("e1",), ("f", "9"), ("f", "10")]
