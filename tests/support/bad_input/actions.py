"""Bad actions, and settings of shifts beside them."""

import numpy as np

from support.bad_input.searches import CERTIFICATE
from support.bad_input.verification import bad, identity

EVERY = "check falsify assert_equivariant assert_invariant"
GIVEN = "a name, a pair of functions or a dict of them"
WRITE = "Write action=(on_input, on_output), or {name: (on_input, on_output)} for several elements"
NAMES = '"rot90", "flip", "transpose", "dihedral", "permute" or a pair of functions'
PAIR = (np.negative, np.negative)
BESIDE = "left out where an action is given"
FUNCTIONS = "left out where the action is given by functions"
ROWS = [
    *bad(
        EVERY, "action",
        ("an unknown name", "shear", ValueError, "'shear'", NAMES, 'Write action="rot90"'),
        ("a misspelt name", "rot9", ValueError, "'rot9'", NAMES, 'Perhaps you mean "rot90"'),
        ("a number", 90, TypeError, "90", GIVEN, WRITE),
        ("one function", identity, TypeError, "the function identity", GIVEN, WRITE),
        ("three functions", (identity,) * 3, TypeError, "(<function identity at ...", GIVEN, WRITE),
        ("a pair with a name", (identity, "same"), TypeError, "(<function identity at ...", GIVEN, WRITE),
        ("functions by number", {1: PAIR}, TypeError, "{1: ...", GIVEN, WRITE),
        ("one function by name", {"mine": identity}, TypeError, "{'mine': ...", GIVEN, WRITE),
        ("no elements", {}, ValueError, "{}", "of one element or more", WRITE),
    ),
    *bad(
        EVERY, "action",
        ("of one axis", "rot90", ValueError, "1", "2", "Write axes=(1, 2)"),
        named="the number of axes of rot90",
    ),
    *bad(
        EVERY, "axes",
        ("None for a name", None, TypeError, "None", "a sequence of axes, or a dict of them, ...", "Write axes=(1, 2) to ..."),
        action="flip",
    ),
    *bad(
        "check falsify assert_equivariant", "axes",
        ("beside functions", (1,), ValueError, "(1,)", FUNCTIONS, "Name the axes inside on_input and on_output"),
        action=PAIR,
    ),
    *bad(
        "check falsify", "invariant",
        ("beside functions", True, ValueError, "True", FUNCTIONS, "Pass lambda y: y as on_output"),
        action=PAIR, axes=None,
    ),
    *bad(
        "falsify assert_equivariant assert_invariant", "kind",
        ("beside an action", "interior", ValueError, "'interior'", BESIDE, "Leave it out"), action="flip",
    ),
    *bad(
        "falsify assert_equivariant assert_invariant", "shift",
        ("beside an action", 1, ValueError, "1", BESIDE, "Leave it out"), action="flip",
    ),
    *bad("falsify check", "moves", ("beside an action", [(1, {1: 1})], ValueError, "[(1, {1: 1})]", BESIDE, "Leave it out"),
         action="flip"),
    *bad("falsify check", "certificate", ("beside an action", CERTIFICATE, ValueError, "...", BESIDE, "Leave it out"),
         action="flip"),
    *bad("check", "shifts", ("beside an action", 2, ValueError, "2", BESIDE, "Leave it out"), action="flip"),
    *bad("check", "model", ("beside an action", "zero", ValueError, "'zero'", BESIDE, "Leave it out"), action="flip"),
    *bad("check", "region", ("beside an action", {1: (0, 2)}, ValueError, "{1: (0, 2)}", BESIDE, "Leave it out"),
         action="flip"),
    *bad("check", "batch", ("zero, of an action", 0, ValueError, "0", "1 or more", "Leave it out for as many as fit"),
         action="flip"),
    *bad("falsify assert_equivariant", "examples",
         ("zero, of an action", 0, ValueError, "0", "1 or more", "Leave it out for 100"), action="flip"),
    *bad("falsify assert_equivariant check", "seed",
         ("negative, of an action", -1, ValueError, "-1", "0 or more", "Leave it out for 0"), action="flip"),
    *bad("falsify assert_equivariant", "values",
         ("text, of an action", "yes", TypeError, "'yes'", "True or False", "Write values=True or values=False"),
         action="flip"),
    *bad("assert_equivariant assert_invariant", "undecided",
         ("unknown, of an action", "warn", ValueError, "'warn'", '"fail" or "pass"', 'Write undecided="fail"'),
         action="flip"),
]  # fmt: skip
