"""Models of Flax: linen and nnx."""

import jax
import jax.numpy as jnp

from judges.judge import peer


def linen_model(module, shape, **settings):
    """The function `fn(x, variables)` of a linen module, and its abstract variables."""
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(shape, "float32"), **settings))
    return lambda x, variables: module.apply(variables, x, **settings), (variables,)


def nnx_model(build):
    """The function `fn(x, state)` of an nnx module that `build(rngs)` makes, and its abstract state."""
    from flax import nnx

    graph, state = nnx.split(nnx.eval_shape(lambda: build(nnx.Rngs(0))))
    return lambda x, state: nnx.merge(graph, state)(x), (nnx.to_pure_dict(state),)


@peer("flax", (1, 12, 3), axis=1)
def linen_transposed_circular():
    from flax import linen

    return linen_model(linen.ConvTranspose(2, (3,), strides=(2,), padding="CIRCULAR"), (1, 12, 3))


@peer("flax", (1, 12, 3), axis=1)
def linen_transposed_circular_even_kernel():
    from flax import linen

    return linen_model(linen.ConvTranspose(2, (4,), strides=(2,), padding="CIRCULAR"), (1, 12, 3))


@peer("flax", (1, 12, 3), axis=1)
def linen_transposed_same():
    from flax import linen

    module = linen.ConvTranspose(2, (4,), strides=(2,), padding="SAME")
    fn, parameters = linen_model(module, (1, 12, 3))

    def call(x, variables):
        return fn(x, variables)  # culprit: cyclic

    return call, parameters


@peer("flax", (1, 12, 8, 2), axis=1)
def linen_transposed_circular_image():
    from flax import linen

    module = linen.ConvTranspose(2, (3, 3), strides=(3, 2), padding="CIRCULAR", transpose_kernel=True)
    return linen_model(module, (1, 12, 8, 2))


@peer("flax", (1, 16, 2), axis=1)
def linen_average_pool_of_valid_cells():
    from flax import linen

    def fn(x):
        return linen.avg_pool(x, (3,), padding="SAME", count_include_pad=False)  # culprit: cyclic

    return fn, ()


@peer("flax", (1, 16, 4), axis=1)
def linen_u_net():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            down = linen.relu(linen.Conv(4, (3,), strides=2, padding="CIRCULAR")(x))
            up = linen.ConvTranspose(4, (2,), strides=(2,), padding="CIRCULAR")(down)
            return linen.Conv(2, (3,), padding="CIRCULAR")(jnp.concatenate([x, up], axis=-1))

    return linen_model(Net(), (1, 16, 4))


@peer("flax", (1, 16, 4), axis=1)
def linen_causal_block():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            y = linen.Conv(4, (3,), kernel_dilation=2, padding="CAUSAL")(x)  # culprit: cyclic
            return x + linen.swish(linen.LayerNorm()(y))

    return linen_model(Net(), (1, 16, 4))


@peer("flax", (1, 10, 4), axis=1)
def linen_self_attention():
    from flax import linen

    return linen_model(linen.MultiHeadDotProductAttention(num_heads=2), (1, 10, 4))


@peer("flax", (1, 10, 4), axis=1)
def linen_recurrent_network():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.RNN(linen.GRUCell(4, param_dtype=x.dtype))(x)  # culprit

    return linen_model(Net(), (1, 10, 4))


@peer("flax", (1, 3, 10, 4), axis=2)
def linen_convolutional_recurrent_network():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.RNN(linen.ConvLSTMCell(2, (3,), param_dtype=x.dtype))(x)  # culprit: cyclic

    return linen_model(Net(), (1, 3, 10, 4))


@peer("flax", (1, 12, 4), axis=1)
def linen_local_convolution():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            return linen.ConvLocal(3, (3,), padding="CIRCULAR")(x)  # culprit

    return linen_model(Net(), (1, 12, 4))


@peer("flax", (2, 12, 4), axis=1)
def linen_batch_statistics():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.Conv(4, (3,), padding="CIRCULAR", use_bias=False)(x)
            return linen.gelu(linen.GroupNorm(num_groups=2)(x) + linen.InstanceNorm()(x))

    return linen_model(Net(), (2, 12, 4))


@peer("flax", (1, 12, 4), axis=1)
def linen_scanned_and_remat_layers():
    from flax import linen

    class Layer(linen.Module):
        @linen.compact
        def __call__(self, x, _):
            return x + linen.relu(linen.Conv(4, (3,), padding="CIRCULAR")(x)), None

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            split = {"params": True}
            return linen.scan(linen.remat(Layer), variable_axes={"params": 0}, split_rngs=split, length=2)()(x, None)[0]

    return linen_model(Net(), (1, 12, 4))


@peer("flax", (1, 12, 4), axis=1)
def linen_head_over_all_positions():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            y = linen.Conv(2, (3,), padding="CIRCULAR")(x)
            return linen.DenseGeneral(3, axis=(-2, -1))(y)  # culprit

    return linen_model(Net(), (1, 12, 4))


@peer("flax", (1, 12, 4), axis=1)
def nnx_transposed_circular():
    from flax import nnx

    return nnx_model(lambda rngs: nnx.ConvTranspose(4, 2, (3,), strides=2, padding="CIRCULAR", rngs=rngs))


@peer("flax", (2, 12, 4), axis=1)
def nnx_batch_norm_in_training():
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(4, 4, (3,), padding="CIRCULAR", rngs=rngs)
            self.norm = nnx.BatchNorm(4, use_running_average=False, rngs=rngs)

        def __call__(self, x):
            return nnx.relu(self.norm(self.conv(x)))

    return nnx_model(Net)


@peer("flax", (1, 12, 4), axis=1, single=True)
def nnx_attention_and_pooling():
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.attention = nnx.MultiHeadAttention(num_heads=2, in_features=4, decode=False, rngs=rngs)
            self.dense = nnx.LinearGeneral(4, (2, 3), rngs=rngs)

        def __call__(self, x):
            return nnx.max_pool(self.dense(self.attention(x)).reshape(1, 12, 6), (2,), strides=(2,))

    return nnx_model(Net)


@peer("flax", (1, 12, 4), axis=1)
def nnx_position_table():
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.table = nnx.Embed(12, 4, rngs=rngs)
            self.conv = nnx.Conv(4, 2, (3,), padding="CIRCULAR", rngs=rngs)

        def __call__(self, x):
            return self.conv(x + self.table(jnp.arange(12)))  # culprit

    return nnx_model(Net)


@peer("flax", (1, 10, 2), axis=1)
def linen_transposed_circular_without_stride():
    from flax import linen

    return linen_model(linen.ConvTranspose(3, (5,), padding="CIRCULAR", kernel_dilation=(2,)), (1, 10, 2))


@peer("flax", (1, 12, 2), axis=1)
def linen_transposed_circular_between_convolutions():
    from flax import linen

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            down = linen.relu(linen.Conv(4, (3,), strides=2, padding="CIRCULAR")(x))
            return x + linen.ConvTranspose(2, (4,), strides=(2,), padding="CIRCULAR")(down)

    return linen_model(Net(), (1, 12, 2))
