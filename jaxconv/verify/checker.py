"""The independent checker: executes each step of a derivation by itself, and knows no rule.

A derivation is an inductive invariant. A state relates two runs of the function: v, a value for a scene, and v', the
same value for the scene shifted. If every equation takes operands that stand in their states' relations to results that
stand in theirs, then the whole function takes related inputs to related outputs. So each equation is executed alone, on
operands drawn at random among all that are related as their states say, and its results are judged by their states.

What a `Moving` state says is said by naming cells: cells of one name show one number. A cell of a factor that stays is
named by its position modulo the period, in v and in v' alike. One that shows cell i of a signal is named i: in v' it
stands `shift / rate` positions further on; in a cyclic walk i is taken modulo the period. Cells outside of [lo, hi) have
names of their own. To draw a pair is to hash these names; to judge one is to compare the cells of equal names. A second
relation is checked alike, of receptive fields: one cell of the input is changed, and every cell of a value that does not
see it is the same in both runs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.verify import jaxprs
from jaxconv.verify.claims import Claim, Verdict
from jaxconv.verify.values import Broken, Carry, Factor, Moving

CONSTANT = 2**16  # numbers of a closed-over or computed constant that is read as it is
LARGEST = 2**22  # numbers in the operands and results of an equation that is executed
DRAWS = 2  # of operands for each equation and relation: whole numbers, then others
CHANGES = 2  # cells of the input that are changed, one at a time, for each draw
ROUNDING = 32  # units in the last place by which floats may differ


class _AstrayError(Exception):
    """The derivation does not follow the jaxpr, so that nothing more can be said of it."""


@dataclass(frozen=True)
class _Trial:
    """What sets the second run apart: the scene shifted by some cells, or one changed cell; and what to draw."""

    shift: int
    changed: int | None
    draw: int


@dataclass(frozen=True)
class _Held:
    """A value of the function: its state, what its cells' names begin with, and its numbers if it is a constant."""

    number: int
    name: int
    state: Any
    aval: Any
    constant: np.ndarray | None = None


def _mixed(*parts: Any) -> np.ndarray:
    """A hash of whole numbers, or of arrays of them, one for each cell (the finaliser of SplitMix64)."""
    key = np.zeros(1, np.uint64)
    for part in parts:
        key = key + np.asarray(part).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key = key ^ (key >> np.uint64(31))
    return key


def _numbers(keys: np.ndarray, aval: Any, draw: int) -> Any:
    """A number of the array's kind for each key: small whole numbers, which are exact, in every other draw."""
    if jnp.issubdtype(aval.dtype, jax.dtypes.extended):
        words = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct((), aval.dtype)).shape[0]
        data = _mixed(keys[..., None], draw, np.arange(words)).astype(np.uint32)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(aval))
    bits = _mixed(keys, draw).reshape(keys.shape)
    if aval.dtype == bool:
        return (bits & np.uint64(1)).astype(bool)
    if jnp.issubdtype(aval.dtype, jnp.complexfloating):
        part = jax.ShapeDtypeStruct(aval.shape, np.float64)
        return (_numbers(keys, part, draw) + 1j * _numbers(_mixed(keys, 1).reshape(keys.shape), part, draw)).astype(
            aval.dtype
        )
    whole = (bits % np.uint64(9)).astype(np.int64)
    if jnp.issubdtype(aval.dtype, jnp.unsignedinteger):
        return whole.astype(aval.dtype)
    if draw % 2 == 0 or not jnp.issubdtype(aval.dtype, jnp.floating):
        return (whole - 4).astype(aval.dtype)
    return ((bits >> np.uint64(11)) / 2.0**51 - 2 * (draw % 4 == 3)).astype(aval.dtype)


