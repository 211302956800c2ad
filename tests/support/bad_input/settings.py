"""Invalid settings: numbers, dtypes, precisions, keys, initializers and switches."""

import jax
import jax.numpy as jnp
import numpy as np

from support.bad_input import bad
from support.bad_input.inputs import NORMS
from support.bad_input.valid import KEY, ones
from support.bad_input.windows import CONVOLUTIONS, INITS

OUTPUT_CHANNELS = "Write -1 for the kernels of conv and dense, -2 for those of conv_transpose"
SLOPES = "Write -0.5 for TensorFlow's and jax.image's cubic, -0.75 for PyTorch's"
ONE_STEP = "Write 1 for one step of power iteration; to use the state alone, training=False"
WEIGHTED = f"{CONVOLUTIONS} dense"
PREFERRED = WEIGHTED.replace("conv_transpose ", "")
DRAWN = f"{INITS} init_dense"
PRECISIONS = 'None, "default", "high", "highest", a jax.lax.Precision or a pair of them'
EXACT = 'Write "highest" for exact products'
RATE = "It is the share that is dropped, not the share kept"
KEPT = "It is the share kept: for PyTorch's, pass 1 minus it"
P_NORM = "Write 2 for the Euclidean norm; for the largest magnitude use max_pool of abs(x)"
MAKERS = "Pass one of jax.nn.initializers, those with settings called: he_normal()"
COUNTED = 'Pass divisor="inside" to count cells of x only, or "window" to count the zeros of the padding too'
REGIONS = "the lengths of regions along each of 2 axes"
MAPPED = "the axis_name of a jax.vmap or a jax.shard_map around the call, or None"
VMAPPED = 'Write jax.vmap(f, axis_name="batch"), or leave it out if the batch is not split'


def numbers(functions, argument, expected, fix, *, others=()):
    """Invalid values for a number in a range."""
    return bad(
        functions, argument,
        ("text", "1e-5", TypeError, "'1e-5'", "a number", fix),
        ("None", None, TypeError, "None", "a number", fix),
        ("a boolean", True, TypeError, "True", "a number", fix),
        ("complex", 1j, TypeError, "1j", "a number", fix),
        ("several", [0.5], TypeError, "[0.5]", "a number", fix),
        ("an array", ones(2), TypeError, "an array of shape (2,) and dtype float32", "a number", fix),
        ("not a number", float("nan"), ValueError, "nan", expected, fix),
        ("negative", -1, ValueError, "-1", expected, fix),
        *others,
    )  # fmt: skip


def switches(functions, argument):
    """Invalid values for a boolean."""
    fix = f"Write {argument}=True or {argument}=False"
    return bad(
        functions, argument,
        ("text", "no", TypeError, "'no'", "True or False", fix),
        ("a number", 0, TypeError, "0", "True or False", fix),
        ("None", None, TypeError, "None", "True or False", fix),
        ("an array", ones(2), TypeError, "an array of shape (2,) and dtype float32", "True or False", fix),
    )  # fmt: skip


def initializers(argument):
    """Invalid initializers."""
    called = f"It is called as {argument}(key, shape, dtype)"
    flat = lambda key, shape, dtype: jnp.zeros(7, dtype)
    double = lambda key, shape, dtype: jnp.zeros(shape, jnp.float16)
    return [
        *bad(
            DRAWN, argument,
            ("a name", "he", TypeError, "'he'", "a function", MAKERS),
            ("None", None, TypeError, "None", "a function", MAKERS),
            ("a number", 0.0, TypeError, "0.0", "a function", MAKERS),
            ("of no arguments", lambda: 0, TypeError, "the function <lambda>, which takes ()",
             f"one that is called as {argument}(key, shape, dtype)", MAKERS),
            ("a maker", jax.nn.initializers.he_normal, TypeError, "a function that returns initializers", "an initializer", MAKERS),
        ),
        *bad(
            DRAWN, argument,
            ("of another shape", flat, ValueError, "(7,)", "(...)", called),
            ("of another dtype", double, TypeError, "float16", "float32", called),
            named=f"the array that {argument} returns",
        ),
        *bad(
            DRAWN, argument,
            ("that returns nothing", lambda key, shape, dtype: None, TypeError, "None", "an array", called),
            named=f"what {argument} returns",
        ),
    ]  # fmt: skip


