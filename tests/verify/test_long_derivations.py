"""Long derivations: calls with the same states are not followed again, and loops end at a repeated state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_execution import executing_by_numpy

import jaxconv as jc
from jaxconv.verify import interpret, repeated_calls
from jaxconv.verify.rules import control

X = jax.ShapeDtypeStruct((12,), "float32")
MASK = np.arange(12) < 5
TWO = np.float32(2)


def certified(fn, *arguments):
    return jc.certify(fn, *arguments, axes={0: (0,)}, search=False)


def verdicts(certificate):
    axis = certificate.leaves[0].axes[0]
    return axis.cyclic.verdict.value, axis.interior.verdict.value


def rechecked(certificate, fn, *arguments):
    with executing_by_numpy():
        return jc.recheck(certificate, fn, *arguments)


@pytest.fixture
def _abbreviated(monkeypatch):
    """From the first row on."""
    monkeypatch.setattr(interpret, "LONG", 0)
    monkeypatch.setattr(control, "REPEATED", 0)


@jax.jit
def scaled(x, by):
    return x * by + 1


@jax.jit
def reads_neighbours(x):
    return x + jnp.roll(x, 1)


@jax.jit
def masked(x):
    return jnp.where(MASK, x, 0)


@pytest.mark.usefixtures("_abbreviated")
def test_a_repeated_call_has_no_rows_inside_and_passes_the_checker():
    fn = lambda x: jnp.tanh(scaled(scaled(scaled(x, TWO), TWO), TWO))
    certificate = certified(fn, X)
    names = [row.primitive for row in certificate.derivations[0]["cyclic"]]
    assert names == ["mul", "add", "jit", "jit", "jit", "tanh"]
    assert verdicts(certificate) == ("PROVED", "PROVED")
    assert rechecked(certificate, fn, X) == ()
    wrong = lambda x: jnp.tanh(scaled(scaled(masked(x), TWO), TWO))
    assert rechecked(certificate, wrong, X) != ()


@pytest.mark.usefixtures("_abbreviated")
def test_calls_of_other_numbers_have_other_signals():
    """Their states are equal, but not their results: the wrapped halves are of two signals."""
    w = jax.ShapeDtypeStruct((), "float32")
    fn = lambda x, v, w: jnp.concatenate([scaled(x, v)[1:], scaled(x, w)[:1]])
    certificate = certified(fn, X, w, w)
    assert verdicts(certificate)[0] == "UNDECIDED"
    assert rechecked(certificate, fn, X, w, w) == ()


@pytest.mark.usefixtures("_abbreviated")
def test_operands_that_are_one_signal_are_not_taken_for_two():
    """The second call has the states of the first, but their names differ: nothing is joined."""
    wrap = jax.jit(lambda a, b: jnp.concatenate([a[1:], b[:1]]))
    joined, apart = (lambda x: wrap(x, x)), (lambda x: wrap(x, x) + wrap(x, x * x))
    assert verdicts(certified(joined, X))[0] == "PROVED"
    assert verdicts(certified(apart, X))[0] == "UNDECIDED"


@pytest.mark.usefixtures("_abbreviated")
def test_a_call_that_breaks_is_followed_anew_and_names_its_own_line():
    fn = lambda x: masked(x) * masked(x + 1)
    certificate = certified(fn, X)
    assert verdicts(certificate)[0] == "UNDECIDED"
    assert rechecked(certificate, fn, X) == ()


@pytest.mark.usefixtures("_abbreviated")
def test_receptive_fields_are_dropped_rather_than_followed_call_by_call(monkeypatch):
    monkeypatch.setattr(repeated_calls, "OFTEN", 1)
    fn = lambda x: reads_neighbours(reads_neighbours(reads_neighbours(x)))
    certificate = certified(fn, X)
    assert verdicts(certificate)[0] == "PROVED"
    assert certificate.leaves[0].axes[0].cyclic.receptive_field is None
    assert rechecked(certificate, fn, X) == ()


def counted(body, rounds=60):
    """A loop that counts its rounds."""
    return lambda x: lax.while_loop(lambda s: s[0] < rounds, lambda s: (s[0] + 1, body(*s)), (0, x))[1]


def test_a_loop_ends_at_a_repeated_state(monkeypatch):
    fn = counted(lambda i, x: x * 0.5 + i)
    rows = certified(fn, X).equations
    monkeypatch.setattr(control, "REPEATED", 0)
    certificate = certified(fn, X)
    assert certificate.equations < rows / 5
    assert verdicts(certificate) == ("PROVED", "PROVED")
    assert certificate.leaves[0].axes[0].cyclic.receptive_field.size == 1
    assert rechecked(certificate, fn, X) == ()


@pytest.mark.parametrize("late", [7, 40])
def test_a_round_that_differs_is_not_overlooked(late, monkeypatch):
    """The state repeats before and after it, since the counter chooses the branch."""
    monkeypatch.setattr(control, "REPEATED", 0)
    different = lambda i, x: lax.cond(i == late, lambda x: jnp.where(MASK, x, 0), lambda x: x * 0.5, x)
    by_index = lambda i, x: x * jnp.where(jnp.arange(60)[i] == late, jnp.arange(12.0), 1.0)
    for body in (different, by_index):
        certificate = certified(counted(body), X)
        assert verdicts(certificate)[0] == "UNDECIDED"  # in the interior, the mask is uniform on a part
    never = lambda i, x: lax.cond(i == 60, lambda x: jnp.where(MASK, x, 0), lambda x: x * 0.5, x)
    assert verdicts(certified(counted(never), X)) == ("PROVED", "PROVED")


def test_rounds_that_exchange_two_signals_are_not_joined(monkeypatch):
    monkeypatch.setattr(control, "REPEATED", 0)
    body = lambda s: (s[0] + 1, s[2], s[1])
    swapped = lambda x: lax.while_loop(lambda s: s[0] < 61, body, (0, x, x * x))
    fn = lambda x: jnp.concatenate([swapped(x)[1][1:], swapped(x)[2][:1]])
    assert verdicts(certified(fn, X))[0] == "UNDECIDED"


def test_nested_calls_and_loops_of_a_million_equations_are_followed_in_thousands_of_rows():
    fn = jax.jit(lambda x: x * 0.5 + 1)
    for _ in range(18):
        fn = jax.jit(lambda x, fn=fn: fn(fn(x)))
    loops = lambda x: x * 0.5 + 1
    for _ in range(3):
        loops = counted(lambda i, x, body=loops: body(x))
    for function, most in ((fn, 1.1 * interpret.LONG), (loops, 3000)):
        certificate = certified(function, X)
        assert verdicts(certificate) == ("PROVED", "PROVED")
        assert certificate.equations < most
