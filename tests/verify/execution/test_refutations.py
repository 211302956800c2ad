"""Test that REFUTED means that no shift remains, and that true laws which cannot be proved are not refuted."""

import gc
import signal
import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.profiles import NIGHTLY
from support.searches import refute_cyclic

import jaxconv as jc
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claims import Verdict
from jaxconv.verify.domain import Moving
from jaxconv.verify.execution import experiment, metrics, program, refute
from jaxconv.verify.execution.program import TooLateError
from jaxconv.verify.execution.run import FEW, compiler_options
from jaxconv.verify.rule_table import RULES

CELLS = np.arange(16)
SIGNAL = jax.ShapeDtypeStruct((16,), "float32")


def sine(x):
    """An element-wise sine that is opaque to the certifier."""
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="expand_dims")


def certified(fn, x=SIGNAL, **options):
    with jax.numpy_dtype_promotion("standard"):
        return jc.certify(fn, x, axes=(0,), **options).leaves[0].axes[0]


@pytest.fixture
def without_a_rule(monkeypatch):
    """Leave `lax.reduce` without a rule, so that no claim about `odd_reducer` is proved."""
    monkeypatch.delitem(RULES[Moving], "reduce")


def odd_reducer(x):
    """A sum over channels."""
    return lax.reduce(x, jnp.float32(0), lambda a, b: a + b + 0 * a * b, (1,))


def every(period, length):
    return lambda x: jnp.where(jnp.arange(length) % period == 0, odd_reducer(x), 2 * odd_reducer(x))


@pytest.mark.usefixtures("without_a_rule")
@pytest.mark.parametrize(
    ("period", "length", "refuted", "standing"),
    [(4, 12, (1, 6), 4), (3, 12, (1, 4), 6), (2, 6, (1, 3), 2), (3, 6, (1, 2), 3), (5, 30, (1, 6), 10)],
)
def test_a_cyclic_refutation_needs_every_maximal_divisor(period, length, refuted, standing):
    """A refutation of the largest proper divisor does not refute the other divisors."""
    claim = certified(every(period, length), jax.ShapeDtypeStruct((length, 2), "float32")).cyclic
    assert (claim.verdict, claim.standing) == (Verdict.UNDECIDED, standing)
    assert claim.witness.shifts == refuted


@pytest.mark.parametrize(
    ("length", "refuted"), [(12, (1, 4, 6)), (30, (1, 6, 10, 15)), (8, (1, 4)), (7, (1,)), (2, (1,))]
)
def test_one_sample_refutes_all_that_a_cyclic_verdict_rests_on(length, refuted):
    claim = certified(lambda x: x.at[0].set(0), jax.ShapeDtypeStruct((length,), "float32")).cyclic
    assert (claim.verdict, claim.shift, claim.standing) == (Verdict.REFUTED, None, None)
    assert (len(claim.witness.samples), claim.witness.shifts, claim.witness.shift) == (1, refuted, 1)


def transposed(y):
    """Circular up-sampling by two, as by Flax's ConvTranspose with CIRCULAR padding: full output, then wrapped sums."""
    kernel = jnp.asarray([[[3.0]], [[1.0]], [[2.0]], [[-1.0]]])
    full = lax.conv_transpose(y, kernel, (2,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))
    length = 2 * y.shape[1]
    full = jnp.pad(full, ((0, 0), (0, -full.shape[1] % length), (0, 0)))
    return full.reshape(1, -1, length, 1).sum(1)


