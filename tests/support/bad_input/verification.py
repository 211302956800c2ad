"""Bad requests of the certifier, its checkers and the assertions: functions, arguments, axes, seeds and settings."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from jaxconv.testing import assert_equivariant, assert_invariant
from support.bad_input import Bad
from support.bad_input.valid import X, ones

ALL = {
    name: getattr(jc, name) for name in ("certify", "falsify", "check", "summary")
} | {"assert_equivariant": assert_equivariant, "assert_invariant": assert_invariant}  # fmt: skip
AXES = "Write axes=(1, 2) to shift along h and w of [n, h, w, c]"
KINDS = "a sequence of axes, or a dict of them, {argument number: axes}"
SPLIT = (
    "Pass only arrays, and add the rest inside fn: with eqx.partition and eqx.combine for Equinox, "
    "with nnx.split and nnx.merge for Flax"
)
NUMBERED = "The first argument after fn is 0"


def identity(x):
    """What is equivariant under every shift."""
    return x


def bad(names, argument, *faults, named="", where="", arguments=(X,), fn=identity, **settings):
    """A row for each function and fault, as in `bad_input.bad`: `argument` is "fn", "arguments" or a setting."""
    rows = []
    for name in names.split():
        for fault, value, error, found, expected, fix in faults:
            changed = {"fn": fn, "arguments": arguments, "axes": (1,), **settings, argument: value}
            call = lambda name=name, changed=changed: _call(ALL[name], **changed)
            rows.append(Bad(name, argument, fault, call, error, named or argument, found, expected, fix, where or name))
    return rows


def _call(function, fn, arguments, **settings):
    return function(fn, *arguments, **settings)


def calls(names):
    """Faults of a function and its arguments."""
    return [
        row for name in names.split() for row in [
            *bad(
                name, "fn",
                ("None", None, TypeError, "None", "a function", f"Pass the function itself, as in {name}(model, x, ...)"),
                ("a name", "model", TypeError, "'model'", "a function", "Pass the function itself, as in ..."),
                ("its result", ones(2), TypeError, "an array of shape (2,) and dtype float32", "a function", "Pass the function ..."),
            ),
            *bad(
                name, "fn",
                ("of no arguments", lambda: 0, TypeError, "the function <lambda>, which takes ()", "a function of one argument",
                 "Bind settings beforehand: functools.partial(fn, ...)"),
                ("of another one", lambda x, *, training: x, TypeError, "the function <lambda>, which takes (x, *, training)",
                 "a function of one argument", "Bind settings beforehand: ..."),
            ),
            *bad(name, "fn", ("of one argument", identity, TypeError, "the function identity, which takes (x)",
                              "a function of the 2 arguments that follow it", "Bind settings beforehand: ..."),
                 arguments=(X, X), axes={0: (1,)}),
            *bad(name, "arguments", ("none at all", (), ValueError, "()", "the arguments of fn, including the input",
                                     f"Pass them after fn, as in {name}(fn, x, ...)")),
            *bad(name, "arguments", ("None", (None,), TypeError, "NoneType", "an array, since it has axes to shift",
                                     "Pass the array to shift as a separate argument"),
                 named="argument 0", axes={0: (1,)}),
            *bad(
                name, "arguments",
                ("text", ("x.png",), TypeError, "'x.png'", "an array, a shape or a number", SPLIT),
                ("an array of objects", (np.array([None]),), TypeError, "an array of shape (1,) and dtype object",
                 "an array, a shape or a number", SPLIT),
                named="argument 0",
            ),
            *bad(
                name, "arguments",
                ("an activation among them", ({"act": jax.nn.relu}, X), TypeError, "the function relu",
                 "an array, a shape or a number", SPLIT),
                ("a setting among them", ({"act": "relu"}, X), TypeError, "'relu'", "an array, a shape or a number", SPLIT),
                named="argument 0['act']", axes={1: (1,)},
            ),
        ]
    ]  # fmt: skip


ROWS = [
    *calls(" ".join(ALL)),
    *bad(
        " ".join(ALL), "axes",
        ("a number", 1, TypeError, "1", KINDS, AXES),
        ("text", "hw", TypeError, "'hw'", KINDS, AXES),
        ("a set", {1, 2}, TypeError, "{1, 2}", KINDS, AXES),
        ("a number for an argument", {0: 1}, TypeError, "{0: 1}", "a dict with a sequence of axes for argument 0",
         "Write {0: (1,)} for axis 1 of the first argument"),
        ("text for an argument", {0: "hw"}, TypeError, "{0: 'hw'}", "a dict with a sequence of axes for argument 0",
         "Write {0: (1,)} for axis 1 of the first argument"),
        ("twice the same", (1, -3), ValueError, "...(1, -3)...", "each axis once", AXES),
    ),
    *bad("certify falsify check assert_equivariant assert_invariant", "axes", ("None", None, TypeError, "None", KINDS, AXES)),
    *bad(
        " ".join(ALL), "axes",
        ("a fraction", (1.0,), TypeError, "1.0", "an integer", AXES),
        ("a boolean", (True,), TypeError, "True", "an integer", AXES),
        ("beyond the rank", (4,), ValueError, "4", "from -4 to 3: argument 0 has shape (1, 6, 6, 2)", AXES),
        named="an axis",
    ),
    *bad(
        " ".join(ALL), "axes",
        ("the argument's name", {"x": (1,)}, TypeError, "'x'", "an integer", NUMBERED),
        ("no such argument", {1: (1,)}, ValueError, "1", "from 0 to 0", NUMBERED),
        ("a negative argument", {-1: (1,)}, ValueError, "-1", "from 0 to 0", NUMBERED),
        named="the argument's number in axes",
    ),
    *bad(
        "certify falsify check assert_equivariant assert_invariant", "axes",
        ("none at all", (), ValueError, "empty", "one axis or more", AXES),
        ("of no argument", {}, ValueError, "empty", "one axis or more", AXES),
    ),
    *bad(
        " ".join(ALL), "axes",
        ("of unequal lengths", {0: (1,), 1: (3,)}, ValueError, "2", "6, the length of argument 0 along axis 1", AXES),
        named="the length of argument 1 along axis 3", arguments=(X, X), fn=jnp.add,
    ),
    *bad(
        " ".join(ALL), "axes",
        ("of one of two arguments", (1,), ValueError, "(1,)", "a dict, since there are several arguments",
         "Write {1: (1, 2)} to shift axes 1 and 2 of the second argument"),
        arguments=(X, X), fn=jnp.add,
    ),
    *bad(
        "certify assert_equivariant assert_invariant", "fn",
        ("returns nothing", lambda x: None, ValueError, "None", "one array or more",
         "Return the result: a def needs a return statement"),
        ("returns an empty tree", lambda x: {}, ValueError, "{}", "one array or more", "Return the result: ..."),
        named="the output of fn", where="certify",
    ),
    *bad(
        "summary falsify check", "fn",
        ("returns nothing", lambda x: None, ValueError, "None", "one array or more",
         "Return the result: a def needs a return statement"),
        ("returns an empty tree", lambda x: {}, ValueError, "{}", "one array or more", "Return the result: ..."),
        named="the output of fn",
    ),
    *bad(
        "check", "fn",
        ("returns keys", lambda x: jax.random.split(jax.random.key(0), 6), ValueError, "an array of random keys",
         "an array of numbers", "Return jax.random.key_data of it"),
        named="output",
    ),
    *bad(
        "check", "fn",
        ("has an output without cells", lambda x: (x, x[:0]), ValueError, "of shape (0, 6, 6, 2)", "of one cell or more",
         "Return arrays that have cells"),
        named="output[1]",
    ),
    *bad(
        "certify falsify check assert_equivariant assert_invariant", "seed",
        ("negative", -1, ValueError, "-1", "0 or more", "Leave it out for 0"),
        ("text", "0", TypeError, "'0'", "an integer", "Leave it out for 0"),
        ("None", None, TypeError, "None", "an integer", "Leave it out for 0"),
        ("a key", jax.random.key(0), TypeError, "an array of shape () and dtype key<fry>", "an integer", "Leave it out for 0"),
    ),
    *bad(
        "certify falsify assert_equivariant assert_invariant", "values",
        ("text", "no", TypeError, "'no'", "True or False", "Write values=True or values=False"),
        ("None", None, TypeError, "None", "True or False", "Write values=True or values=False"),
    ),
    *bad(
        "certify", "seconds",
        ("negative", -1, ValueError, "-1", "0 or more", "Leave it out for the default"),
        ("text", "1", TypeError, "'1'", "a number", "Leave it out for the default"),
    ),
    *bad("certify", "search", ("text", "no", TypeError, "'no'", "True or False", "Write search=True or search=False")),
    *bad("falsify check", "invariant", ("text", "no", TypeError, "'no'", "True or False", "Write invariant=True ...")),
    *bad("check", "integers", ("text", "no", TypeError, "'no'", "True or False", "Write integers=True or integers=False")),
]  # fmt: skip
