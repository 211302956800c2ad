"""`certify`: trace a function, walk through it once for each shift, and say what was proved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from jaxconv.checks import flag
from jaxconv.verify import rules
from jaxconv.verify.arguments import check_call, checked_seed
from jaxconv.verify.certificate import (
    AxisReport,
    Break,
    Certificate,
    Claim,
    LeafReport,
    ReceptiveField,
    Verdict,
    Witness,
)
from jaxconv.verify.derivation import Derivation, Rows
from jaxconv.verify.interpret import Walk, input_axis
from jaxconv.verify.search import refute_cyclic, refute_interior
from jaxconv.verify.shifts import Axes, directions
from jaxconv.verify.tracing import name_of, trace
from jaxconv.verify.values import Broken, Carry, Lost, Moving, Plain, Spectrum, Value, besides, carry_of, length_of

SEARCHED = 2**16  # cells of the largest input on which counterexamples are looked for


def certify(
    fn: Callable[..., Any],
    *arguments: Any,
    axes: Axes,
    values: bool = False,
    search: bool = True,
    seed: int = 0,
) -> Certificate:
    """Prove by which shifts of its input a function is equivariant, on which outputs, or name the line that breaks it.

    To prove, the function is traced and never run: arguments may be `jax.ShapeDtypeStruct`s of any size. What is proved
    holds in exact arithmetic, for all inputs and all values of the other arguments and of closed-over floating-point
    arrays. What is not proved is then searched for a counterexample, by running the function on small inputs.

    Args:
        fn: any JAX function of arrays.
        arguments: its positional arguments: arrays, shapes, or pytrees of them.
        axes: the axes along which the input is shifted, one report each. With one argument, a sequence of its axes;
            with several, `{argument number: axes}`. Arguments with axes are shifted together, the first axis of one
            with the first of the others, and so on; these must be equally long.
        values: look at the numbers of closed-over arrays, and of arguments that are arrays and not shifted, where there
            are at most 2**16: a bias that happens to be uniform breaks nothing. What is proved then holds for these
            numbers, and not for others.
        search: look for counterexamples to what is not proved: where one argument of up to 2**16 cells is shifted.
        seed: of the search.

    Returns:
        A `Certificate`: for each output leaf and each axis a cyclic claim and an interior claim.

    Raises:
        ValueError: axes that an argument does not have, lengths that do not fit together, or symbolic dimensions.
        TypeError: an argument with axes that is no array.
        Exception: what `fn` raises while it is traced passes through unchanged, with a note of the shapes.

    Law: a claim that is PROVED is refuted by no execution, but for rounding.

    >>> import jax, jaxconv as jc
    >>> params = jc.init_conv(jax.random.key(0), (3, 3), 1, 4)
    >>> x = jax.ShapeDtypeStruct((1, 8, 12, 1), "float32")
    >>> certificate = jc.certify(lambda x: jc.conv(params, x, stride=2, padding="circular"), x, axes=(1, 2))
    >>> claim = certificate.leaves[0].axes[1].cyclic
    >>> claim.verdict.value, claim.shift, claim.moves
    ('PROVED', 2, ((2, 1),))
    """
    check_call("certify", fn, arguments)
    along = directions("certify", arguments, axes)
    values, search = flag("certify", "values", values), flag("certify", "search", search)
    seed = checked_seed("certify", seed)
    jaxpr, constants, shapes = trace("certify", fn, arguments)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(shapes)]
    outputs = [tuple(leaf.shape) for leaf in jax.tree.leaves(shapes)]
    reports: list[list[AxisReport]] = [[] for _ in outputs]
    derivations: list[Derivation] = []
    for one in along:
        moving, length = dict(one.arguments), one.length
        cyclic, cyclic_rows = _walk(jaxpr, constants, arguments, moving, length, values, cyclic=True)
        interior, interior_rows = _walk(jaxpr, constants, arguments, moving, length, values, cyclic=False)
        derivations.append((cyclic_rows, interior_rows))
        for leaf, (report, around, within) in enumerate(zip(reports, cyclic, interior, strict=True)):
            claims = _claim(around, _not_whole_periods), _claim(within, _not_two_positions)
            if search:
                claims = _searched(fn, arguments, moving, leaf, length, claims, seed, free_parameters=not values)
            report.append(AxisReport(one.arguments, length, *claims))
    leaves = tuple(
        LeafReport(path, shape, tuple(report)) for path, shape, report in zip(paths, outputs, reports, strict=True)
    )
    return Certificate(name_of(fn), leaves, tuple(derivations), values)


def _walk(
    jaxpr: Any,
    constants: Sequence[Any],
    arguments: Sequence[Any],
    moving: Mapping[int, int],
    length: int,
    values: bool,
    *,
    cyclic: bool,
) -> tuple[list[Plain | Spectrum], Rows]:
    """One walk, for the shift of some arguments along one axis each."""
    walk = Walk(length if cyclic else None, rules.RULES, values)
    inputs: list[Value] = []
    known: list[np.ndarray | None] = []
    for number, argument in enumerate(arguments):
        for leaf in jax.tree.leaves(argument):
            value, numbers = walk.constant(np.shape(leaf)), None
            if number in moving:
                value = value.with_axis(moving[number], input_axis(length, f"argument {number}"))
            elif values and isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int):
                value, numbers = walk.array(leaf)
            inputs.append(value)
            known.append(numbers)
    outputs, _ = walk.run(jaxpr, constants, inputs, known)
    return list(map(besides, outputs)), tuple(walk.rows)


def _searched(
    fn: Callable[..., Any],
    arguments: tuple[Any, ...],
    moving: Mapping[int, int],
    leaf: int,
    length: int,
    claims: tuple[Claim, Claim],
    seed: int,
    *,
    free_parameters: bool,
) -> tuple[Claim, Claim]:
    """The claims, refuted where they were undecided and executed counterexamples leave no shift.

    The cyclic shifts that hold are a subgroup, so that n/p is to be refuted for each prime p that divides the length n;
    those of the interior are not, so that each s from 1 to n/2 is. A cyclic search also tries the shift that was proved
    in the interior, or else a shift by one cell: the smallest is shown.
    """
    cyclic, interior = claims
    (argument, axis), *others = moving.items()
    if length == 1 or others or math.prod(arguments[argument].shape) > SEARCHED:
        return claims
    where = fn, arguments, len(jax.tree.leaves(arguments[:argument])), axis, leaf
    if cyclic.verdict == Verdict.UNDECIDED:
        needed = tuple(length // p for p in range(2, length + 1) if length % p == 0 and all(p % q for q in range(2, p)))
        shifts = sorted({*needed, (interior.shift or 1) % length or 1})
        witness = refute_cyclic(*where, shifts, seed=seed, free_parameters=free_parameters)
        cyclic = _refuted(cyclic, needed, witness)
    if interior.verdict == Verdict.UNDECIDED:
        needed = tuple(range(1, length // 2 + 1))
        witness = refute_interior(*where, needed, seed=seed, free_parameters=free_parameters)
        interior = _refuted(interior, needed, witness)
    return cyclic, interior


def _refuted(claim: Claim, needed: tuple[int, ...], witness: Witness | None) -> Claim:
    """The claim with what was executed; refuted if that leaves none of the shifts on which the verdict rests."""
    left = sorted(set(needed) - set(() if witness is None else witness.shifts))
    verdict = Verdict.UNDECIDED if left else Verdict.REFUTED
    return replace(claim, verdict=verdict, witness=witness, standing=left[0] if left else None)


def _claim(value: Plain | Spectrum, reason_against: Callable[[Moving, int, Carry], str]) -> Claim:
    """What a walk's result says of an output: proved, unless there is a reason against an axis that moves."""
    if isinstance(value, Broken):
        return Claim(Verdict.UNDECIDED, broken=value.broken)
    if isinstance(value, Spectrum):
        reason = f"a spectrum: along axis {value.axis} it turns, and does not move"
        return Claim(Verdict.UNDECIDED, broken=_at_the_end(reason, "Transform it back, or take absolute values"))
    moves, region, field = [], [], None
    for number in value.carriers:
        try:
            carry = carry_of(value.axes[number])
        except Lost as lost:
            return Claim(Verdict.UNDECIDED, broken=_at_the_end(lost.reason, lost.cure))
        if carry is None:
            continue
        reason = reason_against(value, number, carry)
        if reason:
            return Claim(
                Verdict.UNDECIDED, broken=carry.lost or carry.edge or _at_the_end(reason, "Use a larger input")
            )
        moves.append((number, value.step(carry)))
        region.append((number, carry.lo, carry.hi))
        field = _field(carry, value.cycle)
    region = region if value.cycle is None else []
    return Claim(Verdict.PROVED, value.shift, tuple(moves), tuple(region), field if len(moves) == 1 else None)


