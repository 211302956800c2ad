"""Invalid windows: strides, dilations, paddings, sizes and groups."""

from support.bad_input import bad

CONVOLUTIONS = "conv partial_conv conv_transpose separable_conv locally_connected tiled_conv regional_conv"
POOLS = "max_pool min_pool avg_pool lp_pool max_pool_with_indices"
UNFOLDING = "unfold fold"
INITS = "init_conv init_conv_transpose init_separable_conv init_tiled_conv init_regional_conv init_locally_connected"
GROUPED = "conv partial_conv conv_transpose locally_connected tiled_conv regional_conv"
OVER_AXES = "an integer, or 2 of them"
EACH = "Write 1 for every axis, or (1, 1) for each"
LENGTH = "Its length is the number of spatial axes: (2,) for signals, (2, 2) for images, (2, 2, 2) for volumes"
PADDINGS = "one of VALID, SAME, SAME_LOWER, CAUSAL, CIRCULAR, REFLECT, SYMMETRIC, EDGE, or one of them, a Pad or a (lo, hi) pair for each axis [h, w]"
PAIRS = "One zero on every side is ((1, 1), (1, 1))"
UNGROUPED = "Write 1 for a convolution that is not grouped"


def sizes(functions, argument):
    """Invalid values for one integer for all axes, or one per axis."""
    return bad(
        functions, argument,
        ("zero", 0, ValueError, "0", "1 or more", EACH),
        ("negative along one axis", (1, -2), ValueError, "-2", "1 or more", EACH),
        ("a fraction", 1.5, TypeError, "1.5", OVER_AXES, EACH),
        ("a fraction along one axis", [2, 1.0], TypeError, "[2, 1.0]", OVER_AXES, EACH),
        ("text", "2", TypeError, "'2'", OVER_AXES, EACH),
        ("a boolean", True, TypeError, "True", "an integer", EACH),
        ("a set", {1, 2}, TypeError, "{1, 2}", OVER_AXES, EACH),
        ("a dict", {0: 2}, TypeError, "{0: 2}", OVER_AXES, EACH),
        ("too many", (1, 1, 1), ValueError, "(1, 1, 1)", "one integer, or 2 of them: [h, w]", EACH),
        ("none at all", (), ValueError, "()", "one integer, or 2 of them: [h, w]", EACH),
    )  # fmt: skip


