"""Functions whose window operations `accelerate` replaces, inside calls, loops, custom derivatives and effects."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, PartitionSpec

GENERATOR = np.random.default_rng(0)
X = GENERATOR.integers(-2, 3, (3, 6, 5, 2)).astype(np.float32)
KERNEL = GENERATOR.integers(-1, 2, (3, 2, 2, 2)).astype(np.float32)


def conv(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pool(x):
    return lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


@jax.custom_jvp
def custom_jvp(x, kernel):
    return conv(x, kernel)


@custom_jvp.defjvp
def _(primals, tangents):
    """No derivative of a convolution: only a rule that is kept gives these numbers."""
    (x, kernel), (dx, dkernel) = primals, tangents
    return conv(x, kernel), 3 * conv(dx, kernel) + 5 * conv(x, dkernel)


@jax.custom_vjp
def custom_vjp(x, kernel):
    return conv(x, kernel)


custom_vjp.defvjp(
    lambda x, kernel: (conv(x, kernel), (x, kernel)),
    lambda residuals, cotangent: (3 * conv(cotangent, residuals[1]), 2 * residuals[1]),
)


def rematerialised(x, kernel, **settings):
    return jax.checkpoint(lambda x: jnp.square(conv(jnp.square(conv(x, kernel)), kernel)), **settings)(x)


def looped(x, kernel):
    step = lambda state: (state[0] + 1, jnp.sign(conv(state[1], kernel)))
    return lax.while_loop(lambda state: (state[0] < 2) & (pool(state[1]).sum() < 9), step, (0, x))[1]


@partial(jax.jit, static_argnames="scale", inline=False)
def named(x, kernel, scale):
    return scale * conv(x, kernel)


FUNCTIONS = {
    "convolution and pool": lambda x, kernel: pool(conv(x, kernel)),
    "jit": lambda x, kernel: named(named(x, kernel, scale=2), kernel, scale=3),
    "custom_jvp": custom_jvp,
    "custom_vjp": custom_vjp,
    "scan": lambda x, kernel: lax.scan(lambda x, _: (conv(x, kernel), x.sum()), x, None, length=2),
    "fori_loop": lambda x, kernel: lax.fori_loop(0, 2, lambda _, x: conv(x, kernel), x),
    "checkpoint": rematerialised,
    "map": lambda x, kernel: lax.map(lambda each: conv(each[None], kernel)[0], x),
    "trees": lambda x, kernel: {"none": None, "pair": (conv(x, kernel), x)},
}


def replaced_in_reference(x, kernel):
    reference = jax.new_ref(x)
    reference[...] = conv(reference[...], kernel)
    return reference[...]


def printed(x, kernel):
    jax.debug.print("sum {}", conv(x, kernel).sum(), ordered=True)
    return conv(x, kernel)


def summed_over_devices(x, kernel, conv=conv):
    mesh = jax.make_mesh((1,), ("devices",), axis_types=(AxisType.Auto,), devices=jax.devices()[:1])
    total = lambda x, kernel: lax.psum(pool(conv(x, kernel)).sum(), "devices")
    specs = (PartitionSpec("devices"), PartitionSpec())
    return jax.shard_map(total, mesh=mesh, in_specs=specs, out_specs=PartitionSpec())(x, kernel)


COMPILED = {  # NumPy has no rows for them
    "cond": lambda x, kernel: lax.cond(x[0, 0, 0, 0] > 0, lambda: conv(x, kernel), lambda: 2 * conv(x, -kernel)),
    "checkpoint with a policy": partial(rematerialised, policy=jax.checkpoint_policies.dots_saveable),
    "reference": replaced_in_reference,
    "ordered print": printed,
    "shard_map": summed_over_devices,
    "shard_map of jit": partial(summed_over_devices, conv=jax.jit(conv)),
}


def with_gradient(fn):
    """Outputs, and the gradient of the sum of all."""

    def total(x, kernel):
        y = fn(x, kernel)
        return sum(leaf.sum() for leaf in jax.tree.leaves(y)), y

    return jax.value_and_grad(total, (0, 1), has_aux=True)


def assert_equal(found, expected):
    """The same trees, dtypes and numbers."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
