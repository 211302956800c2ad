"""Two rules side by side: whatever is proved of any two functions' results, joined, is not refuted by running them.

Rules that are right each by itself may still give one name to two signals, or two phases to one. Random programs hardly
ever lay such results next to one another; here every two of `pairs.FUNCTIONS` are.
"""

import itertools
from collections import Counter
from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from support.bare_proofs import bare
from support.claim_oracle import violation
from support.pairs_of_rules import FUNCTIONS, JOINS, X, joined, joins_of

import jaxconv as jc
from jaxconv.verify.certificate import Verdict
from jaxconv.verify.domain import Moving
from jaxconv.verify.rule_table import RULES

ALL = list(itertools.combinations_with_replacement(FUNCTIONS, 2))
# Each with the input itself, whose name must be kept for it alone, and with a neighbour, mostly of its own family.
SAMPLE = [("itself", name) for name in FUNCTIONS] + list(itertools.pairwise(FUNCTIONS))[::2]


def judged(pairs):
    """Counts of programs and proofs, and what was refuted: (one, other, join, how)."""
    counts, refuted = Counter(), []
    for one, other in pairs:
        fn, joins = joined(one, other), joins_of(one, other)
        with bare():
            leaves = jc.certify(fn, X, axes=(1,), search=False).leaves
        counts["programs"] += len(joins)
        for number, (join, leaf) in enumerate(zip(joins, leaves, strict=True)):
            for kind in ("cyclic", "interior"):
                claim = getattr(leaf.axes[0], kind)
                if claim.verdict is Verdict.PROVED:
                    counts[kind, join] += 1
                    found = violation(fn, [X], 0, 1, number, claim, kind, samples=2)
                    refuted += [] if found is None else [(one, other, join, found)]
    return counts, refuted


def test_no_false_proof_of_a_sample_of_pairs():
    """The floors are what is reached today, rounded down: where nothing is proved, nothing can be refuted."""
    counts, refuted = judged(SAMPLE)
    assert refuted == []
    assert min(counts["interior", join] for join in JOINS) > 70
    assert min(counts["cyclic", join] for join in ("sum", "apart")) > 80
    assert min(counts["cyclic", join] for join in ("beside", "around")) > 0  # most of these joins have no symmetry


@pytest.mark.slow
def test_no_false_proof_of_any_pair():
    counts, refuted = judged(ALL)
    print(dict(counts))
    assert refuted == []
    assert min(counts["interior", join] for join in JOINS) > 700
    assert min(counts["cyclic", join] for join in ("sum", "apart")) > 1000


def watched(rule, called):
    """The same rule, which leaves its name when it is asked."""

    def watching(equation):
        called.add(rule)
        return rule(equation)

    return watching


NEVER_ASKED = {
    "jaxconv.verify.rules.layout.iota",  # numbers, which the walk computes before it asks any rule
    "jaxconv.verify.rules.spectral.convert",  # there is one complex dtype only, without 64 bits
}


def test_every_rule_takes_part(monkeypatch):
    """A new rule needs a function in the table."""
    called, rules = set(), {rule for by_name in RULES.values() for rule in by_name.values()}
    for by_name in RULES.values():
        for name, rule in list(by_name.items()):
            monkeypatch.setitem(by_name, name, watched(rule, called))
    with bare():
        for fn in FUNCTIONS.values():
            jc.certify(fn, X, axes=(1,), search=False)
    # The oldest JAX has no such primitives: there, jnp.stack is a concatenation.
    stacks = "stack" in str(jax.make_jaxpr(lambda a: jnp.stack([a, a]))(1.0))
    absent = set() if stacks else {"jaxconv.verify.rules.layout.stack", "jaxconv.verify.rules.layout.unstack"}
    assert {f"{rule.__module__}.{rule.__name__}" for rule in rules - called} == NEVER_ASKED | absent


def misnaming(rule):
    """The same rule, except that whatever moves in its results bears the name of the input."""
    kept = lambda f: f if f.motion is None else replace(f, motion=replace(f.motion, signal=NAME, start=0))

    def planted(equation):
        return [
            replace(value, axes=tuple(tuple(map(kept, axis)) for axis in value.axes))
            if isinstance(value, Moving)
            else value
            for value in rule(equation)
        ]

    return planted


NAME = "argument 0"  # what `certify` calls the signal of the input


@pytest.mark.parametrize(
    ("primitive", "name"),
    [
        ("sort", "sorted"),
        ("cumsum", "running sum"),
        ("reduce_max", "outer, largest"),
        ("abs", "abs"),
        ("add", "scaled"),
        ("rev", "flipped channels"),
        ("jaxconv_conv", "conv around"),
        ("reduce_window_max", "largest of two"),
        ("dot_general", "channels mixed"),
        ("gather", "channels gathered"),
        ("scan", "scaled in a loop"),
        ("cond", "one of two"),
    ],
)
def test_a_rule_that_keeps_its_operands_name_is_found_out(primitive, name, monkeypatch):
    """The broken twin."""
    pairs = [pair for pair in SAMPLE if name in pair]
    monkeypatch.setitem(RULES[Moving], primitive, misnaming(RULES[Moving][primitive]))
    assert judged(pairs)[1] != []
