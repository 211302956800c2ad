"""Bad settings of what executes: searches, checks, assertions and the checker of certificates."""

import jax

import jaxconv as jc
from support.bad_input import Bad
from support.bad_input.valid import X
from support.bad_input.verification import SPLIT, bad, identity

EXECUTING = "falsify check assert_equivariant assert_invariant"
SEARCHING = "falsify assert_equivariant assert_invariant"
CERTIFICATE = jc.certify(identity, X, axes=(1,), search=False)
ONE_MOVE = "Write [(1, {1: 1})] if the output moves as the input does"
REGION = "Write region={1: (2, 6)} for positions 2 to 5 along axis 1 of the output"
ROWS = [
    *bad(
        EXECUTING, "arguments",
        ("an empty batch", (X[:0],), ValueError, "of shape (0, 6, 6, 2)", "non-empty",
         "Pass a batch of one example or more"),
        named="argument 0",
    ),
    *bad(
        SEARCHING, "kind",
        ("an unknown name", "zero", ValueError, "'zero'", '"cyclic" or "interior"', 'Write kind="cyclic"'),
        ("a misspelt name", "cyclical", ValueError, "'cyclical'", '"cyclic" or "interior"', 'Perhaps you mean "cyclic"'),
        ("None", None, TypeError, "None", '"cyclic" or "interior"', 'Write kind="cyclic"'),
    ),
    *bad(
        SEARCHING, "shift",
        ("zero", 0, ValueError, "0", "a non-zero number of cells", "Leave it out for the law's own shift"),
        ("a fraction", 0.5, TypeError, "0.5", "an integer", "Leave it out for the law's own shift"),
        ("text", "1", TypeError, "'1'", "an integer", "Leave it out for the law's own shift"),
    ),
    *bad(
        SEARCHING, "examples",
        ("zero", 0, ValueError, "0", "1 or more", "Leave it out for 100"),
        ("a fraction", 10.0, TypeError, "10.0", "an integer", "Leave it out for 100"),
        ("None", None, TypeError, "None", "an integer", "Leave it out for 100"),
    ),
    *bad(
        "assert_equivariant assert_invariant", "undecided",
        ("an unknown name", "warn", ValueError, "'warn'", '"fail" or "pass"', 'Write undecided="fail"'),
        ("a boolean", True, TypeError, "True", '"fail" or "pass"', 'Write undecided="fail"'),
    ),
    *bad(
        "check", "model",
        ("an unknown name", "periodic", ValueError, "'periodic'", '"cyclic", "interior" or "zero"', 'Write model="cyclic"'),
        ("None", None, TypeError, "None", '"cyclic", "interior" or "zero"', 'Write model="cyclic"'),
    ),
    *bad(
        "check", "batch",
        ("zero", 0, ValueError, "0", "1 or more", "Leave it out for as many as fit"),
        ("a fraction", 2.0, TypeError, "2.0", "an integer", "Leave it out for as many as fit"),
    ),
    *bad("check", "arguments", ("a shape", (jax.ShapeDtypeStruct((1, 6), "float32"),), TypeError,
                                "a jax.ShapeDtypeStruct", "an array, because the function is executed",
                                "Pass arrays, or integers=True, which draws them"), named="an argument"),
    *bad(
        "check", "shifts",
        ("a fraction", 1.5, TypeError, "1.5", "integers", "Write [[1], [2]] for a sample of two shifts"),
        ("text", "1", TypeError, "'1'", "integers", "Write [[1], [2]] for a sample of two shifts"),
        ("ragged", [[1], [1, 2]], ValueError, "[[1], [1, 2]]", "rows of one length", "Write [[1], [2]] ..."),
        ("zero", 0, ValueError, "0", "positive: a lattice is all multiples of a number", "Leave them out for all shifts"),
        ("of two axes", [1, 2], ValueError, "[1, 2]", "None, an integer, 1 integers (a lattice), or rows of 1 integers (a sample)",
         "Write [[1], [2]] for a sample of two shifts"),
    ),
    *bad(
        "falsify check", "moves",
        ("none at all", [], ValueError, "[]", "one (shift, {output axis: t}) for each of 1 axes", ONE_MOVE),
        ("a number", 1, TypeError, "1", "one (shift, {output axis: t}) for each of 1 axes", ONE_MOVE),
        ("no dict", [(1, 1)], TypeError, "[(1, 1)]", "one (shift, {output axis: t}) for each of 1 axes", ONE_MOVE),
        ("a dict alone", {1: 1}, TypeError, "{1: 1}", "one (shift, {output axis: t}) for each of 1 axes", ONE_MOVE),
    ),
    *bad(
        "falsify check", "moves",
        ("a shift of text", [("1", {1: 1})], TypeError, "'1'", "an integer", ONE_MOVE),
        named="the shift in moves",
    ),
    *bad(
        "falsify check", "moves",
        ("a step of text", [(1, {1: "1"})], TypeError, "'1'", "an integer", ONE_MOVE),
        named="a step in moves",
    ),
    *bad(
        "falsify check", "moves",
        ("no such output axis", [(1, {7: 1})], ValueError, "7", "from ... to 3...", "Name an axis of the output, counted from 0"),
        named="an output axis in moves",
    ),
    *bad(
        "check", "region",
        ("of cyclic shifts", {1: (1, 5)}, ValueError, "{1: (1, 5)}", 'left out for model="cyclic", which compares all positions',
         'Pass model="interior", or leave it out'),
        ("text", "nonsense", ValueError, "'nonsense'", 'left out for model="cyclic", ...', 'Pass model="interior", ...'),
    ),
    *bad(
        "check", "region",
        ("a name", "x", TypeError, "'x'", "a dict, {output axis: (lo, hi)}", REGION),
        ("a pair", (1, 5), TypeError, "(1, 5)", "a dict, {output axis: (lo, hi)}", REGION),
        model="interior",
    ),
    *bad(
        "check", "region",
        ("an axis by name", {"h": (1, 5)}, TypeError, "'h'", "an integer", REGION),
        ("no such axis", {7: (1, 5)}, ValueError, "7", "from 0 to 3", REGION),
        ("an axis that does not move", {1: (1, 5), 2: (1, 5)}, ValueError, "2", "one along which an output moves", "Leave it out"),
        named="an output axis in region", model="interior",
    ),
    *bad(
        "check", "region",
        ("one number", {1: 5}, TypeError, "5", "(lo, hi)", REGION),
        ("a fraction", {1: (1, 4.5)}, TypeError, "4.5", "an integer", REGION),
        ("empty", {1: (4, 4)}, ValueError, "(4, 4)", "0 <= lo < hi <= 6", REGION),
        ("beyond the output", {1: (1, 7)}, ValueError, "(1, 7)", "0 <= lo < hi <= 6", REGION),
        named="the region along output axis 1", model="interior",
    ),
    *bad(
        "check", "certificate",
        ("beside moves", CERTIFICATE, ValueError, "of identity", "left out where moves or invariance are given", "Pass one of them"),
        moves=[(1, {1: 1})],
    ),
    *bad(
        "check", "certificate",
        ("beside invariance", CERTIFICATE, ValueError, "of identity", "left out where ...", "Pass one of them"),
        invariant=True,
    ),
    *bad(
        "falsify", "moves",
        ("beside a certificate", [(1, {1: 1})], ValueError, "[(1, {1: 1})]",
         "left out where a shift, a certificate or invariance is given", "Pass one of them"),
        certificate=CERTIFICATE,
    ),
    *bad(
        "falsify check", "certificate",
        ("text", "proved", TypeError, "'proved'", "a Certificate", "Pass what certify returns, or leave it out"),
        ("JSON", CERTIFICATE.to_json(), TypeError, "'{...", "a Certificate", "Pass what certify returns, ..."),
    ),
    *[
        Bad("recheck", argument, fault, call, error, named, found, expected, fix, "recheck")
        for argument, fault, call, error, named, found, expected, fix in [
            ("certificate", "text", lambda: jc.recheck("x", identity, X), TypeError, "certificate", "'x'", "a Certificate",
             "Pass the result of certify or of Certificate.from_json"),
            ("certificate", "None", lambda: jc.recheck(None, identity, X), TypeError, "certificate", "None", "a Certificate",
             "Pass the result of certify or ..."),
            ("certificate", "a verdict", lambda: jc.recheck(CERTIFICATE.cyclic, identity, X), TypeError, "certificate",
             "...PROVED...", "a Certificate", "Pass the result of certify or ..."),
            ("fn", "None", lambda: jc.recheck(CERTIFICATE, None, X), TypeError, "fn", "None", "a function",
             "Pass the function itself, as in recheck(model, x, ...)"),
            ("arguments", "none at all", lambda: jc.recheck(CERTIFICATE, identity), ValueError, "arguments", "()",
             "the arguments of fn, including the input", "Pass them after fn, as in recheck(fn, x, ...)"),
            ("arguments", "text", lambda: jc.recheck(CERTIFICATE, identity, "x"), TypeError, "argument 0", "'x'",
             "an array, a shape or a number", SPLIT),
            ("seed", "negative", lambda: jc.recheck(CERTIFICATE, identity, X, seed=-1), ValueError, "seed", "-1",
             "0 or more", "Leave it out for 0"),
            ("seed", "text", lambda: jc.recheck(CERTIFICATE, identity, X, seed="0"), TypeError, "seed", "'0'",
             "an integer", "Leave it out for 0"),
            ("progress", "a number", lambda: jc.recheck(CERTIFICATE, identity, X, progress=1), TypeError, "progress", "1",
             "True or False", "Write progress=True or progress=False"),
        ]
    ],
]  # fmt: skip
