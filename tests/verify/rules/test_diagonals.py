"""Constants along diagonals, and derivatives of equivariant functions, which move along two axes at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.proved_and_twins import law

X = np.zeros(6, np.float32)
K = np.zeros((3, 1, 1), np.float32)


@pytest.fixture(autouse=True)
def lenient():
    """Rows are broadcast to matrices, as researchers write it."""
    with jax.numpy_rank_promotion("allow"):
        yield


BOTH = (1, ((0, 1), (1, 1)), ())


def circular(v, kernel):
    y = jnp.pad(v, (1, 1), mode="wrap")[None, :, None]
    return jax.lax.conv_general_dilated(y, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))[0, :, 0]


CYCLIC = {
    "on the diagonal": (lambda x: x * jnp.eye(6), BOTH),
    "in rows": (lambda x: x[:, None] * jnp.eye(6), BOTH),
    "beside the diagonal": (lambda x: x + jnp.roll(jnp.eye(6), 2, 0), BOTH),
    "on the other diagonal": (lambda x: x * jnp.eye(6)[::-1], (1, ((0, -1), (1, 1)), ())),
    "chosen": (lambda x: jnp.where(jnp.eye(6) > 0, x, 0.0), BOTH),
    "every second cell": (lambda x: x[::2, None] * jnp.repeat(jnp.eye(3), 2, 1), (2, ((0, 1), (1, 2)), ())),
    "two diagonals that cross": (lambda x: x * (jnp.eye(6) + 2 * jnp.eye(6)[::-1]), (3, ((0, 3), (1, 3)), ())),
    "one row": (lambda x: x * (jnp.arange(6) == 0)[:, None].astype(x.dtype), (1, ((1, 1),), ())),
    "two constants": (lambda x: (x * jnp.eye(6) + jnp.roll(jnp.eye(6), 1, 1)) * (2 - jnp.eye(6)), BOTH),
    "rolled along one axis": (lambda x: jnp.roll(x * jnp.eye(6), 1, 0), BOTH),
    "summed to a row": (lambda x: (x * (jnp.eye(6) + jnp.roll(jnp.eye(6), 1, 0))).sum(1), (1, ((0, 1),), ())),
}
TWINS = {
    "below the diagonal": lambda x: x * jnp.tri(6),
    "at each position": lambda x: x * jnp.arange(36.0).reshape(6, 6),
    "five columns": lambda x: x[:, None] * jnp.eye(6, 5),
    "two diagonals that cross, marked": lambda x: x * (jnp.eye(6) + 2 * jnp.eye(6)[::-1]).at[0, 0].set(3.0),
    "against each other": lambda x: (x * jnp.eye(6)) + (x * jnp.eye(6)[::-1]).at[0, 0].set(1.0),
    "what varies along both axes": lambda x: (
        jnp.cumsum(jnp.broadcast_to(x, (6, 6)) * jnp.arange(6.0)[:, None], 0) * jnp.eye(6)
    ),
    "a part of a roll": lambda x: jnp.concatenate([(x * jnp.eye(6))[:3, 3:], (x * jnp.eye(6))[3:, :3]], 1),
}


@pytest.mark.parametrize("name", CYCLIC)
def test_constants_along_diagonals_move_with_a_row(name):
    fn, expected = CYCLIC[name]
    assert law(fn, X) == expected


@pytest.mark.parametrize("name", TWINS)
def test_other_constants_do_not(name):
    assert law(TWINS[name], X) is None


def test_every_small_constant_is_proved_only_if_execution_agrees():
    """All matrices of zeros and ones on 3 x 3 cells: `law` executes each claim."""
    x, proved = np.zeros(3, np.float32), 0
    for number in range(0, 2**9, 7):
        cells = np.array([number >> k & 1 for k in range(9)]).reshape(3, 3)
        found = law(lambda x, cells=cells: x * jnp.asarray(cells).astype(x.dtype), x)
        circulant = any(np.array_equal(np.roll(cells, (1, s), (0, 1)), cells) for s in (1, -1))
        rows = np.array_equal(np.roll(cells, 1, 1), cells)
        assert (found is not None) == (circulant or rows), cells
        proved += found is not None
    assert proved > 2


@pytest.mark.parametrize(("m", "n"), [(4, 6), (8, 6), (3, 6), (12, 6), (2, 6)])
def test_axes_of_other_lengths_move_by_whole_cells(m, n):
    """A band of an m x n matrix repeats after lcm steps only; a fraction of a cell is no step."""
    x = np.zeros(n, np.float32)
    band = np.arange(m)[:, None] * n // m == np.arange(n)
    found = law(lambda x: jnp.where(band, x, 0.0), x)
    if found is not None:
        assert found[1] == ((0, found[0] * m // n), (1, found[0]))


def test_interiors_of_diagonals():
    assert law(lambda x: x * jnp.eye(6), X, kind="interior") == (1, ((0, 1), (1, 1)), ((0, 0, 6), (1, 0, 6)))
    assert law(lambda x: x * jnp.tri(6), X, kind="interior") == (1, ((0, 1), (1, 1)), ((0, 0, 6), (1, 0, 6)))
    marked = lambda x: x * (jnp.eye(6) + (jnp.arange(36) == 3).reshape(6, 6).astype(x.dtype))
    assert law(marked, X, kind="interior") == (1, ((0, 1), (1, 1)), ((0, 1, 6), (1, 0, 6)))
    assert law(lambda x: marked(x[::-1]), X, kind="interior") == (1, ((0, -1), (1, -1)), ((0, 1, 6), (1, 0, 6)))


DERIVATIVES = {
    "pointwise, forward": lambda x, k: jax.jacfwd(jnp.tanh)(x),
    "pointwise, reverse": lambda x, k: jax.jacrev(lambda v: v**3)(x),
    "a difference, forward": lambda x, k: jax.jacfwd(lambda v: (v - jnp.roll(v, 1)) ** 2)(x),
    "a difference, reverse": lambda x, k: jax.jacrev(lambda v: (v - jnp.roll(v, -2)) ** 2)(x),
    "a layer, forward": lambda x, k: jax.jacfwd(lambda v: jnp.tanh(circular(v, k)))(x),
    "a layer, reverse": lambda x, k: jax.jacrev(lambda v: jnp.tanh(circular(v, k)))(x),
    "an energy, twice": lambda x, k: jax.hessian(lambda v: (jnp.tanh(circular(v, k)) ** 2).sum())(x),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_of_equivariant_functions_move_along_both_axes(name):
    assert law(DERIVATIVES[name], X, K) == BOTH


def test_divergences_are_invariant():
    assert law(lambda x, k: jnp.trace(jax.jacfwd(lambda v: jnp.tanh(circular(v, k)))(x)), X, K) == (1, (), ())


@pytest.mark.parametrize(
    "field",
    [
        lambda v: jnp.tanh(v) * jnp.arange(6.0),
        lambda v: jnp.cumsum(v**2),
        lambda v: jnp.concatenate([v[1:] * v[:-1], v[:1]]),
    ],
)
def test_derivatives_of_other_functions_do_not(field):
    assert law(jax.jacfwd(field), X) is None
    assert law(jax.jacrev(field), X) is None


def test_products_of_circulants_are_circulant():
    row, around = np.zeros(6, np.float32), (np.arange(6)[:, None] - np.arange(6)) % 6
    twice = lambda x, row: row[around] @ row[around] @ x
    assert law(twice, X, row) == (1, ((0, 1),), ())
    assert law(lambda x, row: (row[around].T @ row[around]) @ x, X, row) == (1, ((0, 1),), ())
    broken = lambda x, row: (row[around] * jnp.arange(6.0)) @ row[around] @ x
    assert law(broken, X, row) is None
    assert law(lambda x, row: row[around] @ (row[around] + jnp.tri(6)) @ x, X, row) is None


def test_products_of_other_cells_are_other_products():
    """row[i] * row[5 - j] depends on i and j, although i + 5 - j is constant along diagonals."""
    near = np.abs(np.arange(6)[:, None] - np.arange(6)) <= 1
    outer = lambda x, row: jnp.where(near, row[:, None] @ row[None, ::-1], 0.0) @ x
    assert law(outer, X, np.zeros(6, np.float32), kind="interior") is None
    toeplitz = lambda x, row: jnp.where(near, row[(np.arange(6)[:, None] - np.arange(6)) % 6], 0.0) @ x
    assert law(toeplitz, X, np.zeros(6, np.float32), kind="interior") == (1, ((0, 1),), ((0, 1, 5),))


def test_products_of_two_equations_are_equal_only_if_their_factors_are():
    """The factors have the names 1, 5 and 2, 3: 1 * 6 + 5 = 2 * 4 + 3."""
    two = lambda x, row: x * jnp.stack([row[0:1] @ row[4:5], row[1:2] @ row[2:3]])
    assert law(two, X[:2], np.zeros(6, np.float32)) is None
    same = lambda x, row: x * jnp.stack([row[0:1] @ row[4:5], row[4:5] @ row[0:1]])
    assert law(same, X[:2], np.zeros(6, np.float32)) == (1, ((0, 1),), ())
