"""Invalid inputs: not an array, wrong axes, channels or dtypes; and settings that describe the layout."""

import jax
import numpy as np

from support.bad_input import bad
from support.bad_input.valid import KEY, X, ones
from support.bad_input.windows import CONVOLUTIONS, POOLS

UP = "conv partial_conv separable_conv locally_connected tiled_conv regional_conv"
ADAPTIVE = "adaptive_max_pool adaptive_avg_pool resize"
WINDOWED = f"{UP} {POOLS} blur_pool {ADAPTIVE} polyphase_down unfold"
GLOBAL = "global_max_pool global_min_pool global_avg_pool global_lp_pool"
NORMS = "layer_norm rms_norm group_norm instance_norm batch_norm"
LAYERS = f"{CONVOLUTIONS} {POOLS} blur_pool {ADAPTIVE} {GLOBAL} {NORMS} polyphase_down polyphase_up channel_dropout max_unpool unfold fold"
ARRAY = "Pass a NumPy or JAX array"
RAGGED = [[[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0]]]]
LAYOUTS = 'It is "channels_last" for [n, *spatial, c] and "channels_first" for [n, c, *spatial]'
BATCHES = "Write batched=True or batched=False"


def no_arrays(functions, argument, expected, **others):
    """Invalid values for an array of numbers."""
    return bad(
        functions, argument,
        ("None", None, TypeError, "None", expected, ARRAY),
        ("text", "image.png", TypeError, "'image.png'", expected, ARRAY),
        ("ragged lists", RAGGED, ValueError, "[[[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0]]]]", expected,
         "Make all its lists equally long, and all its items numbers"),
        ("a list with text", [["1", 2.0]], TypeError, "[['1', 2.0]]", expected, "Make all its lists equally long, ..."),
        ("a dict", {"image": X}, TypeError, "{'image': array(...", expected, ARRAY),
        ("a function", ones, TypeError, "the function ones", expected, ARRAY),
        ("an array of text", np.array(["1"]), TypeError, "an array of shape (1,) and dtype <U1", expected,
         "Convert it to numbers"),
        ("an array of objects", np.array([None]), TypeError, "an array of shape (1,) and dtype object", expected,
         "Convert it to numbers"),
        ("a long integer", 10**30, ValueError, "1000...", expected, "Write large numbers as floats, 1e30 for example"),
        ("long integers", [10**400], ValueError, "[1000...", expected, "Write large numbers as floats, 1e30 for example"),
        ("a random key", KEY, TypeError, "of dtype key<fry>", f"{expected} of numbers",
         "Pass the array of numbers first, the key as the argument named key"),
        **others,
    )  # fmt: skip


def shapes(function, expected, argument="x"):
    """A shape instead of an array."""
    fix = f"To compute with shapes alone, write jax.eval_shape({function}, ...)"
    shape = jax.ShapeDtypeStruct((1, 6, 6, 2), "float32")
    return bad(function, argument, ("a shape", shape, TypeError, "a jax.ShapeDtypeStruct", expected, fix))


def read_as(name):
    """The description of a layer's input in its messages."""
    return (
        "an array [n, *spatial, c]"
        if name in f"{UP} {GLOBAL} {NORMS}".replace("separable_conv", "").split()
        else "an array [n, h, w, c]"
    )


def take(names):
    """The functions whose input is named x."""
    return [
        name
        for name in names.split()
        if name not in ("conv_transpose", "polyphase_up", "channel_dropout", "max_unpool", "fold")
    ]


