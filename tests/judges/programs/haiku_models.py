"""Models of Haiku."""

import jax
import jax.numpy as jnp

from judges.judge import peer


def haiku_model(forward, shape):
    """The function `fn(x, params, state)` of a Haiku function, and its abstract parameters and state."""
    import haiku as hk

    model = hk.without_apply_rng(hk.transform_with_state(forward))
    params, state = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros(shape)))
    return lambda x, params, state: model.apply(params, state, x)[0], (params, state)


@peer("haiku", (1, 12, 3), axis=1)
def haiku_transposed_same():
    import haiku as hk

    def forward(x):
        return hk.Conv1DTranspose(2, 4, stride=2)(x)  # culprit: cyclic

    return haiku_model(forward, (1, 12, 3))


@peer("haiku", (1, 12, 8, 2), axis=1)
def haiku_transposed_image_valid():
    import haiku as hk

    def forward(x):
        return hk.Conv2DTranspose(2, 3, stride=2, padding="VALID")(x)  # culprit: cyclic

    return haiku_model(forward, (1, 12, 8, 2))


@peer("haiku", (1, 12, 3), axis=1)
def haiku_transposed_of_a_wrapped_input():
    import haiku as hk

    def forward(x):
        x = jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap")
        return hk.Conv1DTranspose(2, 3, stride=2, padding="VALID")(x)[:, 2:26]

    return haiku_model(forward, (1, 12, 3))


@peer("haiku", (1, 16, 3), axis=1)
def haiku_average_pool_of_valid_cells():
    import haiku as hk

    def forward(x):
        return hk.AvgPool((3, 1), (2, 1), "SAME")(x)  # culprit: cyclic

    return haiku_model(forward, (1, 16, 3))


@peer("haiku", (3, 1, 10, 2), axis=2)
def haiku_convolutional_recurrent_network():
    import haiku as hk

    def forward(x):
        core = hk.Conv1DLSTM((10,), 2, 3)
        return hk.dynamic_unroll(core, x, core.initial_state(1))[0]  # culprit: cyclic

    return haiku_model(forward, (3, 1, 10, 2))


@peer("haiku", (1, 10, 4), axis=1)
def haiku_attention():
    import haiku as hk

    def forward(x):
        attention = hk.MultiHeadAttention(2, 2, w_init=hk.initializers.VarianceScaling(1.0))
        return hk.LayerNorm(-1, True, True)(attention(x, x, x) + x)

    return haiku_model(forward, (1, 10, 4))


@peer("haiku", (2, 12, 8, 3), axis=1)
def haiku_depthwise_and_batch_norm():
    import haiku as hk

    def forward(x):
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
        x = hk.SeparableDepthwiseConv2D(2, 3, padding="VALID")(x)
        return jax.nn.relu(hk.BatchNorm(True, True, 0.9)(x, is_training=True))

    return haiku_model(forward, (2, 12, 8, 3))


@peer("haiku", (1, 24, 8, 3), axis=1)
def haiku_residual_block():
    import haiku as hk

    def forward(x):
        norm = {"decay_rate": 0.9, "create_scale": True, "create_offset": True}
        block = hk.nets.ResNet.BlockV1(4, 2, True, norm, False)
        return block(x, True, False)  # culprit: cyclic

    return haiku_model(forward, (1, 24, 8, 3))


@peer("haiku", (1, 12, 4), axis=1)
def haiku_bias_per_position():
    import haiku as hk

    def forward(x):
        return hk.Bias(bias_dims=[-2, -1])(jax.nn.relu(x))  # culprit

    return haiku_model(forward, (1, 12, 4))


@peer("haiku", (1, 12, 4), axis=1)
def haiku_flat_head():
    import haiku as hk

    def forward(x):
        return hk.Linear(3)(hk.Flatten()(x))  # culprit

    return haiku_model(forward, (1, 12, 4))
