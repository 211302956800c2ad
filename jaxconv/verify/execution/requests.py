"""Validation shared by all functions that run a function on shifted inputs: arguments, batch, certificate, outputs."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from jaxconv.checks import integer, shown
from jaxconv.errors import explain, public_name
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.arguments import check_cells
from jaxconv.verify.certificate import Certificate, Claim, Verdict
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.shifted_axes import Along


def check_request(
    arguments: Sequence[PyTree],
    along: Sequence[Along],
    *,
    batch: object = None,
    drawn: bool = False,
) -> None:
    """Raise for an empty input, an invalid batch, and for shapes unless arrays are `drawn` for them."""
    if batch is not None:
        integer("batch", batch, least=1, cure="Leave it out for as many as fit")
    check_cells(arguments, [number for direction in along[:1] for number, _ in direction.arguments])
    if not drawn and any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(arguments)):
        cure = "Pass arrays, or integers=True, which draws them" if public_name() == "check" else "Pass arrays"
        raise TypeError(
            explain("an argument", "a jax.ShapeDtypeStruct", "an array, because the function is executed", cure)
        )


def check_certificate(certificate: object, function: Program, along: Sequence[Along], *, each: bool = True) -> None:
    """Raise unless it is None, or a certificate of these outputs and axes, whose claims the outputs can satisfy.

    `each`: whether every output needs a report of every axis. If not, one report is enough.
    """
    if certificate is None:
        return
    if not isinstance(certificate, Certificate):
        cure = "Pass what certify returns, or leave it out"
        raise TypeError(explain("certificate", shown(certificate), "a Certificate", cure))
    shapes = [tuple(leaf.shape) for _, leaf in function.outputs]
    asked = {(direction.arguments, direction.length) for direction in along}
    made = [{(axis.shifted, axis.length) for axis in leaf.axes} for leaf in certificate.leaves]
    known = all(map(asked.issubset, made)) if each else any(asked & axes for axes in made)
    cure = "Make it by jc.certify(fn, *arguments, axes=axes)"
    if [tuple(leaf.shape) for leaf in certificate.leaves] != shapes or not known:
        expected = "one of the same function, shapes and axes"
        raise ValueError(explain("the certificate", f"of {certificate.function}", expected, cure))
    for leaf in certificate.leaves:
        for kind, claim in ((kind, claim) for axis in leaf.axes for kind, claim in axis.claims.items()):
            if claim.verdict == Verdict.PROVED and not _possible(claim, leaf.shape):
                law = f"shift {claim.shift}, moves {claim.moves}, region {claim.region}"
                raise ValueError(explain(f"its {kind} claim", law, f"a law of an output {leaf.shape}", cure))


def _possible(claim: Claim, shape: Sequence[int]) -> bool:
    """Whether a proved claim has a shift, moves along axes of the output, once each, and regions within them."""
    axes = [axis for axis, _ in claim.moves]
    moves = len(set(axes)) == len(axes) and all(0 <= axis < len(shape) and t != 0 for axis, t in claim.moves)
    regions = all(axis in axes and 0 <= lo <= hi <= shape[axis] for axis, lo, hi in claim.region)
    return claim.shift is not None and claim.shift >= 1 and moves and regions


def check_outputs(function: Program) -> None:
    """Raise ValueError for a function whose output cannot be compared: an array of random keys, or without cells."""
    for path, leaf in function.outputs:
        if is_kind(leaf, jax.dtypes.prng_key):
            cure = "Return jax.random.key_data of it"
            raise ValueError(explain(f"output{path}", "an array of random keys", "an array of numbers", cure))
        if not leaf.size:
            cure = "Return arrays that have cells"
            raise ValueError(explain(f"output{path}", f"of shape {tuple(leaf.shape)}", "of one cell or more", cure))
