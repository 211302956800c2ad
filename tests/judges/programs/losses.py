"""Losses, energies and their derivatives."""

import jax
import jax.numpy as jnp
import optax
from jax import lax

from judges.judge import judge
from judges.operations import circular, circular_image, conv, wrap


def energy(x, kernel):
    """A sum over all positions of a nonlinear function of a circular convolution."""
    return (jnp.tanh(circular(x, kernel)) ** 2).sum()


def open_energy(x, kernel):
    """The same with zero padding."""
    return (jnp.tanh(conv(x, kernel, "SAME")) ** 2).sum()


@judge((12, 2))
def total_variation_around_the_circle(x):
    return jnp.abs(x - jnp.roll(x, 1, axis=0)).sum()


@judge((12, 2))
def total_variation(x):
    return jnp.abs(jnp.diff(x, axis=0)).sum()  # culprit


@judge((12, 2))
def gradient_of_a_total_variation(x):
    return jax.grad(lambda v: jnp.sqrt(jnp.diff(v, axis=0) ** 2 + 0.1).sum())(x)  # culprit: cyclic


@judge((12, 2), (12, 2))
def squared_error_of_a_target(x, target):
    return jnp.mean((x - target) ** 2)  # culprit


@judge((12, 2), (2,))
def gradient_of_a_squared_error_of_a_mean(x, target):
    return jax.grad(lambda v: ((v.mean(0) - target) ** 2).sum())(x)


@judge((12, 2), (3, 2, 2))
def gradient_of_an_energy(x, kernel):
    return jax.grad(energy)(x, kernel)


@judge((12, 2), (3, 2, 2))
def gradient_of_an_open_energy(x, kernel):
    return jax.grad(open_energy)(x, kernel)  # culprit: cyclic


@judge((12, 2), (3, 2, 2))
def gradient_of_the_kernel(x, kernel):
    return jax.grad(energy, argnums=1)(x, kernel)


@judge((12, 6, 2), (3, 3, 2, 2))
def gradient_of_an_image_energy_with_a_stride(x, kernel):
    return jax.grad(lambda v: (circular_image(v, kernel, stride=2) ** 2).sum())(x)


@judge((12, 2), (3, 2, 2))
def hessian_times_the_gradient(x, kernel):
    gradient = jax.grad(lambda v: energy(v, kernel))
    return jax.jvp(gradient, (x,), (jnp.roll(x, 1, axis=0),))[1]


@judge((12, 2), (3, 2, 2), (12, 2))
def hessian_times_a_vector(x, kernel, vector):
    gradient = jax.grad(lambda v: energy(v, kernel))
    return jax.jvp(gradient, (x,), (vector,))[1]  # culprit


@judge((12, 2), (3, 2, 2))
def pulled_back_signal(x, kernel):
    y, back = jax.vjp(lambda v: jax.nn.softplus(circular(v, kernel)), x)
    return back(jnp.sin(y))[0]


@judge((12, 2), (3, 2, 2))
def pulled_back_through_a_pool(x, kernel):
    pool = lambda v: lax.reduce_window(circular(v, kernel), -jnp.inf, lax.max, (2, 1), (2, 1), "VALID")
    y, back = jax.vjp(pool, x)
    return back(y)[0]


@judge((12, 2))
def pulled_back_through_an_average_pool(x):
    pool = lambda v: lax.reduce_window(v**2, 0.0, lax.add, (4, 1), (2, 1), "VALID")  # culprit: cyclic
    return jax.grad(lambda v: pool(v).sum())(x)


@judge((12, 2))
def pulled_back_through_a_wrapped_average_pool(x):
    pool = lambda v: lax.reduce_window(wrap(v**2, 1, 1), 0.0, lax.add, (4, 1), (2, 1), "VALID")
    return jax.grad(lambda v: (pool(v) ** 2).sum())(x)


@judge((12, 2))
def gradient_of_the_largest(x):
    return jax.grad(lambda v: v.max(0).sum())(x)


@judge((12, 2))
def gradient_of_a_sum_of_the_largest_three(x):
    return jax.grad(lambda v: lax.top_k(v.T, 3)[0].sum())(x)  # culprit


@judge((12, 2))
def gradient_of_a_median(x):
    return jax.grad(jnp.median)(x)  # culprit


@judge((12, 2), (3, 2, 2))
def adversarial_step(x, kernel):
    return x + 0.1 * jnp.sign(jax.grad(lambda v: jax.nn.logsumexp(circular(v, kernel)))(x))


