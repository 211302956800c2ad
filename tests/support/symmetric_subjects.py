"""Subjects of the tests of actions: functions that are equivariant under a group, and broken twins that are not.

A subject is (function, action, axes). The oracle of each is NumPy: `by_numpy` applies the elements one at a time.
"""

import jax
import jax.numpy as jnp
import numpy as np

from support.numeric_subjects import correlate

X = np.random.default_rng(1).normal(size=(3, 6, 8, 4)).astype(np.float32)
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32)
WIDE = np.random.default_rng(2).normal(size=(5, 5, 4, 5)).astype(np.float32)  # turned 3x3 kernels are also mirrored
DIHEDRAL = [lambda k, i=i, t=t: np.rot90(k.swapaxes(0, 1) if t else k, i) for i in range(4) for t in (False, True)]
ISOTROPIC = np.mean([g(KERNEL) for g in DIHEDRAL], axis=0)
ROTATIONAL = np.mean([np.rot90(WIDE, i) for i in range(4)], axis=0)
MIRRORED = KERNEL + KERNEL[::-1]


def same(x, kernel):
    return correlate(x, kernel, padding="SAME")


def isotropic(x):
    return jax.nn.relu(same(x, ISOTROPIC))


def rotational(x):
    return same(x, ROTATIONAL)


def mirrored(x):
    return same(x, MIRRORED)


def unsymmetric(x):
    return same(x, KERNEL)


def batch_norm(x):
    return (x - x.mean(0, keepdims=True)) / jnp.sqrt(x.var(0, keepdims=True) + 1)


def pointwise(x):
    return jnp.tanh(x)


def deep_set(x):
    """Pointwise, then a sum over the channels, then pointwise: the order of the channels does not matter."""
    return jnp.tanh(jnp.square(x).sum(-1))


def weighted_sum(x):
    return jnp.tanh((x * jnp.arange(4, dtype=x.dtype)[None, None, None]).sum(-1))


def positional(x):
    return x + jnp.arange(3, dtype=x.dtype)[:, None, None, None]


def lifted(x, kernel=KERNEL):
    """The first layer of a group convolution: one output for each quarter turn of the kernel, [n, g, h, w, o]."""
    return jnp.stack([same(x, np.rot90(kernel, g).copy()) for g in range(4)], axis=1)


def turned_and_rolled(by):
    """{name: pair} for the quarter turns of a lifted output, whose axis of turns is rolled by as many."""
    turn = lambda k: (lambda x: np.rot90(x, k, (1, 2)), lambda y: np.roll(np.rot90(y, k, (2, 3)), by * k, 1))
    return {f"turn {k}": turn(k) for k in (1, 2, 3)}


def rotated_field(k):
    """The vectors of a field [n, h, w, 2] turned with it by k quarter turns, each (down, right)."""

    def act(v):
        v = np.rot90(np.asarray(v), k, (1, 2))
        for _ in range(k):
            v = np.stack([-v[..., 1], v[..., 0]], -1)
        return v

    return act


def gradient(x):
    """The gradient of an image [n, h, w, 1] by central differences that wrap around: a vector field [n, h, w, 2]."""
    return jnp.concatenate([jnp.roll(x, -1, axis) - jnp.roll(x, 1, axis) for axis in (1, 2)], axis=-1)


HOLDING = {
    "isotropic kernels": (isotropic, "dihedral", (1, 2)),
    "isotropic kernels, turned": (isotropic, "rot90", (1, 2)),
    "isotropic kernels, transposed": (isotropic, "transpose", (1, 2)),
    "turned kernels": (rotational, "rot90", (1, 2)),
    "mirrored kernels": (mirrored, "flip", (1,)),
    "pointwise": (pointwise, "permute", (1, 3)),
    "a sum over channels": (deep_set, "permute", (3,)),
    "a batch": (unsymmetric, "permute", (0,)),
    "a batch with its statistics": (batch_norm, "permute", (0,)),
    "a group convolution": (lifted, turned_and_rolled(1), None),
    "functions": (mirrored, (lambda x: x[:, ::-1], lambda y: y[:, ::-1]), None),
    "an odd function": (jnp.sin, (lambda x: -x, lambda y: -y), None),
    "an invariant function": (lambda x: jnp.cos(x).sum(), (lambda x: -x[::-1], lambda y: y), None),
}
BROKEN = {
    "an unsymmetric kernel": (unsymmetric, "dihedral", (1, 2)),
    "turned kernels that are not mirrored": (rotational, "dihedral", (1, 2)),
    "mirrored kernels along the other axis": (mirrored, "flip", (2,)),
    "mirrored kernels, turned": (mirrored, "rot90", (1, 2)),
    "a weighted sum over channels": (weighted_sum, "permute", (3,)),
    "a batch with positions": (positional, "permute", (0,)),
    "a group convolution, rolled the wrong way": (lifted, turned_and_rolled(-1), None),
    "an even function": (jnp.cos, (lambda x: -x, lambda y: -y), None),
    "a function of one cell": (lambda x: x[0, 0, 0, 0], (lambda x: x[:, ::-1], lambda y: y), None),
}
