"""Pairs of rules: execution refutes no claim that is proved for the joined results of two functions.

Two correct rules may still give one name to two signals, or to two phases of a signal. Random programs rarely join such
results. These tests join every two of `pairs_of_rules.FUNCTIONS`.
"""

import itertools
from collections import Counter
from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from support.bare_proofs import bare
from support.claim_oracle import violation
from support.joins_of_rules import JOINS, joined, joins_of
from support.pairs_of_rules import FUNCTIONS, X

import jaxconv as jc
from jaxconv.verify.certificate import Verdict
from jaxconv.verify.domain import Moving
from jaxconv.verify.rule_table import RULES

ALL = list(itertools.combinations_with_replacement(FUNCTIONS, 2))
# Each function with the input, whose signal name no other signal may have, and pairs of neighbours of similar kind.
SAMPLE = [("itself", name) for name in FUNCTIONS] + list(itertools.pairwise(FUNCTIONS))[::2]


def judged(pairs):
    """Return counts of programs and of proofs, and the refuted claims: (first, second, join, counterexample)."""
    counts, refuted = Counter(), []
    for first, second in pairs:
        fn, joins = joined(first, second), joins_of(first, second)
        with bare():
            leaves = jc.certify(fn, X, axes=(1,), search=False).leaves
        counts["programs"] += len(joins)
        for number, (join, leaf) in enumerate(zip(joins, leaves, strict=True)):
            for kind in ("cyclic", "interior"):
                claim = leaf.axes[0].claims[kind]
                if claim.verdict is Verdict.PROVED:
                    counts[kind, join] += 1
                    counterexample = violation(fn, [X], 0, 1, number, claim, kind, samples=2)
                    refuted += [] if counterexample is None else [(first, second, join, counterexample)]
    return counts, refuted


def test_no_false_proof_of_a_sample_of_pairs():
    """Lower bounds on the proofs, today's counts rounded down, because a test without proofs would be vacuous."""
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
    """Return the same rule, which adds itself to `called` when it is called."""

    def watching(equation):
        called.add(rule)
        return rule(equation)

    return watching


NEVER_ASKED = {
    "jaxconv.verify.rules.layout.iota",  # constants, which the walk folds before it applies a rule
    "jaxconv.verify.rules.spectral.convert",  # without 64 bits there is only one complex dtype
}


def test_every_rule_takes_part(monkeypatch):
    """A new rule needs a function in `FUNCTIONS`."""
    called, rules = set(), {rule for by_name in RULES.values() for rule in by_name.values()}
    for by_name in RULES.values():
        for name, rule in list(by_name.items()):
            monkeypatch.setitem(by_name, name, watched(rule, called))
    with bare():
        for fn in FUNCTIONS.values():
            jc.certify(fn, X, axes=(1,), search=False)
    # The oldest JAX does not have these primitives: its jnp.stack is a concatenation.
    stacks = "stack" in str(jax.make_jaxpr(lambda a: jnp.stack([a, a]))(1.0))
    names = ("concatenation.stack", "layout.unstack", "spectral_layout.stack", "spectral_layout.unstack")
    absent = set() if stacks else {f"jaxconv.verify.rules.{name}" for name in names}
    assert {f"{rule.__module__}.{rule.__name__}" for rule in rules - called} == NEVER_ASKED | absent


def misnaming(rule):
    """Return the same rule, except that every signal in its results has the name of the input."""
    kept = lambda f: f if f.motion is None else replace(f, motion=replace(f.motion, signal=NAME, start=0))

    def planted(equation):
        return [
            replace(value, axes=tuple(tuple(map(kept, axis)) for axis in value.axes))
            if isinstance(value, Moving)
            else value
            for value in rule(equation)
        ]

    return planted


NAME = "argument 0"  # the name that `certify` gives to the signal of the input


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
    """The tests above detect a wrong rule."""
    pairs = [pair for pair in SAMPLE if name in pair]
    monkeypatch.setitem(RULES[Moving], primitive, misnaming(RULES[Moving][primitive]))
    assert judged(pairs)[1] != []