def counts(functions, argument, fix):
    """Invalid values for a positive integer."""
    return bad(
        functions, argument,
        ("zero", 0, ValueError, "0", "1 or more", fix),
        ("negative", -2, ValueError, "-2", "1 or more", fix),
        ("a fraction", 2.0, TypeError, "2.0", "an integer", fix),
        ("text", "2", TypeError, "'2'", "an integer", fix),
        ("None", None, TypeError, "None", "an integer", fix),
        ("several", (2,), TypeError, "(2,)", "an integer", fix),
        ("a boolean", True, TypeError, "True", "an integer", fix),
    )  # fmt: skip


ROWS = [
    *numbers(NORMS, "epsilon", "positive and finite", "Leave it out for 1e-5", others=[
        ("zero", 0, ValueError, "0", "positive and finite", "Leave it out for 1e-5"),
        ("infinite", float("inf"), ValueError, "inf", "positive and finite", "Leave it out for 1e-5"),
        ("denormal", 1e-40, ValueError, "1e-40", "from 1.18e-38 to 3.4e+38, which float32 holds", "Leave it out for 1e-5"),
        ("too large", 1e39, ValueError, "1e+39", "from 1.18e-38 to 3.4e+38, which float32 holds", "Leave it out for 1e-5"),
        ("a long integer", 10**39, ValueError, "1000...", "from 1.18e-38 to 3.4e+38, which float32 holds", "Leave it ..."),
        ("no float", 10**400, ValueError, "an integer of 1329 bits", "a number that a float holds", "Leave it out for 1e-5"),
    ]),
    *bad(
        "batch_norm", "axis_name",
        *[
            (fault, value, TypeError, repr(value), MAPPED, VMAPPED)
            for fault, value in [("a number", 0), ("a boolean", True), ("a list", []), ("a dict", {}), ("none", ()), ("a number in it", (0,))]
        ],
        ("of no mapped axis", "abc", ValueError, "'abc'", MAPPED, VMAPPED),
        ("of one mapped axis of two", ("abc", "def"), ValueError, "('abc', 'def')", MAPPED, VMAPPED),
    ),
    *bad("batch_norm", "axis_name", ("a number in evaluation", 0, TypeError, "0", MAPPED, VMAPPED), training=False),
    *numbers("dropout channel_dropout", "rate", "at least 0 and less than 1", RATE, others=[
        ("all", 1.0, ValueError, "1.0", "at least 0 and less than 1", RATE),
    ]),
    *numbers("batch_norm", "momentum", "between 0 and 1", KEPT, others=[
        ("above 1", 1.5, ValueError, "1.5", "between 0 and 1", KEPT),
    ]),
    *numbers("lp_pool global_lp_pool polyphase_down", "norm", "positive and finite", P_NORM, others=[
        ("zero", 0, ValueError, "0", "positive and finite", P_NORM),
        ("infinite", float("inf"), ValueError, "inf", "positive and finite", P_NORM),
        ("too small", 1e-40, ValueError, "1e-40", "from 1.18e-38 to 8.51e+37", P_NORM),
        ("a long integer", 10**39, ValueError, "1000...", "from 1.18e-38 to 8.51e+37", P_NORM),
        ("no float", 10**400, ValueError, "an integer of 1329 bits", "a number that a float holds", P_NORM),
    ]),
    *switches("batch_norm dropout channel_dropout spectral_norm", "training"),
    *bad(
        "spectral_norm init_spectral_norm weight_norm init_weight_norm", "axis",
        ("too large", 4, ValueError, "4", "at most 3", OUTPUT_CHANNELS),
        ("too small", -5, ValueError, "-5", "-4 or more", OUTPUT_CHANNELS),
        ("None", None, TypeError, "None", "an integer", OUTPUT_CHANNELS),
        ("several", (0, 1), TypeError, "(0, 1)", "an integer", OUTPUT_CHANNELS),
    ),
    *bad(
        "resize", "method",
        ("another library's name", "bicubic", ValueError, "'bicubic'", '"nearest", ... or "area"', 'Perhaps you mean "cubic"'),
        ("None", None, TypeError, "None", '"nearest", ... or "area"', 'Write method="nearest"'),
    ),
    *bad(
        "resize", "corners",
        ("a boolean", True, TypeError, "True", '"half_pixel", "align" or "asymmetric"', 'Write corners="half_pixel"'),
        ("for area", "align", ValueError, '"align"', '"half_pixel" for method="area"', "Leave it out"),
        method="area",
    ),
    *bad("resize", "border", ("a padding", "circular", ValueError, "'circular'", '"inside" or "edge"', 'Write border="inside"')),
    *bad(
        "resize", "antialias",
        ("missing", None, ValueError, "None", "given where an axis shrinks",
         "Pass antialias=True to average all cells, or False to read the nearest ones"),
        ("a number", 1, TypeError, "1", "True or False", "Write antialias=True or antialias=False"),
        output_shape=(9, 3),
    ),
    *bad(
        "resize", "antialias",
        ("for area", True, ValueError, "True", "False for method='area' and corners='half_pixel'",
         'Leave it out, or use one of linear, cubic, lanczos3, lanczos5 with corners="half_pixel"'),
        method="area",
    ),
    *bad(
        "resize", "coefficient",
        ("positive", 0.5, ValueError, "0.5", "from -1 to 0", SLOPES),
        ("text", "keys", TypeError, "'keys'", "a number", SLOPES),
    ),
    *bad(
        "spectral_norm", "steps",
        ("none", 0, ValueError, "0", "1 or more", ONE_STEP),
        ("a fraction", 1.0, TypeError, "1.0", "an integer", ONE_STEP),
        ("None", None, TypeError, "None", "an integer", ONE_STEP),
    ),
    *bad(
        "spectral_norm", "epsilon",
        ("zero", 0, ValueError, "0", "positive and finite", "Leave it out for 1e-12"),
        ("text", "small", TypeError, "'small'", "a number", "Leave it out for 1e-12"),
    ),
    *switches(DRAWN, "bias"),
    *switches("init_norm init_batch_norm", "scale"),
    *switches("init_norm init_batch_norm", "bias"),
    *initializers("kernel_init"),
    *initializers("bias_init"),
    *counts(INITS, "channels_in", "It is the length of the input's channel axis"),
    *counts(INITS, "channels_out", "It is the length of the output's channel axis"),
    *counts("init_dense", "features_in", "It is the length of the input's last axis"),
    *counts("init_dense", "features_out", "It is the length of the output's last axis"),
    *counts("init_norm init_batch_norm", "channels", "It is the length of x's channel axis"),
    *counts("init_separable_conv", "multiplier", "Write 1 for one kernel for each channel"),
    *counts("group_norm", "groups", "Write 1 for one group of all channels"),
    *bad("group_norm", "groups", ("no divisor", 3, ValueError, "3", "a divisor of x's 2 channels",
                                  "Write 1 for one group of all channels")),
    *bad(
        f"{DRAWN} init_spectral_norm dropout channel_dropout", "key",
        ("a number", 0, TypeError, "0", "one jax.random key", "Pass jax.random.key(0)"),
        ("text", "seed", TypeError, "'seed'", "one jax.random key", "Pass jax.random.key(0)"),
        ("an array of floats", ones(2), TypeError, "an array of shape (2,) and dtype float32", "one jax.random key",
         "Pass jax.random.key(0)"),
        ("several keys", jax.random.split(KEY), ValueError, "keys of shape (2,)", "one jax.random key",
         "Pass one of them, or use jax.vmap for all"),
        ("NumPy's generator", np.random.default_rng(0), TypeError, "Generator(PCG64)...", "one jax.random key",
         "Pass jax.random.key(0)"),
    ),
    *bad(f"{DRAWN} init_spectral_norm", "key", ("None", None, TypeError, "None", "one jax.random key", "Pass jax.random.key(0)")),
    *bad("dropout channel_dropout", "key", ("none in training", None, ValueError, "None", "a jax.random key in training",
                                            "Pass jax.random.key(0)")),
    *bad(
        f"{DRAWN} init_norm init_batch_norm", "dtype",
        ("an unknown name", "foo", TypeError, "'foo'", "a dtype", 'Write jnp.float32 or "float32"'),
        ("a number", 32, TypeError, "32", "a dtype", 'Write jnp.float32 or "float32"'),
        ("integers", jnp.int32, TypeError, "int32", "a dtype of floating-point numbers",
         "Write jnp.float32 or jnp.bfloat16"),
        ("booleans", bool, TypeError, "bool", "a dtype of floating-point numbers", "Write jnp.float32 or jnp.bfloat16"),
    ),
    *bad(
        WEIGHTED, "precision",
        ("an unknown name", "best", ValueError, "'best'", PRECISIONS, EXACT),
        ("a number", 3, TypeError, "3", PRECISIONS, EXACT),
        ("a triple", ("high", "high", "high"), TypeError, "('high', 'high', 'high')", PRECISIONS, EXACT),
        ("a dict", {"x": "high"}, TypeError, "{'x': 'high'}", PRECISIONS, EXACT),
        ("a dtype", jnp.float32, TypeError, "<class 'jax.numpy.float32'>", PRECISIONS, EXACT),
    ),
    *bad(
        PREFERRED, "preferred_element_type",
        ("an unknown name", "foo", TypeError, "'foo'", "a dtype", 'Write jnp.float32 or "float32"'),
        ("a number", 32, TypeError, "32", "a dtype", 'Write jnp.float32 or "float32"'),
        ("integers", jnp.int32, TypeError, "int32", "as wide as float32, and of the same kind of numbers",
         "Cast the result instead: y.astype(int32)"),
    ),
    *bad(
        PREFERRED.replace("dense", ""), "preferred_element_type",
        ("narrower", jnp.bfloat16, TypeError, "bfloat16", "as wide as float32, and of the same kind of numbers",
         "Cast the result instead: y.astype(bfloat16)"),
    ),
    *bad(
        "avg_pool", "divisor",
        ("an unknown name", "all", ValueError, "'all'", '"inside", "window" or a positive integer', COUNTED),
        ("zero", 0, ValueError, "0", "1 or more", COUNTED),
        ("too large", 10**30, ValueError, "1000...", "at most 2147483647", COUNTED),
        ("a fraction", 4.0, TypeError, "4.0", "an integer", COUNTED),
        ("a boolean", True, TypeError, "True", "an integer", COUNTED),
        ("left out at zeros", None, ValueError, "None", "given where windows reach zero padding", COUNTED),
        padding="same", stride=1,
    ),
    *bad(
        "batch_norm", "running_variance",
        ("an unknown name", "sample", ValueError, "'sample'", '"biased" or "unbiased"', 'Write running_variance="biased"'),
        ("a misspelt name", "unbiassed", ValueError, "'unbiassed'", '"biased" or "unbiased"', 'Perhaps you mean "unbiased"'),
        ("None", None, TypeError, "None", '"biased" or "unbiased"', 'Write running_variance="biased"'),
    ),
    *bad(
        "batch_norm", "x",
        ("one cell of each channel", ones(1, 2), ValueError, "(1, 2)", "2 cells or more of each channel",
         'Pass running_variance="biased"'),
        running_variance="unbiased",
    ),
    *bad("batch_norm", "x", ("no cells", ones(0, 2), ValueError, "(0, 2)", "1 cell or more of each channel",
                             "Leave the layer out for a batch without cells, or pass training=False")),
]  # fmt: skip