@judge((12, 2), (3, 2, 2), (12, 2))
def divergence_along_a_probe(x, kernel, probe):
    field = lambda v: jnp.tanh(circular(v, kernel))
    return (jax.jvp(field, (x,), (probe,))[1] * probe).sum()  # culprit


@judge((8, 1), (3, 1, 1))
def divergence(x, kernel):
    jacobian = jax.jacfwd(lambda v: jnp.tanh(circular(v[:, None], kernel))[:, 0])(x[:, 0])
    return jnp.trace(jacobian)


@judge((8,))
def jacobian_of_a_reaction(x):
    return jax.jacrev(lambda v: v * jnp.roll(v, 1))(x)


@judge((8,))
def hessian_of_a_chain(x):
    return jax.hessian(lambda v: (jnp.sin(v) * jnp.roll(v, 1)).sum())(x)


@judge((12, 6))
def ising_energy(x):
    spins = jnp.sign(x)
    return -(spins * (jnp.roll(spins, 1, axis=0) + jnp.roll(spins, 1, axis=1))).sum()


@judge((12, 6), ())
def langevin_drift(x, beta):
    potential = lambda v: ((v**2 - 1) ** 2).sum() + ((v - jnp.roll(v, 1, axis=0)) ** 2).sum()
    return x - 0.01 * beta * jax.grad(potential)(x)


@judge((12, 3), (3, 3, 3), (3, 3))
def gradient_of_a_style_loss(x, kernel, gram):
    def loss(v):
        y = jax.nn.relu(circular(v, kernel))
        return ((y.T @ y / 12 - gram) ** 2).sum()

    return jax.grad(loss)(x)


@judge((12, 3), (12,))
def cross_entropy_of_labels(x, labels):
    losses = optax.softmax_cross_entropy_with_integer_labels(x, (labels > 0).astype(int))  # culprit
    return losses.mean()


@judge((12, 3))
def entropy_of_the_predictions(x):
    probabilities = jax.nn.softmax(x)
    return optax.softmax_cross_entropy(x, probabilities).mean()


@judge((12, 2))
def contrastive_loss_with_the_following_cell(x):
    y = x / (jnp.linalg.norm(x, axis=1, keepdims=True) + 1e-3)
    scores = y @ jnp.roll(y, 1, axis=0).T
    return -jnp.diagonal(jax.nn.log_softmax(scores, axis=1)).mean()


@judge((12, 2))
def dice_overlap(x):
    a, b = jax.nn.sigmoid(x[:, 0]), jax.nn.sigmoid(x[:, 1])
    return 1 - 2 * (a * b).sum() / (a.sum() + b.sum())


@judge((12, 6, 2))
def structural_similarity(x):
    mean = lambda v: lax.reduce_window(v, 0.0, lax.add, (3, 3), (1, 1), "VALID") / 9
    a, b = x[..., 0], x[..., 1]
    covariance = mean(a * b) - mean(a) * mean(b)
    return (2 * covariance + 0.1) / (mean(a * a) - mean(a) ** 2 + mean(b * b) - mean(b) ** 2 + 0.1)


@judge((12, 6, 2))
def step_of_optical_flow(x):
    a, b = x[..., 0], x[..., 1]
    gradient = (jnp.roll(a, -1, axis=0) - jnp.roll(a, 1, axis=0)) / 2
    flow = jnp.zeros_like(a)
    for _ in range(2):
        mean = (jnp.roll(flow, 1, axis=0) + jnp.roll(flow, -1, axis=0)) / 2
        flow = mean - gradient * (gradient * mean + b - a) / (1 + gradient**2)
    return flow


@judge((12, 2), (3, 2, 2))
def gradient_penalty(x, kernel):
    gradient = jax.grad(lambda v: energy(v, kernel))(x)
    return (jnp.sqrt((gradient**2).sum() + 1e-6) - 1) ** 2


@judge((12, 2), (3, 2, 2))
def adapted_on_the_input(x, kernel):
    adapted = kernel - 0.1 * jax.grad(energy, argnums=1)(x, kernel)
    return circular(x, adapted)


@judge((12, 2), (3, 2, 2))
def iterated_to_a_fixed_point(x, kernel):
    small = kernel / (1 + jnp.abs(kernel).sum())
    return lax.fori_loop(0, 4, lambda _, z: jnp.tanh(circular(z, small) + x), jnp.zeros_like(x))