def unet(x):
    """A strided convolution, circular up-sampling and a skip connection: shifts by 2 move the output by 2."""
    x = x[None, :, None]
    kernel = jnp.asarray([[[1.0]], [[-2.0]], [[1.0]]])
    wide = jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap")
    down = jnp.tanh(lax.conv_general_dilated(wide, kernel, (2,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")))
    return (x + transposed(down))[0, :, 0]


# Laws that are true in the interior but not proved, because of the callback: (function, smallest shift that holds).
TRUE_INSIDE = {
    "a checkerboard": (lambda x: sine(x) * (CELLS % 2), 2),
    "every third cell": (lambda x: jnp.where(CELLS % 3 == 0, 0, sine(x)), 3),
    "a sine of period 8": (lambda x: sine(x) * np.sin(CELLS * np.pi / 4).round(3).astype(np.float32), 8),
    "one rule on the left and another on the right": (lambda x: jnp.where(CELLS < 8, sine(x), jnp.tanh(sine(x))), 1),
    "up-sampled by eight and cut": (lambda x: jnp.repeat(sine(x), 8)[:16], 1),
    "up-sampled by three, a border cut off": (lambda x: jnp.repeat(sine(x), 3)[2:-5], 1),
    "a U-Net with circular transposed convolution": (lambda x: unet(sine(x)), 2),
    "reversed": (lambda x: sine(x)[::-1] * (CELLS % 2), 2),
    "an attention map": (lambda x: sine(x)[:, None] * sine(x)[None, :], 1),
    "an attention map with a stride": (lambda x: (sine(x)[:, None] * sine(x)[None, :])[::2], 2),
}


@pytest.mark.parametrize("name", TRUE_INSIDE)
def test_a_law_of_the_interior_is_never_refuted(name):
    """The witness refutes all shifts below the smallest that holds, which is `standing`."""
    fn, shift = TRUE_INSIDE[name]
    claim = certified(fn).interior
    assert (claim.verdict, claim.standing) == (Verdict.UNDECIDED, shift)
    assert (claim.witness.shifts[: shift - 1] if claim.witness else ()) == tuple(range(1, shift))


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: sine(x) + CELLS**2,
        jnp.cumsum,
        lambda x: x - x.mean(),
        lambda x: x[::-1] * CELLS,
        lambda x: (x * CELLS).sum(),
        lambda x: x[:, None] * x[None, :] * CELLS[None],
    ],
    ids=["positions", "running sum", "mean", "reversed and scaled", "scalar", "attention map"],
)
def test_an_interior_refutation_refutes_every_shift_up_to_half(fn):
    claim = certified(fn).interior
    assert (claim.verdict, claim.shift, claim.standing) == (Verdict.REFUTED, None, None)
    assert claim.witness.shifts == tuple(range(1, 9))


def test_what_only_looks_constant_counts_as_standing():
    """Executions cannot distinguish two consecutive constant cells from a law."""
    assert certified(lambda x: jnp.cumsum(sine(x)) * jnp.array([1.0] * 13 + [0] * 3)).interior.standing == 1


@pytest.mark.parametrize("kind", ["cyclic", "interior"])
def test_one_cell_claims_nothing(kind):
    claim = certified(lambda x: x + 1, jax.ShapeDtypeStruct((1,), "float32")).claims[kind]
    assert (claim.verdict, claim.witness, claim.standing) == (Verdict.UNDECIDED, None, None)


def test_where_the_budget_ends_the_verdict_is_undecided(monkeypatch):
    """The claim has the shifts that were refuted, and the smallest shift that was not."""
    monkeypatch.setattr(experiment, "WORK", 0)
    monkeypatch.setattr(experiment, "LEAST", 3)
    found = certified(lambda x: sine(x) + CELLS**2)
    assert (found.interior.verdict, found.interior.standing) == (Verdict.UNDECIDED, 4)
    assert found.interior.witness.shifts == (1, 2, 3)
    assert found.cyclic.verdict == Verdict.REFUTED


def test_all_shifts_go_through_one_compiled_call():
    """The function is traced for the proofs, the searches and the perturbed outputs, but never for a single shift."""
    traces = []

    def fn(x):
        traces.append(x.shape)
        return jnp.cumsum(x * CELLS)

    assert certified(fn).interior.verdict == Verdict.REFUTED
    assert len(traces) <= 5


def test_many_cells_are_executed_in_several_calls(monkeypatch):
    whole = certified(jnp.cumsum).interior.witness
    monkeypatch.setattr(experiment, "CELLS", 50)
    parts = certified(jnp.cumsum).interior.witness
    assert (parts.shifts, parts.error, parts.position) == (whole.shifts, whole.error, whole.position)


def test_what_cannot_be_batched_is_executed_in_turn():
    one_by_one = lambda x: jax.pure_callback(np.cumsum, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
    found = certified(one_by_one)
    assert (found.cyclic.verdict, found.interior.verdict) == (Verdict.REFUTED, Verdict.REFUTED)


def chain(x):
    """A chain of operations in which XLA's optimiser repeats each value at each of its uses."""
    for _ in range(100):
        x = jnp.sin(jnp.roll(x, 1, 0)) + x
    return x * jnp.arange(x.shape[0], dtype=x.dtype)


@pytest.mark.slow
def test_a_long_program_is_compiled_in_a_time_that_grows_with_it():
    """It measures processor time, independent of other processes. With fusion it took more than two minutes."""
    started = time.process_time()
    assert certified(chain, jax.ShapeDtypeStruct((64,), "float32")).cyclic.verdict == Verdict.REFUTED
    assert time.process_time() - started < 60


def test_only_programs_of_few_equations_are_fused(monkeypatch):
    """On CPUs, fusion repeats each value of a chain at each of its uses: a chain of a hundred takes minutes to compile."""
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert "xla_disable_hlo_passes" not in compiler_options(FEW)
    assert compiler_options(FEW + 1)["xla_disable_hlo_passes"] == "fusion"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler_options(FEW + 1) is None


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
def test_where_the_time_is_over_the_verdict_is_undecided(seconds, monkeypatch):
    monkeypatch.setattr(experiment, "SECONDS", seconds)
    found = certified(lambda x: sine(x) + CELLS**2)
    assert (found.cyclic.verdict, found.interior.verdict) == (Verdict.UNDECIDED, Verdict.UNDECIDED)
    assert (found.cyclic.standing, found.interior.standing) == (8, 1)


def test_a_time_limit_that_ends_a_search_is_stated():
    """In the report and in JSON; `recheck` refuses it in a claim whose search did not end undecided."""
    fn, x = lambda x: sine(x) + CELLS.astype(np.float32) ** 2, SIGNAL
    certificate = jc.certify(fn, x, axes=(0,), seconds=0)
    claim = certificate.leaves[0].axes[0].cyclic
    assert (claim.verdict, claim.ended_after) == (Verdict.UNDECIDED, 0.0)
    assert "none was found; the limit of 0 s ended the search" in str(certificate)
    assert '"ended_after":0.0' in certificate.to_json().replace(" ", "")
    assert Certificate.from_json(certificate.to_json()) == certificate
    assert jc.recheck(certificate, fn, x) == ()
    (leaf,) = certificate.leaves
    (axis,) = leaf.axes
    forged = replace(axis, claims=axis.claims | {"cyclic": replace(claim, standing=None)})
    forged = replace(certificate, leaves=(replace(leaf, axes=(forged,)),))
    assert any("a time limit ended its search" in objection for objection in jc.recheck(forged, fn, x))


def test_a_search_that_ends_by_itself_states_no_limit():
    certificate = jc.certify(lambda x: x * CELLS.astype(np.float32), SIGNAL, axes=(0,), seconds=1e6)
    assert certificate.cyclic == Verdict.REFUTED
    assert "ended_after" not in certificate.to_json()


def test_what_would_be_compiled_too_long_is_not_compiled(monkeypatch):
    """The compilation time of the perturbed function is estimated from that of the function."""
    monkeypatch.setattr(program, "LONGER", 1e9)
    assert certified(lambda x: sine(x) + CELLS**2).interior.witness is None


@pytest.mark.usefixtures("without_a_rule")
def test_time_that_ends_between_two_samples_leaves_what_was_refuted(monkeypatch):
    """If the time limit passes while a sample is executed, that sample is dropped and earlier samples count."""
    whole = refute._remaining
    calls = []

    def remaining(experiment, draw, known):
        calls.append(draw)
        if len(calls) == 2:
            raise TooLateError
        return whole(experiment, draw, known)

    monkeypatch.setattr(refute, "_remaining", remaining)
    claim = certified(every(4, 12), jax.ShapeDtypeStruct((12, 2), "float32")).cyclic
    assert (claim.verdict, claim.standing, claim.witness.shifts) == (Verdict.UNDECIDED, 4, (1, 6))


class AlarmError(Exception):
    """The exception of a signal handler, as for a deadline."""


def search_for_long():
    for seed in range(100):
        refute_cyclic(chain, (jax.ShapeDtypeStruct((64,), "float32"),), 0, 0, 0, (1, 32), seed=seed)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.4, 0.8])
