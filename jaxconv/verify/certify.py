"""`certify`: trace a function, walk through it once for each shift, and say what was proved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxconv.checks import flag
from jaxconv.verify import rules
from jaxconv.verify.arguments import check_call, checked_seed
from jaxconv.verify.certificate import AxisReport, Certificate, Claim, LeafReport, Verdict, Witness
from jaxconv.verify.derivation import Derivation, Rows
from jaxconv.verify.domain import Plain, Spectrum, main_state
from jaxconv.verify.execution.experiment import remembering
from jaxconv.verify.execution.refute import refute_cyclic, refute_interior
from jaxconv.verify.interpret import Read, Walk, input_axis
from jaxconv.verify.shifted_axes import Along, Axes, directions
from jaxconv.verify.smallest_size import explained
from jaxconv.verify.tracing import name_of, trace
from jaxconv.verify.worth_reporting import claimed

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
    search_settings = {"seed": seed, "free_parameters": not values, "program": remembering()}
    for one in along:
        moving, length = dict(one.arguments), one.length
        cyclic, cyclic_rows = walk_along(jaxpr, constants, arguments, one, values=values, cyclic=True)
        interior, interior_rows = walk_along(jaxpr, constants, arguments, one, values=values, cyclic=False)
        derivations.append((cyclic_rows, interior_rows))
        for leaf, (report, around, within) in enumerate(zip(reports, cyclic, interior, strict=True)):
            at_size = partial(_proved_inside, fn, arguments, one, values, leaf)
            inside = explained(claimed(within, length), within, around, length, at_size)
            claims = claimed(around, length), inside
            if search:
                claims = _searched(fn, arguments, moving, leaf, length, claims, search_settings)
            report.append(AxisReport(one.arguments, length, *claims))
    leaves = tuple(
        LeafReport(path, shape, tuple(report)) for path, shape, report in zip(paths, outputs, reports, strict=True)
    )
    return Certificate(name_of(fn), leaves, tuple(derivations), values)


def walk_along(
    jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any], one: Along, *, values: bool, cyclic: bool
) -> tuple[list[Plain | Spectrum], Rows]:
    """One walk, for the shift of some arguments along one axis each: the values of the outputs, and its rows."""
    moving, length = dict(one.arguments), one.length
    walk = Walk(length if cyclic else None, rules.RULES, values, min(moving.values(), default=0))
    operands: list[Read] = []
    for number, argument in enumerate(arguments):
        for leaf in jax.tree.leaves(argument):
            value, numbers = walk.constant(np.shape(leaf)), None
            if number in moving:
                value = value.with_axis(moving[number], input_axis(length, f"argument {number}"))
            elif values and isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int):
                value, numbers = walk.array(leaf)
            operands.append((value, numbers))
    outputs = walk.run(jaxpr, constants, operands)
    return [main_state(value) for value, _ in outputs], tuple(walk.rows)


def _proved_inside(
    fn: Callable[..., Any],
    arguments: Sequence[Any],
    one: Along,
    values: bool,
    leaf: int,
    length: int,
) -> bool:
    """Whether the interior claim is proved of images of another length."""
    resized = list(arguments)
    for number, axis in one.arguments:
        shape = arguments[number].shape
        resized[number] = jax.ShapeDtypeStruct((*shape[:axis], length, *shape[axis + 1 :]), arguments[number].dtype)
    jaxpr, constants, _ = trace("certify", fn, resized)
    resized_along = replace(one, length=length)
    outputs, _ = walk_along(jaxpr, constants, resized, resized_along, values=values, cyclic=False)
    return claimed(outputs[leaf], length).verdict == Verdict.PROVED


def _searched(
    fn: Callable[..., Any],
    arguments: tuple[Any, ...],
    moving: Mapping[int, int],
    leaf: int,
    length: int,
    claims: tuple[Claim, Claim],
    settings: Mapping[str, Any],
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
        witness = refute_cyclic(*where, shifts, **settings)
        cyclic = _refuted(cyclic, needed, witness)
    if interior.verdict == Verdict.UNDECIDED:
        needed = tuple(range(1, length // 2 + 1))
        witness = refute_interior(*where, needed, **settings)
        interior = _refuted(interior, needed, witness)
    return cyclic, interior


def _refuted(claim: Claim, needed: tuple[int, ...], witness: Witness | None) -> Claim:
    """The claim with what was executed; refuted if that leaves none of the shifts on which the verdict rests."""
    left = sorted(set(needed) - set(() if witness is None else witness.shifts))
    verdict = Verdict.UNDECIDED if left else Verdict.REFUTED
    return replace(claim, verdict=verdict, witness=witness, standing=left[0] if left else None)
