"""Differences of running sums: cumsum(y)[j + w] - cumsum(y)[j] is the sum of w cells of y, as in a moving average.

Each running sum depends on where the axis starts. Their difference does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxconv.jaxprs.registry import Registry
from jaxconv.verify.domain import CannotProve, Moving, Plain, Value, fit, scaled, with_motions
from jaxconv.verify.rule_table import Equation
from jaxconv.verify.rules.advancing_rows import by_rows

LARGEST = 2**20  # most cells that all sums read together


class Sums(NamedTuple):
    """A value whose position j along `axis` is the sum of y[0] to y[last[j]], for the operand y of `running`.

    Sums to the end are the sum of all cells minus such a sum. A position that is zero has `nothing` for its last cell.
    """

    running: Equation[Value]
    axis: int
    last: np.ndarray
    nothing: int


# What running sums become in equations that move them, by primitive: from the equation.
sums: Registry[Callable[[Equation[Value]], Sums]] = Registry()


def _sums_of(eqn: Equation[Value], operand: int) -> Sums:
    """The running sums that an operand holds. Raises CannotProve if it is something else."""
    made = eqn.makers(operand)
    if made is None or made[0].name not in sums:
        raise CannotProve("an operand holds no running sums")
    return sums[made[0].name](made[0])


@sums("cumsum")
def _running(eqn: Equation[Value]) -> Sums:
    axis: int = eqn.params["axis"]
    length = eqn.shapes[0][axis]
    if eqn.params["reverse"]:
        return Sums(eqn, axis, np.arange(length) - 1, length - 1)
    return Sums(eqn, axis, np.arange(length), -1)


@sums("slice")
def _sliced(eqn: Equation[Value]) -> Sums:
    found = _sums_of(eqn, 0)
    strides = eqn.params["strides"] or (1,) * len(eqn.shapes[0])
    cuts = list(zip(eqn.params["start_indices"], eqn.params["limit_indices"], strides, strict=True))
    if any(
        cut != (0, n, 1) for a, (cut, n) in enumerate(zip(cuts, eqn.operand_shapes[0], strict=True)) if a != found.axis
    ):
        raise CannotProve("it cuts another axis, too")
    return found._replace(last=found.last[slice(*cuts[found.axis])])


@sums("pad")
def _padded(eqn: Equation[Value]) -> Sums:
    found, padding = _sums_of(eqn, 0), eqn.params["padding_config"]
    lo, hi, inside = padding[found.axis]
    others = [widths for axis, widths in enumerate(padding) if axis != found.axis]
    if eqn.known[1] is None or eqn.known[1] != 0 or any(map(any, others)) or min(lo, hi) < 0 or inside:
        raise CannotProve("it pads with something else than sums of no cells")
    return found._replace(last=np.pad(found.last, (lo, hi), constant_values=found.nothing))


@sums("concatenate")
def _joined(eqn: Equation[Value]) -> Sums:
    """Zeros beside running sums are sums of no cells."""
    axis: int = eqn.params["dimension"]
    zeros = [numbers is not None and not numbers.any() for numbers in eqn.known]
    parts = [None if zero else _sums_of(eqn, n) for n, zero in enumerate(zeros)]
    found = [part for part in parts if part is not None]
    if len(found) != 1 or found[0].axis != axis:
        raise CannotProve("it joins other values")
    nothing = [np.full(shape[axis], found[0].nothing) for shape in eqn.operand_shapes]
    return found[0]._replace(
        last=np.concatenate([a if p is None else p.last for p, a in zip(parts, nothing, strict=True)])
    )


def windowed(eqn: Equation[Plain]) -> Moving:
    """out[j] = y[a + 1] + ... + y[b], for the difference of the sums of y[0] to y[b] and to y[a].

    Example: total[4:] - total[:-4] of total = jnp.cumsum(x) moves as x does, and sees four cells.
    Theorem: `CertifierWeigh.weigh_local` in proofs/coq, for the sum as it is written here.

    Raises:
        CannotProve: the operands are no running sums of one value, or the cells have no fixed step.
    """
    first, second = _sums_of(eqn, 0), _sums_of(eqn, 1)
    (y,) = first.running.inputs
    if first.running.path != second.running.path or eqn.operand_shapes[0] != eqn.operand_shapes[1]:
        raise CannotProve("its operands are running sums of two values")
    if not isinstance(y, Moving) or y.moving_axes != [first.axis]:
        raise CannotProve("the value that is summed moves along another axis")
    starts, ends = np.minimum(first.last, second.last), np.maximum(first.last, second.last)
    widths, is_turned = ends - starts, first.last < second.last
    width = int(np.bincount(widths[widths > 0]).argmax()) if widths.any() else 0
    if not width or width * len(widths) > LARGEST:
        raise CannotProve("it sums no cells, or too many")
    signs = is_turned[widths == width]
    is_read = (widths == width) & (is_turned == (2 * signs.sum() > signs.size))
    cells = np.where(is_read[:, None], starts[:, None] + 1 + np.arange(width), 0)
    y = with_motions(y, lambda motion: motion.without_notes)  # no operand has these notes any more
    found = by_rows(eqn, y, {first.axis: cells}, is_read)
    if found is None:
        raise CannotProve("the cells that it sums have no fixed step")
    advance, factor = found
    return fit(scaled(y, advance.numerator).with_axis(first.axis, (factor,)))
