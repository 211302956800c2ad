"""Rules that reorder or remove axes of values in pieces, in cyclic walks. See `overlap_add.py`."""

from __future__ import annotations

from jaxconv.verify.domain import CannotProve, Moving, Pieces
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.layout import row_major
from jaxconv.verify.rules.overlap_add import add, cut_pieces
from jaxconv.verify.rules.pieces import carry_in, derived, pieces_of, settled
from jaxconv.verify.rules.rows_of_reshapes import rows_of


@rule("transpose", of=Pieces)
def transpose(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """The axes in another order.

    Theorem: `Pieces.fold_map_iff` in proofs/coq.
    Jaxpr: `permutation`: the operand's axis for each of the result's.
    """
    pieces, order = eqn.inputs[0], eqn.params["permutation"]
    if not isinstance(pieces, Pieces):
        raise CannotProve("the operand is not in pieces")
    name = (carry_in(pieces).signal, "order", order)
    places, axis = {number: order.index(number) for number in order}, order.index(pieces.axis)
    return [derived(pieces, eqn.shapes[0], axis, name, pieces.total, pieces.spans, places=places)]


@rule("reshape", "squeeze", "broadcast_in_dim", of=Pieces)
def reshape(eqn: Equation[Moving | Pieces]) -> list[Pieces]:
    """Axes of one cell inserted or removed.

    Theorem: `Pieces.fold_map_iff` in proofs/coq.
    Jaxpr: see `layout.reshape`, `layout.squeeze` and `layout.broadcast_in_dim`.
    """
    eqn = row_major(eqn, transpose)
    pieces = eqn.inputs[0]
    if not isinstance(pieces, Pieces):
        raise CannotProve("the operand is not in pieces")
    before, after = eqn.operand_shapes[0], eqn.shapes[0]
    if [n for n in before if n != 1] != [n for n in after if n != 1] or before[pieces.axis] == 1:
        raise CannotProve("changes axes of more than one cell")
    long = ([n for n, length in enumerate(shape) if length != 1] for shape in (before, after))
    places = dict(zip(*long, strict=True))
    name = (carry_in(pieces).signal, eqn.name, after)
    return [derived(pieces, after, places[pieces.axis], name, pieces.total, pieces.spans, places=places)]


@rule("reduce_sum", of=Pieces)
def sum_(eqn: Equation[Moving | Pieces]) -> list[Moving | Pieces]:
    """A sum over axes other than that of the pieces, or over rows of a reshape, which are pieces themselves.

    Example: y.reshape(2, 8).sum(0) folds y [16] to a period of 8 cells.
    Theorems: `Pieces.fold_map_iff` and `Pieces.fold_cat` in proofs/coq.
    Jaxpr: `axes`.
    """
    pieces, axes = eqn.inputs[0], eqn.params["axes"]
    if not isinstance(pieces, Pieces):
        return [_sum_of_rows(eqn)]
    if pieces.axis in axes:
        raise CannotProve("the sum is over the axis of the pieces")
    name = (carry_in(pieces).signal, "sum", axes)
    kept = [n for n in range(len(eqn.operand_shapes[0])) if n not in axes]
    places = {n: place for place, n in enumerate(kept)}
    return [derived(pieces, eqn.shapes[0], places[pieces.axis], name, pieces.total, pieces.spans, places=places)]


def _sum_of_rows(eqn: Equation[Moving | Pieces]) -> Moving | Pieces:
    """The sum of parts of an axis that a reshape has made its rows."""
    rows = rows_of(eqn)
    before, (shape,) = rows.reshape.operand_shapes[0], eqn.shapes
    value = rows.reshape.inputs[0]
    if not isinstance(value, Moving | Pieces):
        raise CannotProve("the rows are not in pieces")
    pieces, total = pieces_of(value, rows.axis), None
    if pieces.axis != rows.axis:
        raise CannotProve("the rows are not in pieces along the axis that is split")
    for row in range(rows.number):
        ranges = [(0, length) for length in before]
        ranges[rows.axis] = (row * rows.length, (row + 1) * rows.length)
        part = cut_pieces(pieces, ranges, before, shape)
        total = part if total is None else add(eqn.with_inputs([total, part]))[0]
    return settled(pieces_of(total, rows.axis), shape) if total is not None else value
