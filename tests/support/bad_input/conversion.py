"""Bad conversions: libraries, layers, arrays and settings."""

from support.bad_input import Bad, bad
from support.bad_input.valid import FUNCTIONS, ones
from support.bad_input.windows import LENGTH

LIBRARIES = "one of flax, equinox, haiku, keras, torch"
TABLE = "The tables in docs/conversion.md list all names"
THEIRS, OURS = {"weight": ones(4, 2, 3, 3)}, {"kernel": ones(3, 3, 2, 4)}
BOTH = (("from_library", THEIRS, "weight, bias"), ("to_library", OURS, "kernel, bias"))
EACH = "Write 1 for every axis, or (1,) for each"
UNDER = "Pass the arrays under these names"
NUMPYS = "Pass NumPy or JAX arrays; for a PyTorch tensor write tensor.numpy()"


def settings(
    argument, fault, value, error, found, expected, fix, *, layer="conv", named="", where="settings_from_library"
):
    """A bad setting of a layer of PyTorch's."""
    call = lambda: FUNCTIONS["settings_from_library"]("torch", layer, (8,), (3,), **{argument: value})
    return Bad(
        "settings_from_library",
        argument,
        f"{layer}, {fault}",
        call,
        error,
        named or argument,
        found,
        expected,
        fix,
        where,
    )


