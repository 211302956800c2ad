"""Normalisations and attention."""

import jax
import jax.numpy as jnp
from jax import lax

from judges.judge import judge
from judges.operations import circular, wrap


def attention(q, k, v, bias=0.0):
    """Attention over the positions of signals [n, c]."""
    return jax.nn.softmax(q @ k.T / jnp.sqrt(q.shape[1]) + bias, axis=-1) @ v


@judge((12, 4), (4,), (4,))
def layer_norm(x, scale, bias):
    return jax.nn.standardize(x, axis=-1, epsilon=1e-6) * scale + bias


@judge((12, 4, 6))
def group_norm_over_positions(x):
    groups = x.reshape(12, 4, 3, 2)
    return jax.nn.standardize(groups, axis=(0, 1, 3)).reshape(12, 4, 6)


@judge((12, 6))
def local_response_norm(x):
    square = lax.reduce_window(x * x, 0.0, lax.add, (1, 3), (1, 1), "SAME")
    return x / (2.0 + square) ** 0.75


@judge((12, 6))
def local_contrast_norm(x):
    mean = (jnp.roll(x, 1, axis=0) + x + jnp.roll(x, -1, axis=0)) / 3
    centred = x - mean
    power = lax.reduce_window(wrap(centred**2, 1, 1), 0.0, lax.add, (3, 1), (1, 1), "VALID")
    return centred / jnp.maximum(jnp.sqrt(power), 1.0)


@judge((12, 6))
def local_contrast_norm_with_zeros_at_the_end(x):
    power = lax.reduce_window(x**2, 0.0, lax.add, (3, 1), (1, 1), "SAME")  # culprit: cyclic
    return x / jnp.sqrt(power + 1.0)


@judge((12, 4), (4,), (4,))
def global_response_norm(x, scale, bias):
    norm = jnp.linalg.norm(x, axis=0, keepdims=True)
    return x + scale * (x * norm / (norm.mean(-1, keepdims=True) + 1e-6)) + bias


@judge((12, 4), (12, 1))
def layer_norm_with_a_scale_per_position(x, scale):
    return jax.nn.standardize(x, axis=-1) * scale  # culprit


@judge((12, 2), (3, 2, 4))
def weight_standardisation(x, kernel):
    return circular(x, jax.nn.standardize(kernel, axis=(0, 1)))


@judge((12, 4))
def cosine_similarity_with_the_mean(x):
    mean = x.mean(0)
    return x @ mean / (jnp.linalg.norm(x, axis=1) * jnp.linalg.norm(mean) + 1e-6)


@judge((12, 4))
def softmax_over_positions(x):
    return jax.nn.softmax(x, axis=0) * x


@judge((12, 4))
def log_sum_exp_over_positions(x):
    return jax.nn.logsumexp(x, axis=0), jax.nn.log_softmax(x, axis=0)


@judge((12, 4))
def normalised_by_the_first_cell(x):
    return x / (1 + jnp.abs(x[:1]))  # culprit


@judge((12, 2, 4), (4, 4), (4, 4), single=True)
def dot_product_attention(x, wq, wk):
    return jax.nn.dot_product_attention((x @ wq)[None], (x @ wk)[None], x[None])[0]


@judge((12, 2, 4), single=True)
def causal_dot_product_attention(x):
    q = x[None]
    return jax.nn.dot_product_attention(q, q, q, is_causal=True)[0]  # culprit


@judge((12, 2, 4), single=True)
def dot_product_attention_in_a_local_window(x):
    q = x[None]
    return jax.nn.dot_product_attention(q, q, q, local_window_size=2)[0]  # culprit: cyclic


@judge((12, 2, 4), single=True)
def attention_masked_around_the_circle(x):
    distance = (jnp.arange(12)[:, None] - jnp.arange(12)) % 12
    mask = (distance <= 2) | (distance >= 10)
    q = x[None]
    return jax.nn.dot_product_attention(q, q, q, mask=mask[None, None])[0]


@judge((10, 4), (10,))
def relative_bias_around_the_circle(x, table):
    distance = (jnp.arange(10)[:, None] - jnp.arange(10)) % 10
    return attention(x, x, x, table[distance])


@judge((10, 4), (19,))
def relative_bias_on_a_line(x, table):
    distance = jnp.arange(10)[:, None] - jnp.arange(10) + 9
    return attention(x, x, x, table[distance])  # culprit


@judge((10, 4), ())
def linear_bias_around_the_circle(x, slope):
    distance = jnp.abs(jnp.arange(10)[:, None] - jnp.arange(10))
    return attention(x, x, x, -slope * jnp.minimum(distance, 10 - distance))


