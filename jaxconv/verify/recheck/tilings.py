"""Rechecks a certificate of tiles: executes each pair of equations separately, and uses no rule.

A derivation is an inductive invariant, as that of shifts (`recheck.py`). Each state is a relation between the values of
the whole and of a tile (`tiling/states.py`). Each equation is executed alone at both sizes, on random numbers
that agree as the states of its operands say, for tiles at several places: on whole numbers, which are exact, and on
numbers of all sizes. Its results must agree as the derivation
says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.jaxprs.evaluate import Path
from jaxconv.jaxprs.layout import entered, is_literal, literal_of
from jaxconv.jaxprs.traverse import equations, within
from jaxconv.jaxprs.typing import Array, ArrayValue, Atom, PyTree, Shaped, aval_of, leaves_with_paths
from jaxconv.verify import json_codec, numpy_rows
from jaxconv.verify.claims import Culprit
from jaxconv.verify.execution.run import rechecking
from jaxconv.verify.numpy_rows import other_bits
from jaxconv.verify.progress import Bar, reported
from jaxconv.verify.recheck.culprits import is_traced
from jaxconv.verify.recheck.named_cells import DRAWS, EXTREMES, FRACTIONS, LARGE, SIZES, WHOLE, is_key, mixed_integers
from jaxconv.verify.recheck.noise import noise
from jaxconv.verify.recheck.runs import compiled_by_xla, may_be_endless
from jaxconv.verify.recheck.tile_cells import Place, differs, drawn, malformed
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.tiling.certificate import TilingAxis, TilingCertificate
from jaxconv.verify.tiling.states import EQUAL, NONE, Agreement, Different, Equal, PairRow, Window
from jaxconv.verify.tiling.traces import resized, traced

Traced: TypeAlias = tuple[Jaxpr, Sequence[ArrayValue]]  # a jaxpr and its constants
LARGEST = 2**22  # maximum total size of operands and results of an executed equation
FINITE_KINDS = (FRACTIONS, SIZES, LARGE)  # kinds of numbers that are drawn besides whole ones
ALL_KINDS = (*FINITE_KINDS, EXTREMES)  # for element-wise equations: elsewhere 0 times infinity is NaN
PLACES = 4  # number of random places of a tile, besides those at the ends of the whole
CURE = "Pass the result of certify_tiling or of TilingCertificate.from_json"


def tiling_objections(
    certificate: TilingCertificate,
    fn: Callable[..., object],
    arguments: Sequence[PyTree],
    seed: int,
    *,
    progress: bool = False,
) -> tuple[str, ...]:
    """Return the objections to a certificate of tiles; empty if every step and every claim passes: see `recheck`."""
    try:
        json_codec.encode(certificate, TilingCertificate, "certificate")
    except json_codec.MalformedError as error:
        raise ValueError(error.explained(CURE)) from None
    problem = _outline(certificate, arguments)
    if problem:
        return (problem,)
    rows = sum(map(len, certificate.derivations))
    with reported(rows, 0, shown=progress, title="recheck", unit="row") as bar:
        return _objections(certificate, fn, arguments, seed, bar)


def _objections(
    certificate: TilingCertificate, fn: Callable[..., object], arguments: Sequence[PyTree], seed: int, bar: Bar
) -> tuple[str, ...]:
    """Return the objections to a certificate whose outline is right; `bar` counts the rows."""
    objections: list[str] = []
    current = list(arguments)
    for along in _all_along(certificate):
        current = resized(current, along, along.length)
    before = traced(fn, current)
    shapes = [(jax.tree_util.keystr(path), tuple(leaf.shape)) for path, leaf in leaves_with_paths(before[2])]
    if shapes != [(leaf.path, leaf.shape) for leaf in certificate.leaves]:
        return (f"the certificate has other outputs than the function, which has {shapes}",)
    for number, (along, rows) in enumerate(zip(_all_along(certificate), certificate.derivations, strict=True)):
        claims = [leaf.axes[number] for leaf in certificate.leaves]
        current = resized(current, along, claims[0].tile)
        after = traced(fn, current)
        walk = _Walk(along, claims[0].tile, {row.path: row for row in rows}, mixed_integers(seed, number), bar)
        with jax.default_device(jax.devices("cpu")[0]), np.errstate(all="ignore"), rechecking(), other_bits():
            objections += walk.objections(before[:2], after[:2], arguments, claims)
        objections += [f"{walk.title}, a row is repeated"] * (len(walk.rows) < len(rows))
        before = after
    return tuple(objections)


def _all_along(certificate: TilingCertificate) -> list[Along]:
    return [Along(axis.tiled, axis.whole) for axis in certificate.leaves[0].axes]


def _outline(certificate: TilingCertificate, arguments: Sequence[PyTree]) -> str:
    """Return why a certificate is not of these arguments, or the empty string."""
    if not certificate.leaves or not certificate.derivations:
        return "the certificate has no outputs or no derivations"
    of_leaves = {tuple((axis.tiled, axis.whole, axis.tile) for axis in leaf.axes) for leaf in certificate.leaves}
    (first, *others) = of_leaves
    if others or len(first) != len(certificate.derivations):
        return "the outputs disagree about the axes that are tiled"
    pairs = [pair for tiled, _, _ in first for pair in tiled]
    if len(set(pairs)) < len(pairs):
        return f"the certificate tiles {pairs}, which has a duplicate"
    for tiled, whole, tile in first:
        for number, axis in tiled:
            shape = getattr(arguments[number], "shape", None) if 0 <= number < len(arguments) else None
            if shape is None or not 0 <= axis < len(shape) or shape[axis] != whole:
                return f"the certificate tiles axis {axis} of argument {number}, of {whole} cells, which does not exist"
        if not tiled or not 0 < tile < whole:
            return f"a tile of {tile} of {whole} cells along {tiled} is none"
    return ""


@dataclass(frozen=True, eq=False)
class _Pair:
    """A value of both traces.

    Attributes:
        state: how they agree; None if they are different values, or have an invalid state.
        avals: their shapes and dtypes.
        constants: their numbers, or None.
    """

    state: Agreement | None
    avals: tuple[Shaped, Shaped]
    constants: tuple[Array, Array] | None = None

    def at(self, place: Place, draw: int) -> tuple[Array, Array]:
        """Numbers for a tile at some place."""
        return self.constants if self.constants is not None else drawn(self.state, self.avals, place, draw)


@dataclass
class _Walk:
    """Checks the rows and claims along one axis.

    Attributes:
        along: the axis.
        tile: number of cells of a tile.
        rows: the rows, by their path.
        seed: seed of the random numbers.
        bar: counts the rows.
        problems: the objections so far.
        used: the paths of the rows that were checked.
    """

    along: Along
    tile: int
    rows: Mapping[Path, PairRow]
    seed: int
    bar: Bar
    problems: list[str] = field(default_factory=list[str])
    used: set[Path] = field(default_factory=set[Path])
    jaxpr: Jaxpr | None = None

    @property
    def title(self) -> str:
        """The walk, as objections name it."""
        return f"tiles of {self.tile} of {self.along.length} cells along {self.along}"

    def objections(
        self,
        whole: Traced,
        tile: Traced,
        arguments: Sequence[PyTree],
        claims: Sequence[TilingAxis],
    ) -> list[str]:
        """Return the objections to the rows and the claims."""
        moving, self.jaxpr = dict(self.along.arguments), whole[0]
        numbers = [n for n, argument in enumerate(arguments) for _ in jax.tree.leaves(argument)]
        inputs: list[_Pair] = []
        for number, *variables in zip(numbers, whole[0].invars, tile[0].invars, strict=True):
            state = self._input(moving[number]) if number in moving else EQUAL
            inputs.append(_Pair(state, (aval_of(variables[0]), aval_of(variables[1]))))
        outputs = self.follow(whole, tile, inputs, ())
        unused = [path for path in self.rows if path not in self.used]
        if unused:
            self.problems.append(
                f"row {unused[0]} ({self.rows[unused[0]].primitive}): the function has no such equation"
            )
        for number, (claim, pair) in enumerate(zip(claims, outputs, strict=True)):
            problem = _claim_objection(claim, pair)
            if not problem and claim.culprit is not None and not is_traced(claim.culprit, whole[0]):
                problem = f"the claim names {claim.culprit.primitive} as the culprit, which was not traced there"
            if problem:
                self.problems.append(f"claim about output {number}: {problem}")
        return [f"{self.title}, {problem}" for problem in self.problems]

    def _input(self, axis: int) -> Window:
        every, more = (0, self.tile), self.along.length - self.tile
        return Window(axis, self.along.length, self.tile, more, Fraction(1), 0, every, every, every)

    def follow(self, whole: Traced, tile: Traced, inputs: Sequence[_Pair], path: Path) -> list[_Pair]:
        """Check the rows of two jaxprs' equations, including those inside calls, and return their outputs."""
        (jaxpr, constants), (other, tile_constants) = whole, tile
        unknown = [_Pair(None, _avals(*pair)) for pair in zip(jaxpr.outvars, other.outvars, strict=True)]
        if [len(jaxpr.eqns), len(jaxpr.constvars)] != [len(other.eqns), len(other.constvars)]:
            return unknown
        pairs: dict[object, _Pair] = dict(zip(jaxpr.invars, inputs, strict=True))
        names: dict[object, object] = dict(zip(other.invars, jaxpr.invars, strict=True))
        for variable, twin, *values in zip(jaxpr.constvars, other.constvars, constants, tile_constants, strict=True):
            pairs[variable], names[twin] = _closed_over(values, _avals(variable, twin)), variable

        def number(atom: Atom, side: int) -> Array | None:
            if is_literal(atom):
                return np.asarray(literal_of(atom), aval_of(atom).dtype)
            known = pairs[atom if side == 0 else names[atom]].constants
            return None if known is None else known[side]

        def read(atom: Atom, twin: Atom) -> _Pair:
            if not is_literal(atom) and not is_literal(twin) and names[twin] is atom:
                return pairs[atom]
            one, two = number(atom, 0), number(twin, 1)
            return _Pair(None, _avals(atom, twin), None if one is None or two is None else (one, two))

        for n, (equation, twin) in enumerate(zip(jaxpr.eqns, other.eqns, strict=True)):
            operands = [read(*atoms) for atoms in zip(equation.invars, twin.invars, strict=False)]
            results = self.step(equation, twin, operands, (*path, n))
            for variable, tile_variable, result in zip(equation.outvars, twin.outvars, results, strict=False):
                pairs[variable], names[tile_variable] = result, variable
        return [read(*atoms) for atoms in zip(jaxpr.outvars, other.outvars, strict=True)]

    def step(self, equation: JaxprEqn, twin: JaxprEqn, operands: Sequence[_Pair], path: Path) -> list[_Pair]:
        """Check the row of a pair of equations, or those inside a call, and return the results."""
        avals = [_avals(*pair) for pair in zip(equation.outvars, twin.outvars, strict=False)]
        row, bodies = self.rows.get(path), [entered(one, operands) for one in (equation, twin)]
        if row is None and bodies[0] is not None and bodies[1] is not None:
            return self.follow(bodies[0][:2], bodies[1][:2], bodies[0][2], (*path, 0))
        name = equation.primitive.name
        if row is None or (row.primitive, len(row.outputs)) != (name, len(equation.outvars)):
            there = "no row" if row is None else f"{row.primitive} with {len(row.outputs)} results"
            self.problems.append(f"row {path}: the function has {name} here, but the derivation has {there}")
            self.used.add(path)
            return [_Pair(None, pair) for pair in avals]
        self.used.add(path)
        self.bar.update(1)
        try:
            problem = self.checked(equation, twin, operands, row.outputs)
            constants = _computed(equation, twin, operands)
        except Exception as error:
            problem, constants = f"the equation could not be executed: {error!r}", None
        problem = problem or next(filter(None, (self.misnamed(state, equation, operands) for state in row.outputs)), "")
        if problem:
            self.problems.append(f"row {path} ({name}): {problem}")
        made = constants or [None] * len(avals)
        return [_Pair(*result) for result in zip(row.outputs, avals, made, strict=False)]

    def checked(
        self, equation: JaxprEqn, twin: JaxprEqn, operands: Sequence[_Pair], states: Sequence[Agreement]
    ) -> str:
        """Return an objection to the states of an equation's results, or the empty string."""
        claimed = [(n, state) for n, state in enumerate(states) if not isinstance(state, Different)]
        if not claimed:
            return ""
        avals = [_avals(*pair) for pair in zip(equation.outvars, twin.outvars, strict=False)]
        if problem := self.refused(equation, twin, [(state, avals[n]) for n, state in claimed], operands):
            return problem
        others = ALL_KINDS if equation.primitive.name in numpy_rows.element_wise else FINITE_KINDS
        for turn, place in enumerate(self.places(claimed)):
            for kind in (WHOLE, others[turn % len(others)]):
                draw = DRAWS * (self.seed + turn) + kind
                operand_pairs = [pair.at(place, draw) for pair in operands]
                sides = [(one, [pair[side] for pair in operand_pairs]) for side, one in enumerate((equation, twin))]
                results = [_run(*side) for side in sides]
                for n, state in claimed:
                    problem = differs(state, results[0][n], results[1][n], place)
                    if problem and kind != WHOLE:  # sums of numbers of all sizes round
                        rounding = max(noise(partial(_run, one), arrays, n) for one, arrays in sides)
                        problem = differs(state, results[0][n], results[1][n], place, rounding)
                    if problem:
                        return f"result {n} of a tile at cell {place.offset} does not agree: {problem}"
        return ""

    def refused(
        self,
        equation: JaxprEqn,
        twin: JaxprEqn,
        results: Sequence[tuple[Equal | Window, tuple[Shaped, Shaped]]],
        operands: Sequence[_Pair],
    ) -> str:
        """Return why results cannot have their states, without executing the equation, or the empty string."""
        if equation.primitive is not twin.primitive or len(equation.invars) != len(twin.invars):
            return f"the function has {twin.primitive.name} here for a tile, so that no result agrees"
        if equation.effects or may_be_endless(equation) or may_be_endless(twin):
            return "it has effects, or an unknown number of iterations, so that no result agrees"
        if (
            sum(whole.size for whole, _ in [pair.avals for pair in operands] + [avals for _, avals in results])
            > LARGEST
        ):
            return "the equation is too large; certify the function at smaller sizes"
        more = self.along.length - self.tile
        return next(filter(None, (malformed(state, *pair, more) for state, pair in results)), "")

    def places(self, claimed: Sequence[tuple[int, Equal | Window]]) -> list[Place]:
        """Places of a tile: at both ends of the whole, and at random ones that the states allow."""
        more = self.along.length - self.tile
        shift = math.lcm(*(state.shift for _, state in claimed if isinstance(state, Window)))
        count = more // shift + 1
        random = [mixed_integers(self.seed, n) % count * shift for n in range(PLACES)]
        return [Place(offset, more) for offset in dict.fromkeys([0, more, (count - 1) * shift, *random])]

    def misnamed(self, state: Agreement, equation: JaxprEqn, operands: Sequence[_Pair]) -> str:
        """Return an objection to the culprit that a state names, or the empty string."""
        named = state.culprit if isinstance(state, Different) else state.lost if isinstance(state, Window) else None
        before = [one for pair in operands for one in _culprits(pair.state)]
        if named is None or named in before:
            return ""
        inside = {one.primitive.name for inner in within(equation) for one, _ in equations(inner)}
        if named.primitive not in {equation.primitive.name, *inside}:
            return f"it names {named.primitive} as the culprit, which is neither this equation nor an operand's culprit"
        if self.jaxpr is None or not is_traced(named, self.jaxpr):
            return f"it names {named.primitive} at {named.source} as the culprit, but it was not traced there"
        return ""