@judge((12, 2))
def conjugate_gradient_steps(x):
    apply = lambda v: 3 * v - jnp.roll(v, 1, axis=0) - jnp.roll(v, -1, axis=0)
    return jax.scipy.sparse.linalg.cg(apply, x, maxiter=3)[0]


@judge((12, 2))
def custom_root_of_a_linear_system(x):
    apply = lambda v: 3 * v - jnp.roll(v, 1, axis=0) - jnp.roll(v, -1, axis=0)
    solve = lambda matvec, b: lax.fori_loop(0, 40, lambda _, v: v + (b - matvec(v)) / 4, jnp.zeros_like(b))
    return lax.custom_linear_solve(apply, x, solve, symmetric=True)


@judge((12, 2))
def linearised(x):
    y, push = jax.linearize(lambda v: jnp.sin(v) * jnp.roll(v, 1, axis=0), x)
    return push(y)


@judge((16, 2))
def gradient_through_a_resize(x):
    up = lambda v: jnp.repeat(v, 2, axis=0)
    return jax.grad(lambda v: (jnp.tanh(up(v)) * jnp.roll(up(v), 1, axis=0)).sum())(x)


@judge((12, 2))
def gradient_through_gathered_windows(x):
    places = (jnp.arange(12)[:, None] + jnp.arange(3)) % 12
    return jax.grad(lambda v: (v[places].prod(1)).sum())(x)


@judge((12, 2))
def gradient_through_edge_padding(x):
    padded = lambda v: jnp.pad(v, ((1, 1), (0, 0)), mode="edge")  # culprit: cyclic
    return jax.grad(lambda v: (padded(v)[2:] * padded(v)[:-2]).sum())(x)


@judge((16,))
def gradient_through_a_spectrum(x):
    loss = lambda v: (jnp.abs(jnp.fft.rfft(v)) ** 3).sum()
    return jax.grad(loss)(x)


@judge((12, 4))
def gradient_through_attention(x):
    loss = lambda v: (jax.nn.softmax(v @ v.T, axis=-1) @ v).sum()
    return jax.grad(loss)(x)


@judge((12, 4), (4,))
def gradient_through_batch_norm(x, weights):
    normal = lambda v: (v - v.mean(0)) / jnp.sqrt(v.var(0) + 0.1)
    return jax.grad(lambda v: (jnp.tanh(normal(v)) ** 3 @ weights).sum())(x)


@judge((12, 4), (4, 4))
def gradient_through_a_scan_over_time(x, weights):
    step = lambda h, _: (jnp.tanh((h + jnp.roll(h, 1, axis=0)) @ weights), None)
    return jax.grad(lambda v: (lax.scan(step, v, None, length=3)[0] ** 2).sum())(x)


@judge((8,))
def jacobian_of_a_pointwise_function(x):
    return jax.jacfwd(jnp.tanh)(x)


@judge((8,))
def jacobian_of_a_pointwise_function_in_reverse(x):
    return jax.jacrev(lambda v: jnp.sin(v) * v)(x)


@judge((8,))
def hessian_of_a_sum(x):
    return jax.hessian(lambda v: (v**3 + jnp.cos(v)).sum())(x)


@judge((8,))
def jacobian_of_differences(x):
    return jax.jacfwd(lambda v: (v - jnp.roll(v, 1)) ** 2)(x)


@judge((8,))
def trace_of_a_hessian(x):
    return jnp.trace(jax.hessian(lambda v: (v**4).sum())(x))


@judge((8,))
def diagonal_of_a_jacobian(x):
    return jnp.diagonal(jax.jacfwd(lambda v: jnp.exp(v) + jnp.roll(v, 2))(x))


@judge((8,))
def jacobian_times_positions(x):
    return jax.jacfwd(jnp.tanh)(x) * jnp.arange(8.0)  # culprit: cyclic


@judge((8,))
def covariance_with_a_nugget(x):
    return jnp.exp(-((x[:, None] - x[None, :]) ** 2)) + 0.1 * jnp.eye(8)


@judge((8,))
def diagonal_matrix(x):
    return jnp.diag(jnp.sin(x))


@judge((8,))
def lower_triangle_of_a_row(x):
    return jnp.tril(jnp.broadcast_to(x, (8, 8)))  # culprit: cyclic
