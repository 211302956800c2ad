"""Functions whose certificates the tests recheck, and helpers that forge derivations."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxconv as jc
from jaxconv.verify.domain import Broken, main_state

certify = partial(jc.certify, axes=(1,), search=False)

X = jax.ShapeDtypeStruct((1, 12, 2), "float32")
KERNEL = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 2)), jnp.float32)


def conv(x, **settings):
    return jc.conv({"kernel": KERNEL}, x, **settings)


def loss_gradient(fn):
    return jax.grad(lambda x: jnp.sum(jnp.square(fn(x))))


def filtered(x, keep=4, n=12):
    return jnp.fft.irfft(jnp.fft.rfft(x, axis=1)[:, :keep] * jnp.ones((1, keep, 1), jnp.complex64), n=n, axis=1)


@jax.jit
def relu(x):
    return lax.max(x, 0.0)


def network_of(x):
    """Rows: jaxconv_conv, max, jit, jaxconv_max_pool."""
    return jc.max_pool(relu(conv(x, padding="SAME")), (2,))


def with_row(certificate, kind, number, change, result=0):
    """Return the certificate with one state of one row changed."""
    walks = certificate.derivations[0]
    rows = list(walks[kind])
    outputs = list(rows[number].outputs)
    outputs[result] = change(main_state(outputs[result]))
    rows[number] = replace(rows[number], outputs=tuple(outputs))
    return replace(certificate, derivations=(walks | {kind: tuple(rows)}, *certificate.derivations[1:]))


def with_claim(axis, kind, claim):
    """Return the report of an axis with another claim of one kind."""
    return replace(axis, claims=axis.claims | {kind: claim})


def carrying(state, **changes):
    """Return the state with fields of its motions changed, each to a value or to a function of the motion."""
    new = lambda motion: {name: to(motion) if callable(to) else to for name, to in changes.items()}
    changed = lambda factor: (
        factor if factor.motion is None else replace(factor, motion=replace(factor.motion, **new(factor.motion)))
    )
    return (
        state
        if isinstance(state, Broken)
        else replace(state, axes=tuple(tuple(map(changed, axis)) for axis in state.axes))
    )


def number_of(certificate, primitive, kind="interior"):
    """Return the number of the first row of a primitive."""
    return next(row.number for row in certificate.derivations[0][kind] if row.primitive == primitive)
