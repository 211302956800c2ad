"""The judge of claims lets every true claim stand and catches every false one."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support import observed_runs as observe
from support.claim_oracle import equivariant_somehow, maximal_interior, violation
from support.compilations import compilations

import jaxconv as jc
from jaxconv.verify.certificate import Claim, ReceptiveField, Verdict

SIGNAL, ODD, IMAGE = (2, 8, 2), (2, 7, 2), (1, 6, 4, 2)
KERNEL = np.array([[[1, -2], [3, 1]], [[2, 1], [-1, 4]], [[-3, 2], [1, 1]]], np.float32) / 4


def conv(x, kernel, **settings):
    return jc.conv({"kernel": kernel}, x, **settings)


def circular(x, kernel):
    return conv(x, kernel, padding="CIRCULAR")


def zeros(x, kernel):
    return conv(x, kernel, padding="SAME")


def circular_by_two(x, kernel):
    return conv(x, kernel, stride=2, padding="CIRCULAR")


def causal(x, kernel):
    return conv(x, kernel, padding="CAUSAL")


def twice(x, _):
    return jnp.repeat(x, 2, axis=1)


def flipped(x, _):
    return jnp.flip(x, axis=1)


def swapped(x, _):
    return jnp.swapaxes(x, 1, 2)


def attention(x, kernel):
    return jax.nn.softmax(jnp.einsum("nac,nbc->nab", x @ kernel[0], x @ kernel[1]), axis=-1)


def pooled(x, kernel):
    return {"map": circular(x, kernel), "top": jc.global_max_pool(circular(x, kernel))}


def half_pooled(x, _):
    return jnp.max(x[:, :4], axis=1)


def gated(x, kernel):
    """Broken only where the parameter says so."""
    return lax.cond(kernel[0, 0, 0] > 0, lambda x: x, lambda x: jnp.cumsum(x, axis=1), x)


HALF = Fraction(1, 2)


def claim(shift, *moves, region=(), field=None):
    """A claim, for the oracle to judge whatever its verdict."""
    field = ReceptiveField(Fraction(field[0]), len(field) - 1, field[1:]) if field else None
    return Claim(Verdict.UNDECIDED, shift, moves, region, field)


def judge(fn, shape, claim, kind, axis=1, leaf=0):
    return violation(fn, (jnp.zeros(shape), KERNEL), 0, axis, leaf, claim, kind)


CYCLIC = [  # function, shape, true claim, false claims
    (circular, SIGNAL, claim(1, (1, 1)), [claim(1, (1, 2)), claim(1, (1, -1)), claim(1), claim(1, (1, 1), (2, 1))]),
    (circular, SIGNAL, claim(3, (1, 3)), [claim(3, (1, 1)), claim(2, (1, 3))]),
    (circular_by_two, SIGNAL, claim(2, (1, 1)), [claim(1, (1, 1)), claim(2, (1, 2)), claim(4, (1, 1))]),
    (circular_by_two, ODD, claim(7), [claim(2, (1, 1)), claim(1, (1, 1)), claim(7, (1, 1))]),
    (twice, SIGNAL, claim(1, (1, 2)), [claim(1, (1, 1)), claim(2, (1, 2))]),
    (flipped, SIGNAL, claim(1, (1, -1)), [claim(1, (1, 1))]),
    (swapped, IMAGE, claim(1, (2, 1)), [claim(1, (1, 1)), claim(1, (1, 1), (2, 1))]),
    (attention, SIGNAL, claim(1, (1, 1), (2, 1)), [claim(1, (1, 1)), claim(1, (2, 1)), claim(1)]),
    (zeros, SIGNAL, claim(8), [claim(1, (1, 1)), claim(4, (1, 4))]),
    (half_pooled, SIGNAL, claim(8), [claim(1), claim(4)]),
    (gated, SIGNAL, claim(8), [claim(1, (1, 1))]),
]
INTERIOR = [  # function, shape, t, the exact region, too large ones
    (circular, SIGNAL, 1, (1, 7), [(0, 7), (1, 8), (0, 8)]),
    (zeros, SIGNAL, 1, (1, 7), [(0, 7), (1, 8), (0, 8)]),
    (causal, SIGNAL, 1, (2, 8), [(1, 8), (0, 8)]),
    (twice, SIGNAL, 2, (0, 16), []),
    (flipped, SIGNAL, -1, (0, 8), []),
]
FIELDS = [  # function, shift -> t, the exact field (rate, (first, last) of each phase), too small ones
    (circular, 1, 1, (1, (-1, 1)), [(1, (0, 1)), (1, (-1, 0)), (1, (0, 2)), (2, (-1, 1)), (1, (-1, 1), (0, 1))]),
    (circular_by_two, 2, 1, (2, (-1, 1)), [(2, (0, 1)), (2, (-1, 0))]),
    (twice, 1, 2, (HALF, (0, 0), (0, 0)), [(HALF, (0, 0), (1, 1)), (HALF, (0, -1), (0, 0)), (HALF, (-1, -1), (0, 0))]),
    (flipped, 1, -1, (-1, (7, 7)), [(-1, (6, 6)), (-1, (8, 8)), (1, (0, 0))]),
]


@pytest.fixture(autouse=True)
def _by_numpy(monkeypatch):
    monkeypatch.setattr(observe, "BY_NUMPY", True)


@pytest.fixture(params=[True, False], ids=["by NumPy", "compiled"])
def either(request, monkeypatch):
    """Functions are evaluated, where they can be, and compiled."""
    monkeypatch.setattr(observe, "BY_NUMPY", request.param)
    return request.param


@pytest.mark.parametrize(("fn", "shape", "true", "false"), CYCLIC)
def test_cyclic_claims(fn, shape, true, false, either):
    """The verdicts are the same either way."""
    assert judge(fn, shape, true, "cyclic") is None
    assert all(judge(fn, shape, claim, "cyclic") for claim in false)


@pytest.mark.parametrize(("fn", "shape", "step", "exact", "larger"), INTERIOR)
def test_one_cell_too_many_in_an_interior_is_caught(fn, shape, step, exact, larger):
    inside = lambda lo, hi: claim(1, (1, step), region=((1, lo, hi),))
    assert judge(fn, shape, inside(*exact), "interior") is None
    assert all(judge(fn, shape, inside(*region), "interior") for region in larger)
    wrong = claim(1, (1, step + 1), region=((1, *exact),))
    assert judge(fn, shape, wrong, "interior")


def test_the_longest_interior_is_the_exact_one():
    for fn, shape, step, exact, _ in INTERIOR:
        assert maximal_interior(fn, (jnp.zeros(shape), KERNEL), 0, 1, 0, 1, ((1, step),)) == exact


@pytest.mark.parametrize(("fn", "shift", "step", "exact", "smaller"), FIELDS)
@pytest.mark.parametrize("kind", ["cyclic", "interior"])
def test_one_cell_too_few_in_a_receptive_field_is_caught(fn, shift, step, exact, smaller, kind):
    length = jax.eval_shape(fn, jnp.zeros(SIGNAL), KERNEL).shape[1]
    region = ((1, 1, length - 1),) if kind == "interior" else ()
    inside = lambda field: claim(shift, (1, step), region=region, field=field)
    assert judge(fn, SIGNAL, inside(exact), kind) is None
    assert all("reads beyond" in judge(fn, SIGNAL, inside(field), kind) for field in smaller)


def test_the_leaf_is_the_one_that_was_asked_for():
    assert judge(pooled, SIGNAL, claim(1, (1, 1)), "cyclic", leaf=0) is None
    assert judge(pooled, SIGNAL, claim(1), "cyclic", leaf=0)
    assert judge(pooled, SIGNAL, claim(1), "cyclic", leaf=1) is None


def test_the_axis_and_the_argument_are_the_ones_that_were_asked_for():
    fn = lambda kernel, x: jnp.cumsum(x, axis=2) * kernel[0, 0, 0]
    for axis, caught in ((1, False), (2, True)):
        found = violation(fn, (KERNEL, jnp.zeros(IMAGE)), 1, axis, 0, claim(1, (axis, 1)), "cyclic")
        assert bool(found) is caught


def test_what_numpy_has_rows_for_is_not_compiled():
    fn = lambda x, kernel: jnp.tanh(pooled(x, kernel)["map"])[:, ::-1]
    with compilations() as compiled:
        assert judge(fn, SIGNAL, claim(1, (1, -1)), "cyclic") is None
    assert len(compiled) <= 1  # the zeros, in the place of an argument
    with compilations() as compiled:
        assert judge(lambda x, _: lax.cbrt(x), SIGNAL, claim(1, (1, 1)), "cyclic") is None
    assert compiled


def test_what_is_batched_to_something_else_is_compiled(monkeypatch):
    """A batching rule is no part of the function."""
    x, wrongly = np.ones((observe.CHUNK, *SIGNAL), np.float32), lambda closed: lambda *leaves: [leaves[0] * 2]
    assert observe._evaluation(jnp.sin, 0, x, (None,)) is not None
    monkeypatch.setattr(observe, "jaxpr_as_fun", wrongly)
    assert observe._evaluation(jnp.sin, 0, x, (None,)) is None


def test_a_region_must_fit_the_output():
    assert "does not fit" in judge(zeros, SIGNAL, claim(1, (1, 1), region=((1, 1, 9),)), "interior")
    assert "does not fit" in judge(zeros, SIGNAL, claim(1, (1, 1)), "interior")
    with pytest.raises(ValueError, match="claims nothing"):
        judge(zeros, SIGNAL, claim(None), "cyclic")


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "bool", "bfloat16", "float16", "complex64"])
def test_inputs_have_the_dtype_of_the_argument(dtype):
    seen = []

    def local(x):
        seen.append(x.dtype)
        return jnp.where(jnp.roll(x, 1, axis=1) == x, x, x + x)

    x = jnp.zeros(SIGNAL, dtype)
    assert violation(local, (x,), 0, 1, 0, claim(1, (1, 1)), "cyclic") is None
    assert violation(lambda x: x.at[:, 0].set(x[:, 3]), (x,), 0, 1, 0, claim(1, (1, 1)), "cyclic")
    assert set(seen) == {x.dtype}


def backwards(x):
    """Zero in real arithmetic; in floating point, what two orders of summation leave."""
    return jnp.sum(x / 3, axis=1) - lax.fori_loop(0, 8, lambda i, total: total + x[:, 7 - i] / 3, jnp.zeros((2, 2)))


every_reading = pytest.mark.parametrize("of", [lambda y: y, jnp.sign, lambda y: jnp.argmax(y, axis=-1)])


@every_reading
def test_rounding_is_no_violation_even_where_nothing_else_is_left(of):
    fn = lambda x: of(backwards(x))
    assert violation(fn, (jnp.zeros(SIGNAL),), 0, 1, 0, claim(1), "cyclic", samples=20) is None


@every_reading
def test_it_would_be_one_if_the_input_did_not_tremble(of, monkeypatch):
    """The broken twin."""
    monkeypatch.setattr(observe, "TREMORS", 0)
    fn = lambda x: of(backwards(x))
    assert violation(fn, (jnp.zeros(SIGNAL),), 0, 1, 0, claim(1), "cyclic", samples=20)


def test_what_has_no_value_violates_nothing():
    assert judge(lambda x, _: jnp.log(x), SIGNAL, claim(1, (1, 1)), "cyclic") is None
    assert judge(lambda x, _: jnp.log(jnp.cumsum(x, axis=1)), SIGNAL, claim(1, (1, 1)), "cyclic")


def test_every_equivariance_is_found():
    somehow = lambda fn, shape: equivariant_somehow(fn, (jnp.zeros(shape), KERNEL), 0, 1, 0)
    assert somehow(circular, SIGNAL) == [(1, ((1, 1),)), (2, ((1, 2),)), (4, ((1, 4),))]
    assert somehow(circular_by_two, SIGNAL) == [(2, ((1, 1),)), (4, ((1, 2),))]
    assert somehow(circular_by_two, ODD) == []
    assert somehow(flipped, ODD) == [(1, ((1, -1),))]
    assert somehow(swapped, IMAGE)[0] == (1, ((2, 1),))
    assert somehow(attention, ODD) == [(1, ((1, 1), (2, 1)))]
    assert somehow(zeros, SIGNAL) == []
    assert somehow(lambda x, _: jnp.max(x, axis=1), ODD) == [(1, ())]