ROWS = [
    *sizes(f"{CONVOLUTIONS} {POOLS} {UNFOLDING} blur_pool init_locally_connected", "stride"),
    *bad(
        f"{CONVOLUTIONS} {UNFOLDING} blur_pool init_locally_connected", "stride",
        ("None", None, TypeError, "None", OVER_AXES, EACH),
    ),
    *sizes(f"{CONVOLUTIONS} {POOLS} {UNFOLDING} init_locally_connected", "dilation"),
    *sizes("init_tiled_conv tie tie_gradient", "period"),
    *bad(
        f"{CONVOLUTIONS} {POOLS} {UNFOLDING} blur_pool init_locally_connected", "padding",
        ("an unknown name", "full", ValueError, "'full'", PADDINGS, PAIRS),
        ("a misspelt name", "circlar", ValueError, "'circlar'", PADDINGS, 'Perhaps you mean "CIRCULAR"'),
        ("another library's name", "wrap", ValueError, "'wrap'", PADDINGS, 'Perhaps you mean "CIRCULAR"'),
        ("a number", 1, TypeError, "1", PADDINGS, PAIRS),
        ("None", None, TypeError, "None", PADDINGS, PAIRS),
        ("one pair for two axes", (1, 1), ValueError, "(1, 1)", PADDINGS, PAIRS),
        ("of one axis", ("same",), ValueError, "('same',)", PADDINGS, PAIRS),
        ("a triple", ((1, 1, 1), "same"), ValueError, "(1, 1, 1)", PADDINGS, PAIRS),
        ("negative", ((0, 0), (-1, 0)), ValueError, "-1", "0 or more", "Write (0, 0) for no padding along that axis"),
        ("a fraction", ((0, 0), (0, 0.5)), TypeError, "0.5", "an integer",
         "Write (0, 0) for no padding along that axis"),
    ),
    *bad(
        f"{POOLS} {UNFOLDING} blur_pool {INITS}", "window",
        ("one number", 2, ValueError, "2", "one integer per spatial axis", LENGTH),
        ("none at all", (), ValueError, "()", "one integer per spatial axis", LENGTH),
        ("zero", (2, 0), ValueError, "0", "1 or more", LENGTH),
        ("a fraction", (2, 2.5), TypeError, "(2, 2.5)", "one integer per spatial axis", LENGTH),
        ("text", "22", TypeError, "'22'", "one integer per spatial axis", LENGTH),
        ("None", None, TypeError, "None", "one integer per spatial axis", LENGTH),
        ("a set", {2, 3}, TypeError, "{2, 3}", "one integer per spatial axis", LENGTH),
    ),
    *bad(
        "adaptive_max_pool adaptive_avg_pool max_unpool fold resize", "output_shape",
        ("one number", 2, ValueError, "2", "one integer per spatial axis", LENGTH),
        ("zero", (2, 0), ValueError, "0", "1 or more", LENGTH),
        ("None", None, TypeError, "None", "one integer per spatial axis", LENGTH),
        ("a fraction", (2, 1.5), TypeError, "(2, 1.5)", "one integer per spatial axis", LENGTH),
    ),
    *bad(
        "fold", "output_shape",
        ("of one axis", (6,), ValueError, "(6,)", "2 integers, one for each axis of window",
         "Write the length of each spatial axis"),
    ),
    *bad(
        "polyphase_down polyphase_up", "stride",
        ("one number", 2, ValueError, "2", "one integer per spatial axis", LENGTH),
        ("zero", (2, 0), ValueError, "0", "1 or more", LENGTH),
        ("None", None, TypeError, "None", "one integer per spatial axis", LENGTH),
        ("a set", {2, 3}, TypeError, "{2, 3}", "one integer per spatial axis", LENGTH),
    ),
    *bad(
        f"{GROUPED} {INITS.replace('init_separable_conv', '')}", "groups",
        ("zero", 0, ValueError, "0", "1 or more", UNGROUPED),
        ("a fraction", 2.0, TypeError, "2.0", "an integer", UNGROUPED),
        ("None", None, TypeError, "None", "an integer", UNGROUPED),
        ("several", (1, 1), TypeError, "(1, 1)", "an integer", UNGROUPED),
    ),
    *bad("init_conv", "groups", ("no divisor", 3, ValueError, "3", "a divisor of both channels_in = 2 and channels_out = 4", UNGROUPED)),
    *bad(
        "conv partial_conv locally_connected tiled_conv regional_conv", "groups",
        ("no divisor", 3, ValueError, "3", "a divisor of the kernel's 4 output channels",
         "Draw the kernel with the same groups"),
    ),
    *bad(
        "conv_transpose", "groups",
        ("no divisor", 3, ValueError, "3", "a divisor of the kernel's 4 channels of y",
         "Draw the kernel with the same groups"),
    ),
    *bad(
        POOLS, "ceil_mode",
        ("a number", 1, TypeError, "1", "True or False", "Write one of them, for all axes"),
        ("text", "yes", TypeError, "'yes'", "True or False", "Write one of them, for all axes"),
        ("of each axis", (True, False), TypeError, "(True, False)", "True or False", "Write one of them, for all axes"),
    ),
    *bad(
        POOLS, "ceil_mode",
        ("with a padding that copies", True, ValueError, "True, and the padding CIRCULAR along axis h",
         'False unless padding is "VALID" or zeros (lo, hi)', "Other names give ..."),
        padding="circular",
    ),
    *bad(
        f"{POOLS} blur_pool", "padding",
        ("as wide as the window", ((2, 0), (0, 0)), ValueError, "(2, 0) along axis h",
         "small enough that no window lies entirely in the padding", "Pad by at most 1 at each end; or pad x first by jnp.pad, ..."),
        stride=1,
    ),
    *bad(
        f"{POOLS} blur_pool unfold", "window",
        ("wider than x", (7, 2), ValueError, "7 cells wide (7 taps, dilation 1)",
         "at most as wide as the padded input, which has 6 cells (0 + 6 + 0)", "Use a larger input, ..."),
        named="window along axis h", stride=1,
    ),
    *bad(
        "conv partial_conv separable_conv tiled_conv regional_conv", "dilation",
        ("wider than x", 3, ValueError, "7 cells wide (3 taps, dilation 3)",
         "at most as wide as the padded input, which has 6 cells (0 + 6 + 0)", "Use a larger input, ..."),
        named="window along axis h",
    ),
    *bad(
        "Pad", "boundary",
        ("an unknown name", "full", ValueError, "'full'", '"ZERO", "CIRCULAR", "REFLECT", "SYMMETRIC" or "EDGE"',
         'Leave it out for zeros, or write "CIRCULAR" to wrap around'),
        ("a misspelt name", "edges", ValueError, "'edges'", '"ZERO", ... or "EDGE"', 'Perhaps you mean "EDGE"'),
        ("None", None, TypeError, "None", '"ZERO", ... or "EDGE"', "Leave it out for zeros, ..."),
    ),
    *[
        row for end in ("lo", "hi") for row in bad(
            "Pad", end,
            ("negative", -1, ValueError, "-1", "0 or more", "Write 0 for no padding at that end"),
            ("a fraction", 1.0, TypeError, "1.0", "an integer", "Write 0 for no padding at that end"),
            ("text", "1", TypeError, "'1'", "an integer", "Write 0 for no padding at that end"),
            ("a boolean", True, TypeError, "True", "an integer", "Write 0 for no padding at that end"),
        )
    ],
]  # fmt: skip