ROWS = [
    *[
        row for name, params, names in BOTH for row in [
            *bad(
                name, "library",
                ("an unknown name", "mxnet", ValueError, "'mxnet'", LIBRARIES, TABLE),
                ("a longer name", "pytorch", ValueError, "'pytorch'", LIBRARIES, 'Perhaps you mean "torch"'),
                ("None", None, TypeError, "None", LIBRARIES, TABLE),
                layer="conv", params=params,
            ),
            *bad(
                name, "layer",
                ("an unknown name", "attention", ValueError, "'attention'", "one of torch's conv; ...", TABLE),
                ("a class's name", "conv2d", ValueError, "'conv2d'", "one of torch's conv; ...", 'Perhaps you mean "conv"'),
                ("None", None, TypeError, "None", "one of torch's conv; ...", TABLE),
                library="torch", params=params,
            ),
            *bad(
                name, "params",
                ("None", None, TypeError, "None", f"a dict of {names}, the arrays of conv", UNDER),
                ("text", "weights.pt", TypeError, "'weights.pt'", f"a dict of {names}, the arrays of conv", UNDER),
                ("an array", ones(2), TypeError, "an array of shape (2,) and dtype float32", f"a dict of {names}, ...", UNDER),
                ("empty", {}, ValueError, "{}", f"a dict of {names}, the arrays of conv",
                 "A layer without arrays needs no conversion"),
                ("other names", {"gamma": ones(2)}, ValueError, "['gamma']",
                 f"a dict of {names}, the arrays of conv, or some of them",
                 "Rename them, or pass the library and layer that they come from"),
                library="torch", layer="conv",
            ),
            *bad(
                name, "params",
                ("ragged", {next(iter(params)): [[1], [1, 2]]}, ValueError, "[[1], [1, 2]]", "an array", NUMPYS),
                named=next(iter(params)), library="torch", layer="conv",
            ),
            *bad(
                name, "params",
                ("of text", {next(iter(params)): "he"}, TypeError, "'he'", "an array of numbers", NUMPYS),
                named=next(iter(params)), library="torch", layer="conv",
            ),
            *bad(
                name, "groups",
                ("zero", 0, ValueError, "0", "1 or more", "Write 1 for a layer without groups"),
                ("text", "2", TypeError, "'2'", "an integer", "Write 1 for a layer without groups"),
                ("None", None, TypeError, "None", "an integer", "Write 1 for a layer without groups"),
                library="torch", layer="conv", params=params,
            ),
        ]
    ],
    *bad("to_library", "rank", ("too large", 10**30, ValueError, "1000...", "at most 62", "Write 2 for images"),
         library="torch", layer="conv", params={"kernel": ones(3, 2, 4)}),
    *bad("to_library", "rank", ("text", "2", TypeError, "'2'", "an integer", "Write 2 for images"),
         library="haiku", layer="batch_norm", params={"scale": ones(2), "bias": ones(2)}),
    *bad(
        "from_library", "window",
        ("one number", 3, ValueError, "3", "one integer per spatial axis", LENGTH),
        ("text", "3", TypeError, "'3'", "one integer per spatial axis", LENGTH),
        library="flax", layer="locally_connected", params={"kernel": ones(4, 6, 4)},
    ),
    *bad(
        "settings_from_library", "library",
        ("an unknown name", "mxnet", ValueError, "'mxnet'", LIBRARIES, TABLE),
        ("None", None, TypeError, "None", LIBRARIES, TABLE),
        layer="conv", lengths=(8,), window=(3,),
    ),
    *bad(
        "settings_from_library", "layer",
        ("an unknown name", "attention", ValueError, "'attention'", "one of torch's conv, ...", TABLE),
        ("a misspelt name", "maxpool", ValueError, "'maxpool'", "one of torch's conv, ...", 'Perhaps you mean "max_pool"'),
        ("None", None, TypeError, "None", "one of torch's conv, ...", TABLE),
        library="torch", lengths=(8,), window=(3,),
    ),
    *bad(
        "settings_from_library", "lengths",
        ("None", None, TypeError, "None", "an integer, or 1 of them", EACH),
        ("zero", (0,), ValueError, "0", "1 or more", EACH),
        ("of two axes", (8, 8), ValueError, "(8, 8)", "one integer, or 1 of them: [w]", EACH),
        library="torch", layer="conv", window=(3,),
    ),
    *bad(
        "settings_from_library", "window",
        ("one number", 3, ValueError, "3", "one integer per spatial axis", LENGTH),
        ("None", None, TypeError, "None", "one integer per spatial axis", LENGTH),
        library="torch", layer="conv", lengths=(8,),
    ),
    settings("stride", "text", "2", TypeError, "'2'", "an integer, or 1 of them", EACH),
    settings("stride", "zero", 0, ValueError, "0", "1 or more", EACH),
    settings("dilation", "a fraction", 1.5, TypeError, "1.5", "an integer, or 1 of them", EACH),
    settings("groups", "text", "2", TypeError, "'2'", "an integer", "Leave it out for 1"),
    settings("groups", "zero", 0, ValueError, "0", "1 or more", "Leave it out for 1"),
    settings("padding", "an unknown name", "full", ValueError, "'full'", "one that torch's conv has: SAME, VALID", "Name the padding as that library does"),
    *[
        settings("padding", fault, value, error, found, expected, "Write padding=1 for one cell on every side")
        for fault, value, error, found, expected in [
            ("negative", -1, ValueError, "-1", "0 or more"),
            ("too large", 10**30, ValueError, "1000...", "at most 2147483647"),
            ("a boolean", True, TypeError, "True", "an integer"),
            ("a fraction", 1.5, TypeError, "1.5", "an integer"),
            ("None", None, TypeError, "None", "an integer"),
            ("bytes", b"ab", TypeError, "b'ab'", "an integer"),
            ("text for an axis", ("a",), TypeError, "'a'", "an integer"),
            ("None after", ((1, None),), TypeError, "None", "an integer"),
            ("for two axes", ("a", "b"), ValueError, "('a', 'b')", "a number, or one or two for each of 1 spatial axes"),
            ("three for an axis", ((1, 1, 1),), ValueError, "((1, 1, 1),)", "a number, or one or two for each of 1 ..."),
            ("none for an axis", ((),), TypeError, "()", "an integer"),
        ]
    ],
    *[
        settings("output_padding", fault, value, error, found, expected, "Write output_padding=1 for one cell along every axis",
                 layer="conv_transpose")
        for fault, value, error, found, expected in [
            ("negative", -1, ValueError, "-1", "0 or more"),
            ("a boolean", True, TypeError, "True", "an integer"),
            ("a fraction", 1.5, TypeError, "1.5", "an integer"),
            ("text", "a", TypeError, "'a'", "an integer"),
            ("for two axes", (1, 1), ValueError, "(1, 1)", "a number, or one for each of 1 spatial axes"),
        ]
    ],
    settings("padding_mode", "an unknown name", "wrap", ValueError, "'wrap'",
             "one of ZEROS, CIRCULAR, REFLECT, REPLICATE, in any case", "Leave it out for zeros"),
    settings("padding_mode", "None", None, TypeError, "None", "one of ZEROS, ..., in any case", "Leave it out for zeros"),
    settings("strides", "another library's name", 2, ValueError, "['strides']",
             "among stride, padding, dilation, groups, padding_mode", 'Perhaps you mean "stride"', named="settings of torch's conv"),
    settings("kernel", "an unknown name", 2, ValueError, "['kernel']", "among stride, ...",
             "Leave out settings that the layer does not have", named="settings of torch's conv"),
    settings("ceil_mode", "text", "no", TypeError, "'no'", "True or False", "Write ceil_mode=True or ceil_mode=False",
             layer="max_pool"),
    settings("count_include_pad", "text", "no", TypeError, "'no'", "True or False",
             "Write count_include_pad=True or count_include_pad=False", layer="avg_pool"),
    settings("divisor_override", "too large", 10**30, ValueError, "1000...", "at most 2147483647", "Leave it out for the number of taps",
             layer="avg_pool"),
    settings("divisor_override", "zero", 0, ValueError, "0", "1 or more", "Leave it out for the number of taps",
             layer="avg_pool"),
    settings("divisor_override", "a fraction", 2.0, TypeError, "2.0", "an integer", "Leave it out for the number of taps",
             layer="avg_pool"),
]  # fmt: skip
