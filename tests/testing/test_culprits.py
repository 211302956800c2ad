"""The culprit of a claim that is still proved but weaker: a stride, a wider kernel, another rate."""

import functools

import jax
import jax.numpy as jnp
import pytest

import jaxconv as jc
from jaxconv.testing import culprits, snapshot

X = jax.ShapeDtypeStruct((1, 32, 24, 2), "float32")


def kernel(width):
    return {"kernel": jnp.ones((width, width, 2, 2))}


@jax.jit
def widened(x, k):
    return jc.conv(k, x, padding="same")


def net(x, *, width=3, up=False, stride=1, after=1):
    y = jax.nn.relu(widened(x, kernel(width)))
    y = jnp.repeat(y, 2, axis=1) if up else y
    y = jc.conv(kernel(3), y, stride=stride, padding="same") + 1.0
    y = jc.max_pool(y, (after, after))
    return {"a": jc.max_pool(x, (4, 4)), "b": jax.nn.relu(y)}


START = net.__code__.co_firstlineno  # the line that is 0 below
WIDENED = widened.__wrapped__.__code__.co_firstlineno + 2
LAW, CLEAR = "from here on the law holds for shifts by ", "from here on fewer positions are unaffected by the border"
RATE = "it changes the number of positions by which its operand moves"
NEIGHBOURS = "it combines neighbours and has no stride (any more)"


def lost(before, now, kind="interior"):
    """For each lost claim the output, the culprit lines, and the reasons."""
    old, new = functools.partial(net, **before), functools.partial(net, **now)
    entries = [snapshot.entry(jc.certify(fn, X, axes=(1, 2), search=False)) for fn in (old, new)]
    operations = culprits.Operations.of(new, (X,), (1, 2), values=False)
    found = []
    for change in snapshot.changes(*entries, kinds=(kind,)):
        leaf, axis = "ab".index(change.where.split("'")[1]), "12".index(change.where.split("axis ")[1][0])
        lines = culprits.weaker(change.before, change.now, operations.steps(leaf, axis, kind))
        places = [int(line.split(":")[-1].split(" ")[0]) for line in lines[::2]]
        found.append((change.where[:11], places, [line.strip() for line in lines[1::2]]))
    return found


@pytest.mark.parametrize(
    ("before", "now", "lines", "reason"),
    [
        ({}, {"stride": 2}, [START + 3], LAW + "2 and their multiples"),
        ({"stride": 2}, {"stride": 4}, [START + 3], LAW + "4 and their multiples"),
        ({"stride": 2}, {"stride": 2, "after": 2}, [START + 4], LAW + "4 and their multiples"),
        ({"width": 1}, {}, [START + 3], CLEAR),
        ({"stride": 2}, {}, [WIDENED, START + 3], NEIGHBOURS),
        ({}, {"width": 5}, [START + 3], CLEAR),
        ({}, {"width": 7}, [WIDENED], CLEAR),
        ({}, {"up": True}, [START + 2], RATE),
    ],
)
def test_the_line_that_makes_a_law_weaker_is_named(before, now, lines, reason):
    """A line of another output is not named, although its stride is larger."""
    for where, found, reasons in lost(before, now):
        assert where == "output['b']"
        assert found == lines
        assert set(reasons) == {reason}
    assert lost(before, now)
