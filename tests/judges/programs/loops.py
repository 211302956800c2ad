"""Scans, loops, branches and transformations of JAX."""

import jax
import jax.numpy as jnp
from jax import lax

from judges.judge import judge
from judges.operations import circular, conv


def ring(x):
    """The Laplacian of a signal around the circle."""
    return jnp.roll(x, 1, axis=0) + jnp.roll(x, -1, axis=0) - 2 * x


@judge((12, 3), (3, 3))
def recurrent_network_along_positions(x, weights):
    step = lambda h, v: (jnp.tanh(h @ weights + v), h)
    return lax.scan(step, jnp.zeros(3, x.dtype), x)[1]  # culprit


@judge((12, 5, 3), (3, 3))
def recurrent_network_along_the_other_axis(x, weights):
    step = lambda h, v: (jnp.tanh(h @ weights + v), h)
    return lax.scan(step, jnp.zeros((12, 3), x.dtype), x.swapaxes(0, 1))[1]


@judge((12, 5))
def state_space_along_the_other_axis(x):
    combine = lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1])
    return lax.associative_scan(combine, (jax.nn.sigmoid(x), x), axis=1)[1]


@judge((8, 2))
def state_space_along_positions(x):
    combine = lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1])
    return lax.associative_scan(combine, (jax.nn.sigmoid(x), x))[1]  # culprit


@judge((12, 3))
def sum_by_a_scan(x):
    return lax.scan(lambda total, v: (total + v, None), jnp.zeros(3, x.dtype), x)[0]


@judge((12, 3))
def maximum_by_a_loop(x):
    return lax.fori_loop(0, 12, lambda i, best: jnp.maximum(best, x[i]), jnp.full(3, -jnp.inf, x.dtype))


@judge((12, 3))
def exponential_average_along_positions(x):
    step = lambda mean, v: (0.9 * mean + 0.1 * v,) * 2
    return lax.scan(step, x[0], x)[1]  # culprit


@judge((12, 2), ())
def heat_equation(x, rate):
    return lax.fori_loop(0, 3, lambda _, u: u + 0.1 * rate * ring(u), x)


@judge((12, 2))
def heat_equation_with_cold_ends(x):
    def step(_, u):
        padded = jnp.pad(u, ((1, 1), (0, 0)))  # culprit: cyclic
        return u + 0.1 * (padded[2:] + padded[:-2] - 2 * u)

    return lax.fori_loop(0, 3, step, x)


@judge((12, 2))
def heat_equation_with_fixed_ends(x):
    def step(u, _):
        return u.at[1:-1].add(0.1 * (u[2:] + u[:-2] - 2 * u[1:-1])), u  # culprit: cyclic

    return lax.scan(step, x, None, length=2)[0]


@judge((12, 2))
def until_it_settles(x):
    change = lambda s: jnp.abs(s[1]).max() > 0.1
    return lax.while_loop(change, lambda s: (s[0] + 0.2 * ring(s[0]), 0.2 * ring(s[0])), (x, jnp.ones_like(x)))[0]


@judge((12,))
def newton_at_each_position(x):
    def root(v):
        error = lambda c: jnp.abs(c**3 + c - v) > 1e-3
        return lax.while_loop(error, lambda c: c - (c**3 + c - v) / (3 * c**2 + 1), jnp.zeros((), x.dtype))

    return jax.vmap(root)(x)


@judge((12, 6))
def game_of_life(x):
    def step(_, alive):
        shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
        count = sum(jnp.roll(alive, shift, axis=(0, 1)).astype(jnp.int32) for shift in shifts)
        return (count == 3) | (alive & (count == 2))

    return lax.fori_loop(0, 2, step, x > 0)


@judge((12, 2), (2,))
def gray_scott(x, rates):
    def step(uv, _):
        u, v = uv[:, 0], uv[:, 1]
        reaction = u * v * v
        change = [0.1 * ring(u) - reaction + rates[0] * (1 - u), 0.05 * ring(v) + reaction - rates[1] * v]
        return uv + 0.1 * jnp.stack(change, axis=1), None

    return lax.scan(step, jnp.tanh(x), None, length=2)[0]


@judge((12, 3), (3, 3, 3, 3))
def layers_by_a_scan_over_weights(x, kernels):
    return lax.scan(lambda h, kernel: (h + jax.nn.relu(circular(h, kernel)), None), x, kernels)[0]


@judge((12, 3), (2, 3, 3, 3))
def padded_layers_by_a_scan_over_weights(x, kernels):
    layer = lambda h, kernel: (conv(h, kernel, "SAME"), None)  # culprit: cyclic
    return lax.scan(layer, x, kernels)[0]


@judge((12, 3), (3,))
def runge_kutta(x, weights):
    slope = lambda u: jnp.tanh(ring(u) * weights)
    k1 = slope(x)
    k2 = slope(x + 0.5 * k1)
    k3 = slope(x + 0.5 * k2)
    return x + (k1 + 2 * k2 + 2 * k3 + slope(x + k3)) / 6


@judge((12, 3))
def branch_on_the_mean(x):
    return lax.cond(x.mean() > 0, lambda v: jnp.roll(v, 1, axis=0), lambda v: v * 2, x)