def _culprits(state: Agreement | None) -> list[Culprit]:
    if isinstance(state, Different):
        return [state.culprit]
    return [state.lost] if isinstance(state, Window) and state.lost is not None else []


def _avals(atom: Atom, twin: Atom) -> tuple[Shaped, Shaped]:
    return aval_of(atom), aval_of(twin)


def _closed_over(values: Sequence[ArrayValue], avals: tuple[Shaped, Shaped]) -> _Pair:
    """Arrays that the function is closed over: parameters if they are equal floats, and constants otherwise."""
    if not all(hasattr(value, "dtype") for value in values) or any(map(is_key, avals)):
        return _Pair(EQUAL if values[0] is values[1] else None, avals)
    whole, tile = (np.asarray(value) for value in values)
    equal = whole.shape == tile.shape and whole.dtype == tile.dtype and whole.tobytes() == tile.tobytes()
    parameter = equal and jnp.issubdtype(whole.dtype, jnp.inexact)
    return _Pair(EQUAL if equal else None, avals, None if parameter else (whole, tile))


def _computed(equation: JaxprEqn, twin: JaxprEqn, operands: Sequence[_Pair]) -> list[tuple[Array, Array]] | None:
    """Return the results of an equation of constants, executed by XLA; None for another."""
    known = [pair.constants for pair in operands if pair.constants is not None]
    large = sum(aval_of(v).size for v in equation.outvars) > LARGEST
    if len(known) < len(operands) or equation.effects or twin.effects or large or may_be_endless(equation):
        return None
    sides = [compiled_by_xla(one)([pair[n] for pair in known]) for n, one in enumerate((equation, twin))]
    return list(zip(*(map(_stored, side) for side in sides), strict=True))


