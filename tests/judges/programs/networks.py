"""Blocks of networks for vision, audio and language."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from judges.judge import judge, peer
from judges.operations import circular, circular_image, conv, wrap
from judges.programs.equinox_models import equinox_model
from judges.programs.flax_models import linen_model, nnx_model
from judges.programs.haiku_models import haiku_model
from judges.programs.keras_models import keras_library, sequential


def attend(q, k, v, bias=0.0):
    """Attention of heads: q, k and v are [n, h, d]; the bias is [n, n], or [h, n, n]."""
    scores = jnp.einsum("ihd,jhd->hij", q, k) / np.sqrt(q.shape[-1]) + bias
    return jnp.einsum("hij,jhd->ihd", jax.nn.softmax(scores, axis=-1), v)


@judge((12, 4), (4, 12), (4, 4))
def swin_block_with_a_mask_of_the_seam(x, qkv, out):
    size, shift = 4, 2
    moved = jnp.roll(x, -shift, axis=0)
    windows = moved.reshape(-1, size, x.shape[1])
    region = np.array([0] * (len(x) - size) + [1] * shift + [2] * shift).reshape(-1, size)
    mask = np.where(region[:, :, None] == region[:, None, :], 0.0, -1e9)
    q, k, v = jnp.split(windows @ qkv, 3, axis=-1)
    weights = jax.nn.softmax(jnp.einsum("wid,wjd->wij", q, k) + mask, axis=-1)  # culprit: cyclic
    y = (weights @ v).reshape(x.shape)
    return x + jnp.roll(y, shift, axis=0) @ out


@judge((10, 8), (8, 12))
def rotary_attention_in_a_band(x, qkv):
    position = jnp.arange(x.shape[0])
    angle = position[:, None] / 10000.0 ** (jnp.arange(2) / 2)
    sin, cos = jnp.sin(angle), jnp.cos(angle)

    def rotate(u):
        a, b = u[:, :2], u[:, 2:]
        return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)  # culprit: cyclic

    q, k, v = jnp.split(x @ qkv, 3, axis=-1)
    scores = rotate(q) @ rotate(k).T
    band = jnp.abs(position[:, None] - position[None, :]) <= 1
    return jax.nn.softmax(jnp.where(band, scores, -jnp.inf), axis=-1) @ v


@judge((12, 4), (4, 12))
def sliding_window_attention_with_linear_biases(x, qkv):
    distance = jnp.arange(12)[:, None] - jnp.arange(12)[None, :]
    q, k, v = jnp.split((x @ qkv).reshape(12, 2, 6), 3, axis=-1)
    slopes = 2.0 ** -jnp.arange(1, 3)
    bias = -slopes[:, None, None] * distance
    allowed = (distance >= 0) & (distance < 3)
    return attend(q, k, v, jnp.where(allowed, bias, -1e30)).reshape(12, 4)  # culprit: cyclic


@judge((8, 4), (4, 8), (15, 4))
def relative_scores_by_skewing(x, qk, table):
    q, k = jnp.split(x @ qk, 2, axis=-1)
    relative = q @ table.T
    n = len(x)
    skewed = jnp.pad(relative, ((0, 0), (1, 0))).reshape(2 * n, n)[1:].reshape(n, 2 * n - 1)[:, :n]
    return q @ k.T + skewed


@judge((8, 6, 4), (4, 12), (3, 3))
def window_attention_with_a_table_of_biases(x, qkv, table):
    windows = x.reshape(4, 2, 3, 2, 4).swapaxes(1, 2).reshape(12, 4, 4)
    row, column = np.divmod(np.arange(4), 2)
    bias = table[row[:, None] - row[None] + 1, column[:, None] - column[None] + 1]
    q, k, v = jnp.split(windows @ qkv, 3, axis=-1)
    y = jax.nn.softmax(q @ k.swapaxes(1, 2) + bias, axis=-1) @ v
    return y.reshape(4, 3, 2, 2, 4).swapaxes(1, 2).reshape(8, 6, 4)


@judge((16, 3), (12, 8), (8, 24))
def patches_and_a_transformer_without_positions(x, embed, qkv):
    tokens = x.reshape(4, 12) @ embed
    tokens = jax.nn.standardize(tokens, axis=-1)
    q, k, v = jnp.split((tokens @ qkv).reshape(4, 2, 12), 3, axis=-1)
    return tokens + attend(q, k, v).reshape(4, 8)


@judge((16, 3), (4, 3, 6), (6,))
def patches_with_fixed_sine_positions(x, embed, scale):
    tokens = conv(x, embed, stride=4)
    angle = np.arange(4)[:, None] / 100.0 ** np.linspace(0, 1, 3)
    positions = np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)
    return tokens * scale + positions  # culprit


@judge((12, 10, 2), (3, 3, 2, 4), (4, 2), (2, 4))
def squeeze_and_excitation(x, kernel, down, up):
    y = jax.nn.silu(circular_image(x, kernel))
    gate = jax.nn.sigmoid(jax.nn.relu(y.mean((0, 1)) @ down) @ up)
    return y * gate


@judge((12, 8, 2), (3, 3, 4, 3))
def convolution_of_coordinates(x, kernel):
    rows, columns = jnp.meshgrid(jnp.linspace(-1, 1, 12), jnp.linspace(-1, 1, 8), indexing="ij")
    y = jnp.concatenate([x, jnp.stack([rows, columns], axis=-1)], axis=-1)  # culprit
    return circular_image(y, kernel)


@judge((16, 8, 2), (3, 3, 8, 8))
def pixel_unshuffle_convolution_and_shuffle(x, kernel):
    down = x.reshape(8, 2, 4, 2, 2).transpose(0, 2, 1, 3, 4).reshape(8, 4, 8)
    y = jax.nn.gelu(circular_image(down, kernel))
    return y.reshape(8, 4, 2, 2, 2).transpose(0, 2, 1, 3, 4).reshape(16, 8, 2)


@judge((16, 2), (3, 2, 4), (3, 4, 4), (2, 4))
def feature_pyramid(x, first, second, lateral):
    fine = jax.nn.relu(circular(x, first, stride=2))
    coarse = jax.nn.relu(circular(fine, second, stride=2))
    return coarse, fine + jnp.repeat(coarse, 2, axis=0), x @ lateral


@judge((17, 2))
def blur_pool_with_reflection(x):
    taps = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    padded = jnp.pad(x, ((2, 2), (0, 0)), mode="reflect")  # culprit: cyclic
    return sum(t * padded[i : i + 17 : 2] for i, t in enumerate(taps))


@judge((12, 8, 4), (4, 8))
def feature_wise_modulation_by_the_global_mean(x, weights):
    scale, shift = jnp.split(x.mean((0, 1)) @ weights, 2)
    mean, variance = x.mean((0, 1), keepdims=True), x.var((0, 1), keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * (1 + scale) + shift


@judge((12, 3))
def noise_of_a_constant_key(x):
    noise = jax.random.normal(jax.random.key(0), x.shape, x.dtype)
    return x + 0.1 * noise  # culprit


@judge((12, 3))
def dropout_of_a_constant_key(x):
    kept = jax.random.bernoulli(jax.random.key(1), 0.5, (1, 3))
    return jnp.where(kept, x / 0.5, 0.0)


@judge((12, 8, 3))
def expected_coordinates_of_a_softmax(x):
    weights = jax.nn.softmax(x.reshape(96, 3), axis=0).reshape(x.shape)  # culprit: interior
    rows = jnp.linspace(-1.0, 1.0, 12)
    return jnp.einsum("hwc,h->c", weights, rows)  # culprit: cyclic


@judge((12, 8, 2), (3, 3, 2, 4), (4,))
def class_activation_by_a_gradient(x, kernel, head):
    features = jax.nn.softplus(circular_image(x, kernel))
    weights = jax.grad(lambda f: jnp.tanh(f.mean((0, 1)) @ head))(features).mean((0, 1))
    return jax.nn.relu(features @ weights)


@judge((12, 2), (3, 2, 4))
def integrated_gradients(x, kernel):
    score = lambda x: jnp.sum(jnp.tanh(circular(x, kernel)) ** 2)
    steps = jnp.linspace(0.0, 1.0, 5)
    gradients = jax.vmap(lambda t: jax.grad(score)(t * x))(steps)
    return x * gradients.mean(0)


@judge((12, 4), (4, 3, 4))
def gated_short_convolution_and_linear_recurrence(x, kernel):
    short = sum(jnp.pad(x, ((i, 0), (0, 0)))[:12] @ kernel[:, i] for i in range(3))  # culprit: cyclic
    decay = jax.nn.sigmoid(short)
    combine = lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1])
    return lax.associative_scan(combine, (decay, x))[1]  # culprit: interior


@judge((12, 8, 4), (4, 2), (2, 4))
def net_vlad_descriptor(x, assignment, centres):
    features = x.reshape(-1, 4)
    soft = jax.nn.softmax(features @ assignment, axis=-1)
    residuals = features[:, None, :] - centres
    return jnp.einsum("nk,nkd->kd", soft, residuals)


@judge((12, 8, 2))
def key_points_of_a_heat_map(x):
    peak = lax.reduce_window(wrap(wrap(x, 1, 1), 1, 1, axis=1), -jnp.inf, lax.max, (3, 3, 1), (1, 1, 1), "VALID")
    return jnp.where(x == peak, x, 0.0)


@judge((12, 4), (4, 4), (8,))
def graph_attention_between_all_nodes(x, weights, score):
    h = x @ weights
    e = jax.nn.leaky_relu((h @ score[:4])[:, None] + (h @ score[4:])[None, :])
    return jax.nn.elu(jax.nn.softmax(e, axis=1) @ h)


@judge((12, 4), (4, 8), (8, 3))
def mixture_of_experts(x, weights, gate):
    experts = jnp.einsum("nd,edf->nef", x, weights.reshape(2, 4, 4))
    top, index = lax.top_k(x @ gate[:4, :2], 1)
    chosen = jnp.take_along_axis(experts, index[..., None], axis=1)[:, 0]
    return jax.nn.sigmoid(top) * chosen


@judge((12, 3), (5, 3, 4))
def mel_frames_of_reflected_audio(x, kernel):
    padded = jnp.pad(x, ((2, 2), (0, 0)), mode="symmetric")  # culprit: cyclic
    starts = np.arange(0, 12, 2)
    frames = jax.vmap(lambda s: lax.dynamic_slice_in_dim(padded, s, 5, axis=0))(starts)
    return jnp.log1p(jnp.abs(jnp.einsum("ftc,tco->fo", frames, kernel)))


@judge((16, 3))
def resized_by_lanczos_to_three_quarters(x):
    return jax.image.resize(x, (12, 3), "lanczos3")  # culprit: cyclic


@judge((12, 8, 2))
def enlarged_by_bicubic_weights(x):
    return jax.image.resize(x, (36, 16, 2), "bicubic")  # culprit: cyclic


@peer("flax", (1, 12, 4), axis=1)
def linen_residual_stage():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            for width, stride in ((4, 1), (6, 2)):
                y = linen.Conv(width, (3,), strides=stride, padding="CIRCULAR", use_bias=False)(x)
                y = linen.relu(linen.GroupNorm(num_groups=2)(y))
                y = linen.Conv(width, (3,), padding="CIRCULAR")(y)
                skip = x if stride == 1 else linen.Conv(width, (1,), strides=stride)(x)
                x = linen.relu(y + skip)
            return x

    return linen_model(Net(), (1, 12, 4))


@peer("flax", (1, 16, 4), axis=1)
def nnx_convolutional_block():
    from flax import nnx

    class Block(nnx.Module):
        def __init__(self, rngs):
            self.depthwise = nnx.Conv(4, 4, (5,), padding="CIRCULAR", feature_group_count=4, rngs=rngs)
            self.norm = nnx.LayerNorm(4, rngs=rngs)
            self.up, self.down = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 4, rngs=rngs)

        def __call__(self, x):
            return x + self.down(nnx.gelu(self.up(self.norm(self.depthwise(x)))))

    return nnx_model(Block)


@peer("equinox", (2, 12, 8), axis=1)
def equinox_inverted_bottleneck():
    import equinox as eqx

    def build(key):
        circle = {"padding": "SAME", "padding_mode": "CIRCULAR"}
        wide = eqx.nn.Conv2d(2, 6, 1, key=key)
        depthwise = eqx.nn.Conv2d(6, 6, 3, groups=6, key=key, **circle)
        swish, norm = eqx.nn.Lambda(jax.nn.swish), eqx.nn.GroupNorm(3, 6)
        return eqx.nn.Sequential([wide, norm, swish, depthwise, swish, eqx.nn.Conv2d(6, 2, 1, key=key)])

    return equinox_model(build, lambda module, x: x + module(x))


@peer("haiku", (1, 12, 4), axis=1)
def haiku_gated_stack():
    import haiku as hk

    def forward(x):
        for dilation in (1, 2):
            padded = jnp.pad(x, ((0, 0), (dilation, dilation), (0, 0)), mode="wrap")
            y = hk.Conv1D(8, 3, rate=dilation, padding="VALID")(padded)
            a, b = jnp.split(y, 2, axis=-1)
            x = x + hk.Conv1D(4, 1)(jnp.tanh(a) * jax.nn.sigmoid(b))
        return hk.LayerNorm(-1, True, True)(x)

    return haiku_model(forward, (1, 12, 4))


@peer("keras", (1, 12, 8, 2), axis=1, single=True)
def keras_encoder_of_zero_padding():
    layers = keras_library().layers
    stack = [layers.Conv2D(4, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
    return sequential((12, 8, 2), *stack, layers.Conv2D(4, 3, padding="same"), layers.UpSampling2D())