@judge((12, 3))
def branch_on_the_first_cell(x):
    return lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x)  # culprit


@judge((12, 3))
def switch_on_a_count(x):
    return lax.switch((x > 0).sum() % 3, [jnp.sin, lambda v: v[::-1], ring], x)


@judge((12, 3))
def switch_between_equal_directions(x):
    return lax.switch((x > 0).sum() % 3, [jnp.sin, ring, lambda v: v - v.max(0)], x)


@judge((24, 2))
def sliding_sum_of_a_running_sum(x):
    total = jnp.cumsum(jnp.pad(x, ((1, 0), (0, 0))), axis=0)
    return total[4:] - total[:-4]


@judge((12, 6))
def integral_image_over_the_other_axis(x):
    total = jnp.cumsum(x, axis=1)
    return total[:, 2:] - total[:, :-2]


@judge((12, 3))
def running_sum(x):
    return jnp.cumsum(x, axis=0)[:, :1] + x  # culprit


@judge((12, 3))
def running_product_of_channels(x):
    return jnp.cumprod(x, axis=1)


@judge((12, 3))
def running_log_sum_exp(x):
    return lax.cumlogsumexp(x, axis=0, reverse=True)  # culprit


@judge((12, 3), (3, 3, 3))
def checkpointed_layers(x, kernel):
    layer = jax.checkpoint(lambda v: jax.nn.relu(circular(v, kernel)))
    return layer(layer(x))


@judge((12, 3))
def custom_jvp_in_use(x):
    @jax.custom_jvp
    def clip(v):
        return jnp.clip(v, -1, 1)

    clip.defjvp(lambda primals, tangents: (clip(*primals), tangents[0]))
    return jax.grad(lambda v: (clip(v) * jnp.roll(v, 1, axis=0)).sum())(x)


@judge((12, 3))
def straight_through_rounding(x):
    @jax.custom_vjp
    def quantise(v):
        return jnp.round(v)

    quantise.defvjp(lambda v: (jnp.round(v), None), lambda _, g: (g,))
    return jax.grad(lambda v: (quantise(2 * v) ** 2 * v).sum())(x)


@judge((12, 4, 3))
def mapped_over_columns(x):
    return lax.map(lambda column: ring(column) * column.max(), x.swapaxes(0, 1))


@judge((12, 4), (4, 4))
def mapped_over_positions(x, weights):
    return lax.map(lambda v: jnp.tanh(v @ weights), x, batch_size=4)


@judge((12, 4), (12, 4))
def mapped_over_positions_with_weights(x, weights):
    return lax.map(lambda pair: pair[0] @ pair[1], (x, weights))  # culprit


@judge((12, 4))
def mapped_with_a_counter(x):
    return lax.map(lambda i: x[i] * i, jnp.arange(12))  # culprit


@judge((12, 4))
def loop_that_writes_each_cell(x):
    return lax.fori_loop(0, 12, lambda i, y: y.at[i].set(x[(i + 1) % 12] - x[i]), jnp.zeros_like(x))


@judge((12, 4))
def loop_over_channels(x):
    return lax.fori_loop(0, 4, lambda i, y: y + jnp.roll(x[:, i], i), jnp.zeros(12, x.dtype))


@judge((12, 4))
def unrolled_shifts(x):
    step = lambda y, i: (y + jnp.roll(x, i, axis=0) / (1.0 + i), None)
    return lax.scan(step, jnp.zeros_like(x), jnp.arange(3), unroll=3)[0]


@judge((12,))
def sandpile_until_stable(x):
    grains = jnp.floor(jnp.abs(8 * x))

    def topple(pile):
        over = (pile > 2).astype(pile.dtype)
        return pile - 3 * over + jnp.roll(over, 1) + jnp.roll(over, -1)

    return lax.while_loop(lambda pile: (pile > 2).any(), topple, grains)


@judge((12,))
def gauss_seidel_in_two_colours(x):
    red = jnp.arange(12) % 2 == 0
    u = jnp.zeros_like(x)
    for colour in (red, ~red):
        u = jnp.where(colour, (x + jnp.roll(u, 1) + jnp.roll(u, -1)) / 2, u)
    return u


@judge((12,))
def gauss_seidel_in_order(x):
    update = lambda i, u: u.at[i].set((x[i] + u[i - 1] + u[(i + 1) % 12]) / 2)  # culprit
    return lax.fori_loop(0, 12, update, jnp.zeros_like(x))


@judge((12, 3))
def reduced_by_a_function_of_two_values(x):
    value = lambda a, b: (a[0] + b[0], jnp.maximum(a[1], b[1]))
    zero, least = jnp.zeros((), x.dtype), jnp.full((), -jnp.inf, x.dtype)
    return lax.reduce((x, x), (zero, least), value, (1,))


@judge((12, 3))
def reduced_along_positions_by_a_maximum_of_sizes(x):
    larger = lambda a, b: jnp.where(jnp.abs(a) >= jnp.abs(b), jnp.abs(a), jnp.abs(b))
    return lax.reduce(x, jnp.zeros((), x.dtype), larger, (0,))


@judge((12, 3))
def logarithm_of_a_sum_by_reduce(x):
    return lax.reduce(x, jnp.full((), -jnp.inf, x.dtype), jnp.logaddexp, (0,))