def _alike(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Which numbers are the same, but for rounding where they are floats; NaN is NaN."""
    if not jnp.issubdtype(found.dtype, jnp.inexact):
        return found == expected
    rounding = ROUNDING * float(jnp.finfo(found.dtype).eps)
    wide = np.complex128 if jnp.issubdtype(found.dtype, jnp.complexfloating) else np.float64
    a, b = found.astype(wide), expected.astype(wide)
    sizes = np.abs(a)[np.isfinite(a)]
    allowed = rounding * (np.abs(a) + np.abs(b) + (sizes.mean() if sizes.size else 0))
    return (a == b) | (np.isnan(a) & np.isnan(b)) | (np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= allowed))


def _sees(carry: Carry, length: int, state: Moving, cell: int) -> np.ndarray:
    """Which positions of a factor may see a cell of the input."""
    if carry.first is None or carry.last is None:
        return np.ones(length, bool)
    ends = [(carry.rate * j + carry.first - cell, carry.rate * j + carry.last - cell) for j in range(length)]
    if not carry.first <= carry.last:
        return np.zeros(length, bool)
    if state.cycle is None:
        return np.array([lo <= 0 <= hi for lo, hi in ends], bool)
    return np.array([math.ceil(lo / state.cycle) <= math.floor(hi / state.cycle) for lo, hi in ends], bool)


def _cells(held: _Held, trial: _Trial, *, second: bool) -> tuple[np.ndarray, np.ndarray]:
    """The names of a moving value's cells in one of the two runs, and which of them the state speaks of."""
    state: Moving = held.state
    factors = [factor for axis in state.axes for factor in axis]
    keys = np.zeros([factor.length for factor in factors], np.uint64) + _mixed(held.name)
    clear = np.ones(keys.shape, bool)
    sees = np.full(keys.shape, state.depends)
    for place, factor in enumerate(factors):
        along = [-1 if n == place else 1 for n in range(len(factors))]
        at, carry = np.arange(factor.length), factor.carry
        if carry is not None:
            clear = clear & ((at >= carry.lo) & (at < carry.hi)).reshape(along)
            if trial.changed is not None:
                sees = sees | _sees(carry, factor.length, state, trial.changed).reshape(along)
            at = carry.start + at - (int(trial.shift / carry.rate) if second else 0)
            at = at if state.cycle is None else at % int(state.cycle / abs(carry.rate))
        elif factor.period is not None:
            at = at % factor.period
        keys = keys + _mixed(place, at).reshape(along)
    if second:
        unrelated = trial.shift % state.shift != 0
        clear = clear & ~(sees if trial.changed is not None else np.full(keys.shape, unrelated))
    return keys.reshape(held.aval.shape), clear.reshape(held.aval.shape)


def _draw_moving(held: _Held, trial: _Trial) -> tuple[Any, Any]:
    return _draw_cells(held, trial, [_cells(held, trial, second=second) for second in (False, True)])


def _draw_broken(held: _Held, trial: _Trial) -> tuple[Any, Any]:
    nothing = np.zeros(held.aval.shape, np.uint64), np.zeros(held.aval.shape, bool)
    return _draw_cells(held, trial, [nothing, nothing])


def _draw_cells(held: _Held, trial: _Trial, sides: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Any, Any]:
    """Numbers for cells, the same for the same name; what the state does not speak of is different in each run."""
    pair = []
    for side, (keys, clear) in enumerate(sides):
        other = _mixed(held.number, side + 1, np.arange(keys.size)).reshape(keys.shape)
        pair.append(_numbers(np.where(clear, keys, other), held.aval, trial.draw))
    return pair[0], pair[1]


def _judge_moving(held: _Held, trial: _Trial, pair: Sequence[np.ndarray]) -> str:
    found = _odd_one([(one, *_cells(held, trial, second=bool(side))) for side, one in enumerate(pair)])
    if found and trial.changed is not None:
        return f"changing cell {trial.changed} of the input, which it should not see, changes {found}"
    return found and f"shifting the scene by {trial.shift}, {found}"


def _odd_one(parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Of cells that should be alike since they have one name, the first that is not."""
    keys = np.concatenate([keys[clear] for _, keys, clear in parts])
    numbers = np.concatenate([numbers[clear] for numbers, _, clear in parts])
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    same = _alike(numbers, numbers[first[group]])
    if same.all():
        return ""
    worst = int(np.argmin(same))
    places = [tuple(place) for _, _, clear in parts for place in np.argwhere(clear).tolist()]
    here, there = places[worst], places[first[group][worst]]
    return f"cell {list(here)} is {numbers[worst]} and should be {numbers[first[group][worst]]}, as cell {list(there)}"


# A kind of state is two functions: draw a pair that stands in its relation, and judge one, saying what is wrong.
Draw = Callable[[_Held, _Trial], tuple[Any, Any]]
Judge = Callable[[_Held, _Trial, Sequence[np.ndarray]], str]
KINDS: dict[type, tuple[Draw, Judge]] = {
    Moving: (_draw_moving, _judge_moving),
    Broken: (_draw_broken, lambda held, trial, pair: ""),
}


def recheck(certificate: Any, fn: Callable[..., Any], *arguments: Any, seed: int = 0) -> tuple[str, ...]:
    """Execute every step of a certificate's derivations by itself, and check its claims against their last states.

    Evidence for each step, not a proof of it: operands are random. Where a primitive moves numbers about or computes
    polynomials of them, a false step passes with a tiny probability only (Schwartz and Zippel).

    Args:
        certificate: what `certify` returned for `fn`.
        fn: the function, which is traced again.
        arguments: those that it was certified for: arrays, shapes, or pytrees of them.
        seed: of the operands.

    Returns:
        The objections, each with the row and the primitive that it is about; none if every step and claim stands.

    Law: of a certificate that says too much anywhere, some objection names the row that does not follow from the rows
    before it.

    >>> import jax, jaxconv as jc
    >>> from jaxconv.verify.checker import recheck
    >>> x = jax.ShapeDtypeStruct((1, 12, 1), "float32")
    >>> smooth = lambda x: x[:, :-1] + x[:, 1:]
    >>> certificate = jc.certify(smooth, x, axes=(1,), search=False)
    >>> recheck(certificate, smooth, x)
    ()
    >>> recheck(certificate, lambda x: x[:, :-1] + x[:, ::-1][:, 1:], x)[0]
    'interior shift of ((0, 1),), row 1: there is rev in the function, and slice in the derivation'
    """
    jaxpr, constants, shapes = jaxprs.trace(fn, arguments)
    outputs = [tuple(leaf.shape) for leaf in jax.tree.leaves(shapes)]
    if [leaf.shape for leaf in certificate.leaves] != outputs:
        return (f"the certificate is of outputs {[leaf.shape for leaf in certificate.leaves]}, here are {outputs}",)
    found: list[str] = []
    for axis, walks in enumerate(certificate.derivations):
        reports = [leaf.axes[axis] for leaf in certificate.leaves]
        for kind, rows in zip(("cyclic", "interior"), walks, strict=True):
            claims = [getattr(report, kind) for report in reports]
            cpu = jax.default_device(jax.devices("cpu")[0])
            for shifted, length in {(report.shifted, report.length) for report in reports}:
                check = _Check(f"{kind} shift of {shifted}", kind == "cyclic", length, rows, seed, claims)
                with cpu, np.errstate(all="ignore"):
                    found += check.objections(jaxpr, constants, arguments, dict(shifted))
    return tuple(found)


@dataclass
class _Check:
    """One walk's rows, and what is remembered on the way through them.

    `names` numbers the signals; `makers` has for each of them the equations that made a value of it.
    """

    title: str
    cyclic: bool
    length: int
    rows: Sequence[Any]
    seed: int
    claims: Sequence[Claim]
    at: int = 0
    found: list[str] = field(default_factory=list)
    names: dict[Any, int] = field(default_factory=dict)
    makers: dict[int, list[Any]] = field(default_factory=dict)
    counter: Iterator[int] = field(default_factory=itertools.count)

    @property
    def cycle(self) -> int | None:
        """The length after which the scene repeats."""
        return self.length if self.cyclic else None

    def objections(self, jaxpr: Any, constants: Any, arguments: Any, moving: Mapping[int, int]) -> list[str]:
        """What is wrong with the rows or the claims."""
        inputs, variables = [], iter(jaxpr.invars)
        for number, argument in enumerate(arguments):
            for _ in jax.tree.leaves(argument):
                aval = next(variables).aval
                axes = [(Factor(length),) for length in aval.shape]
                if number in moving:
                    whole = Carry(Fraction(1), 0, self.length, Fraction(0), Fraction(0), f"argument {number}")
                    axes[moving[number]] = (Factor(aval.shape[moving[number]], carry=whole),)
                inputs.append(self.hold(Moving(1, self.cycle, tuple(axes)), aval))
        for held in inputs:
            self.makers.setdefault(held.name, []).append((lambda x: [x], [held], 0, held))
        try:
            outputs = self.run(jaxpr, constants, inputs, 0)
        except _AstrayError as astray:
            return [*self.found, f"{self.title}, {astray}"]
        if self.at < len(self.rows):
            self.found.append(f"{self.title}, row {self.at}: the function has no equation for it")
        ...