def _not_whole_periods(value: Moving, number: int, carry: Carry) -> str:
    """Why an output axis is not cyclically equivariant, if it is not: it must show whole periods, and nothing else."""
    length, period = length_of(value.axes[number]), value.period(carry)
    if (carry.lo, carry.hi) == (0, length) and period and length % period == 0:
        return ""
    return f"output axis {number} shows {length} positions of a signal that repeats after {period}"


def _not_two_positions(value: Moving, number: int, carry: Carry) -> str:
    """Why nothing can be said of an output axis in the interior, if so: two positions a shift apart must be clear."""
    clear, step = max(carry.hi - carry.lo, 0), abs(value.step(carry))
    if clear > step:
        return ""
    return f"only {clear} positions of output axis {number} are clear of the border, and one shift moves by {step}"


def _field(carry: Carry, cycle: int | None) -> ReceptiveField | None:
    """The receptive field; where the input repeats, the one of all equivalent intervals that lies nearest to 0."""
    if carry.first is None or carry.last is None or not carry.first <= carry.last:
        return None
    first, last = Fraction(carry.first), Fraction(carry.last)
    turns = Fraction(0) if cycle is None else round((first + last) / (2 * cycle)) * Fraction(cycle)
    return ReceptiveField(carry.rate, first - turns, last - turns)


def _at_the_end(reason: str, cure: str) -> Break:
    return Break(-1, "output", reason, cure, "the function's output", ())
