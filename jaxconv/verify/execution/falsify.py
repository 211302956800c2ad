"""`falsify`: search for an input, parameters and a shift that violate a law, and shrink the counterexample."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast, overload

from jaxconv.checks import choice, flag, integer, shown
from jaxconv.errors import explain, public
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.arguments import check_call, check_cells, checked_moves, checked_seed, checked_shift
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.certify import certify
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import KindName
from jaxconv.verify.execution.acting import acting
from jaxconv.verify.execution.action_violations import (
    ActionCounterexample,
    ActionTrials,
    ElementLaw,
    refuse_measured,
)
from jaxconv.verify.execution.actions import Action, refuse_beside_action
from jaxconv.verify.execution.candidate_laws import Lattice, lattices
from jaxconv.verify.execution.counterexample import Counterexample
from jaxconv.verify.execution.law import ShiftsAndMoves
from jaxconv.verify.execution.program import program_of, traced
from jaxconv.verify.execution.requests import check_certificate, check_outputs
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.violations import Trials
from jaxconv.verify.shifted_axes import Axes, Moves, directions
from jaxconv.verify.tracing import name_of, trace

if TYPE_CHECKING:
    from jaxconv.verify.execution.strategies import Searchable

Found = TypeVar("Found")
SHOWN = 12  # largest number of laws that the report lists


@dataclass(frozen=True)
class Falsification:
    """The result of a search for violations: a counterexample, or the number of examples tried without one.

    `shifts` is the number of shifted inputs that were compared with each example. `responded` says whether the output
    ever differed between two examples. If it did not, as after a dead ReLU, nothing was tested.
    """

    function: str
    laws: tuple[Lattice, ...]
    counterexample: Counterexample | None
    examples: int
    shifts: int
    seconds: float
    responded: bool

    def __str__(self) -> str:
        return _text(self, f"{self.shifts} shifts")


@dataclass(frozen=True)
class ActionFalsification:
    """The result of a search for violations of laws of an action, as a `Falsification` is for shifts.

    `elements` is the number of elements of the action, each of which was applied to every example.
    """

    function: str
    laws: tuple[ElementLaw, ...]
    counterexample: ActionCounterexample | None
    examples: int
    elements: int
    seconds: float
    responded: bool

    def __str__(self) -> str:
        return _text(self, f"{self.elements} element{'s' * (self.elements != 1)}")


def _text(result: Falsification | ActionFalsification, tried: str) -> str:
    """The report of a search. `tried` says how many inputs were compared with each example."""
    examples = "1 example" if result.examples == 1 else f"{result.examples} examples"
    verdict = "violated" if result.counterexample else "no violation found"
    lines = [f"{result.function}: {verdict} ({examples}, {tried} of each, {result.seconds:.1f} s)"]
    if result.counterexample is not None:
        shown = str(result.counterexample).splitlines()
        return "\n".join([*lines, f"  law: {result.counterexample.law}", *(f"  {line}" for line in shown)])
    lines += [f"  law: {law}" for law in result.laws[:SHOWN]]
    if len(result.laws) > SHOWN:
        lines.append(f"  and {len(result.laws) - SHOWN} more laws")
    if isinstance(result, Falsification) and not result.shifts:
        lines.append("  nothing was tested: no shift of this size leaves anything to compare")
    elif not result.responded:
        lines.append("  nothing was tested: the output was the same for every example")
    return "\n".join(lines)


@overload
def falsify(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes,
    action: None = None,
    kind: KindName = ...,
    shift: int | None = ...,
    moves: ShiftsAndMoves | None = ...,
    invariant: bool = ...,
    values: bool = ...,
    certificate: Certificate | None = ...,
    examples: int = ...,
    seed: int = ...,
) -> Falsification: ...
@overload
def falsify(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes | None = None,
    action: Action,
    invariant: bool = ...,
    values: bool = ...,
    examples: int = ...,
    seed: int = ...,
) -> ActionFalsification: ...
@public
def falsify(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes | None = None,
    action: Action | None = None,
    kind: KindName = "cyclic",
    shift: int | None = None,
    moves: ShiftsAndMoves | None = None,
    invariant: bool = False,
    values: bool = False,
    certificate: Certificate | None = None,
    examples: int = 100,
    seed: int = 0,
) -> Falsification | ActionFalsification:
    """Search inputs, parameters and shifts for a violation of a law, and shrink it.

        cyclic    f(roll(x, k*s)) == roll(f(x), k*t)                 for all integers k
        interior  f(y)[j + k*t] == f(x)[j] for j, j + k*t in region   if y[i + k*s] == x[i] where both are in range
        action    f(g x) == g f(x)                                    for each element g

    For each output leaf and axis, the law is the lattice s -> t that `certify` proves. If it proves none, the law is
    the lattice that it proves for another kind of shifts, or else the natural one: an output with as many axes as the
    input moves at the rate of the two lengths, and any other output does not move.

    Hypothesis draws and shrinks the examples: images of a few pixels first, then dense images. All multiples k of all
    shifts run in one compiled call for each example. A mismatch counts if it is larger than rounding explains, which is
    tested by a second execution with every operation perturbed.

    Args:
        fn: any JAX function of arrays.
        arguments: arrays, shapes or pytrees of them, as for `certify`; small ones, since they are executed. Only the
            shapes and dtypes of shifted arguments are used. Other shapes and floating-point arrays are drawn.
        axes: the axes to shift, as for `certify`, or those that a named action transforms.
        action: as for `check`: a name, a pair of functions or a dict of pairs, which only move values or change their
            signs. It excludes shifts, their kinds and their laws.
        kind: the kind of shifts, "cyclic" or "interior".
        shift: s, instead of the claimed shift. If t is then no whole number, the law is that a whole number satisfies
            it.
        moves: the law by hand, for every output leaf: for each shifted axis `(s, {output axis: t})`.
        invariant: the law that no shift, or no element of a named action, moves the output.
        values: keep the arrays that are not shifted or changed by the action, so that only these parameters are tried.
        certificate: a certificate of `fn`, or of another version of it, whose claims are tested.
        examples: the largest number of examples to draw.
        seed: seed of the draws; the same seed finds the same counterexample.

    Returns:
        A `Falsification`, whose `counterexample` can be replayed and written as JSON. It is None if the search found no
        violation, which is not a proof. With an action, an `ActionFalsification`, likewise.

    Raises:
        ValueError: an unknown kind, a shift of 0, no examples, moves that do not fit, an action that interpolates or
            does not fit, or a request that `certify` refuses.
        TypeError: an argument of a wrong type, or a request that `certify` refuses.
        ModuleNotFoundError: Hypothesis is not installed.

    Law: a counterexample replays: `counterexample.replay(fn)` is its `error`, and more than rounding explains.

    >>> import jax, jaxconv as jc
    >>> x = jax.ShapeDtypeStruct((1, 6, 1), "float32")
    >>> params = {"kernel": jax.ShapeDtypeStruct((3, 1, 2), "float32")}
    >>> result = jc.falsify(lambda p, x: jc.conv(p, x, padding="same"), params, x, axes={1: (1,)})
    >>> print(result.counterexample)
    shift by 1: f(shifted)[0, 0, 0] is 1, but f(x)[0, 5, 0] is 0
    argument 1: zeros (1, 6, 1) but for [0, 0, 0] = 1
    >>> x = jax.ShapeDtypeStruct((1, 2, 3, 1), "float32")
    >>> print(jc.falsify(lambda x: x.cumsum(1), x, action="rot90", axes=(1, 2)).counterexample)
    rot90 by 1 quarter turn: f(moved)[0, 2, 1, 0] is 0, but f(x)[0, 1, 0, 0] is 1
    argument 0: zeros (1, 2, 3, 1) but for [0, 0, 0, 0] = 1
    argument 0, moved: zeros (1, 3, 2, 1) but for [0, 2, 0, 0] = 1

    Source: MacIver, Hatfield-Dodds et al., Hypothesis: a new approach to property-based testing, JOSS 4 (2019).
    """
    if action is not None:
        given = {"kind": (kind, "cyclic"), "shift": (shift, None), "certificate": (certificate, None)}
        refuse_beside_action(**given, moves=(moves, None))
        return falsify_action(fn, arguments, axes, action, invariant, values, examples, seed)
    axes = cast(Axes, axes)  # None is refused like any other value that is no axes
    started = time.monotonic()
    request = {"kind": kind, "shift": shift, "values": values, "examples": examples, "seed": seed}
    shift, examples, seed = checked_request(fn, arguments, axes, **request)
    invariant = flag("invariant", invariant)
    if moves is not None and (invariant or shift is not None or certificate is not None):
        expected = "left out where a shift, a certificate or invariance is given"
        raise ValueError(explain("moves", shown(moves), expected, "Pass one of them"))
    program = program_of(*trace(fn, arguments))
    along = directions(arguments, axes)
    check_certificate(certificate, program, along, each=False)
    if certificate is None:
        certificate = certify(fn, *arguments, axes=axes, values=values, search=False)
    asked = {direction.arguments for direction in along}
    leaves = [
        replace(leaf, axes=tuple(axis for axis in leaf.axes if axis.shifted in asked)) for leaf in certificate.leaves
    ]
    given = [(None, ())] * len(along) if invariant else _given(moves, len(along))
    laws = lattices(leaves, arguments, kind, shift, given)
    trials = Trials(program, arguments, laws, keep=values)
    counterexample = _drawn(trials, examples, seed) if trials.rows else None
    seconds = time.monotonic() - started
    tried = (len(trials.outcomes), len(trials.rows), seconds, trials.responded)
    return Falsification(certificate.function, laws, counterexample, *tried)


def falsify_action(
    fn: Callable[..., object],
    arguments: tuple[PyTree, ...],
    axes: Axes | None,
    action: Action,
    invariant: bool,
    values: bool,
    examples: int,
    seed: int,
) -> ActionFalsification:
    """The search of `falsify` for violations of the laws of an action."""
    started = time.monotonic()
    check_call(fn, arguments)
    invariant, values, seed = flag("invariant", invariant), flag("values", values), checked_seed(seed)
    count = _checked_examples(examples)
    along = () if axes is None else directions(arguments, axes)
    check_cells(arguments, [number for direction in along[:1] for number, _ in direction.arguments])
    with executing():
        program = traced(fn, arguments)
        check_outputs(program)
        actings = acting(action, fn, arguments, program, axes, invariant=invariant, seed=seed)
    refuse_measured(actings)
    trials = ActionTrials(program, arguments, actings, keep=values)
    counterexample = _drawn(trials, count, seed)
    tried = (len(trials.outcomes), len(actings), time.monotonic() - started, trials.responded)
    return ActionFalsification(name_of(fn), trials.laws, counterexample, *tried)


def _checked_examples(examples: object) -> int:
    return integer("examples", examples, least=1, cure="Leave it out for 100")


def _drawn(trials: Searchable[Found], examples: int, seed: int) -> Found | None:
    """The counterexample that Hypothesis finds, or None; an error if Hypothesis is not installed."""
    try:
        from jaxconv.verify.execution.strategies import search
    except ModuleNotFoundError as error:
        cure = "Install it: pip install hypothesis"
        raise ModuleNotFoundError(explain("hypothesis", "not installed", "installed", cure)) from error
    return search(trials, examples, seed)


def _given(moves: ShiftsAndMoves | None, axes: int) -> list[tuple[int | None, Moves]] | None:
    """The caller's moves, validated: one entry for each shifted axis, and no shift of 0."""
    if moves is None:
        return None
    checked = checked_moves(moves, axes)
    if not all(shift for shift, _ in checked):
        cure = "Write the shift that causes these moves"
        raise ValueError(explain("moves", shown(moves), "of shifts that are not 0", cure))
    return [(shift, tuple(by_axis.items())) for shift, by_axis in checked]


def checked_request(
    fn: Callable[..., object],
    arguments: Sequence[PyTree],
    axes: Axes,
    *,
    kind: object,
    shift: object,
    values: object,
    examples: object,
    seed: object,
) -> tuple[int | None, int, int]:
    """The shift, the number of examples and the seed of a search for violations, validated, as integers."""
    check_call(fn, arguments)
    along = directions(arguments, axes)
    check_cells(arguments, [number for number, _ in along[0].arguments])
    choice("kind", kind, tuple(KINDS))
    flag("values", values)
    return checked_shift(shift), _checked_examples(examples), checked_seed(seed)
