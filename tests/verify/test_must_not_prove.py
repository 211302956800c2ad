"""Functions with false claims that a certifier proves if it confuses signals; each was proved once."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.claim_oracle import violation

import jaxconv as jc
from jaxconv.verify import failures, interpret
from jaxconv.verify.certificate import Verdict
from jaxconv.verify.domain import Moving
from jaxconv.verify.factors import invariant_axis
from jaxconv.verify.rule_table import RULES
from jaxconv.verify.rules import control


def wrapped(a, b):
    """Return the cells of a after the first, then the first cell of b: a roll only if a and b are one signal."""
    return jnp.concatenate([a[:, 1:], b[:, :1]], 1)


def two_sorted(x):
    return wrapped(*lax.sort((x, -x * x), dimension=2, num_keys=1))


def ranked(x):
    return wrapped(*(part.astype(x.dtype) for part in lax.top_k(x, 2)))


def ranked_integers(x):
    return wrapped(*lax.top_k(x.astype(jnp.int32), 2))


def counted(x):
    return wrapped(*lax.fori_loop(0, 3, lambda i, ab: (ab[0] + 1.0, ab[1] * 2.0), (x, x)))


def counted_and_itself(x):
    return wrapped(x, lax.fori_loop(0, 2, lambda i, c: c * 2.0, x))


def repeated(x):
    body = lambda s: (s[0] + 1.0, s[1] * 2.0, s[2] + 1)
    return wrapped(*lax.while_loop(lambda s: s[2] < 3, body, (x, x, 0))[:2])


def inside_a_scan(x):
    return lax.scan(lambda ab, _: ((ab[0] + 1.0, ab[1] * 2.0), wrapped(*ab)), (x, x), None, length=3)[1][1]


def delayed_by_a_scan(x):
    """ys[i] = xs[i - 1] must not have the signal name of xs."""
    _, late = lax.scan(lambda c, v: (v, c), x.sum(2), jnp.stack([x.sum(2), x.max(2)]))
    return wrapped(late[1], x.max(2))


def chosen(x):
    return wrapped(lax.cond(x.sum() > 0, lambda x: x.sum(2), lambda x: x.max(2), x), x.min(2))


def filled_with_the_largest(x):
    """The receptive field of the padding between the cells is the whole input."""
    return lax.pad(x, x.max(), ((0, 0, 0), (0, 1, 1), (0, 0, 0)))


def pooled_gradient_along_a_still_axis(x):
    """The operand is uniform along axis 2, but the source is not, and so the result is not."""
    n, pool = x.shape[1], lambda a: lax.reduce_window(a, -jnp.inf, lax.max, (1, 2, 1), (1, 2, 1), "VALID")
    wide = jnp.broadcast_to(x.sum(2)[:, :, None], (1, n, n))
    y, back = jax.vjp(pool, wide)
    (g,) = back(y * jnp.arange(1, n + 1, dtype=x.dtype)[None, None, :])
    return g + x.sum(2)[:, None, :]


def windows_by_indices(x):
    """x[i + u] is not uniform along u."""
    n, y = x.shape[1], x.sum(2)
    return y[:, (np.arange(n)[:, None] + np.arange(n)) % n] + y[:, None, :]


def kernels_in_turn(x):
    """Weights with a period of three, made by a reshape: a shift by one moves each cell to a different weight."""
    return x * jnp.broadcast_to(WEIGHTS, (2, 3)).reshape(1, 6, 1)


def wide_frames(total, between, fill=0.0):
    """Return functions that pad an empty array, for which padding between the cells adds nothing."""
    return {
        "pad": lambda x: lax.pad(x[:, :0], fill, ((0, 0, 0), (0, total, between), (0, 0, 0))),
        "the padding of a convolution": lambda x: lax.conv_general_dilated(
            x[:, :0], jnp.eye(3)[None], (1,), [(0, total)], (between + 1,), dimension_numbers=("NWC", "WIO", "NWC")
        ),
        "the padding of a pool": lambda x: lax.reduce_window(
            x[:, :0], 0.0, lax.add, (1, 1, 1), (1, 1, 1), ((0, 0), (0, total), (0, 0)), (1, between + 1, 1)
        ),
    }


def overwritten(frame):
    """Return functions that write x at the start of a frame; a wrong, smaller length would make x fill the frame."""
    return {
        "set": lambda x: frame(x).at[:, : x.shape[1]].set(x),
        "an update": lambda x: lax.dynamic_update_slice(frame(x), x, (0, 0, 0)),
    }


def blocks(x):
    """Return pairs of cells."""
    return x.reshape(1, -1, 2, x.shape[-1])


def blocks_of_two_phases(x):
    """The pairs of x and the pairs of x rolled by one cell are different."""
    return wrapped(blocks(x), blocks(jnp.roll(x, -1, 1)))


def blocks_half_in_the_padding(x):
    """The first and the last pair have one cell of x each."""
    return blocks(jnp.pad(x, ((0, 0), (1, 1), (0, 0)))).sum(2)


def filtered(change):
    """Return a function that changes the modes of x along the shifted axis."""
    return lambda x: jnp.fft.irfft(change(jnp.fft.rfft(x, axis=1)), n=x.shape[1], axis=1)


WEIGHTS = jnp.array([1.0, 2.0, 3.0])  # made here: inside a function, the trace would know the numbers
CASES = {
    "a sum and a maximum": lambda x: wrapped(x.sum(2), x.max(2)),
    "two places": lambda x: wrapped(jnp.argmax(x, 2), jnp.argmin(x, 2)),
    "two results of sort": two_sorted,
    "two results of top_k, one of them converted": ranked,
    "two results of top_k": ranked_integers,
    "two results of fori_loop": counted,
    "a loop's result and its operand": counted_and_itself,
    "two results of while_loop": repeated,
    "two states inside a scan": inside_a_scan,
    "a delayed signal": delayed_by_a_scan,
    "a branch": chosen,
    "filled with the largest": filled_with_the_largest,
    "the gradient of max pooling": pooled_gradient_along_a_still_axis,
    "windows by indices": windows_by_indices,
    "kernels in turn": kernels_in_turn,
    "one cell repeated": lambda x: jnp.broadcast_to(x[:, 3:4], x.shape),
    "one cell repeated, added to all": lambda x: jnp.broadcast_to(x[:, 3:4], x.shape) + x,
    "blocks of two phases": blocks_of_two_phases,
    "blocks half in the padding": blocks_half_in_the_padding,
    "modes summed": filtered(lambda y: y + y.sum(1, keepdims=True)),
    "modes so far": filtered(lambda y: jnp.cumsum(y, 1)),
    "a stack of different modes": filtered(lambda y: jnp.stack([y, jnp.roll(y, 1, 1)], 3)),
    "one mode for all": filtered(lambda y: jnp.stack([jnp.unstack(y, axis=1)[1]] * 4, 1)),
    "added to mode 1": filtered(lambda y: y.at[:, 1].add(2)),
    "added to modes 0 and 1": filtered(lambda y: y.at[:, :2].add(2)),
    "mode 1 added to mode 0": filtered(lambda y: y.at[:, 0].add(y[:, 1])),
    "mode 1 replaced": filtered(lambda y: jnp.where(jnp.arange(4)[None, :, None] == 1, 2, y)),
    "a bias in mode 1": filtered(lambda y: y + (jnp.arange(4) == 1).astype(y.dtype)[None, :, None]),
    "modes rolled in a loop": filtered(lambda y: lax.fori_loop(0, 3, lambda i, s: jnp.roll(s, 1, 1), y)),
    "conjugates in turn": filtered(lambda y: lax.fori_loop(0, 99, lambda i, s: jnp.conj(s), y)),
    "conjugates until they are small": filtered(
        lambda y: lax.while_loop(lambda s: jnp.max(jnp.abs(s)) > 1, lambda s: jnp.conj(s) / 2, y)
    ),
    "a conjugate or not": filtered(lambda y: lax.cond(jnp.max(jnp.abs(y)) > 9, jnp.conj, lambda s: s, y)),
    "a product of spectra": filtered(lambda y: y * y),
    "a correlation with other modes": filtered(lambda y: y * jnp.conj(jnp.roll(y, 1, 1))),
    "copies of modes": filtered(lambda y: jnp.tile(y, (1, 2, 1))[:, 1:5]),
} | {
    f"{name}, {between} between, {way}": fn
    for between in (1, 2)
    for name, frame in wide_frames(6 + between, between).items()
    for way, fn in overwritten(frame).items()
}


@pytest.mark.parametrize("abbreviated", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_what_is_proved_is_not_refuted(name, abbreviated, monkeypatch):
    """Also if calls are not followed again, and loops end at a repeated state, as in long derivations."""
    if abbreviated:
        monkeypatch.setattr(interpret, "LONG", 0)
        monkeypatch.setattr(control, "REPEATED", 0)
    fn, x = CASES[name], np.zeros((1, 6, 3), np.float32)
    (leaf,) = jc.certify(fn, x, axes=(1,), search=False).leaves
    for kind in ("cyclic", "interior"):
        claim = leaf.axes[0].claims[kind]
        if claim.verdict is Verdict.PROVED:
            assert violation(fn, [x], 0, 1, 0, claim, kind) is None


@pytest.mark.parametrize("wrong", ["longer", "beyond its end", "one axis more"])
def test_a_rule_that_says_something_of_another_shape_proves_nothing(wrong, monkeypatch):
    """A wrong length from a rule ends the proof and never makes it false."""

    def misfit(eqn):
        (value,) = eqn.moving()
        (factor,) = value.axes[1]
        if wrong == "longer":
            return [value.with_axis(1, (replace(factor, length=factor.length + 1),))]
        if wrong == "beyond its end":
            return [value.with_axis(1, (replace(factor, motion=replace(factor.motion, hi=factor.length + 1)),))]
        return [replace(value, axes=(*value.axes, invariant_axis(2)))]

    monkeypatch.setitem(RULES[Moving], "sin", misfit)
    monkeypatch.setattr(failures, "RAISE_FAILURES", False)
    (leaf,) = jc.certify(jnp.sin, np.zeros((1, 6, 3), np.float32), axes=(1,), search=False).leaves
    for claim in (leaf.axes[0].cyclic, leaf.axes[0].interior):
        assert claim.verdict == Verdict.UNDECIDED
        assert claim.culprit.reason == (
            "the rule for sin failed: ValueError('its result does not have the shape (1, 6, 3)')"
        )
