"""Executes a claim's witness, and looks by itself for an answer of the output to the shifts that it should refute.

A mismatch counts if it is larger than half a unit, where all numbers are whole and exact, or than 3*sqrt(eps) of the
output's magnitude; and than what rounding more coarsely makes of the two cells (`doubts.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.verify import array_json
from jaxconv.verify.claims import Sample, Witness
from jaxconv.verify.execution.run import FAILURES, executing
from jaxconv.verify.recheck.moves import Pair, moves_of, moving_by, rolls_of, steps
from jaxconv.verify.recheck.rounding import doubting

CLOSE = 0.01  # by how much of itself a recorded error may differ from the one that is found again


@dataclass(frozen=True)
class Setting:
    """What witnesses are about: the function and its arguments, and which of these are shifted along which axis."""

    fn: Callable[..., Any]
    arguments: tuple[Any, ...]
    shifted: tuple[tuple[int, int], ...]
    length: int
    values: bool
    cyclic: bool
    epsilon: float  # the coarsest of the function's floats


def unwitnessed(witness: Witness, output: int, setting: Setting) -> str:
    """What is wrong with a witness about an output, if anything: its form, a sample, or a shift that is not refuted."""
    try:
        return _malformed(witness, setting) or _not_refuting(witness, output, setting)
    except FAILURES as error:
        return f"its witness could not be executed: {error!r}"


def _malformed(witness: Witness, setting: Setting) -> str:
    (argument, axis), *others = setting.shifted
    if others:
        return "it has a witness, and several arguments are shifted together"
    leaf = len(jax.tree.leaves(setting.arguments[:argument]))
    if (witness.leaf, witness.axis) != (leaf, axis):
        return f"its witness shifts axis {witness.axis} of leaf {witness.leaf}, and the claim is about {axis} of {leaf}"
    if not witness.samples or len(set(witness.samples)) < len(witness.samples):
        return "its witness has no samples, or one of them twice"
    if not witness.shifts or list(witness.shifts) != sorted(set(witness.shifts)):
        return f"its witness is of shifts by {witness.shifts}, which are none, or not in order"
    if witness.shifts[0] < 1 or witness.shifts[-1] >= setting.length:
        return f"its witness is of shifts by {witness.shifts}, of {setting.length} cells"
    return next(filter(None, (_unlike(sample, witness, setting) for sample in witness.samples)), "")


def _unlike(sample: Sample, witness: Witness, setting: Setting) -> str:
    """Where a sample's arguments are not such that the function was certified for."""
    leaves, given = _leaves(sample.arguments), jax.tree.leaves(setting.arguments)
    kinds = [[(np.shape(x), jnp.result_type(x)) for x in side] for side in (leaves, given)]
    if kinds[0] != kinds[1]:
        return f"its witness has arguments {kinds[0]}, and the function {kinds[1]}"
    kept = [n for n, x in enumerate(given) if n != witness.leaf and not isinstance(x, jax.ShapeDtypeStruct)]
    if setting.values and any(_numbers(leaves[n]) != _numbers(given[n]) for n in kept):
        return "its witness has other arguments than those that were looked at"
    if setting.cyclic != (sample.entering is None):
        return "its witness does not say what enters, or says so of a cyclic shift"
    return "" if sample.entering is None else _not_to_enter(sample.entering, leaves[witness.leaf], witness)


def _not_to_enter(entering: Any, x: Any, witness: Witness) -> str:
    shapes = [tuple(m for axis, m in enumerate(np.shape(one)) if axis != witness.axis) for one in (entering, x)]
    if np.ndim(entering) != np.ndim(x) or shapes[0] != shapes[1] or jnp.result_type(entering) != jnp.result_type(x):
        return f"what enters in its witness is of shape {np.shape(entering)}, or of another dtype"
    room = np.shape(entering)[witness.axis]
    return f"only {room} cells enter in its witness" if room < witness.shifts[-1] else ""


def _numbers(leaf: Any) -> Any:
    return array_json.contents(leaf if array_json.is_key(leaf) else np.asarray(leaf))


