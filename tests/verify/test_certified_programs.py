"""Random programs: execution refutes no proved claim, and most true claims are proved."""

from collections import Counter
from functools import partial

import pytest
from support.bare_proofs import bare
from support.claim_oracle import maximal_interior, violation
from support.profiles import NIGHTLY
from support.random_programs import random_program

import jaxconv as jc
from jaxconv.verify.claims import Verdict

certify = partial(jc.certify, search=False)  # proofs only
PROGRAMS = 150 if NIGHTLY else 80


def is_narrow(program, axis, shift, moves):
    """Whether the law holds, by execution, for fewer pairs of positions than a reported claim needs."""
    ((_, step),) = moves
    lo, hi = maximal_interior(program.fn, program.arguments, 0, axis, 0, shift, moves, samples=2)
    return hi - lo - abs(step) < max(abs(step), 2)


def judged(seeds, samples):
    """Return counts of proved claims, of expected claims and of culprits over programs; and the refuted claims."""
    counts, refuted = Counter(), []
    for seed in seeds:
        program = random_program(seed)
        with bare():
            certificate = certify(program.fn, *program.arguments, axes={0: program.axes})
        (leaf,) = certificate.leaves
        for axis, report, expected in zip(program.axes, leaf.axes, program.expected, strict=True):
            for kind, claim in (("cyclic", report.cyclic), ("interior", report.interior)):
                proved = claim.verdict == Verdict.PROVED
                assert proved or "failed" not in claim.culprit.reason
                if proved:
                    counts["proved"] += 1
                    counterexample = violation(program.fn, program.arguments, 0, axis, 0, claim, kind, samples=samples)
                    refuted += [] if counterexample is None else [f"{program}: {counterexample}"]
                if kind != program.world:
                    continue
                if expected is not None and not proved and kind == "interior" and is_narrow(program, axis, *expected):
                    counts["interior too narrow"] += 1
                elif expected is not None:
                    counts[f"{kind} true"] += 1
                    counts[f"{kind} true and proved"] += proved
                elif program.faulty is not None and not proved:
                    counts["culprit"] += 1
                    counts["right line"] += f"{program.filename}:{program.fault_line} " in claim.culprit.source
    return counts, refuted


def assert_good(counts, refuted):
    """Assert that no claim is refuted, that 95% of the true claims are proved, and that 95% of the culprits are right."""
    assert refuted == []
    assert counts["interior true and proved"] >= 0.95 * counts["interior true"]
    assert counts["cyclic true and proved"] >= 0.95 * counts["cyclic true"]
    assert counts["right line"] >= 0.95 * counts["broken"]


def test_no_false_proof_and_few_omissions():
    counts, refuted = judged(range(PROGRAMS), samples=2)
    assert counts["proved"] > PROGRAMS
    assert_good(counts, refuted)


@pytest.mark.slow
def test_no_false_proof_in_two_thousand_programs():
    counts, refuted = judged(range(1000, 3000), samples=3)
    print(dict(counts))
    assert counts["proved"] > 2000
    assert_good(counts, refuted)
