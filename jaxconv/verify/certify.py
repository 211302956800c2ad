"""`certify`: traces a function, follows its jaxpr twice per shifted axis, and reports what is proved."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import jax
import numpy as np
from jax.extend.core import Jaxpr

from jaxconv.checks import flag
from jaxconv.errors import public
from jaxconv.jaxprs import guard
from jaxconv.jaxprs.typing import ArrayValue, PyTree
from jaxconv.verify import rules
from jaxconv.verify.arguments import check_call, checked_seconds, checked_seed
from jaxconv.verify.certificate import AxisReport, Certificate, Claim, LeafReport, Verdict, Witness
from jaxconv.verify.claim_kinds import KINDS, ClaimKind
from jaxconv.verify.claims import KindName
from jaxconv.verify.coarsening import coarsenings, with_factors
from jaxconv.verify.derivation import Derivation, Rows
from jaxconv.verify.domain import Plain, Spectrum, main_state
from jaxconv.verify.execution import experiment
from jaxconv.verify.execution.program import Program, program_of
from jaxconv.verify.execution.refute import Budget, refute
from jaxconv.verify.factors import input_axis
from jaxconv.verify.fold import Folder
from jaxconv.verify.interpret import Read, Walk
from jaxconv.verify.shifted_axes import Along, Axes, directions
from jaxconv.verify.tracing import name_of, trace
from jaxconv.verify.worth_reporting import claimed

SEARCHED = 2**16  # number of cells of the largest input for which counterexamples are searched


@public
def certify(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes,
    values: bool = False,
    search: bool = True,
    seconds: float | None = None,
    seed: int = 0,
) -> Certificate:
    """Prove under which shifts of its input a function is equivariant, and in which region, or name the culprit.

    A proof only traces the function, so that arguments may be `jax.ShapeDtypeStruct`s of any size. A proved claim holds
    in exact arithmetic, for all inputs, and for all values of the other arguments and of closed-over floating-point
    arrays. For each claim that is not proved, a search for counterexamples executes the function on small inputs.

    Args:
        fn: any JAX function of arrays.
        arguments: positional arguments of `fn`: arrays, shapes, or pytrees of them.
        axes: axes along which the input is shifted, with one report each. For a single argument, a sequence of axes;
            for several arguments, `{argument number: axes}`. Arguments with axes are shifted together: the first axis
            of each, then the second axis of each, and so on. Axes that are shifted together must have equal lengths.
        values: whether a proof may use the values of closed-over arrays, and of array arguments that are not shifted.
            Arrays of up to 2**16 cells are used. A uniform bias then breaks no claim. The proof holds for these values
            only.
        search: whether to search for counterexamples to claims that are not proved. The search requires that only one
            argument is shifted, and that it has at most 2**16 cells.
        seconds: time limit of all searches together, checked between two executions. By default, each search has 60
            seconds. If the limit ends a search, the claim is UNDECIDED, and the report states the limit.
        seed: seed of the search.

    Returns:
        A `Certificate`: a claim of each kind (cyclic and interior) for each output leaf and each axis.

    Raises:
        ValueError: an argument does not have the given axes, axes that are shifted together have different lengths,
            a dimension is symbolic, or `seconds` is negative.
        TypeError: an argument with axes is not an array.
        Exception: `fn` raises an exception while it is traced; it propagates with a note about the shapes.

    Law: no execution refutes a PROVED claim, except by rounding.

    >>> import jax, jaxconv as jc
    >>> params = jc.init_conv(jax.random.key(0), (3, 3), 1, 4)
    >>> x = jax.ShapeDtypeStruct((1, 8, 12, 1), "float32")
    >>> certificate = jc.certify(lambda x: jc.conv(params, x, stride=2, padding="circular"), x, axes=(1, 2))
    >>> claim = certificate.leaves[0].axes[1].cyclic
    >>> claim.verdict.value, claim.shift, claim.moves
    ('PROVED', 2, ((2, 1),))
    """
    check_call(fn, arguments)
    all_along = directions(arguments, axes)
    values, search = flag("values", values), flag("search", search)
    seed, budget = checked_seed(seed), None if seconds is None else Budget(checked_seconds(seconds))
    jaxpr, constants, shapes = trace(fn, arguments)
    program = program_of(jaxpr, constants, shapes)
    reports: list[list[AxisReport]] = [[] for _ in program.outputs]
    derivations: list[Derivation] = []
    folder = Folder(values)
    with guard.remembered():
        for along in all_along:
            states: dict[KindName, list[Plain | Spectrum]] = {}
            rows: Derivation = {}
            for name, kind in KINDS.items():
                states[name], rows[name] = walk_along(jaxpr, constants, arguments, along, kind, folder)
            derivations.append(rows)
            factors = {name: coarsenings(jaxpr, constants, rows[name]) for name in KINDS}
            outputs_at = functools.cache(partial(_outputs_at, fn, arguments, along, values))
            for leaf, report in enumerate(reports):
                of_leaf: dict[KindName, Plain | Spectrum] = {name: outputs[leaf] for name, outputs in states.items()}
                claims: dict[KindName, Claim] = {}
                for name, kind in KINDS.items():
                    claim_at = partial(_claim_at, outputs_at, leaf, kind)
                    claim = with_factors(claimed(of_leaf[name], along.length), factors[name][leaf])
                    claims[name] = kind.explained(claim, of_leaf, along, claim_at)
                if search:
                    searching = partial(refute, seed=seed, free_parameters=not values)
                    claims = _search(program, arguments, along, leaf, claims, searching, budget)
                report.append(AxisReport(along.arguments, along.length, claims))
    leaves = tuple(
        LeafReport(path, tuple(leaf.shape), tuple(report))
        for (path, leaf), report in zip(program.outputs, reports, strict=True)
    )
    return Certificate(name_of(fn), leaves, tuple(derivations), values)


def walk_along(
    jaxpr: Jaxpr,
    constants: Sequence[ArrayValue],
    arguments: Sequence[PyTree],
    along: Along,
    kind: ClaimKind,
    folder: Folder | None = None,
) -> tuple[list[Plain | Spectrum], Rows]:
    """Follow a jaxpr for a shift of some arguments along one axis each: the abstract outputs, and the rows.

    `folder`: folds constants, and is shared by the walks of one function; by default one that uses no parameters.
    """
    shifted_axes, length, folder = dict(along.arguments), along.length, folder or Folder()
    walk = Walk(kind.cycle(length), rules.RULES, folder, min(shifted_axes.values(), default=0))
    operands: list[Read] = []
    for number, argument in enumerate(arguments):
        for leaf in jax.tree.leaves(argument):
            value, numbers = walk.constant(np.shape(leaf)), None
            if number in shifted_axes:
                value = value.with_axis(shifted_axes[number], input_axis(length, f"argument {number}"))
            elif folder.values and isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int):
                value, numbers = walk.array(leaf)
            operands.append((value, numbers))
    outputs = walk.run(jaxpr, constants, operands)
    return [main_state(value) for value, _ in outputs], tuple(walk.rows)


def _outputs_at(
    fn: Callable[..., object],
    arguments: Sequence[PyTree],
    along: Along,
    values: bool,
    kind: ClaimKind,
    length: int,
) -> Sequence[Plain | Spectrum]:
    """The abstract outputs for inputs of another length."""
    resized = list(arguments)
    for number, axis in along.arguments:
        shape = arguments[number].shape
        resized[number] = jax.ShapeDtypeStruct((*shape[:axis], length, *shape[axis + 1 :]), arguments[number].dtype)
    jaxpr, constants, _ = trace(fn, resized)
    return walk_along(jaxpr, constants, resized, replace(along, length=length), kind, Folder(values))[0]


def _claim_at(
    outputs_at: Callable[[ClaimKind, int], Sequence[Plain | Spectrum]], leaf: int, kind: ClaimKind, length: int
) -> Claim:
    """The claim about an output leaf for inputs of another length."""
    return claimed(outputs_at(kind, length)[leaf], length)


def _search(
    program: Program,
    arguments: tuple[PyTree, ...],
    along: Along,
    leaf: int,
    claims: dict[KindName, Claim],
    search: Callable[..., Witness | None],
    limit: Budget | None,
) -> dict[KindName, Claim]:
    """Search for counterexamples to undecided claims. A claim is refuted if they leave no shift."""
    (argument, axis), *others = along.arguments
    if along.length == 1 or others or math.prod(arguments[argument].shape) > SEARCHED:
        return claims
    number = len(jax.tree.leaves(arguments[:argument]))
    searched = dict(claims)
    for name, kind in KINDS.items():
        if claims[name].verdict == Verdict.UNDECIDED:
            shifts, budget = kind.tried(along.length, claims), limit or Budget(experiment.SECONDS)
            witness = search(program, arguments, number, axis, leaf, shifts, cyclic=kind.wraps, budget=budget)
            searched[name] = _with_witness(claims[name], kind.needed(along.length), witness, budget)
    return searched


def _with_witness(claim: Claim, needed: tuple[int, ...], witness: Witness | None, budget: Budget) -> Claim:
    """Return the claim with a witness: REFUTED if the witness refutes all `needed` shifts, else UNDECIDED."""
    left = sorted(set(needed) - set(() if witness is None else witness.shifts))
    verdict = Verdict.UNDECIDED if left else Verdict.REFUTED
    ended = budget.limit if budget.ended and left else None
    return replace(claim, verdict=verdict, witness=witness, standing=left[0] if left else None, ended_after=ended)
