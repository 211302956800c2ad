"""Invalid parameters: not a dict of arrays, parameters of other layers, and arrays with wrong shapes or dtypes."""

import jax
import numpy as np

from support.bad_input import bad
from support.bad_input.inputs import ARRAY, NORMS
from support.bad_input.valid import KERNEL, VALID, X, ones

ONE_KERNEL = "conv conv_transpose dense locally_connected tiled_conv regional_conv"
SEVERAL = "locally_connected tiled_conv regional_conv"
LAYER = 'a dict of "kernel" and, if wanted, "bias"'
INIT = "Pass what the init function returns"
STATE = {"mean": ones(2), "var": ones(2)}
WEIGHT_NORM = 'a dict of "kernel" and "scale" and, if wanted, "bias"'
POSITIONS = "locally_connected, tiled_conv or regional_conv"


def kernels(function, argument, arrays):
    """Invalid values for a kernel and a bias."""
    kernel, bias = arrays["kernel"], ones(1)
    return [
        *bad(
            function, argument,
            ("None", None, TypeError, "None", LAYER, INIT),
            ("an array", kernel, TypeError, "an array of shape ... and dtype float32", LAYER, INIT),
            ("a tuple", (1, 2), TypeError, "(1, 2)", LAYER, INIT),
            ("no kernel", {"bias": bias}, ValueError, "a dict of ['bias']", LAYER, INIT),
            ("empty", {}, ValueError, "a dict of []", LAYER, INIT),
            ("another name", arrays | {"gain": bias}, ValueError, "a dict of [...'gain'...]", LAYER, INIT),
            ("of several layers", {"c1": arrays}, ValueError, "a dict of ['c1']", LAYER,
             f"Pass the parameters of one layer: {argument}['c1']"),
            ("a separable convolution's", VALID["separable_conv"]["params"], ValueError,
             "a dict of ['depthwise', 'pointwise']", LAYER, "These are parameters of separable_conv: pass them to it"),
            ("a normalisation's", {"scale": bias}, ValueError, "a dict of ['scale']", LAYER,
             "These are parameters of a normalisation: pass them to layer_norm or a similar layer"),
            ("PyTorch's", {"weight": kernel}, ValueError, "a dict of ['weight']", LAYER,
             "Convert them from PyTorch or Equinox by from_library"),
        ),
        *bad(
            function, argument,
            ("the kernel is None", arrays | {"kernel": None}, TypeError, "None", "an array", ARRAY),
            ("the kernel is text", arrays | {"kernel": "he"}, TypeError, "'he'", "an array", ARRAY),
            ("the kernel is a shape", {"kernel": jax.ShapeDtypeStruct(kernel.shape, "float32")}, TypeError,
             "a jax.ShapeDtypeStruct", "an array", f"To compute with shapes alone, write jax.eval_shape({function}, ...)"),
            ("the kernel is ragged", {"kernel": [[1.0], [1.0, 2.0]]}, ValueError, "[[1.0], [1.0, 2.0]]", "an array",
             "Make all its lists equally long, and all its items numbers"),
            ("the kernel is of booleans", {"kernel": kernel > 0}, TypeError, "of dtype bool", "an array of numbers",
             "Cast it first: kernel.astype(jnp.float32)"),
            named="kernel",
        ),
        *bad(
            function, argument,
            ("the bias is None", {"kernel": kernel, "bias": None}, TypeError, "None", "an array",
             "Leave it out of params for a layer without ..."),
            ("the bias is text", {"kernel": kernel, "bias": "zeros"}, TypeError, "'zeros'", "an array", ARRAY),
            ("the bias is of another dtype", {"kernel": kernel, "bias": bias.astype(np.float16)}, TypeError, "float16",
             "float32, as the kernel is", "Cast one of them, bias.astype(kernel.dtype) for example"),
            named="bias",
        ),
    ]  # fmt: skip


def biases(function, shape, names):
    """A bias with a wrong shape."""
    params = VALID[function]["params"] | {"bias": ones(3)}
    fix = "Draw kernel and bias together, by the init function"
    return bad(function, "params", ("another bias", params, ValueError, "(3,)", f"{shape} {names}", fix), named="bias")


