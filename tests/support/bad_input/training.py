"""Bad calls of training and testing helpers: models, images, labels, paths, shapes and seeds."""

import jax
import numpy as np
import optax

import jaxconv as jc
from jaxconv.testing import assert_gradient_is_summed_delta, strategies
from jaxconv.training import data, lenet, step
from support.bad_input import Bad
from support.bad_input.valid import KERNEL, KEY, X, ones

IMAGES, LABELS = ones(2, 6, 6, 1), np.zeros(2, int)
DIGITS = ones(1, 32, 32, 1)
FOUR, ONE = "an array [n, h, w, c]", "Pass a NumPy array; one image is image[None]"
SCORES = "Pass model(params, images), which returns scores [n, classes]"
LAYER = "Pass layer(params, x), functools.partial(jc.conv, stride=2) for example"
PIXELS = "Write (1, -2) for 1 pixel down and 2 to the left"
NUMBERED = "Number the classes from 0; for one-hot rows write labels.argmax(-1)"
CLASSES = "an array of shape (2, classes)"
VMAP = "Return one array [n, classes]: for a model of one image write jax.vmap(model, in_axes=(None, 0))"
AXES = "Write (1, 2) for the rows and columns of [n, i, j, o]"


def scores(params, images):
    """One score for each image."""
    return images.reshape(len(images), -1)[:, :1]


VALID = {
    step.accuracy: {"model": scores, "params": {}, "images": IMAGES, "labels": LABELS},
    step.accuracy_when_shifted: {"model": scores, "params": {}, "images": IMAGES, "labels": LABELS, "distances": (0, 1)},
    step.cross_entropy: {"model": scores, "params": {}, "images": IMAGES, "labels": LABELS},
    step.shifted: {"images": IMAGES, "by": (1, 1)},
    step.make_step: {"model": scores, "optimiser": optax.sgd(0.1)},
    data.batches: {"count": 5, "size": 2, "seed": 0},
    data.bundled_digits: {"side": 8},
    data.mnist: {"folder": "nowhere"},
    data.read_idx: {"path": "nowhere", "axes": 1},
    lenet.init_lenet: {"key": KEY},
    lenet.init_lenet_1998: {"key": KEY},
    lenet.lenet: {"params": {}, "images": DIGITS},
    lenet.lenet_1998: {"params": {}, "images": DIGITS},
    lenet.sharing: {},
    assert_gradient_is_summed_delta: {"layer": jc.conv, "params": KERNEL, "x": X},
    strategies.arrays: {"shape": (2, 3)},
    strategies.images: {},
    strategies.parameters: {"tree": KERNEL},
}  # fmt: skip


def bad(function, argument, *faults, named="", where=""):
    """Rows as in `bad_input.bad`, of a function itself. `batches` yields, so it is asked for its first."""
    name = function.__name__
    run = (lambda **settings: next(function(**settings))) if function is data.batches else function
    return [
        Bad(name, argument, fault, lambda value=value: run(**{**VALID[function], argument: value}), error,
            named or argument, found, expected, fix, where or name)
        for fault, value, error, found, expected, fix in faults
    ]  # fmt: skip


def outputs(function, argument, call, where=""):
    """Bad calls with models whose scores are none."""
    faults = [
        ("scores with an axis too many", lambda params, x: scores(params, x)[:, None], ValueError, "of shape (2, 1, 1)", CLASSES, VMAP),
        ("scores without a batch axis", lambda params, x: x[0, 0, 0], ValueError, "of shape (1,)", CLASSES, VMAP),
        ("scores of other images", lambda params, x: x[:1, 0, 0], ValueError, "of shape (1, 1)", CLASSES, VMAP),
        ("two outputs", lambda params, x: (x, x), TypeError, "(...", CLASSES, VMAP),
        ("complex scores", lambda params, x: scores(params, x).astype("complex64"), TypeError, "of dtype complex64", "of ... numbers",
         "Cast them: scores.astype(jnp.float32)"),
    ]  # fmt: skip
    name = function.__name__
    return [
        Bad(name, argument, fault, lambda model=model: call(model), error, "the model's output", found, expected, fix,
            where or name)
        for fault, model, error, found, expected, fix in faults
    ]  # fmt: skip


