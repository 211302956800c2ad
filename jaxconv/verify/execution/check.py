"""`check`: run a function on shifted or transformed inputs, and measure the equivariance error."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.checks import choice, flag
from jaxconv.errors import public
from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify.arguments import check_call, checked_seed
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.execution import check_action, law
from jaxconv.verify.execution.acting import acting, changed_leaves
from jaxconv.verify.execution.actions import Action, refuse_beside_action
from jaxconv.verify.execution.check_action import executed
from jaxconv.verify.execution.check_report import Check
from jaxconv.verify.execution.compare import Plan
from jaxconv.verify.execution.draw import another, exact_integers
from jaxconv.verify.execution.judge import Trial, insensitive, judged, measured
from jaxconv.verify.execution.law import Model, Shifts, ShiftsAndMoves
from jaxconv.verify.execution.program import traced
from jaxconv.verify.execution.requests import check_certificate, check_outputs, check_request
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.shifted_axes import Axes, directions
from jaxconv.verify.tracing import name_of

FILL = 1  # selects a separate random stream, since inputs are often drawn with the same seed


class InsensitiveWarning(UserWarning):
    """The check could hardly fail: the output or the input does not change enough to show a violation."""


@public
def check(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes | None = None,
    action: Action | None = None,
    shifts: Shifts = None,
    model: Model = "cyclic",
    certificate: Certificate | None = None,
    moves: ShiftsAndMoves | None = None,
    invariant: bool = False,
    region: Mapping[int, tuple[int, int]] | None = None,
    integers: bool = False,
    batch: int | None = None,
    seed: int = 0,
) -> Check:
    """Shift or transform the input, run the function, and compare with the moved output, in one compiled program.

    Let x' be the input shifted by s, and t the move of the output that the law expects. The error is
    `error(s) = max_p |f(x')[p] - f(x)[p - t]|`, where

    - "cyclic": x' is x rolled by s. All p are compared, and p - t is taken modulo the output's length.
    - "interior": `x'[i + s] = x[i]` where both are in range; random values enter elsewhere. p and p - t are in the
      region.
    - "zero": as "interior", but zeros enter.

    The finding is HELD if no error exceeds the tolerance `2 * D * max |f(x)|`. It is derived, not chosen: D is the
    rounding error along the longest path of the jaxpr (`error_bounds.py` has the rules and their sources). If an error
    exceeds it, the worst shifts run again with every operation perturbed. If rounding alone explains all of them (a tie
    or a cancellation), the finding is UNDECIDED, otherwise VIOLATED. Integers and booleans are compared exactly.

    With an action, the law is `f(g x) = g f(x)` for each of its elements g, and the error is the largest difference.
    Tolerance and findings are the same, if g only moves values or changes their signs, which is verified on arrays of
    distinct numbers. Every other g, as a rotation that interpolates, is measured: the report has its error, and its
    finding is UNDECIDED.

    Args:
        fn: any JAX function of arrays.
        arguments: its positional arguments, arrays or pytrees of arrays.
        axes: the axes to shift, or `{argument number: axes}`, as for `certify`. Several axes are shifted jointly: every
            combination of shifts is tried. A named action transforms these axes.
        action: None for shifts. "rot90" (1 to 3 quarter turns from the first axis towards the second), "flip" (along
            each axis and along several), "transpose" (of two axes), "dihedral" (the symmetries of a square without the
            identity), or "permute" (of the cells along each axis: all permutations, or a sample of 24). They transform
            the same axes of an output with as many axes, and no output in which these are pooled. Or a pair of
            functions: `on_input` of all arguments, which returns them moved (a tuple if there are several), and
            `on_output` of the output. Or a dict of pairs by name. It excludes shifts and their laws.
        shifts: None for all multiples of the law's shift: once around for cyclic shifts, else in both directions as far
            as positions remain to compare. An integer, or one for each axis, is a lattice: only its multiples are
            tried. Rows of one integer for each axis, [k, axes], are a sample, tried as given.
        model: "cyclic", "interior" or "zero".
        certificate: the law and its region: `certify(fn, *arguments, axes=axes)`. If it proves no claim of this model,
            the law is the one that the shapes suggest. It excludes `moves` and `invariant`.
        moves: the law by hand, for every output leaf: for each shifted axis `(s, {output axis: t})`.
        invariant: the law that the output does not move; the same as `(1, {})` for every axis in `moves`, or with a
            named action, as the identity of the output.
        region: `{output axis: (lo, hi)}` for the interior and zero models, if there is no certificate.
        integers: replace the floats of all arguments (not those that `fn` closes over) by small whole numbers, and
            compare with `==`. If an operation is not exact on them, the finding is UNDECIDED and names the operation.
        batch: number of evaluations in one call; by default as many as fit (`compare.rows_per_call`). 1 does not
            vectorise.
        seed: seed of the values that enter at the border, of the whole numbers, of sampled permutations, and of the
            other input with which sensitivity is measured.

    Returns:
        A `Check`, which prints as a report; `leaves[i]` has the errors by shift or element, and by position.

    Without a certificate or moves, the shapes suggest the law. An output with as many axes as the input moves along the
    same axis, by `s*m/n` for lengths n and m (rounded to a whole stride or up-sampling if that is no simple fraction).
    An output with fewer axes, or of length 1 along that axis, is invariant. Products have the highest precision of the
    platform, unless `fn` sets another. A second check of the same function, shapes and law compiles nothing.

    Warns:
        InsensitiveWarning: replacing the input by a random one changes the output by at most 10 tolerances (dead ReLUs,
            zero weights), or the input or f(x) is the same everywhere. `warnings` of the result has the same texts.

    Raises:
        ValueError: the axes, action, shifts, moves or certificate do not fit the function, or no shift can be compared.
        TypeError: an argument with axes is not an array, or is a shape and `integers` is False; the action has another
            type, or changes random keys.

    Law: where `certify` proves a claim, its check finds HELD.

    >>> import jax, jax.numpy as jnp, jaxconv as jc
    >>> x = jax.random.normal(jax.random.key(0), (1, 8, 12, 1))
    >>> report = jc.check(lambda x: jnp.roll(x, 3, axis=1) ** 2, x, axes=(1, 2))
    >>> report.finding.value, report.leaves[0].shifts.shape
    ('HELD', (96, 2))
    >>> report = jc.check(lambda x: x.at[:, 0].set(0), x, axes=(1,), shifts=[[2]])
    >>> report.finding.value, report.leaves[0].worst.shift, report.leaves[0].worst.position[1] in (0, 2)
    ('VIOLATED', (2,), True)
    >>> report = jc.check(lambda x: x + jnp.rot90(x, 2, (1, 2)), x, action="flip", axes=(1, 2))
    >>> [(element.name, element.finding.value) for element in report.leaves[0].elements][0]
    ('flip along axis 1 of argument 0', 'HELD')
    >>> report = jc.check(lambda x: x - x[:, :, ::-1], x, action=(lambda x: x[:, :, ::-1], lambda y: -y))
    >>> report.finding.value
    'HELD'
    """
    check_call(fn, arguments)
    if action is not None:
        given = {"shifts": (shifts, None), "model": (model, "cyclic"), "certificate": (certificate, None)}
        refuse_beside_action(**given, moves=(moves, None), region=(region, None))
        report = _under_action(fn, arguments, axes, action, invariant, integers, batch, seed)
        for note in report.warnings:
            warnings.warn(note, InsensitiveWarning, stacklevel=2)
        return report
    axes = cast(Axes, axes)  # None is refused like any other value that is no axes
    along = directions(arguments, axes)
    choice("model", model, tuple(law.MODELS))
    integers = flag("integers", integers)
    check_request(arguments, along, batch=batch, drawn=integers)
    invariant, seed = flag("invariant", invariant), checked_seed(seed)
    with executing():
        offsets = law.offsets(arguments)
        moved = {offsets[argument] for direction in along for argument, _ in direction.arguments}
        leaves, fill = _inputs(arguments, moved, integers, seed)
        function = traced(fn, arguments)
        check_outputs(function)
        check_certificate(certificate, function, along)
        shapes = [tuple(leaf.shape) for _, leaf in function.outputs]
        laws = law.chosen(arguments, shapes, along, model, certificate, moves, invariant, region)
        rows = law.grid(along, laws, shapes, shifts, model)
        live = tuple(number in moved for number in range(len(leaves)))
        plan = Plan(
            model,
            along,
            tuple(map(tuple, laws)),
            offsets,
            live,
            vectorised=batch is None or operator.index(batch) != 1,
            integers=integers,
            summed=jax.default_backend() != "cpu",
        )
        trial = Trial(function, plan, leaves, fill, rows)
        outcome = measured(trial, batch)
        leaf_checks = judged(trial, outcome)
    notes = insensitive(trial, outcome, leaf_checks)
    for note in notes:
        warnings.warn(note, InsensitiveWarning, stacklevel=2)
    return Check(name_of(fn), model, integers, tuple(leaf_checks), tuple(notes))


def _under_action(
    fn: Callable[..., object],
    arguments: tuple[PyTree, ...],
    axes: Axes | None,
    action: Action,
    invariant: bool,
    integers: bool,
    batch: int | None,
    seed: int,
) -> Check:
    """The check of an action, whose notes the caller gives as warnings."""
    integers, invariant, seed = flag("integers", integers), flag("invariant", invariant), checked_seed(seed)
    along = () if axes is None else directions(arguments, axes)
    check_request(arguments, along, batch=batch, drawn=integers)
    with executing():
        function = traced(fn, arguments)
        check_outputs(function)
        actings = acting(action, fn, arguments, function, axes, invariant=invariant, seed=seed)
        leaves, fill = _inputs(arguments, changed_leaves(actings), integers, seed)
        trial = executed(function, actings, leaves, fill, integers=integers, batch=batch)
        leaf_checks = check_action.judged(trial)
        notes = check_action.insensitive(trial, leaf_checks)
    name = action if isinstance(action, str) else "the given action"
    return Check(name_of(fn), "action", integers, leaf_checks, tuple(notes), name)


def _inputs(
    arguments: Sequence[PyTree], moved: set[int], integers: bool, seed: int
) -> tuple[list[ArrayValue], list[ArrayValue]]:
    """The leaves to run, and for each leaf of `moved` another input (the fill); None for the other leaves."""
    rng = np.random.default_rng(seed)
    leaves: list[ArrayValue] = jax.tree.leaves(arguments)
    if integers:
        leaves = [
            exact_integers(rng, x.shape, x.dtype, parameter=number not in moved)
            if is_kind(x, np.inexact) or isinstance(x, jax.ShapeDtypeStruct)
            else x
            for number, x in enumerate(leaves)
        ]
    others = np.random.default_rng((seed, FILL))
    fill = [another(others, x, integers=integers) if number in moved else None for number, x in enumerate(leaves)]
    convert = [number in moved and not isinstance(x, jax.Array) for number, x in enumerate(leaves)]  # asarray is slow
    return [jnp.asarray(x) if other else x for x, other in zip(leaves, convert, strict=True)], fill
