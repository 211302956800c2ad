"""Models of Equinox: channels come first, without a batch."""

import jax
import jax.numpy as jnp

from judges.judge import peer


def equinox_model(build, call=lambda module, x: module(x)):
    """The function `fn(x, params)` of the module that `build(key)` makes, and its abstract parameters."""
    import equinox as eqx

    module = eqx.filter_eval_shape(build, jax.random.key(0))
    params, static = eqx.partition(module, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    return lambda x, params: call(eqx.combine(params, static), x), (params,)


@peer("equinox", (3, 12), axis=1)
def equinox_transposed_circular():
    import equinox as eqx

    settings = {"stride": 2, "padding": "SAME", "padding_mode": "CIRCULAR"}
    return equinox_model(lambda key: eqx.nn.ConvTranspose1d(3, 2, 4, key=key, **settings))


@peer("equinox", (3, 12), axis=1)
def equinox_transposed_with_zeros():
    import equinox as eqx

    def call(module, x):
        return module(x)  # culprit: cyclic

    return equinox_model(lambda key: eqx.nn.ConvTranspose1d(3, 2, 4, stride=2, padding=1, key=key), call)


@peer("equinox", (3, 12), axis=1)
def equinox_replicated_border():
    import equinox as eqx

    def call(module, x):
        return module(x)  # culprit: cyclic

    return equinox_model(lambda key: eqx.nn.Conv1d(3, 2, 3, padding=1, padding_mode="REPLICATE", key=key), call)


@peer("equinox", (3, 12), axis=1)
def equinox_reflected_border():
    import equinox as eqx

    def call(module, x):
        return jax.nn.relu(module(x))  # culprit: cyclic

    return equinox_model(lambda key: eqx.nn.Conv1d(3, 2, 5, padding="SAME", padding_mode="REFLECT", key=key), call)


@peer("equinox", (3, 12, 6), axis=1)
def equinox_separable_block():
    import equinox as eqx

    class Block(eqx.Module):
        depthwise: eqx.nn.Conv2d
        pointwise: eqx.nn.Conv2d
        norm: eqx.nn.GroupNorm

        def __init__(self, key):
            self.depthwise = eqx.nn.Conv2d(3, 6, 3, padding=1, groups=3, padding_mode="CIRCULAR", key=key)
            self.pointwise = eqx.nn.Conv2d(6, 4, 1, key=key)
            self.norm = eqx.nn.GroupNorm(2, 4)

        def __call__(self, x):
            return jax.nn.silu(self.norm(self.pointwise(self.depthwise(x))))

    return equinox_model(Block)


@peer("equinox", (3, 12), axis=1)
def equinox_average_pool_with_padding():
    import equinox as eqx

    def call(module, x):
        return module(x)  # culprit: cyclic

    return equinox_model(lambda key: eqx.nn.AvgPool1d(3, 1, padding=1), call)


@peer("equinox", (3, 12), axis=1)
def equinox_adaptive_pool():
    import equinox as eqx

    return equinox_model(lambda key: eqx.nn.AdaptiveMaxPool1d(4))


@peer("equinox", (3, 12), axis=1)
def equinox_adaptive_pool_of_unequal_windows():
    import equinox as eqx

    def call(module, x):
        return module(x)  # culprit: cyclic

    return equinox_model(lambda key: eqx.nn.AdaptiveAvgPool1d(5), call)


@peer("equinox", (10, 4))
def equinox_attention():
    import equinox as eqx

    return equinox_model(lambda key: eqx.nn.MultiheadAttention(2, 4, key=key), lambda module, x: module(x, x, x))


@peer("equinox", (10, 4))
def equinox_attention_with_rotary_positions():
    import equinox as eqx

    rotary = eqx.nn.RotaryPositionalEmbedding(4)

    def call(module, x):
        y = rotary(x)  # culprit
        return module(y, y, x)

    return equinox_model(lambda key: eqx.nn.MultiheadAttention(2, 4, key=key), call)


@peer("equinox", (10, 4))
def equinox_recurrent_network():
    import equinox as eqx

    def call(cell, x):
        step = lambda h, v: (cell(v, h),) * 2
        return jax.lax.scan(step, jnp.zeros(4, x.dtype), x)[1]  # culprit

    return equinox_model(lambda key: eqx.nn.GRUCell(4, 4, key=key), call)


@peer("equinox", (12, 4))
def equinox_mixer_of_channels():
    import equinox as eqx

    class Block(eqx.Module):
        norm: eqx.nn.LayerNorm
        mlp: eqx.nn.MLP

        def __init__(self, key):
            self.norm = eqx.nn.LayerNorm(4)
            self.mlp = eqx.nn.MLP(4, 4, 8, 1, key=key)

        def __call__(self, x):
            return x + jax.vmap(self.mlp)(jax.vmap(self.norm)(x))

    return equinox_model(Block)


@peer("equinox", (3, 12), axis=1)
def equinox_sequential_with_a_flat_head():
    import equinox as eqx

    def build(key):
        conv = eqx.nn.Conv1d(3, 2, 3, padding=1, padding_mode="CIRCULAR", key=key)
        head = eqx.nn.Linear(24, 3, key=key)
        return eqx.nn.Sequential([conv, eqx.nn.Lambda(jax.nn.relu), eqx.nn.Lambda(jnp.ravel), head])

    def call(module, x):
        return module(x)  # culprit

    return equinox_model(build, call)