TWO = {"kernel": ones(2, 2, 3, 3, 2, 4)}
DENSE = {"kernel": ones(2, 4)}
ROWS = [
    *[row for name in ONE_KERNEL.split() for row in kernels(name, "params", VALID[name]["params"])],
    *biases("conv", (4,), "[o]"),
    *biases("conv_transpose", (2,), "[c], one for each output channel"),
    *biases("dense", (4,), "[o]"),
    *biases("locally_connected", (4, 4, 4), "[*out, o]"),
    *biases("tiled_conv", (2, 2, 4), "[*period, o]"),
    *biases("regional_conv", (2, 1, 4), "[*regions, o]"),
    *bad(
        "conv", "params",
        ("a tiled convolution's", TWO, ValueError, "(2, 2, 3, 3, 2, 4), 6 axes",
         "[*window, c/groups, o], 4 axes for x (1, 6, 6, 2)", f"Pass kernels that differ by position to their layer: {POSITIONS}"),
        ("a dense layer's", DENSE, ValueError, "(2, 4), 2 axes", "[*window, c/groups, o], 3 axes or more",
         "For a kernel without spatial axes use dense"),
        named="kernel",
    ),
    *bad(
        "conv", "params",
        ("a local layer's, of signals", {"kernel": ones(4, 3, 2, 4)}, ValueError, "(1, 6, 2), 3 axes",
         "[n, h, w, c], 4 axes of which 2 spatial",
         f"For one example without a batch axis, pass batched=False; or pass kernels that differ by position to their layer: {POSITIONS}"),
        named="x", x=ones(1, 6, 2),
    ),
    *bad(
        "conv_transpose", "params",
        ("a tiled convolution's", TWO, ValueError, "(2, 2, 3, 3, 2, 4), 6 axes",
         "[*window, c/groups, o], 4 axes for y (1, 4, 4, 4)", f"Pass kernels that differ by position to their layer: {POSITIONS}"),
        ("a dense layer's", DENSE, ValueError, "(2, 4), 2 axes", "[*window, c/groups, o], 3 axes or more",
         "For a kernel without spatial axes use dense"),
        named="kernel",
    ),
    *bad(
        SEVERAL, "params",
        ("a convolution's", {"kernel": KERNEL["kernel"]}, ValueError, "(3, 3, 2, 4), 4 axes",
         "[..., *window, c/groups, o], an even number of axes, 4 or more", "Pass a kernel shared by all positions to conv"),
        named="kernel",
    ),
    *[
        row for name in SEVERAL.split() for row in bad(
            name, "params",
            ("of an odd number of axes", {"kernel": ones(2, 2, 3, 2, 4)}, ValueError, "(2, 2, 3, 2, 4), 5 axes",
             "[..., *window, c/groups, o], an even number of axes, 4 or more", f"Draw it by init_{name}"),
            ("a dense layer's", DENSE, ValueError, "(2, 4), 2 axes",
             "[..., *window, c/groups, o], an even number of axes, 4 or more", f"Draw it by init_{name}"),
            named="kernel",
        )
    ],
    *bad(
        "locally_connected", "params",
        ("of other positions", {"kernel": ones(3, 4, 3, 3, 2, 4)}, ValueError, "(3, 4)",
         "(4, 4), the positions of the window over x", "Pass the same geometry to init_locally_connected"),
        named="kernel's *out",
    ),
    *bad(
        "regional_conv", "params",
        ("of other regions", {"kernel": ones(2, 2, 3, 3, 2, 4)}, ValueError, "(2, 2)",
         "(2, 1), the numbers of regions", "Pass the same regions to init_regional_conv"),
        named="kernel's *regions",
    ),
    *bad(
        "dense", "params",
        ("a convolution's", {"kernel": KERNEL["kernel"]}, ValueError, "(3, 3, 2, 4)", "[i, o], 2 axes",
         "For a kernel with spatial axes use conv"),
        ("a vector", {"kernel": ones(2)}, ValueError, "(2,)", "[i, o], 2 axes", "Draw it by init_dense"),
        named="kernel",
    ),
    *bad(
        "separable_conv", "params",
        ("None", None, TypeError, "None", 'a dict of "depthwise" and "pointwise"', INIT),
        ("an array", X, TypeError, "an array of shape ...", 'a dict of "depthwise" and "pointwise"', INIT),
        ("one of two", {"depthwise": KERNEL}, ValueError, "a dict of ['depthwise']", 'a dict of "depthwise" and "pointwise"',
         INIT),
        ("a convolution's", KERNEL, ValueError, "a dict of ['bias', 'kernel']", 'a dict of "depthwise" and "pointwise"',
         INIT),
    ),
    *bad(
        "separable_conv", "params",
        ("a depthwise kernel over channels", {"depthwise": KERNEL, "pointwise": KERNEL}, ValueError, "(3, 3, 2, 4)",
         "[*window, 1, c*m], 3 axes or more", "Draw it by init_separable_conv"),
        named="the depthwise kernel",
    ),
    *bad(
        "separable_conv", "params",
        ("a pointwise kernel over space", {"depthwise": {"kernel": ones(3, 3, 1, 2)}, "pointwise": KERNEL}, ValueError,
         "(3, 3, 2, 4)", "(1, 1, 2, o), after the depthwise kernel (3, 3, 1, 2)",
         "Draw both together, by init_separable_conv"),
        named="the pointwise kernel",
    ),
    *bad(
        NORMS, "params",
        ("None", None, TypeError, "None", 'a dict of "scale" and "bias", or of one of them', INIT),
        ("an array", ones(2), TypeError, "an array of shape (2,) and dtype float32",
         'a dict of "scale" and "bias", or of one of them', INIT),
        ("a convolution's", KERNEL, ValueError, "a dict of ['bias', 'kernel']", 'a dict of "scale" and "bias", or of one of them',
         "Pass {} for neither"),
        ("PyTorch's", {"weight": ones(2)}, ValueError, "a dict of ['weight']", 'a dict of "scale" and "bias", or of one of them',
         "Convert them from PyTorch or Equinox by from_library"),
        ("a state", STATE, ValueError, "a dict of ['mean', 'var']", 'a dict of "scale" and "bias", or of one of them',
         "This is the state of batch_norm: pass it to batch_norm"),
    ),
    *bad(
        NORMS, "params",
        ("the scale is None", {"scale": None}, TypeError, "None", "an array", "Leave it out of params for a layer without ..."),
        ("the scale is text", {"scale": "ones"}, TypeError, "'ones'", "an array [c]", ARRAY),
        ("the scale of other channels", {"scale": ones(3)}, ValueError, "(3,)", "(2,) [c], for x's 2 channels",
         "Create it with the init function for that many channels, or check the layout of x"),
        ("the scale of another dtype", {"scale": ones(2).astype(np.float16)}, TypeError, "float16", "float32, as x is",
         "Cast one of them, scale.astype(x.dtype) for example"),
        named="scale",
    ),
    *bad(
        "batch_norm", "state",
        ("None", None, TypeError, "None", 'a dict of "mean" and "var"', INIT),
        ("without a variance", {"mean": ones(2)}, ValueError, "a dict of ['mean']", 'a dict of "mean" and "var"',
         INIT),
        ("its parameters", {"scale": ones(2), "bias": ones(2)}, ValueError, "a dict of ['bias', 'scale']",
         'a dict of "mean" and "var"', "These are parameters of a normalisation: pass them to layer_norm or a similar layer"),
    ),
    *bad(
        "batch_norm", "state",
        ("the mean is None", STATE | {"mean": None}, TypeError, "None", "an array [c]", ARRAY),
        ("of other channels", STATE | {"mean": ones(3)}, ValueError, "(3,)", "(2,) [c], for x's 2 channels",
         "Create it with the init function ..."),
        ("of another dtype", STATE | {"mean": ones(2).astype(np.float16)}, TypeError, "float16",
         "float32, the dtype of the state for this x", "Create it with init_batch_norm for x's dtype"),
        named='state["mean"]',
    ),
    *[row for name in ("spectral_norm", "init_spectral_norm", "init_weight_norm")
      for row in kernels(name, "params", VALID[name]["params"])],
    *bad(
        "spectral_norm init_spectral_norm init_weight_norm", "params",
        ("integers", {"kernel": np.ones((3, 3, 2, 4), int)}, TypeError, "int32", "real floats",
         "Cast it: kernel.astype(jnp.float32)"),
        ("complex numbers", {"kernel": 1j * KERNEL["kernel"]}, TypeError, "complex64", "real floats", "Cast it: ..."),
        ("a vector", {"kernel": ones(4)}, ValueError, "(4,)", "an array of 2 axes or more",
         "A vector has one singular value, its length: divide it by that"),
        named="kernel",
    ),
    *bad(
        "weight_norm", "params",
        ("without scale", KERNEL, ValueError, "a dict of ['bias', 'kernel']", WEIGHT_NORM, INIT),
        ("an array", ones(3, 4), TypeError, "an array of shape ... and dtype float32", WEIGHT_NORM, INIT),
        ("another name", KERNEL | {"scale": ones(4), "gain": 1}, ValueError, "a dict of [...'gain'...]", WEIGHT_NORM, INIT),
    ),
    *bad(
        "weight_norm", "params",
        ("a scale of other channels", KERNEL | {"scale": ones(2)}, ValueError, "(2,)",
         "(4,), the length of the kernel's axis 3", "Create it with init_weight_norm"),
        ("a scale of another dtype", KERNEL | {"scale": ones(4).astype(np.float16)}, TypeError, "float16",
         "float32, as the kernel is", "Cast one of them, scale.astype(kernel.dtype) for example"),
        named="scale",
    ),
    *bad(
        "spectral_norm", "state",
        ("None", None, TypeError, "None", 'a dict of "u" and "v"', INIT),
        ("without v", {"u": ones(4)}, ValueError, "a dict of ['u']", 'a dict of "u" and "v"', INIT),
    ),
    *bad(
        "spectral_norm", "state",
        ("u of another kernel", {"u": ones(3), "v": ones(3, 3, 2)}, ValueError, "(3,)",
         "(4,), the kernel's output channels", "Create it with init_spectral_norm for this kernel"),
        ("u of another dtype", {"u": ones(4).astype(np.float16), "v": ones(3, 3, 2)}, TypeError, "float16",
         "float32, the dtype of the state for this kernel", "Create it with init_spectral_norm for this kernel"),
        named='state["u"]',
    ),
]  # fmt: skip