def shift(fault, lengths, error, found, expected):
    """A bad call of `strategies.shifts`."""
    call = lambda: strategies.shifts(*lengths)
    return Bad("shifts", "lengths", fault, call, error, "lengths", found, expected,
               "Write shifts(8, 12) for axes of 8 and 12 cells", "shifts")  # fmt: skip


ROWS = [
    *[
        row for function in (step.accuracy, step.accuracy_when_shifted) for row in [
            *bad(
                function, "images",
                ("None", None, TypeError, "None", FOUR, ONE),
                ("one image", IMAGES[0], ValueError, "of shape (6, 6, 1)", FOUR, ONE),
                ("none at all", IMAGES[:0], ValueError, "of shape (0, 6, 6, 1)", "one image or more",
                 "Pass at least one example: the accuracy is a mean"),
            ),
            *bad(
                function, "labels",
                ("too many", np.zeros(3, int), ValueError, "of shape (3,)", "of shape (2,), one for each image",
                 "Pass the labels of these images, in order"),
                ("None", None, ValueError, "of shape ()", "of shape (2,), one for each image", "Pass the labels ..."),
                ("of one-hot rows", np.eye(2), ValueError, "of shape (2, 2)", "of shape (2,), one for each image", "Pass the ..."),
                ("fractions", np.zeros(2), TypeError, "of dtype float64", "of integers", NUMBERED),
                ("text", ["a", "b"], TypeError, "of dtype <U1", "of integers", NUMBERED),
                ("booleans", [True, False], TypeError, "of dtype bool", "of integers", NUMBERED),
                ("none of the classes", np.array([0, 1]), ValueError, "1 at index 1", "from 0 to 0, since there are 1 scores",
                 "Number the classes from 0, or return one score for each class from the model"),
                ("negative", np.array([-1, 0]), ValueError, "-1 at index 0", "from 0 to 0, since there are 1 scores", "Number ..."),
            ),
            *outputs(function, "model", lambda model, function=function: function(**{**VALID[function], "model": model})),
        ]
    ],
    *bad(
        step.cross_entropy, "labels",
        ("too many", np.zeros(3, int), ValueError, "of shape (3,)", "of shape (2,), one for each image", "Pass the labels ..."),
        ("fractions", np.zeros(2), TypeError, "of dtype float64", "of integers", NUMBERED),
    ),
    *bad(step.cross_entropy, "images", ("None", None, TypeError, "None", FOUR, ONE)),
    *outputs(step.cross_entropy, "model", lambda model: step.cross_entropy(model, {}, IMAGES, LABELS)),
    *outputs(
        step.make_step, "model", lambda model: step.make_step(model, optax.sgd(0.1))({}, optax.sgd(0.1).init({}), IMAGES, LABELS),
        where="cross_entropy",
    ),
    *[
        Bad("make_step", "labels", fault, lambda labels=labels: step.make_step(scores, optax.sgd(0.1))({}, (), IMAGES, labels),
            error, "labels", found, expected, fix, "step")
        for fault, labels, error, found, expected, fix in [
            ("too few", np.zeros(1, int), ValueError, "of shape (1,)", "of shape (2,), one for each image", "Pass the labels ..."),
            ("fractions", np.zeros(2), TypeError, "of dtype float64", "of integers", NUMBERED),
            ("text", ["a", "b"], TypeError, "of dtype <U1", "of integers", NUMBERED),
        ]
    ],
    *[
        row for function in (step.accuracy, step.accuracy_when_shifted, step.make_step, step.cross_entropy) for row in bad(
            function, "model",
            ("None", None, TypeError, "None", "a function", SCORES),
            ("of no arguments", lambda: 0, TypeError, "the function <lambda>, which takes ()", "a function of two arguments", SCORES),
        )
    ],
    *bad(
        step.accuracy, "batch",
        ("zero", 0, ValueError, "0", "1 or more", "Leave it out for 500"),
        ("a fraction", 2.0, TypeError, "2.0", "an integer", "Leave it out for 500"),
    ),
    *bad(
        step.accuracy_when_shifted, "distances",
        ("one number", 2, TypeError, "2", "a sequence of integers", "Write (0, 1, 2) for up to 2 pixels"),
        ("a fraction", (0.5,), TypeError, "0.5", "an integer", "Write (0, 1, 2) for up to 2 pixels"),
        ("negative", (-1,), ValueError, "-1", "0 or more", "Write (0, 1, 2) for up to 2 pixels"),
    ),
    *bad(
        step.shifted, "by",
        ("one number", 1, TypeError, "1", "two integers: pixels down and right", PIXELS),
        ("three", (1, 1, 1), ValueError, "(1, 1, 1)", "two integers: pixels down and right", PIXELS),
        ("a fraction", (1, 0.5), TypeError, "0.5", "an integer", PIXELS),
    ),
    *bad(
        step.shifted, "images",
        ("None", None, TypeError, "None", FOUR, ONE),
        ("one image", IMAGES[0], ValueError, "of shape (6, 6, 1)", FOUR, ONE),
    ),
    *bad(
        step.make_step, "optimiser",
        ("a number", 0.1, TypeError, "0.1", "one of optax's optimisers", "Write optax.sgd(0.1)"),
        ("a name", "adam", TypeError, "'adam'", "one of optax's optimisers", "Write optax.sgd(0.1)"),
        ("its maker", optax.sgd, TypeError, "the function sgd", "one of optax's optimisers", "Write optax.sgd(0.1)"),
    ),
    *bad(
        data.batches, "size",
        ("zero", 0, ValueError, "0", "from 1 to the 5 examples", "Write a power of two ..."),
        ("too large", 6, ValueError, "6", "from 1 to the 5 examples", "Write a power of two ..."),
        ("a fraction", 2.0, TypeError, "2.0", "an integer", "Write a power of two ..."),
    ),
    *bad(
        data.batches, "count",
        ("zero", 0, ValueError, "0", "1 or more", "It is len(images)"),
        ("text", "5", TypeError, "'5'", "an integer", "It is len(images)"),
    ),
    *bad(
        data.batches, "seed",
        ("negative", -1, ValueError, "-1", "0 or more", "Write 0"),
        ("None", None, TypeError, "None", "an integer", "Write 0"),
    ),
    *bad(
        data.bundled_digits, "side",
        ("zero", 0, ValueError, "0", "1 or more", "Leave it out for 32, or write 8 for no scaling"),
        ("text", "8", TypeError, "'8'", "an integer", "Leave it out for 32, or write 8 for no scaling"),
    ),
    *bad(data.mnist, "folder", ("None", None, TypeError, "None", "a path", 'Write it as text: "data/mnist"')),
    *bad(data.read_idx, "path", ("a number", 1, TypeError, "1", "a path", 'Write it as text: "data/mnist"')),
    *bad(data.read_idx, "axes", ("text", "1", TypeError, "'1'", "an integer", "Write 3 for images and 1 for labels")),
    *[
        row for function in (lenet.init_lenet, lenet.init_lenet_1998) for row in bad(
            function, "key",
            ("a number", 0, TypeError, "0", "one jax.random key", "Pass jax.random.key(0)"),
            ("several keys", jax.random.split(KEY), ValueError, "keys of shape (2,)", "one jax.random key", "Pass one of them, ..."),
            where="init_lenet",
        )
    ],
    *[
        row for function in (lenet.lenet, lenet.lenet_1998) for row in bad(
            function, "params",
            ("None", None, TypeError, "None", 'a dict of "c1" and "c3" and ...', "Pass what the init function returns"),
            ("empty", {}, ValueError, "a dict of []", 'a dict of "c1" and "c3" and ...', "Pass what the init function returns"),
            ("one layer's", KERNEL, ValueError, "a dict of ['bias', 'kernel']", 'a dict of "c1" and ...', "Pass what ..."),
        )
    ],
    *bad(lenet.sharing, "historical", ("text", "no", TypeError, "'no'", "True or False",
                                       "Write historical=True or historical=False")),
    *bad(
        assert_gradient_is_summed_delta, "layer",
        ("None", None, TypeError, "None", "a function", LAYER),
        ("of no arguments", lambda: 0, TypeError, "the function <lambda>, which takes ()", "a function of two arguments", LAYER),
    ),
    *[
        row for name in ("params", "x") for row in bad(
            assert_gradient_is_summed_delta, name,
            ("text", "conv", TypeError, "'conv'", "a tree of arrays", "Pass arrays or shapes, and close over the rest"),
            ("a number", 1.0, TypeError, "1.0", "a tree of arrays", "Pass arrays or shapes, and close over the rest"),
        )
    ],
    *bad(
        assert_gradient_is_summed_delta, "params",
        *[
            (fault, value, ValueError, found, "a tree with floating-point arrays",
             "Pass the parameters whose gradient is to be checked")
            for fault, value, found in [
                ("None", None, "None"), ("none at all", {}, "{}"),
                ("of integers", {"kernel": np.zeros(2, int)}, "{'kernel': array([0, 0])}"),
            ]
        ],
    ),
    *bad(
        assert_gradient_is_summed_delta, "positions",
        ("one number", 1, TypeError, "1", "a sequence of the output's axes", AXES),
        ("beyond the rank", (9,), ValueError, "9", "from -4 to 3, axes of the output", AXES),
        ("a fraction", (1.0,), TypeError, "1.0", "an integer", AXES),
    ),
    *bad(
        assert_gradient_is_summed_delta, "seed",
        ("negative", -1, ValueError, "-1", "0 or more", "Leave it out for 0"),
        ("text", "0", TypeError, "'0'", "an integer", "Leave it out for 0"),
    ),
    *bad(
        strategies.arrays, "shape",
        ("one number", 3, TypeError, "3", "a sequence of integers", "Write (2, 3), or () for a scalar"),
        ("negative", (2, -1), ValueError, "-1", "0 or more", "Write (2, 3), or () for a scalar"),
        ("a fraction", (2.0,), TypeError, "2.0", "an integer", "Write (2, 3), or () for a scalar"),
    ),
    *bad(
        strategies.arrays, "most",
        ("zero", 0, ValueError, "0", "1 or more", "Leave it out for 4"),
        ("text", "4", TypeError, "'4'", "an integer", "Leave it out for 4"),
    ),
    *bad(
        strategies.arrays, "most",
        ("inexact", 2**24 + 1, ValueError, "16777217", "at most 16777216, up to which float32 holds every integer",
         "Leave it out for 4"),
    ),
    *[
        row for function in (strategies.images, strategies.parameters) for row in bad(
            function, "most",
            ("zero", 0, ValueError, "0", "1 or more", "Leave it out for 4"),
            ("a fraction", 4.0, TypeError, "4.0", "an integer", "Leave it out for 4"),
            ("inexact", 2**24 + 1, ValueError, "16777217", "at most 16777216, up to which float32 holds every integer",
             "Leave it out for 4"),
        )
    ],
    *bad(strategies.arrays, "dtype", ("an unknown name", "foo", TypeError, "'foo'", "a dtype", "Write np.float32")),
    *bad(
        strategies.images, "rank",
        ("4", 4, ValueError, "4", "1, 2 or 3 spatial axes", "Write 2 for images"),
        ("text", "2", TypeError, "'2'", "an integer", "Write 2 for images"),
        ("several", [2], TypeError, "[2]", "an integer", "Write 2 for images"),
    ),
    *bad(
        strategies.images, "shapes",
        ("none at all", (), ValueError, "()", "a sequence of shapes, one or more", "Write [(1, 12, 8, 1)] ..."),
        ("one number", 4, TypeError, "4", "a sequence of shapes, one or more", "Write [(1, 12, 8, 1)] ..."),
        ("one shape", (1, 8, 8, 1), TypeError, "(1, 8, 8, 1)", "a sequence of shapes, one or more", "Write [(1, 12, 8, 1)] ..."),
    ),
    *bad(
        strategies.parameters, "tree",
        ("text", "conv", TypeError, "'conv'", "a tree of arrays or shapes", "Pass the result of an init function, ..."),
        ("None", None, ValueError, "None", "a tree of arrays or shapes", "Pass the result of an init function, ..."),
    ),
    shift("none at all", (), ValueError, "()", "one length or more, one of them above 1"),
    shift("one cell", (1,), ValueError, "(1,)", "one length or more, one of them above 1"),
    shift("text", ("8",), TypeError, "'8'", "an integer"),
    shift("a tuple", ((8, 8),), TypeError, "(8, 8)", "an integer"),
]  # fmt: skip
