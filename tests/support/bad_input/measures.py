"""Bad calls of the numeric measures and pictures, and of the strategies that draw configurations and networks."""

import jax
import numpy as np

import jaxconv as jc
from jaxconv.testing import strategies
from jaxconv.verify import measures
from support.bad_input import Bad
from support.bad_input.valid import X
from support.bad_input.verification import SPLIT, identity

SHIFTING = "consistency adversarial_consistency equivariance_error lie_derivative_error layerwise"
BATCHED = "consistency adversarial_consistency equivariance_error layerwise"
LABELLING = "consistency adversarial_consistency"
CHECKED = jc.check(identity, np.arange(72, dtype=np.float32).reshape(X.shape), axes=(1,))
SHIFTS, MANY = "Write [[1], [2]] for a sample of two shifts", "Leave it out for as many as fit"
CALLED = "Pass jc.check(fn, x, axes=...)"
THREE, CIRCULAR, STRATEGY = (
    "Leave it out for 3",
    "Leave it out for CIRCULAR",
    'Write st.just("same") for one padding, or leave it out',
)


def bad(names, argument, *faults, named="", arguments=(X,), fn=identity, **settings):
    """A row for each measure and fault: `argument` is "fn", "arguments" or a setting."""
    rows = []
    for name in names.split():
        for fault, value, error, found, expected, fix in faults:
            changed = {"fn": fn, "arguments": arguments, "axes": (1,), **settings, argument: value}
            call = lambda name=name, changed=changed: _call(getattr(measures, name), **changed)
            rows.append(Bad(name, argument, fault, call, error, named or argument, found, expected, fix, name))
    return rows


def _call(function, fn, arguments, **settings):
    return function(fn, *arguments, **settings)


def bad_of(function, valid, argument, *faults):
    """Rows of a picture or a strategy."""
    name = function.__name__
    return [
        Bad(name, argument, fault, lambda value=value: function(**{**valid, argument: value}), error, argument, found,
            expected, fix, name)
        for fault, value, error, found, expected, fix in faults
    ]  # fmt: skip


