"""Invalid regions, periods and output lengths of partly shared layers, and of `tie`, `untie` and `tie_gradient`."""

from support.bad_input import bad
from support.bad_input.parameters import INIT, LAYER
from support.bad_input.settings import REGIONS
from support.bad_input.valid import KERNEL, VALID, ones

ONE_REGION = "For one region of 8 positions along each axis write ((8,), (8,))"
OUT = "one length for each spatial axis, (8, 8) for example"
LOCAL = VALID["tie"]["params"]
TIES = ("tie", "params"), ("tie_gradient", "gradient")
UNTIED = "Pass the parameters of locally_connected, or what untie returns"
ROWS = [
    *bad(
        "regional_conv init_regional_conv", "regions",
        ("a number", 4, TypeError, "4", REGIONS, ONE_REGION),
        ("text", "all", TypeError, "'all'", REGIONS, ONE_REGION),
        ("of one axis", (4,), TypeError, "(4,)", REGIONS, ONE_REGION),
        ("of too few axes", ((4,),), ValueError, "((4,),)", REGIONS, ONE_REGION),
        ("none along an axis", ((4,), ()), ValueError, "((4,), ())", REGIONS, ONE_REGION),
        ("a dict", {0: (4,)}, TypeError, "{0: (4,)}", REGIONS, ONE_REGION),
    ),
    *[
        row for name, params in (("untie", {"kernel": ones(1, 1, 3, 3, 2, 4)}), ("tie", LOCAL), ("tie_gradient", LOCAL))
        for row in bad(
            name, "regions",
            ("a number", 4, TypeError, "4", REGIONS, ONE_REGION),
            ("text", "all", TypeError, "'all'", REGIONS, ONE_REGION),
            ("of too few axes", ((4,),), ValueError, "((4,),)", REGIONS, ONE_REGION),
            ("a dict", {0: (4,)}, TypeError, "{0: (4,)}", REGIONS, ONE_REGION),
            **{"gradient" if name == "tie_gradient" else "params": params},
        )
    ],
    *bad("regional_conv", "regions", ("None", None, TypeError, "None", REGIONS, ONE_REGION)),
    *bad(
        "regional_conv init_regional_conv tie tie_gradient", "regions",
        ("an empty region", ((0, 4), (4,)), ValueError, "0", "1 or more", "Write 1 for every axis, or (1, 1) for each"),
        ("a fraction", ((1.5, 2.5), (4,)), TypeError, "(1.5, 2.5)", "an integer, or 2 of them",
         "Write 1 for every axis, or (1, 1) for each"),
        named="regions along axis h",
    ),
    *bad(
        "regional_conv tie tie_gradient", "regions",
        ("too long", ((1, 4), (4,)), ValueError, "(1, 4), 5 long",
         "lengths that sum to 4, the number of output positions", "Make the last one 3 long"),
        named="regions along axis h",
    ),
    *bad(
        "untie", "out",
        ("one number", 4, ValueError, "4", OUT, "It is conv(params, x).shape[1:-1]"),
        ("none at all", (), ValueError, "()", OUT, "It is conv(params, x).shape[1:-1]"),
        ("None", None, TypeError, "None", OUT, "It is conv(params, x).shape[1:-1]"),
        ("text", "44", TypeError, "'44'", OUT, "It is conv(params, x).shape[1:-1]"),
        ("zero", (4, 0), ValueError, "0", "1 or more", "Write 1 for every axis, or (1, 1) for each"),
        ("a fraction", (4, 4.0), TypeError, "(4, 4.0)", "an integer, or 2 of them", "Write 1 for every axis, ..."),
    ),
    *bad(
        "untie", "out",
        ("of another number of axes", (4, 4, 4), ValueError, "(3, 3, 2, 4), 4 axes",
         "[*window, c/groups, o] or [*period or *regions, *window, c/groups, o], for an output of 3 spatial axes",
         "Pass one length for each of the window's axes as out"),
        named="kernel",
    ),
    *bad(
        "untie", "regions",
        ("of shared parameters", ((4,), (4,)), ValueError, "(3, 3, 2, 4), 4 axes",
         "[*period or *regions, *window, c/groups, o], for an output of 2 spatial axes", "Pass one length ..."),
        named="kernel",
    ),
    *bad(
        "untie", "regions",
        ("other ones", ((2, 2), (4,)), ValueError, "(1, 1)", "(2, 1), the numbers of regions",
         "Pass the regions that the parameters were drawn for"),
        named="kernel's *regions", params={"kernel": ones(1, 1, 3, 3, 2, 4)},
    ),
    *[
        row for name, argument in (("untie", "params"), *TIES) for row in bad(
            name, argument,
            ("None", None, TypeError, "None", LAYER, INIT),
            ("an array", ones(2), TypeError, "an array of shape (2,) and dtype float32", LAYER, INIT),
            ("no kernel", {}, ValueError, "a dict of []", LAYER, INIT),
            ("of several layers", {"c1": KERNEL}, ValueError, "a dict of ['c1']", LAYER,
             f"Pass the parameters of one layer: {argument}['c1']"),
            ("a separable convolution's", VALID["separable_conv"]["params"], ValueError,
             "a dict of ['depthwise', 'pointwise']", LAYER, "These are parameters of separable_conv: pass them to it"),
        )
    ],
    *[
        row for name, argument in TIES for row in bad(
            name, argument,
            ("shared already", {"kernel": ones(3, 2, 4)}, ValueError, "(3, 2, 4), 3 axes",
             "[*out, *window, c/groups, o], an even number of axes, 4 or more", UNTIED),
            ("a dense layer's", {"kernel": ones(2, 4)}, ValueError, "(2, 4), 2 axes",
             "[*out, *window, c/groups, o], an even number of axes, 4 or more", UNTIED),
            ("integers", {"kernel": LOCAL["kernel"].astype(int)}, TypeError, "int32", "floating-point numbers",
             "Cast them first: ..."),
            named="kernel",
        )
    ],
    *bad("tie", "period", ("longer than the output", (5, 1), ValueError, "5", "at most 4, the number of positions",
                           "Pass 4 for a kernel at each position"), named="period along axis h"),
    *bad("tie tie_gradient", "period", ("beside regions", 2, ValueError, "2", "left out if regions are given",
                                        "Pass one of the two"), regions=((4,), (4,))),
    *bad(
        "conv_transpose", "output_shape",
        ("left out where it counts", None, ValueError, "None",
         "given, because several input lengths give y's lengths under conv: 9 to 10 along axis h and 9 to 10 along axis w",
         'Pass output_shape=(9, 9), or padding="SAME" and output_shape=(8, 8) for y\'s lengths times the stride'),
        ("impossible", (8, 8), ValueError, "(8, 8)",
         "input lengths that give y's lengths under conv: 9 to 10 along axis h and 9 to 10 along axis w ([h, w])",
         "Pass one of these, or another padding"),
        ("text", "8", TypeError, "'8'", "an integer, or 2 of them", "Write 1 for every axis, or (1, 1) for each"),
        ("a fraction", (9, 9.5), TypeError, "(9, 9.5)", "an integer, or 2 of them", "Write 1 for every axis, ..."),
        ("of one axis", (9,), ValueError, "(9,)", "one integer, or 2 of them: [h, w]", "Write 1 for every axis, ..."),
        stride=2,
    ),
    *bad(
        "conv_transpose", "stride",
        ("of two lengths", 2, ValueError, "None",
         "given, because several input lengths give y's lengths under conv: 7 to 8 along axis h and 7 to 8 along axis w",
         "Pass output_shape=(8, 8)"),
        named="output_shape", padding="same",
    ),
    *bad(
        "init_locally_connected", "spatial",
        ("zero", (6, 0), ValueError, "0", "1 or more", "Write 1 for every axis, or (1, 1) for each"),
        ("None", None, TypeError, "None", "an integer, or 2 of them", "Write 1 for every axis, or (1, 1) for each"),
        ("of another number of axes", (6, 6, 6), ValueError, "(6, 6, 6)", "one integer, or 2 of them: [h, w]", "Write 1 ..."),
    ),
    *bad(
        "init_locally_connected", "spatial",
        ("smaller than the window", (2, 6), ValueError, "3 cells wide (3 taps, dilation 1)",
         "at most as wide as the padded input, which has 2 cells (0 + 2 + 0)", "Use a larger input, ..."),
        named="window along axis h",
    ),
]  # fmt: skip
