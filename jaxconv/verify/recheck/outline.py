"""Checks that a certificate has the outputs, axes and lengths of the function, before anything is executed."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from jaxconv.jaxprs.typing import PyTree, leaves_with_paths
from jaxconv.verify.certificate import Certificate


def outline_objection(certificate: Certificate, shapes: PyTree, arguments: Sequence[PyTree]) -> str:
    """Return why a certificate does not fit a function of these arguments and output shapes, or the empty string."""
    leaves = leaves_with_paths(shapes)
    outputs = [tuple(leaf.shape) for _, leaf in leaves]
    claimed, derived = [leaf.shape for leaf in certificate.leaves], len(certificate.derivations)
    axes = sorted({len(leaf.axes) for leaf in certificate.leaves})
    if claimed != outputs or (axes or [derived]) != [derived]:
        return (
            f"the certificate has outputs {claimed}, {axes} axes and {derived} derivations, "
            f"but the function has outputs {outputs}"
        )
    paths = [jax.tree_util.keystr(path) for path, _ in leaves]
    if [leaf.path for leaf in certificate.leaves] != paths:
        return f"the certificate has outputs {[leaf.path for leaf in certificate.leaves]}, but the function has {paths}"
    reports = [leaf.axes for leaf in certificate.leaves]
    for number, per_output in enumerate(zip(*reports, strict=True)):
        shifted, length = per_output[0].shifted, per_output[0].length
        if any((report.shifted, report.length) != (shifted, length) for report in per_output):
            return f"the outputs disagree about the axes that derivation {number} shifts"
        if problem := _not_to_shift(shifted, length, arguments):
            return problem
    pairs = [pair for report in (reports[0] if reports else ()) for pair in report.shifted]
    return f"the certificate shifts {pairs}, which has a duplicate" if len(set(pairs)) < len(pairs) else ""


def _not_to_shift(shifted: Sequence[tuple[int, int]], length: int, arguments: Sequence[PyTree]) -> str:
    """Return why these axes of these arguments cannot be shifted together, or the empty string."""
    numbers = [number for number, _ in shifted]
    if not numbers or len(set(numbers)) < len(numbers):
        return f"the certificate shifts {shifted}, but must shift one axis each of one or more arguments"
    for number, axis in shifted:
        shape = getattr(arguments[number], "shape", None) if 0 <= number < len(arguments) else None
        if shape is None or not 0 <= axis < len(shape) or shape[axis] != length or length < 1:
            return f"the certificate shifts axis {axis} of argument {number}, of {length} cells, which does not exist"
    return ""