def _stored(array: Array) -> Array:
    return array if is_key(array) else np.asarray(array)


def _run(equation: JaxprEqn, arrays: list[Array]) -> Sequence[Array]:
    """Return the results of an equation: by NumPy if it has a row for it, and otherwise by XLA."""
    by_row = numpy_rows.evaluation(equation)
    found = by_row(cast("list[np.ndarray]", arrays), ()) if by_row else None
    return compiled_by_xla(equation)(arrays) if found is None else found


def _claim_objection(claim: TilingAxis, pair: _Pair) -> str:
    """Return an objection to a claim that does not state what its output's state implies, or the empty string."""
    place, state = TilingAxis(claim.tiled, claim.whole, claim.tile), pair.state
    if state is None:
        known = pair.constants
        if known is not None and known[0].shape == known[1].shape and np.array_equal(*known):
            state = EQUAL
        elif claim.culprit is None:
            return "the claim is proved, but the output is not the same value for a tile"
        else:
            return ""
    expected = place
    if isinstance(state, Different):
        expected = replace(place, culprit=state.culprit)
    elif isinstance(state, Window):
        lengths = {"output_axis": state.axis, "output_whole": state.whole, "output_tile": state.tile}
        expected = replace(place, **lengths, culprit=claim.culprit)
        if state.rate is not None and state.inner != NONE:
            moved = {"shift": state.shift, "step": int(state.shift / state.rate), "start": state.offset}
            intervals = {"inner": state.inner, "first": state.first, "last": state.last}
            expected = replace(place, **lengths, **moved, **intervals)
        elif claim.culprit is None or (claim.culprit != state.lost if state.lost else claim.culprit.primitive):
            return "the claim does not name the equation as the culprit after which no cell agrees, or the output"
    names = [name for name in vars(claim) if getattr(claim, name) != getattr(expected, name)]
    if not names:
        return ""
    name = names[0]
    return f"its {name} is {getattr(claim, name)}, but the output's state implies {getattr(expected, name)}"
