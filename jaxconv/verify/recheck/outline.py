"""Whether a certificate is one of a function of such arguments and outputs at all, before anything is executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from jaxconv.verify.certificate import Certificate


def misfit(certificate: Certificate, shapes: Any, arguments: Sequence[Any]) -> str:
    """Why a certificate is not about a function of these arguments, whose outputs have these shapes, if so."""
    leaves = jax.tree_util.tree_leaves_with_path(shapes)
    outputs = [tuple(leaf.shape) for _, leaf in leaves]
    claimed, derived = [leaf.shape for leaf in certificate.leaves], len(certificate.derivations)
    axes = sorted({len(leaf.axes) for leaf in certificate.leaves})
    if claimed != outputs or (axes or [derived]) != [derived]:
        return f"it is of outputs {claimed} and {axes} axes, with {derived} derivations; here the outputs are {outputs}"
    paths = [jax.tree_util.keystr(path) for path, _ in leaves]
    if [leaf.path for leaf in certificate.leaves] != paths:
        return f"it calls its outputs {[leaf.path for leaf in certificate.leaves]}, and here they are {paths}"
    reports = [leaf.axes for leaf in certificate.leaves]
    for number, one in enumerate(zip(*reports, strict=True)):
        shifted, length = one[0].shifted, one[0].length
        if any((report.shifted, report.length) != (shifted, length) for report in one):
            return f"its outputs do not agree on what derivation {number} shifts"
        if problem := _not_to_shift(shifted, length, arguments):
            return problem
    pairs = [pair for report in (reports[0] if reports else ()) for pair in report.shifted]
    return f"it shifts {pairs}, and one of these twice" if len(set(pairs)) < len(pairs) else ""


def _not_to_shift(shifted: Sequence[tuple[int, int]], length: int, arguments: Sequence[Any]) -> str:
    """Why these axes of these arguments cannot be shifted together, if so."""
    numbers = [number for number, _ in shifted]
    if not numbers or len(set(numbers)) < len(numbers):
        return f"it shifts {shifted}, which is nothing, or one argument along two axes"
    for number, axis in shifted:
        shape = getattr(arguments[number], "shape", None) if 0 <= number < len(arguments) else None
        if shape is None or not 0 <= axis < len(shape) or shape[axis] != length or length < 1:
            return f"it shifts axis {axis} of argument {number}, of {length} cells, and there is none of that kind"
    return ""
