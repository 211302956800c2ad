"""The proofs on which tiles and shards of an input rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax

from jaxconv.apply.plan import common_shift, too_small
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.certify import certify
from jaxconv.verify.claims import Verdict
from jaxconv.verify.shifted_axes import Along, Axes
from jaxconv.verify.tiling.agreement import CUT_DIFFERENTLY, OTHER_OPERATIONS, PART_OF_STRIDE, TOO_SMALL
from jaxconv.verify.tiling.certificate import TilingAxis, TilingCertificate
from jaxconv.verify.tiling.certify_tiling import certify_tiling

STRIDES = (*range(1, 17), 32, 64)  # products of the strides of a network, and sizes of its blocks


class UnprovedError(ValueError):
    """There is no proof that tiles give the whole's result; `certificate` names the culprit."""

    def __init__(self, message: str, certificate: TilingCertificate):
        self.certificate = certificate
        super().__init__(message)


def shape_of_argument(argument: PyTree) -> PyTree:
    """What an argument is traced as: the shape of an array, or of anything else that can be sliced.

    An array may be split over devices, which its trace would show.
    """
    if hasattr(argument, "shape") and hasattr(argument, "dtype"):
        return jax.ShapeDtypeStruct(tuple(argument.shape), argument.dtype)
    return argument


def as_axes(all_along: Sequence[Along]) -> Axes:
    """Directions as `axes` of a certificate."""
    numbers = [number for number, _ in all_along[0].arguments]
    return {number: tuple(dict(along.arguments)[number] for along in all_along) for number in numbers}


def proved(
    fn: Callable[..., object], shapes: Sequence[PyTree], all_along: Sequence[Along], *sizes: int
) -> list[list[TilingAxis]]:
    """The claims about tiles of these sizes: for each axis, one for each output.

    Raises:
        ValueError: they are not proved.
    """
    if not sizes:
        return []
    certificate = certify_tiling(fn, *shapes, tile=sizes, axes=as_axes(all_along))
    if not certificate.proved:
        raise unproved(certificate)
    return [[leaf.axes[number] for leaf in certificate.leaves] for number in range(len(sizes))]


def unproved(certificate: TilingCertificate) -> UnprovedError:
    """The error for a function whose tiling is not proved."""
    cure = f"Change the line that is named, or call the function on the whole:\n{certificate}\n"
    named = f"fn ({certificate.name})"
    message = explain(named, "a function without a proof that tiles give its result", "one with a proof", cure)
    return UnprovedError(message, certificate)


def suitable(fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, asked: int) -> int:
    """The size of a tile, or a smaller one that is the whole's size modulo a stride.

    "same" padding before a stride depends on the size modulo the stride, and blocks have to divide the size.

    Raises:
        ValueError: only larger tiles give the whole's result, or none do.
    """
    found = _near(fn, shapes, along, asked)
    if found.proved:
        return _size(found)
    larger, size = found, asked
    while not larger.proved and _may_be_too_small(larger) and 2 * size < along.length:
        size *= 2
        larger = _near(fn, shapes, along, size)
    if not larger.proved:
        raise unproved(found)
    claims = [leaf.axes[0] for leaf in larger.leaves]
    shift, smallest, failing = common_shift(claims), _size(larger), asked
    while smallest - failing > shift:
        middle = smallest - max((smallest - failing) // (2 * shift), 1) * shift
        certificate = certify_tiling(fn, *shapes, tile=middle, axes=as_axes([along]))
        smallest, failing = (middle, failing) if certificate.proved else (smallest, middle)
    raise too_small(claims[0], smallest, asked)


def _near(fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, size: int) -> TilingCertificate:
    """The certificate of tiles of this size, or of a size a little below that suits a stride of the function."""
    first: TilingCertificate | None = None
    failed: Exception | None = None
    for candidate in dict.fromkeys(size - (size - along.length) % stride for stride in STRIDES):
        if candidate < 1:
            continue
        try:
            certificate = certify_tiling(fn, *shapes, tile=candidate, axes=as_axes([along]))
        except Exception as error:  # of a function that refuses sizes which its blocks do not divide
            failed = failed or error
            continue
        reasons = {leaf.axes[0].culprit.reason for leaf in certificate.leaves if leaf.axes[0].culprit is not None}
        if first is None or certificate.proved or TOO_SMALL in reasons:
            first = certificate
        if not reasons & {PART_OF_STRIDE, OTHER_OPERATIONS, CUT_DIFFERENTLY}:
            return first
    if first is None:
        raise failed or unproved(certify_tiling(fn, *shapes, tile=size, axes=as_axes([along])))
    return first


def _may_be_too_small(certificate: TilingCertificate) -> bool:
    """Whether larger tiles may be proved."""
    culprits = [leaf.axes[0].culprit for leaf in certificate.leaves]
    return all(culprit is None or culprit.reason in (TOO_SMALL, OTHER_OPERATIONS) for culprit in culprits)


def _size(certificate: TilingCertificate) -> int:
    return certificate.leaves[0].axes[0].tile


def outputs_that_do_not_roll(
    fn: Callable[..., object], shapes: Sequence[PyTree], along: Along, claims: Sequence[TilingAxis]
) -> list[str]:
    """The outputs that rolling the input does not roll as it moves the tiles' outputs.

    The others have each cell inside some tile of a rolled input, such as those of a network that pads circularly.
    """
    certificate = certify(fn, *shapes, axes=as_axes([along]), search=False)
    shift = common_shift(claims)
    found: list[str] = []
    for claim, leaf in zip(claims, certificate.leaves, strict=True):
        if claim.output_axis is None:
            continue
        cyclic = leaf.axes[0].cyclic
        by = cyclic.shift or 1
        moves = tuple((number, step * shift // by) for number, step in cyclic.moves)
        expected = ((claim.output_axis, claim.step * shift // claim.shift),)
        if cyclic.verdict != Verdict.PROVED or shift % by or along.length % shift or moves != expected:
            found.append(leaf.path)
    return found
