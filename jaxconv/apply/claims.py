"""The proofs on which tiles and shards of an input rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax

from jaxconv.apply.plan import common_shift
from jaxconv.errors import explain
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.certify import certify
from jaxconv.verify.claims import Verdict
from jaxconv.verify.shifted_axes import Along, Axes
from jaxconv.verify.tiling.certify_tiling import TilingAxis, certify_tiling
from jaxconv.verify.tracing import name_of


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
        cure = "Change the line that is named, or call the function on the whole"
        raise ValueError(explain(f"the tiling of {name_of(fn)}", f"not proved:\n{certificate}\nIt", "proved", cure))
    return [[leaf.axes[number] for leaf in certificate.leaves] for number in range(len(sizes))]


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