ROWS = [
    *[
        row for name in SHIFTING.split() for row in [
            *bad(name, "fn", ("None", None, TypeError, "None", "a function",
                              f"Pass the function itself, as in {name}(model, x, ...)")),
            *bad(name, "arguments", ("none at all", (), ValueError, "()", "the arguments of fn, including the input",
                                     f"Pass them after fn, as in {name}(fn, x, ...)")),
        ]
    ],
    *bad(
        SHIFTING, "arguments",
        ("text", ("x.png",), TypeError, "'x.png'", "an array, a shape or a number", SPLIT),
        ("an empty batch", (X[:0],), ValueError, "of shape (0, 6, 6, 2)", "non-empty", "Pass a batch of one example or more"),
        named="argument 0",
    ),
    *bad(
        SHIFTING, "arguments",
        ("a shape", (jax.ShapeDtypeStruct((1, 6), "float32"),), TypeError, "a jax.ShapeDtypeStruct", "an array, because the function is executed", "Pass arrays"),
        named="an argument",
    ),
    *bad(
        SHIFTING, "axes",
        ("a number", 1, TypeError, "1", "a sequence of axes, or a dict of them, {argument number: axes}", "Write axes=(1, 2) ..."),
        ("None", None, TypeError, "None", "a sequence of axes, or a dict of them, ...", "Write axes=(1, 2) ..."),
    ),
    *bad(SHIFTING, "axes", ("beyond the rank", (4,), ValueError, "4", "from -4 to 3: ...", "Write axes=(1, 2) ..."), named="an axis"),
    *bad(SHIFTING, "fn", ("returns nothing", lambda x: None, ValueError, "None", "one array or more",
                          "Return the result: a def needs a return statement"), named="the output of fn"),
    *bad(SHIFTING, "fn", ("returns keys", lambda x: jax.random.split(jax.random.key(0), 6), ValueError,
                          "an array of random keys", "an array of numbers", "Return jax.random.key_data of it"),
         named="output"),
    *bad(SHIFTING, "fn", ("has an output without cells", lambda x: (x, x[:0]), ValueError, "of shape (0, 6, 6, 2)",
                          "of one cell or more", "Return arrays that have cells"), named="output[1]"),
    *bad(
        BATCHED, "shifts",
        ("a fraction", 1.5, TypeError, "1.5", "integers", SHIFTS),
        ("text", "1", TypeError, "'1'", "integers", SHIFTS),
        ("zero", 0, ValueError, "0", "positive: a lattice is all multiples of a number", "Leave them out for all shifts"),
    ),
    *bad(
        BATCHED, "batch",
        ("zero", 0, ValueError, "0", "1 or more", MANY),
        ("a fraction", 2.0, TypeError, "2.0", "an integer", MANY),
        ("text", "all", TypeError, "'all'", "an integer", MANY),
    ),
    *bad(
        "equivariance_error lie_derivative_error", "certificate",
        ("text", "proved", TypeError, "'proved'", "a Certificate", "Pass what certify returns, or leave it out"),
    ),
    *bad(
        "equivariance_error lie_derivative_error", "invariant",
        ("text", "no", TypeError, "'no'", "True or False", "Write invariant=True or invariant=False"),
    ),
    *bad(
        "equivariance_error lie_derivative_error", "moves",
        ("a number", 1, TypeError, "1", "one (shift, {output axis: t}) for each of 1 axes", "Write [(1, {1: 1})] ..."),
    ),
    *bad(
        "lie_derivative_error", "arguments",
        ("whole numbers", (np.ones((1, 6, 6, 2), np.int32),), TypeError, "int32", "of real floats", "Cast it: x.astype(jnp.float32)"),
        named="argument 0",
    ),
    *bad(
        LABELLING, "classes",
        ("text", "last", TypeError, "'last'", "an integer", "Leave it out for the last axis"),
        ("a fraction", -1.0, TypeError, "-1.0", "an integer", "Leave it out for the last axis"),
    ),
    *bad(
        LABELLING, "classes",
        ("beyond the rank", 4, ValueError, "of shapes [(1, 6, 6, 2)]", "one array with an axis 4",
         "Return one array of scores, such as [n, classes], and name its axis of classes"),
        named="the output",
    ),
    *bad(
        "adversarial_consistency", "labels",
        ("too many", np.zeros(3, int), ValueError, "of shape (3,)", "of shape (1, 6, 6)", "Pass one label for each image, or leave them out"),
        ("one number", 0, ValueError, "of shape ()", "of shape (1, 6, 6)", "Pass one label for each image, or leave them out"),
    ),
    *bad(
        "layerwise", "measure",
        ("an unknown name", "mean", ValueError, "'mean'", '"relative" or "lie"', 'Write measure="relative"'),
        ("None", None, TypeError, "None", '"relative" or "lie"', 'Write measure="relative"'),
    ),
    *[
        row for picture in (measures.position_map, measures.shift_map) for row in [
            *bad_of(
                picture, {}, "check",
                ("None", None, TypeError, "None", "a Check", CALLED),
                ("a verdict", CHECKED.finding.value, TypeError, "'HELD'", "a Check", CALLED),
            ),
            *bad_of(
                picture, {"check": CHECKED}, "leaf",
                ("beyond the last", 1, ValueError, "1", "from 0 to 0", "Leave it out for the first output"),
                ("negative", -1, ValueError, "-1", "from 0 to 0", "Leave it out for the first output"),
                ("its name", "y", TypeError, "'y'", "an integer", "Leave it out for the first output"),
            ),
        ]
    ],
    *bad_of(
        measures.position_map, {"check": CHECKED}, "axes",
        ("three", (0, 1, 2), ValueError, "(0, 1, 2)", "one or two of the output's 4 axes", "Write axes=(1, 2) for [n, h, w, c]"),
        ("twice the same", (1, 1), ValueError, "(1, 1)", "one or two of the output's 4 axes", "Write axes=(1, 2) for [n, h, w, c]"),
        ("beyond the rank", (4,), ValueError, "(4,)", "one or two of the output's 4 axes", "Write axes=(1, 2) for [n, h, w, c]"),
        ("one number", 1, TypeError, "1", "one or two of the output's 4 axes", "Write axes=(1, 2) for [n, h, w, c]"),
        ("a name", ("h",), TypeError, "'h'", "an integer", "Write axes=(1, 2) for [n, h, w, c]"),
    ),
    *bad_of(
        measures.position_map, {"check": CHECKED}, "statistic",
        ("an unknown name", "spread", ValueError, "'spread'", '"mean" or "largest"', 'Write statistic="mean"'),
        ("a function", np.mean, TypeError, "the function mean", '"mean" or "largest"', 'Write statistic="mean"'),
    ),
    *bad_of(
        measures.layer_bars, {}, "layers",
        ("none", (), ValueError, "()", "one LayerError or more, as layerwise returns them", "Pass layerwise(fn, x, axes=...)"),
        ("the function", identity, TypeError, "the function identity", "one LayerError or more, ...", "Pass layerwise(...)"),
        ("numbers", [1.0], TypeError, "[1.0]", "one LayerError or more, ...", "Pass layerwise(...)"),
    ),
    *[
        row for strategy in (strategies.conv_configurations, strategies.pool_configurations)
        for row in bad_of(
            strategy, {}, "max_rank",
            ("zero", 0, ValueError, "0", "1 or more", THREE),
            ("a fraction", 2.0, TypeError, "2.0", "an integer", THREE),
            ("None", None, TypeError, "None", "an integer", THREE),
        )
    ],
    *[
        row for strategy in (strategies.conv_configurations, strategies.networks)
        for row in bad_of(
            strategy, {}, "padding",
            ("a name", "same", TypeError, "'same'", "a strategy of paddings of one axis", STRATEGY),
            ("a pair", (1, 1), TypeError, "(1, 1)", "a strategy of paddings of one axis", STRATEGY),
        )
    ],
    *bad_of(
        strategies.circular_configurations, {}, "boundary",
        ("an unknown name", "zeros", ValueError, "'zeros'", "...", CIRCULAR),
        ("None", None, TypeError, "None", "...", CIRCULAR),
    ),
    *bad_of(
        strategies.circular_configurations, {}, "divides",
        ("text", "no", TypeError, "'no'", "True or False", "Write divides=True or divides=False"),
    ),
    *bad_of(
        strategies.networks, {}, "rank",
        ("zero", 0, ValueError, "0", "1, 2 or 3 spatial axes", "Write 2 for images"),
        ("too many", 4, ValueError, "4", "1, 2 or 3 spatial axes", "Write 2 for images"),
        ("text", "2d", TypeError, "'2d'", "an integer", "Write 2 for images"),
    ),
    *bad_of(
        strategies.networks, {}, "max_depth",
        ("zero", 0, ValueError, "0", "1 or more", THREE),
        ("a fraction", 1.5, TypeError, "1.5", "an integer", THREE),
    ),
]  # fmt: skip
