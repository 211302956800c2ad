"""Checks of single steps: `recheck` objects to each use of a false rule, and to equations that it cannot execute."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback
from support.certificates_to_recheck import X, carrying, certify, conv, filtered, loss_gradient, number_of, with_row

from jaxconv.verify.claims import Verdict
from jaxconv.verify.domain import Moving, Pieces, Spectrum, main_state
from jaxconv.verify.recheck import recheck, steps
from jaxconv.verify.rule_table import RULES

# Broken twins: false rules


def a_region_too_large(eqn, states):
    return [carrying(state, lo=0) for state in states]


def all_of_it(eqn, states):
    return [carrying(states[0], lo=0, hi=eqn.shapes[0][1])]


def a_narrow_field(eqn, states):
    return [carrying(state, field=lambda motion: ((motion.field[0][0] + 1, motion.field[0][1]),)) for state in states]


def forgets_where_it_starts(eqn, states):
    return [carrying(main_state(state), start=0) for state in states]


def as_the_operand(eqn, states=None):
    return [main_state(eqn.inputs[0])]


def moves_no_more(eqn, states=None):
    value = main_state(eqn.inputs[0])
    return [
        replace(value, axes=tuple(a for n, a in enumerate(value.axes) if n not in eqn.params["axes"]), depends=True)
    ]


def under_one_name(eqn, states):
    return [carrying(state, signal="the one name") for state in states]


def at_any_stride(eqn, states):
    return [replace(carrying(states[0], rate=Fraction(1)), shift=1)]


def not_reversed(eqn, states):
    return [carrying(states[0], rate=lambda motion: -motion.rate)]


def uniform(eqn, states):
    state = states[0]
    return [replace(state, axes=tuple(axis if any(f.motion for f in axis) else
            tuple(replace(f, period=1) for f in axis) for axis in state.axes))]  # fmt: skip


def all_modes_in_place(eqn, states):
    return [replace(states[0], modes=tuple(range(len(states[0].modes))))]


def wrongly_folded(eqn, states):
    """Return pieces at wrong positions."""
    (state,) = states
    return [replace(state, spans=tuple((lo, hi, at + 1) for lo, hi, at in state.spans if at + hi - lo < 12)) if
            isinstance(state, Pieces) and any(a + hi - lo < 12 for lo, hi, a in state.spans) else state]  # fmt: skip


def weighed_by_position(x):
    """Return a complete set of pieces, multiplied by weights that depend on the position."""
    overlaps = lax.reduce_window(x, np.float32(0), lax.add, (1, 3, 1), (1, 1, 1), ((0, 0), (2, 2), (0, 0)))
    return overlaps * np.arange(1, 15, dtype=np.float32)[None, :, None]


def weighs_alike(eqn, states=None):
    pieces, weights = eqn.inputs
    return RULES[Pieces]["div"](replace(eqn, inputs=[pieces, replace(weights, axes=())]))


PLANTED = [  # primitive, false rule, function, walk with the objection, text of the objection, type of operand states
    ("jaxconv_conv", a_region_too_large, partial(conv, padding="SAME"), "interior", "shifting the input by 1"),
    ("jaxconv_conv", a_narrow_field, partial(conv, padding="SAME"), "interior", "outside the receptive field"),
    ("jaxconv_conv", at_any_stride, partial(conv, stride=2), "interior", "shifting the input by 1"),
    ("pad", all_of_it, lambda x: jnp.pad(x, ((0, 0), (1, 1), (0, 0))), "interior", "shifting the input by 1"),
    ("slice", forgets_where_it_starts, lambda x: x[:, 3:] + x[:, :-3], "cyclic", "the result differs from the signal of the same name"),
    ("slice", forgets_where_it_starts, lambda x: jnp.roll(x, 3, 1), "cyclic", "the result differs from the signal of the same name"),
    ("reduce_sum", moves_no_more, lambda x: jnp.sum(x[:, :6], 1), "cyclic", "shifting the input by 1"),
    ("reduce_sum", moves_no_more, lambda x: jnp.sum(x, 1), "interior", "shifting the input by 1"),
    ("sort", as_the_operand, lambda x: jnp.sort(x, 1), "cyclic", "shifting the input by 1"),
    ("sort", as_the_operand, lambda x: jnp.sort(x, 2), "cyclic", "the result differs from the signal of the same name"),
    ("cumsum", as_the_operand, lambda x: jnp.cumsum(x, 1), "cyclic", "shifting the input by 1"),
    ("rev", not_reversed, lambda x: x[:, ::-1], "interior", "shifting the input by 1"),
    ("tanh", uniform, jnp.tanh, "interior", "shifting the input by 1"),
    ("sin", under_one_name, lambda x: jnp.concatenate([jnp.sin(x)[:, 1:], jnp.sin(-x)[:, :1]], 1), "cyclic",
     "the result differs from the signal of the same name"),
    ("top_k", under_one_name, lambda x: lax.top_k(x, 2), "cyclic", "the result differs from the signal of the same name"),
    ("fft", lambda eqn, states: [carrying(states[0], rate=Fraction(-1))], filtered, "cyclic", "shifting the input by 1", Spectrum),
    ("rev", all_modes_in_place, lambda x: jnp.fft.ifft(jnp.fft.fft(x, axis=1)[:, ::-1], axis=1), "cyclic",
     "shifting the input by", Spectrum),
    ("pad", wrongly_folded, loss_gradient(partial(conv, padding="CIRCULAR")), "cyclic", "shifting the input by 1, cell", Pieces),
    ("mul", weighs_alike, weighed_by_position, "cyclic", "shifting the input by 1, cell", Pieces),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "wrong", "fn", "walk", "words", "of"), [row if len(row) == 6 else (*row, Moving) for row in PLANTED]
)
def test_a_false_rule_is_found_out(monkeypatch, name, wrong, fn, walk, words, of):
    right = RULES[of][name]

    def planted(eqn):
        return wrong(eqn) if wrong.__defaults__ else wrong(eqn, right(eqn))

    monkeypatch.setitem(RULES[of], name, planted)
    certificate = certify(fn, X)
    monkeypatch.undo()
    objections = [
        objection
        for objection in recheck(certificate, fn, X)
        if objection.startswith(walk) and f" ({name}): " in objection
    ]
    assert objections
    assert words in objections[0]
    assert recheck(certify(fn, X), fn, X) == ()


def test_concatenating_two_signals_as_one_is_found_out(monkeypatch):
    """`recheck` distinguishes the signals even if only the join confuses them."""
    fn = lambda x: jnp.concatenate([jnp.sin(x)[:, 1:], jnp.cos(x)[:, :1]], 1)
    join = RULES[Moving]["concatenate"]

    def any_two(eqn):
        return join(replace(eqn, inputs=[carrying(main_state(state), signal="any") for state in eqn.inputs]))

    monkeypatch.setitem(RULES[Moving], "concatenate", any_two)
    certificate = certify(fn, X)
    assert certificate.cyclic == Verdict.PROVED
    (objection,) = [objection for objection in recheck(certificate, fn, X) if "cyclic" in objection]
    assert "(concatenate): after shifting the input by 1, cell" in objection


def test_a_loop_that_calls_its_result_by_an_old_name_is_found_out(monkeypatch):
    fn = lambda x: lax.while_loop(lambda u: jnp.sum(u) < 5, lambda u: u * 2, jnp.abs(x))
    right = RULES[Moving]["while"]
    monkeypatch.setitem(
        RULES[Moving], "while", lambda eqn: [carrying(state, signal="argument 0") for state in right(eqn)]
    )
    certificate = certify(fn, X)
    assert certificate.cyclic == Verdict.PROVED
    assert any(
        "(while): the result reuses the name of an existing signal" in objection
        for objection in recheck(certificate, fn, X)
    )


# Objections to equations that cannot be executed


def test_what_is_too_large_is_not_passed_over(monkeypatch):
    fn = partial(conv, padding="CIRCULAR")
    certificate = certify(fn, X)
    monkeypatch.setattr(steps, "LARGEST", 40)
    objections = recheck(certificate, fn, X)
    assert objections
    assert all("too large; certify the function at a smaller shape" in objection for objection in objections)


def test_what_cannot_be_run_is_not_passed_over():
    def fn(x):
        means = x.mean(1)
        return lax.dot_general(means, means, (((1,), (1,)), ((0,), (0,))), "TF32_TF32_F32")  # not supported by CPUs

    certificate = certify(fn, X)
    assert certificate.cyclic == Verdict.PROVED
    objections = [objection for objection in recheck(certificate, fn, X) if "(dot_general)" in objection]
    assert all("the equation could not be executed" in objection for objection in objections)
    assert objections


def test_what_acts_is_not_executed():
    """A forged certificate states that the result of the callback is invariant."""
    executed = []
    one = jax.ShapeDtypeStruct((), "float32")
    fn = lambda x: x + io_callback(lambda: np.float32(executed.append(1) or 1), one)
    certificate = certify(fn, X)
    (objection, *_) = recheck(with_row(certificate, "cyclic", 0, lambda state: Moving(1, 12, ())), fn, X)
    assert (
        "row 0 (io_callback): the equation could not be executed: RuntimeError('the equation has effects')" in objection
    )
    assert not executed


def test_a_loop_within_a_loop_is_not_passed_over():
    inner = lambda u: lax.while_loop(lambda u: jnp.sum(u) < 5, lambda u: u * 2, u)
    fn = lambda x: lax.scan(lambda c, _: (inner(c), None), x, None, length=2)[0]
    certificate = certify(fn, X)
    (objection,) = recheck(certificate, fn, X)
    assert (
        "(scan): the equation could not be executed: RuntimeError('a loop with an unknown number of iterations')"
        in objection
    )


def test_a_loop_whose_rounds_depend_on_the_shift_is_objected_to():
    fn = lambda x: lax.while_loop(lambda s: s[0, 0, 0] < 5, lambda s: s + 1, x)
    certificate = certify(fn, X)
    number = number_of(certificate, "while", "cyclic")
    moves = Moving(1, 12, certify(jnp.sin, X).derivations[0]["cyclic"][0].outputs[0].axes, depends=True)
    (objection, *_) = recheck(with_row(certificate, "cyclic", number, lambda state: moves), fn, X)
    assert f"row {number} (while): the loop condition: after shifting the input by 1, cell []" in objection
