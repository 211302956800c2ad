"""Coq itself, where it is installed: the theories compile, and the golden files are what they compute.

What takes longer, the audit and the mutants, is left to `python proofs/prove.py`, which CI runs.
"""


def test_coq_accepts_the_theories_and_the_golden_files(proved):
    _, said = proved
    assert "windows.json, conv.json are what the reference computes" in said, said
    assert "certificate_checker compiled" in said, said
