"""Cells of unknown numbers that are equal: what is proved of matrices, masks and biases that parameters fill."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from support.claim_oracle import violation

import jaxconv as jc
from jaxconv.jaxprs.layout import opened
from jaxconv.verify import equal_cells, interpret
from jaxconv.verify.claims import Verdict
from jaxconv.verify.equal_cells import MOST, ZERO, EqualCells
from jaxconv.verify.fold import Folder

N = 12
ROW, COLUMN = np.arange(N)[:, None], np.arange(N)[None]


def names_of(fn, *shapes, dtype="float32"):
    """The names of the cells of the result of `fn`, which is the operand of the last equation."""
    closed = jax.make_jaxpr(lambda *x: -fn(*x))(*(jax.ShapeDtypeStruct(shape, dtype) for shape in shapes))
    jaxpr, constants = opened(closed)
    folder, unknown = Folder(), [None] * len(shapes)
    cells = EqualCells(jaxpr, constants, unknown, folder.fold(jaxpr, constants, unknown), folder.numbers)
    return cells.of((len(jaxpr.eqns) - 1,), 0)


def assert_as_equal_as(fn, *shapes, exact=True):
    """Cells of one name are equal; if `exact`, those of different names differ."""
    names = names_of(fn, *shapes)
    random = np.random.default_rng(0)
    result = np.asarray(fn(*(random.normal(size=shape).astype(np.float32) for shape in shapes)))
    assert names.shape == result.shape
    for name in np.unique(names):
        assert np.unique(result[names == name]).size == 1
    assert not (result[names == ZERO] != 0).any()
    if exact:
        assert np.unique(names).size == np.unique(result).size


MOVED = {
    "gathered": lambda k: k[(ROW - COLUMN) % N],
    "clipped": lambda k: jnp.take(k, ROW - COLUMN, mode="clip"),
    "concatenated and cut": lambda k: jnp.concatenate([k[::-1], k[2:5]])[3:],
    "padded": lambda k: lax.pad(k, np.float32(0), [(1, 2, 1)]),
    "repeated": lambda k: jnp.tile(jnp.repeat(k, 2), 3),
    "stacked rolls": lambda k: jnp.stack([jnp.roll(k, i) for i in range(4)]).T,
    "a symmetric matrix": lambda k: jnp.where(ROW < COLUMN, k[:, None], k),
    "a part overwritten": lambda k: lax.dynamic_update_slice(jnp.broadcast_to(k, (3, N)), k[None, :5], (1, 2)),
    "a dynamic slice": lambda k: lax.dynamic_slice(jnp.broadcast_to(k, (3, N)), (1, 2), (2, 5)),
    "split": lambda k: jnp.concatenate(jnp.split(k, 3)[::-1] * 2),
    "windows by a convolution": lambda k: jax.scipy.linalg.toeplitz(k, k),
    "a permutation matrix": lambda k: jnp.eye(N)[::-1] @ jnp.stack([k, k], 1),
    "squared and scaled": lambda k: (k[COLUMN % 4] ** 2 + 1) * k[0],
    "masked by a known mask": lambda k: jnp.where(abs(ROW - COLUMN) < 2, k[abs(ROW - COLUMN) % N], 0.0),
    "two functions": lambda k: jnp.concatenate([jnp.sin(k), jnp.cos(k)] * 2),
    "times known numbers": lambda k: k[0] * jnp.asarray(np.minimum(abs(ROW - COLUMN), 5)).astype(jnp.float32),
}


@pytest.mark.parametrize("name", MOVED)
def test_cells_have_one_name_where_they_are_equal_for_all_parameters(name):
    assert_as_equal_as(MOVED[name], (N,))


OTHERS = {
    "sorted": lambda k: jnp.sort(jnp.concatenate([k, k])),
    "summed": lambda k: jnp.cumsum(jnp.concatenate([k, k])),
    "filled out of bounds": lambda k: jnp.take(jnp.concatenate([k, k]), np.arange(3 * N) - 2, mode="fill", fill_value=7.0),
    "read at unknown places": lambda k: k[(k[:3, None] > 0).astype(int)],
    "a sum of two terms": lambda k: jnp.array([[1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]).astype(k.dtype) @ k[:3],
    "a matrix of twos": lambda k: 2 * jnp.eye(N) @ jnp.stack([k, k], 1),
    "selected by an unknown predicate": lambda k: jnp.where(k > 0, jnp.broadcast_to(k, (2, N)), 1.0),
    "noise": lambda k: jax.random.normal(jax.random.key(0), (4,)) * k[:4],
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_cells_may_have_names_of_their_own(name):
    fn = OTHERS[name]
    if names_of(fn, (N,)) is not None:
        assert_as_equal_as(fn, (N,), exact=False)


def test_names_are_refused_where_there_are_too_many_cells_or_no_two_are_equal():
    assert names_of(lambda k: jnp.tile(k, MOST), (2,)) is None
    assert names_of(lambda k: 2 * k, (3,)) is None
    assert names_of(lambda k: jnp.tile(k, 2), (3,)).tolist() == [1, 2, 3, 1, 2, 3]
    assert names_of(lambda k: jnp.zeros((2, 0)) * k[0], (3,)) is None


@given(st.lists(st.tuples(st.sampled_from("rtcsmpg"), st.integers(0, 5)), max_size=5))
@settings(max_examples=40, deadline=None)
def test_equal_names_are_equal_cells_in_random_programs(steps):
    """Each step rearranges a matrix, or combines it with another rearrangement of itself."""
    apply = {
        "r": lambda y, n: jnp.roll(y, n, n % 2),
        "t": lambda y, n: y.T if n % 2 else y[::-1],
        "c": lambda y, n: jnp.where((ROW[:6] + COLUMN[:, :6]) % 3 == n % 3, y, y.T),
        "s": lambda y, n: y + jnp.roll(y, n, 0),
        "m": lambda y, n: y * np.float32(n),
        "p": lambda y, n: lax.pad(y[n:], np.float32(n % 2), [(n, 0, 0), (0, 0, 0)]),
        "g": lambda y, n: y[(n * np.arange(6)) % 6],
    }

    def fn(k):
        y = k[(ROW[:6] - COLUMN[:, :6]) % 6]
        for step, number in steps:
            y = apply[step](y, number)
        return y

    if names_of(fn, (6,)) is not None:
        assert_as_equal_as(fn, (6,), exact=False)


def report(fn, x, *parameters):
    """Both claims about shifts of x along its first axis. Executions are checked not to refute a proved one."""
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x, *parameters)]
    (leaf,) = jc.certify(fn, *arguments, axes={0: (0,)}, search=False).leaves
    for kind, claim in leaf.axes[0].claims.items():
        if claim.verdict == Verdict.PROVED:
            concrete = [np.zeros(shape, np.float32) for shape in (x, *parameters)]
            assert violation(fn, concrete, 0, 0, 0, claim, kind, samples=4) is None
    return leaf.axes[0]


def scores(x):
    return x @ x.T


LAWS = {  # function, parameters, (shift, moves) of the cyclic claim, (shift, region) of the interior claim
    "a circulant of an unknown kernel": (lambda x, k: k[(ROW - COLUMN) % N] @ x, [(N,)], (1, ((0, 1),)), None),
    "by stacked rolls": (lambda x, k: jnp.stack([jnp.roll(k, i) for i in range(N)]) @ x, [(N,)], (1, ((0, 1),)), None),
    "from the right": (lambda x, k: x.T @ k[(ROW - COLUMN) % N], [(N,)], (1, ((1, 1),)), None),
    "as a sum of rolled diagonals": (
        lambda x, k: (k[0] * jnp.eye(N) + k[1] * jnp.roll(jnp.eye(N), 1, 0)) @ x, [(2,)], (1, ((0, 1),)), None),
    "a band of unknown taps": (
        lambda x, k: jnp.where(abs(ROW - COLUMN) < 2, k[jnp.clip(ROW - COLUMN + 1, 0, 2)], 0.0) @ x,
        [(3,)], None, (1, ((0, 1, 11),))),
    "one plus a step": (
        lambda x, r: (jnp.eye(N) + r * (jnp.eye(N, k=1) - jnp.eye(N))) @ x, [()], None, (1, ((0, 0, 11),))),
    "two steps": (
        lambda x, r: jnp.linalg.matrix_power(jnp.eye(N) + r * (jnp.eye(N, k=1) - jnp.eye(N)), 2) @ x,
        [()], None, (1, ((0, 0, 10),))),
    "a strided band": (
        lambda x, k: jnp.where((COLUMN - 2 * ROW[:6]) // 2 == 0, k[(COLUMN - 2 * ROW[:6]) % 2], 0.0) @ x,
        [(2,)], (2, ((0, 1),)), (2, ((0, 0, 6),))),
    "unknown numbers in turn": (lambda x, s: x * s[np.arange(N) % 3][:, None], [(3,)], (3, ((0, 3),)), (3, ((0, 0, N),))),
    "unknown numbers, but for the first": (
        lambda x, s: x * s[(np.arange(N) > 0) + 0][:, None], [(2,)], None, (1, ((0, 1, N),))),
    "unknown numbers, tiled": (lambda x, s: x + jnp.tile(s, 6)[:, None], [(2,)], (2, ((0, 2),)), (2, ((0, 0, N),))),
    "relative biases of scores": (
        lambda x, b: scores(x) + b[ROW - COLUMN + N - 1], [(2 * N - 1,)], None, (1, ((0, 0, N), (1, 0, N)))),
    "biases around the circle in heads": (
        lambda x, b: scores(x)[None] + b[:, (ROW - COLUMN) % N], [(2, N)], (1, ((1, 1), (2, 1))), (1, ((1, 0, N), (2, 0, N)))),
    "slopes of distances": (
        lambda x, s: jax.nn.softmax(scores(x) - s * jnp.asarray(np.minimum((ROW - COLUMN) % N, (COLUMN - ROW) % N)).astype(jnp.float32)) @ x,
        [()], (1, ((0, 1),)), None),
    "a circulant scaled by the input": (
        lambda x, k: (k * x.max())[(ROW - COLUMN) % N] @ x, [(N,)], (1, ((0, 1),)), None),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_unknown_numbers_that_repeat_are_followed_like_known_ones(name):
    fn, parameters, cyclic, interior = LAWS[name]
    claims = report(fn, (N, 3), *parameters)
    assert (claims.cyclic.verdict == Verdict.PROVED) == (cyclic is not None), claims.cyclic
    if cyclic is not None:
        assert (claims.cyclic.shift, claims.cyclic.moves) == cyclic
    if interior is not None:
        assert (claims.interior.shift, claims.interior.region) == interior


TWINS = {
    "a circulant that repeats a cell early": (lambda x, k: k[(ROW - COLUMN) % (N - 1)] @ x, [(N,)]),
    "differences that are not taken around": (lambda x, k: k[abs(ROW - COLUMN)] @ x, [(N,)]),
    "biases along the other diagonals": (lambda x, b: scores(x) + b[ROW + COLUMN], [(2 * N,)]),
    "a bias of each position": (lambda x, b: scores(x) + b[:, None], [(N,)]),
    "a matrix of unknown numbers": (lambda x, m: m @ x, [(N, N)]),
    "one weight off": (lambda x, k: k[(ROW - COLUMN) % N].at[3, 4].set(0.0) @ x, [(N,)]),
    "two kernels, one for each half": (
        lambda x, k: jnp.where(ROW < 6, k[0][(ROW - COLUMN) % N], k[1][(ROW - COLUMN) % N]) @ x,
        [(2, N)],
    ),
    "sorted numbers": (lambda x, k: jnp.sort(k[(ROW - COLUMN) % N], 0) @ x, [(N,)]),
    "gathered out of bounds": (
        lambda x, k: jnp.take(k, (ROW - COLUMN) % N + 3, mode="fill", fill_value=0.0) @ x,
        [(N,)],
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_not_proved(name):
    fn, parameters = TWINS[name]
    assert report(fn, (N, 3), *parameters).cyclic.verdict == Verdict.UNDECIDED


def test_a_matrix_that_moves_is_no_matrix_of_parameters():
    """The convolution of a signal with itself moves by two cells where the signal moves by one."""
    claim = report(lambda x: x[(ROW - COLUMN) % N] @ x, (N,)).cyclic
    assert (claim.verdict, claim.moves) != (Verdict.PROVED, ((0, 1),))


def test_a_circulant_depends_on_the_whole_input_if_its_kernel_does():
    times = lambda other: lambda x, k: (k[(ROW - COLUMN) % N] * jnp.where((ROW - COLUMN) % N < 2, 1.0, other)) @ x
    assert report(times(0.5), (N, 3), (N,)).cyclic.receptive_field.size == N
    assert report(times(0.0), (N, 3), (N,)).cyclic.receptive_field.size == 2
    assert report(LAWS["a circulant scaled by the input"][0], (N, 3), (N,)).cyclic.receptive_field is None
    band = lambda x, k: jnp.where((ROW - COLUMN) % N < 2, k[(ROW - COLUMN) % 2], 0.0) @ x
    assert report(band, (N, 3), (2,)).cyclic.receptive_field.size == 2


@pytest.mark.parametrize("name", ["a band of unknown taps", "relative biases of scores", "slopes of distances"])
def test_the_checker_computes_what_depends_on_parameters_only(name):
    fn, parameters, *_ = LAWS[name]
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((N, 3), *parameters)]
    assert jc.recheck(jc.certify(fn, *arguments, axes={0: (0,)}, search=False), fn, *arguments) == ()
    broken = lambda x, *p: fn(x, *(2 * q for q in p))
    assert jc.recheck(jc.certify(fn, *arguments, axes={0: (0,)}, search=False), broken, *arguments)


@jax.jit
def mixed(x, matrix):
    return matrix @ x


def test_a_call_is_followed_again_for_a_matrix_with_other_equal_cells(monkeypatch):
    """States do not tell the matrices apart, so what was found for one must not be taken for the other."""
    monkeypatch.setattr(interpret, "LONG", 0)
    circulant, arbitrary = (lambda x, k, m: mixed(x, k[(ROW - COLUMN) % N])), (lambda x, k, m: mixed(x, m))
    both = lambda x, k, m: (circulant(x, k, m), arbitrary(x, k, m))
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((N, 3), (N,), (N, N))]
    first, second = jc.certify(both, *arguments, axes={0: (0,)}, search=False).leaves
    assert first.axes[0].cyclic.verdict == Verdict.PROVED
    assert second.axes[0].cyclic.verdict == Verdict.UNDECIDED


@pytest.mark.parametrize(("masked", "most"), [(False, 0), (True, equal_cells.MOST_SETTLED)])
def test_few_cells_are_named_where_nothing_is_settled(masked, most, monkeypatch):
    """Each sum of a deep network with an unproved interior asks for numbers of its lost operand."""
    calls, of_function = [], equal_cells.EqualCells._of_function
    monkeypatch.setattr(equal_cells.EqualCells, "_of_function", lambda *args: calls.append(1) or of_function(*args))

    def net(x):
        y = jnp.cumsum(x, 1)
        y = jnp.where((np.arange(64) < 60)[:, None, None], y, 0) if masked else y
        for _ in range(20):
            y = jnp.tanh(jax.nn.relu(y) + 1) + x
        return y

    jc.certify(net, jax.ShapeDtypeStruct((1, 64, 64, 3), "float32"), axes=(1,), search=False)
    assert len(calls) <= most