def test_an_alarm_ends_the_search(seconds):
    """An alarm ends the search while the function is traced, compiled or executed."""

    def ring(*_):
        raise AlarmError

    before = signal.signal(signal.SIGALRM, ring)
    gc.disable()  # Python ignores exceptions in callbacks of its garbage collector, and JAX has one
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with pytest.raises(AlarmError):
            search_for_long()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        gc.enable()
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError, AlarmError, RuntimeError])
def test_what_is_no_fault_of_the_execution_passes(error, monkeypatch):
    def interrupted(*_):
        raise error

    monkeypatch.setattr(experiment, "executing", interrupted)
    with pytest.raises(error):
        certified(jnp.cumsum)


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyError])
def test_what_cannot_be_executed_is_undecided(error):
    def callback(x):
        raise error

    fn = lambda x: jax.pure_callback(callback, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential")
    found = certified(fn)
    assert (found.cyclic.verdict, found.cyclic.witness) == (Verdict.UNDECIDED, None)


KEYS = jax.random.split(jax.random.key(0), 8)


def drawn(keys):
    return jax.vmap(jax.random.normal)(keys)


def weighted(keys):
    return drawn(keys) * jnp.arange(8, dtype="float32")


def folded(keys):
    return jax.vmap(jax.random.fold_in)(keys, jnp.arange(8))


@pytest.mark.parametrize("keys", [KEYS, jax.eval_shape(lambda: KEYS)], ids=["given", "drawn"])
def test_keys_are_shifted(keys):
    found = certified(drawn, keys)
    assert found.cyclic.verdict != Verdict.REFUTED
    assert found.interior.verdict != Verdict.REFUTED


OF_KEYS = [(weighted, "threefry2x32"), (folded, "rbg")]  # nightly runs take the other two pairs as well


@pytest.mark.parametrize(
    ("fn", "kind"), [*OF_KEYS, *([(folded, "threefry2x32"), (weighted, "rbg")] if NIGHTLY else [])]
)
def test_keys_are_counterexamples(fn, kind):
    """Functions of keys are refuted and the certificate passes recheck; their outputs may be keys, too."""
    keys = jax.random.split(jax.random.key(0, impl=kind), 8)
    certificate = jc.certify(fn, keys, axes=(0,))
    claims = certificate.leaves[0].axes[0]
    assert (claims.cyclic.verdict, claims.interior.verdict) == (Verdict.REFUTED, Verdict.REFUTED)
    assert jc.recheck(certificate, fn, keys) == ()
    assert Certificate.from_json(certificate.to_json()) == certificate
    witness = claims.cyclic.witness
    before, after = (jax.random.key_data(side[0]) for side in (witness.arguments, witness.shifted))
    np.testing.assert_array_equal(after, jnp.roll(before, witness.shift, 0))


@pytest.mark.parametrize(
    "run", [jc.check, jc.falsify, metrics.consistency, metrics.equivariance_error, metrics.lie_derivative_error]
)
def test_what_compares_numbers_refuses_keys(run):
    with pytest.raises(
        TypeError, match=r"argument 0 is an array of random keys, but should be an array of numbers\. .*key_data"
    ):
        run(drawn, KEYS, axes=(0,))