def _not_refuting(witness: Witness, output: int, setting: Setting) -> str:
    run = _runner(output, setting, _leaves(witness.samples[0].arguments))
    samples = [(_leaves(sample.arguments), sample.entering) for sample in witness.samples]
    before = [run(leaves) for leaves, _ in samples]
    for shift in witness.shifts:
        after = [run(_shifted(leaves, entering, witness, shift)) for leaves, entering in samples]
        pairs = [_pair(*one, *other, setting.epsilon) for one, other in zip(before, after, strict=True)]
        answer = (rolls_of if setting.cyclic else moves_of)(pairs)
        if answer:
            return f"its witness does not refute shifts by {shift}: the output {answer}"
        if shift == witness.shifts[0] and (problem := _misreported(witness, pairs, setting.cyclic)):
            return problem
    return ""


def _runner(number: int, setting: Setting, example: list[Any]) -> Callable[[list[Any]], tuple[np.ndarray, np.ndarray]]:
    """An output as a function of the leaves, with how far each of its cells may be off."""
    structure = jax.tree.structure(setting.arguments)
    output = lambda leaves: array_json.as_numbers(
        jax.tree.leaves(setting.fn(*jax.tree.unflatten(structure, leaves)))[number]
    )
    compiled, doubts = jax.jit(output), doubting(output, example)

    def run(leaves: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        with executing():
            found = array_json.wide(compiled(leaves))
        return found, doubts(leaves, found)

    return run


def _leaves(tree: Any) -> list[Any]:
    """The arrays of a container, also of one that was read from JSON without its class."""
    is_read = lambda one: isinstance(one, array_json.Leaves)
    found = jax.tree.leaves(tree, is_leaf=is_read)
    return [x for one in found for x in (_leaves(one.leaves) if is_read(one) else [one])]


def _shifted(leaves: list[Any], entering: Any, witness: Witness, shift: int) -> list[Any]:
    """The arguments with one of them shifted: its last cells enter again, or the last of those that enter."""
    x = np.moveaxis(np.asarray(array_json.as_numbers(leaves[witness.leaf])), witness.axis, 0)
    new = x if entering is None else np.moveaxis(np.asarray(array_json.as_numbers(entering)), witness.axis, 0)
    y = np.moveaxis(np.concatenate([new[len(new) - shift :], x[: len(x) - shift]]), 0, witness.axis)
    y = array_json.as_keys(y, leaves[witness.leaf])
    return [*leaves[: witness.leaf], y, *leaves[witness.leaf + 1 :]]


def _pair(
    before: np.ndarray, before_doubt: np.ndarray, after: np.ndarray, after_doubt: np.ndarray, epsilon: float
) -> Pair:
    both = np.concatenate([before.ravel(), after.ravel()])
    both = both[np.isfinite(both)]
    size = float(np.abs(both).max(initial=0))
    exact = 64 * epsilon * size < 1 and bool((both == np.rint(both)).all())
    allowed = math.inf if size > 1e15 else 0.5 if exact else 3 * math.sqrt(epsilon) * size
    before, after, *doubts = (x.reshape(x.shape or (1,)) for x in (before, after, before_doubt, after_doubt))
    return Pair(before, after, allowed, *doubts)


def _misreported(witness: Witness, pairs: Sequence[Pair], cyclic: bool) -> str:
    """Where the error or the position is not that of the smallest shift."""
    shape, shift = pairs[0].before.shape, witness.shifts[0]
    along = [(0, 0), *((axis, t) for axis, m in enumerate(shape) for t in (range(m) if cyclic else steps(m)))]
    error = min(max(float(moving_by(pair, *move, cyclic=cyclic).max()) for pair in pairs) for move in along)
    allowed = max(pair.allowed for pair in pairs)
    close = lambda a, b: a == b or abs(a - b) <= max(CLOSE * abs(b), min(allowed, abs(b) / 2))
    if not close(witness.error, error):
        return f"its witness has an error of {witness.error:.3g}, and that is {error:.3g}"
    has_room = witness.axis < len(shape) and shift < shape[witness.axis]
    off = moving_by(pairs[0], *((witness.axis, shift) if has_room else (0, 0)), cyclic=cyclic)
    position = witness.position or (0,)
    inside = len(position) == len(shape) and all(0 <= p < m for p, m in zip(position, shape, strict=True))
    if not inside or not close(float(off[position]), float(off.max())):
        worst = tuple(map(int, np.unravel_index(int(off.argmax()), off.shape)))
        return f"its witness is off the most at {worst}, and not at {witness.position}"
    return ""