ROWS = [
    *[row for name in take(LAYERS) for row in no_arrays(name, "x", read_as(name))],
    *[row for name in take(LAYERS) for row in shapes(name, read_as(name))],
    *no_arrays("conv_transpose", "y", "an array [n, *spatial, c]"),
    *shapes("conv_transpose", "an array [n, *spatial, c]", "y"),
    *no_arrays("polyphase_up max_unpool fold", "y", "an array [n, h, w, c]"),
    *no_arrays("max_unpool", "indices", "an array of integers"),
    *no_arrays("dense", "x", "an array [..., i]"),
    *no_arrays("dropout channel_dropout", "x", "an array"),
    *bad(
        LAYERS, "batched",
        ("text", "no", TypeError, "'no'", "True or False", BATCHES),
        ("a number", 1, TypeError, "1", "True or False", BATCHES),
        ("None", None, TypeError, "None", "True or False", BATCHES),
    ),
    *bad(
        LAYERS, "layout",
        ("another library's name", "NHWC", ValueError, "'NHWC'", '"channels_last" or "channels_first"', LAYOUTS),
        ("a misspelt name", "channel_last", ValueError, "'channel_last'", '"channels_last" or "channels_first"',
         'Perhaps you mean "channels_last"'),
        ("None", None, TypeError, "None", '"channels_last" or "channels_first"', LAYOUTS),
    ),
    *bad(
        WINDOWED, "x",
        ("one example", X[0], ValueError, "(6, 6, 2), 3 axes", "[n, h, w, c], 4 axes of which 2 spatial",
         "For one example without a batch axis, pass batched=False..."),
        ("too few axes", X[0, 0], ValueError, "(6, 2), 2 axes", "[n, h, w, c], 4 axes of which 2 spatial",
         "Reshape it to these axes, as a window or kernel of 2 spatial axes requires"),
    ),
    *bad(
        f"{POOLS} blur_pool {ADAPTIVE} polyphase_down unfold", "x",
        ("a batch without batched", X, ValueError, "(1, 6, 6, 2), 4 axes", "[h, w, c], 3 axes of which 2 spatial",
         "For a batch, leave out batched=False"),
        batched=False,
    ),
    *bad(
        f"{GLOBAL} instance_norm", "x",
        ("no spatial axis", X[0, 0], ValueError, "(6, 2), 2 axes", "[n, w, c], 3 axes of which 1 spatial",
         "For one example without a batch axis, pass batched=False"),
    ),
    *bad(
        f"{GLOBAL} {ADAPTIVE} polyphase_down", "x",
        ("no cells", ones(1, 0, 6, 2), ValueError, "(1, 0, 6, 2) [n, *spatial, c]",
         "1 or more cells along every spatial axis", "Remove the layer, or pass inputs with cells"),
    ),
    *bad(
        "conv partial_conv", "x",
        ("other channels", ones(1, 6, 6, 3), ValueError, "3", "2: kernel (3, 3, 2, 4) [..., c/groups, o] takes 2",
         "Draw a kernel for that many channels, or check the layout of x"),
        ("twice the channels", ones(1, 6, 6, 4), ValueError, "4", "2: kernel (3, 3, 2, 4) ... takes 2",
         "For a grouped convolution pass groups=2"),
        named="x's number of channels",
    ),
    *bad(
        "locally_connected tiled_conv regional_conv", "x",
        ("other channels", ones(1, 6, 6, 3), ValueError, "3", "2: kernel ... [..., c/groups, o] takes 2",
         "Draw a kernel for that many channels, or check the layout of x"),
        named="x's number of channels",
    ),
    *bad(
        "separable_conv", "x",
        ("other channels", ones(1, 6, 6, 3), ValueError, "3", "a divisor of 2, the depthwise kernel's output channels",
         "Draw kernels for that many channels, or check the layout of x"),
        named="x's number of channels",
    ),
    *bad(
        "conv_transpose", "y",
        ("other channels", ones(1, 4, 4, 2), ValueError, "2",
         "4: kernel (3, 3, 2, 4) is [*window, c/groups, o], and y has o channels",
         "Draw the kernel by init_conv_transpose with channels_in = y's number of channels"),
        named="y's number of channels",
    ),
    *bad(
        "dense", "x",
        ("other features", ones(1, 3), ValueError, "(1, 3)", "[..., i] with i = 2, the kernel's rows",
         "Draw a kernel for that many features"),
        ("an image", ones(1, 6, 6, 3), ValueError, "(1, 6, 6, 3)", "[..., i] with i = 2, the kernel's rows",
         "Flatten the features of each example first: x.reshape(n, -1)"),
    ),
    *bad(
        f"{UP} dense", "x",
        ("of another dtype", X.astype(np.float16), TypeError, "float16", "float32, as the kernel is",
         "Cast one of them, x.astype(kernel.dtype) for example"),
        ("booleans", X > 0, TypeError, "bool", "float32, as the kernel is", "Cast one of them, x.astype(kernel.dtype) ..."),
    ),
    *bad(
        "avg_pool global_avg_pool adaptive_avg_pool", "x",
        ("booleans", X > 0, TypeError, "bool", "numbers", "Cast it first: x.astype(jnp.float32)"),
    ),
    *bad(
        "max_pool min_pool max_pool_with_indices global_max_pool global_min_pool adaptive_max_pool", "x",
        ("complex numbers", X * 1j, TypeError, "complex64", "real, because complex numbers have no order",
         "Pool abs(x), or its real and imaginary parts"),
    ),
    *bad(
        "lp_pool global_lp_pool", "x",
        ("integers", X.astype(int), TypeError, "int32", "real floats", "Cast it first, or take abs(x) of complex numbers"),
        ("complex numbers", X * 1j, TypeError, "complex64", "real floats", "Cast it first, or take abs(x) ..."),
    ),
    *bad(
        "blur_pool", "x",
        ("integers", X.astype(int), TypeError, "int32", "floats", "Cast it first: x.astype(jnp.float32)"),
    ),
    *bad(
        NORMS, "x",
        ("integers", X.astype(int), TypeError, "int32", "real floating-point numbers", "Cast it: x.astype(jnp.float32)"),
        ("booleans", X > 0, TypeError, "bool", "real floating-point numbers", "Cast it: x.astype(jnp.float32)"),
        ("complex numbers", X * 1j, TypeError, "complex64", "real floating-point numbers", "Cast it: x.astype(jnp.float32)"),
    ),
    *bad(
        "dropout channel_dropout", "x",
        ("integers", X.astype(int), TypeError, "int32", "floating-point numbers", "Cast it first: x.astype(jnp.float32)"),
    ),
    *bad(
        "polyphase_down", "x",
        ("not whole periods", ones(1, 6, 5, 2), ValueError, "5 cells long, with stride 2", "a multiple of the stride",
         "Pad or crop it, because otherwise cyclic shifts do not permute the phases"),
        named="x along axis w",
    ),
    *bad(
        "polyphase_down polyphase_up", "phase",
        ("fractions", ones(1, 2), TypeError, "float32", "integers, as polyphase_down returns them",
         "Take the phase that polyphase_down returns with this stride"),
        ("of another shape", np.zeros((2, 2), int), ValueError, "(2, 2)",
         "(1, 2): [n, d], one for each example and spatial axis", "Take the phase that polyphase_down returns ..."),
        ("text", "first", TypeError, "'first'", "an array of integers", ARRAY),
    ),
    *bad(
        "polyphase_down polyphase_up", "phase",
        ("out of range", np.array([[0, 2]]), ValueError, "2", "0 to 1", "Take the phase that polyphase_down returns ..."),
        ("negative", np.array([[0, -1]]), ValueError, "-1", "0 to 1", "Take the phase that polyphase_down returns ..."),
        named="phase along axis w",
    ),
    *no_arrays("partial_conv", "mask", "an array [n, h, w, c]"),
    *bad(
        "partial_conv", "mask",
        ("of one example", np.ones((6, 6, 1), bool), ValueError, "(6, 6, 1), 3 axes", "[n, h, w, c], 4 axes of which 2 spatial",
         "For one example without a batch axis, pass batched=False"),
        ("of other examples", np.ones((2, 6, 6, 1), bool), ValueError, "(2, 6, 6, 1) in that layout",
         "(1, 6, 6, 1) for all channels or (1, 6, 6, 2) for each, as x in the layout [n, *spatial, c]",
         "Broadcast it to the examples of x; it has one channel, or those of x"),
    ),
    *bad(
        "partial_conv", "x",
        ("integers", X.astype(int), TypeError, "int32", "floats", "Cast it first: x.astype(jnp.float32)"),
        params={"kernel": np.ones((3, 3, 2, 4), int)},
    ),
    *bad(
        "resize", "x",
        ("integers", X.astype(int), TypeError, "int32", "floats",
         'Cast it first: x.astype(jnp.float32), or pass method="nearest"'),
    ),
    *bad(
        "fold", "y",
        ("booleans", ones(1, 5, 5, 8) > 0, TypeError, "bool", "numbers", "Cast it first: y.astype(jnp.float32)"),
    ),
    *bad(
        "fold", "y",
        ("other positions", ones(1, 5, 4, 8), ValueError, "(5, 4)", "(5, 5), the positions of the window over (6, 6) cells",
         "Pass the settings and the lengths with which x was unfolded"),
        named="y's spatial shape",
    ),
    *bad(
        "fold", "y",
        ("other features", ones(1, 5, 5, 6), ValueError, "6", "a multiple of 4 taps",
         "Pass the window with which x was unfolded, or check the layout of y"),
        named="y's number of features",
    ),
    *bad(
        "max_unpool", "indices",
        ("fractions", ones(1, 3, 3, 2), TypeError, "float32", "integers, as max_pool_with_indices returns them",
         "Take the indices that max_pool_with_indices returns, and the shape of its input"),
        ("of another shape", np.zeros((1, 3, 2, 2), int), ValueError, "(1, 3, 2, 2)", "(1, 3, 3, 2), as y is",
         "Take the indices that max_pool_with_indices returns, ..."),
        ("beyond x", np.full((1, 3, 3, 2), 36), ValueError, "an array with 36", "from 0 to 35",
         "Take the indices that max_pool_with_indices returns, ..."),
        ("negative", np.full((1, 3, 3, 2), -1), ValueError, "an array with -1", "from 0 to 35",
         "Take the indices that max_pool_with_indices returns, ..."),
    ),
    *bad("polyphase_up", "phase", ("None", None, TypeError, "None", "an array of integers", ARRAY)),
]  # fmt: skip