@judge((10, 4), (10, 4))
def learned_positions_in_the_queries(x, table):
    queries = x + table  # culprit
    return attention(queries, x, x)


@judge((12, 4))
def linear_attention(x):
    keys = jax.nn.elu(x) + 1
    return keys @ (keys.T @ x) / (keys @ keys.sum(0))[:, None]


@judge((12, 4), (4, 8))
def attention_by_random_features(x, directions):
    features = jnp.exp(x @ directions / 4 - (x**2).sum(1, keepdims=True) / 8)
    return features @ (features.T @ x) / (features @ features.sum(0))[:, None]


@judge((12, 4))
def causal_linear_attention(x):
    keys = jax.nn.relu(x)
    sums = jnp.cumsum(keys[:, :, None] * x[:, None, :], axis=0)  # culprit
    return jnp.einsum("nc,ncd->nd", keys, sums)


@judge((12, 4), (5, 4))
def attention_of_learned_queries(x, queries):
    return attention(queries, x, x)


@judge((12, 4), (3, 4))
def slot_attention(x, slots):
    for _ in range(2):
        weights = jax.nn.softmax(x @ slots.T, axis=1)
        slots = slots + (weights / weights.sum(0)).T @ x
    return slots


@judge((16, 4), (4, 4))
def attention_in_blocks(x, bias):
    blocks = x.reshape(4, 4, 4)
    return jax.vmap(lambda b: attention(b, b, b, bias))(blocks).reshape(16, 4)


@judge((16, 4), (4, 4))
def attention_in_shifted_blocks(x, bias):
    blocks = jnp.roll(x, -2, axis=0).reshape(4, 4, 4)
    mixed = jax.vmap(lambda b: attention(b, b, b, bias))(blocks).reshape(16, 4)
    return jnp.roll(mixed, 2, axis=0)


@judge((12, 4))
def neighbourhood_attention(x):
    windows = jnp.stack([jnp.roll(x, u, axis=0) for u in (-2, -1, 0, 1, 2)], axis=1)
    weights = jax.nn.softmax(jnp.einsum("nc,nuc->nu", x, windows), axis=-1)
    return jnp.einsum("nu,nuc->nc", weights, windows)


@judge((12, 4), (6, 4))
def external_memory(x, memory):
    weights = jax.nn.softmax(x @ memory.T, axis=0)
    return weights / weights.sum(1, keepdims=True) @ memory


@judge((12, 4), (2, 3, 1))
def spatial_gate_of_mean_and_maximum(x, kernel):
    statistics = jnp.stack([x.mean(1), x.max(1)], axis=1)
    return x * jax.nn.sigmoid(circular(statistics, kernel.transpose(1, 0, 2)))


@judge((8, 6, 4))
def axial_attention(x):
    along = jax.vmap(lambda a: attention(a, a, a), in_axes=1, out_axes=1)
    across = jax.vmap(lambda a: attention(a, a, a))
    return along(x) + across(x)


@judge((8, 4), (4, 4))
def scores_of_two_heads(x, weights):
    q, k = (x @ weights).reshape(8, 2, 2), x.reshape(8, 2, 2)
    return jnp.einsum("ihc,jhc->hij", q, k)


@judge((8, 2))
def rotary_scores(x):
    angle = jnp.arange(8) / 3
    turned = (x[:, 0] + 1j * x[:, 1]) * jnp.exp(1j * angle)  # culprit: cyclic
    return (turned[:, None] * jnp.conj(turned)).real


@judge((12, 4), (5, 4))
def residual_to_learned_centres(x, centres):
    weights = jax.nn.softmax(x @ centres.T, axis=1)
    return jnp.einsum("nk,nkc->kc", weights, x[:, None] - centres)


@judge((12, 4), (4,))
def attention_pooling(x, query):
    return jax.nn.softmax(x @ query) @ x


@judge((12, 4), (13, 4))
def class_token_and_positions(x, table):
    tokens = jnp.concatenate([jnp.zeros((1, 4)), x]) + table  # culprit
    return attention(tokens, tokens, tokens)[0]


@judge((12, 4), (4,))
def class_token_without_positions(x, token):
    tokens = jnp.concatenate([token[None], x])
    return attention(tokens, tokens, tokens)[0]


@judge((12, 4), (12, 12))
def gated_mlp_over_positions(x, weights):
    gate, value = x[:, :2], x[:, 2:]
    return gate * (weights @ value)  # culprit
