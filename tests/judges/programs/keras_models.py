"""Layers and backbones of Keras 3 on JAX, without pretrained weights."""

import os
from unittest import mock

import jax
import numpy as np

from judges.judge import peer


def keras_library():
    """Keras on JAX."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    return keras


def keras_model(model):
    """The function `fn(x, trainable, other)` of a Keras model, and its abstract variables."""
    abstract = lambda variables: [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in variables]

    def fn(x, trainable, other):
        return model.stateless_call(trainable, other, x, training=False)[0]

    return fn, (abstract(model.trainable_variables), abstract(model.non_trainable_variables))


def sequential(shape, *layers):
    """A Keras model of layers, for inputs of a shape without the batch."""
    keras = keras_library()
    return keras_model(keras.Sequential([keras.Input(shape), *layers]))


def backbone(name, shape, layer):
    """A Keras application up to a layer. Every application pads with zeros in its first layers."""
    keras = keras_library()
    zeros = lambda _, shape, dtype=None, **settings: np.zeros(shape, dtype)
    with mock.patch.object(keras.initializers.VarianceScaling, "__call__", zeros):  # drawing numbers takes minutes
        model = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=shape)
    names = [one.name for one in model.layers]
    number = layer if isinstance(layer, int) else names.index(layer)
    return keras_model(keras.Model(model.input, model.layers[number].output))


@peer("keras", (1, 12, 3), axis=1, single=True)
def keras_transposed_same():
    layers = keras_library().layers
    return sequential((12, 3), layers.Conv1DTranspose(2, 4, strides=2, padding="same"))


@peer("keras", (1, 12, 8, 2), axis=1, single=True)
def keras_transposed_image_valid():
    layers = keras_library().layers
    return sequential((12, 8, 2), layers.Conv2DTranspose(2, 3, strides=2, padding="valid"))


@peer("keras", (1, 16, 8, 2), axis=1, single=True)
def keras_average_pool_same():
    layers = keras_library().layers
    return sequential((16, 8, 2), layers.AveragePooling2D(3, strides=1, padding="same"))


@peer("keras", (1, 12, 6, 2), axis=1, single=True)
def keras_bilinear_upsampling():
    layers = keras_library().layers
    return sequential((12, 6, 2), layers.UpSampling2D(2, interpolation="bilinear"))


@peer("keras", (1, 12, 6, 2), axis=1, single=True)
def keras_nearest_upsampling_and_separable_convolution():
    layers = keras_library().layers
    return sequential((12, 6, 2), layers.UpSampling2D(2), layers.SeparableConv2D(3, 3, activation="gelu"))


@peer("keras", (1, 12, 6, 2), axis=1, single=True)
def keras_resizing_by_three_halves():
    layers = keras_library().layers
    return sequential((12, 6, 2), layers.Resizing(18, 9, interpolation="nearest"))


@peer("keras", (1, 12, 4), axis=1, single=True)
def keras_normalisations():
    layers = keras_library().layers
    return sequential((12, 4), layers.LayerNormalization(), layers.BatchNormalization(), layers.GroupNormalization(2))


@peer("keras", (1, 10, 4), axis=1, single=True)
def keras_attention():
    keras = keras_library()
    x = keras.Input((10, 4))
    return keras_model(keras.Model(x, keras.layers.MultiHeadAttention(2, 2)(x, x)))


@peer("keras", (1, 10, 4), axis=1, single=True)
def keras_bidirectional_recurrent_network():
    layers = keras_library().layers
    return sequential((10, 4), layers.Bidirectional(layers.GRU(3, return_sequences=True)))


@peer("keras", (1, 16, 8, 2), axis=1, single=True)
def keras_zero_padding_and_cropping():
    layers = keras_library().layers
    return sequential((16, 8, 2), layers.ZeroPadding2D(2), layers.MaxPooling2D(2), layers.Cropping2D(1))


@peer("keras", (1, 12, 4), axis=1, single=True)
def keras_global_pools():
    layers = keras_library().layers
    return sequential((12, 4), layers.Conv1D(4, 1, activation="silu"), layers.GlobalMaxPooling1D(), layers.Dense(3))


@peer("keras", (1, 12, 4), axis=1, single=True)
def keras_locally_weighted_head():
    layers = keras_library().layers
    return sequential((12, 4), layers.Permute((2, 1)), layers.Dense(12), layers.Permute((2, 1)))


@peer("keras", (1, 32, 32, 3), axis=1, single=True)
def keras_vgg16():
    return backbone("VGG16", (32, 32, 3), "block2_pool")


@peer("keras", (1, 48, 32, 3), axis=1, single=True)
def keras_resnet50():
    return backbone("ResNet50", (48, 32, 3), "conv2_block1_out")


@peer("keras", (1, 48, 32, 3), axis=1, single=True)
def keras_mobilenet_v2():
    return backbone("MobileNetV2", (48, 32, 3), "block_2_add")


@peer("keras", (1, 48, 32, 3), axis=1, single=True)
def keras_densenet121():
    return backbone("DenseNet121", (48, 32, 3), "conv2_block2_concat")


@peer("keras", (1, 32, 32, 3), axis=1, single=True)
def keras_efficientnet():
    fn, parameters = backbone("EfficientNetB0", (32, 32, 3), "block2b_add")
    return lambda x, *values: fn(255 * x, *values), parameters  # it takes images from 0 to 255


@peer("keras", (1, 48, 32, 3), axis=1, single=True)
def keras_convnext():
    return backbone("ConvNeXtTiny", (48, 32, 3), "convnext_tiny_stage_0_block_0_identity")
