"""Executes the witness of a claim, and searches for moves of the output that agree with the shifts to refute.

Two cells differ if their mismatch is larger than 0.5, if all numbers are exact integers, or else than 3*sqrt(eps) times
the output's magnitude. The rounding error of both cells is allowed in addition (`rounding.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs.typing import Array, ArrayValue, PyTree, with_leaves
from jaxconv.verify import array_json
from jaxconv.verify.claims import Sample, Witness
from jaxconv.verify.execution.run import FAILURES, executing
from jaxconv.verify.recheck.moves import Pair, moves_of, moving_by, rolls_of, steps
from jaxconv.verify.recheck.rounding import error_bound

CLOSE = 0.01  # relative tolerance of a recorded error


@dataclass(frozen=True)
class Setting:
    """The function and the shift that a witness is about.

    Attributes:
        fn: the function.
        arguments: its arguments.
        shifted: pairs of an argument's number and its shifted axis.
        length: length of the shifted axes.
        values: whether the certificate depends on the values of the arguments.
        cyclic: whether shifts are cyclic.
        epsilon: the largest eps of the float dtypes in the function.
    """

    fn: Callable[..., object]
    arguments: tuple[PyTree, ...]
    shifted: tuple[tuple[int, int], ...]
    length: int
    values: bool
    cyclic: bool
    epsilon: float


def witness_objection(witness: Witness, output: int, setting: Setting) -> str:
    """Return an objection to the format or a sample of a witness, or to a shift that it does not refute; "" if none."""
    try:
        return _malformed(witness, setting) or _not_refuting(witness, output, setting)
    except FAILURES as error:
        return f"the witness could not be executed: {error!r}"


def _malformed(witness: Witness, setting: Setting) -> str:
    (argument, axis), *others = setting.shifted
    if others:
        return "the claim has a witness, but several arguments are shifted together"
    leaf = len(jax.tree.leaves(setting.arguments[:argument]))
    if (witness.leaf, witness.axis) != (leaf, axis):
        shifted = f"axis {witness.axis} of leaf {witness.leaf}"
        return f"the witness shifts {shifted}, but the claim is about axis {axis} of leaf {leaf}"
    if not witness.samples or len(set(witness.samples)) < len(witness.samples):
        return "the witness has no samples, or duplicate samples"
    if not witness.shifts or list(witness.shifts) != sorted(set(witness.shifts)):
        return f"the shifts of the witness are {witness.shifts}, but must be non-empty and increasing"
    if witness.shifts[0] < 1 or witness.shifts[-1] >= setting.length:
        return f"the shifts of the witness are {witness.shifts}, but must be from 1 to {setting.length - 1}"
    return next(filter(None, (_unlike(sample, witness, setting) for sample in witness.samples)), "")


def _unlike(sample: Sample, witness: Witness, setting: Setting) -> str:
    """Return an objection if the function was not certified for arguments like those of a sample."""
    leaves, given = _leaves(sample.arguments), jax.tree.leaves(setting.arguments)
    types = [[(np.shape(x), jnp.result_type(x)) for x in side] for side in (leaves, given)]
    if types[0] != types[1]:
        return f"the witness has arguments {types[0]}, but the function has {types[1]}"
    kept = [n for n, x in enumerate(given) if n != witness.leaf and not isinstance(x, jax.ShapeDtypeStruct)]
    if setting.values and any(_numbers(leaves[n]) != _numbers(given[n]) for n in kept):
        return "the arguments of the witness differ in value from those of the certificate"
    if setting.cyclic != (sample.entering is None):
        return "the witness must have entering cells for interior shifts, and none for cyclic shifts"
    return "" if sample.entering is None else _not_to_enter(sample.entering, leaves[witness.leaf], witness)


def _not_to_enter(entering: ArrayValue, x: ArrayValue, witness: Witness) -> str:
    shapes = [tuple(m for axis, m in enumerate(np.shape(array)) if axis != witness.axis) for array in (entering, x)]
    if np.ndim(entering) != np.ndim(x) or shapes[0] != shapes[1] or jnp.result_type(entering) != jnp.result_type(x):
        return f"the entering cells of the witness, of shape {np.shape(entering)}, do not fit its input"
    count = np.shape(entering)[witness.axis]
    return f"only {count} cells enter in the witness" if count < witness.shifts[-1] else ""


def _numbers(leaf: ArrayValue) -> Hashable:
    return array_json.contents(leaf if array_json.is_key(leaf) else np.asarray(leaf))


def _not_refuting(witness: Witness, output: int, setting: Setting) -> str:
    run = _runner(output, setting, _leaves(witness.samples[0].arguments))
    samples = [(_leaves(sample.arguments), sample.entering) for sample in witness.samples]
    before = [run(leaves) for leaves, _ in samples]
    for shift in witness.shifts:
        after = [run(_shifted(leaves, entering, witness, shift)) for leaves, entering in samples]
        pairs = [_pair(*old, *new, setting.epsilon) for old, new in zip(before, after, strict=True)]
        move = (rolls_of if setting.cyclic else moves_of)(pairs)
        if move:
            return f"the witness does not refute shifts by {shift}: the output {move}"
        if shift == witness.shifts[0] and (problem := _misreported(witness, pairs, setting.cyclic)):
            return problem
    return ""


def _runner(
    number: int, setting: Setting, example: list[Array]
) -> Callable[[list[Array]], tuple[np.ndarray, np.ndarray]]:
    """Return an output as a function of the leaves, together with the rounding error of each cell."""

    def output(leaves: list[Array]) -> ArrayValue:
        return array_json.as_numbers(jax.tree.leaves(setting.fn(*with_leaves(setting.arguments, leaves)))[number])

    compiled, errors = jax.jit(output), error_bound(output, example)

    def run(leaves: list[Array]) -> tuple[np.ndarray, np.ndarray]:
        with executing():
            result = array_json.wide(compiled(leaves))
        return result, errors(leaves, result)

    return run


def _leaves(tree: PyTree) -> list[Array]:
    """Return the arrays of a pytree, including one read from JSON without its container class."""
    is_read: Callable[[object], bool] = lambda node: isinstance(node, array_json.Leaves)
    nodes = jax.tree.leaves(tree, is_leaf=is_read)
    return [x for node in nodes for x in (_leaves(node.leaves) if is_read(node) else [node])]


def _shifted(leaves: list[Array], entering: ArrayValue, witness: Witness, shift: int) -> list[Array]:
    """Return the leaves with one of them shifted. Its last cells re-enter, or the last of the entering cells do."""
    x = np.moveaxis(np.asarray(array_json.as_numbers(leaves[witness.leaf])), witness.axis, 0)
    new = x if entering is None else np.moveaxis(np.asarray(array_json.as_numbers(entering)), witness.axis, 0)
    y = np.moveaxis(np.concatenate([new[len(new) - shift :], x[: len(x) - shift]]), 0, witness.axis)
    y = array_json.as_keys(y, leaves[witness.leaf])
    return [*leaves[: witness.leaf], y, *leaves[witness.leaf + 1 :]]


def _pair(
    before: np.ndarray, before_error: np.ndarray, after: np.ndarray, after_error: np.ndarray, epsilon: float
) -> Pair:
    both = np.concatenate([before.ravel(), after.ravel()])
    both = both[np.isfinite(both)]
    size = float(np.abs(both).max(initial=0))
    exact = 64 * epsilon * size < 1 and bool((both == np.rint(both)).all())
    allowed = math.inf if size > 1e15 else 0.5 if exact else 3 * math.sqrt(epsilon) * size
    before, after, *errors = (x.reshape(x.shape or (1,)) for x in (before, after, before_error, after_error))
    return Pair(before, after, allowed, *errors)


def _misreported(witness: Witness, pairs: Sequence[Pair], cyclic: bool) -> str:
    """Return an objection if the recorded error or position is not that of the smallest shift."""
    shape, shift = pairs[0].before.shape, witness.shifts[0]
    moves = [(0, 0), *((axis, t) for axis, m in enumerate(shape) for t in (range(m) if cyclic else steps(m)))]
    error = min(max(float(moving_by(pair, *move, cyclic=cyclic).max()) for pair in pairs) for move in moves)
    allowed = max(pair.allowed for pair in pairs)
    close: Callable[[float, float], bool] = lambda a, b: (
        a == b or abs(a - b) <= max(CLOSE * abs(b), min(allowed, abs(b) / 2))
    )
    if not close(witness.error, error):
        return f"the witness records an error of {witness.error:.3g}, but the error is {error:.3g}"
    fits = witness.axis < len(shape) and shift < shape[witness.axis]
    distance = moving_by(pairs[0], *((witness.axis, shift) if fits else (0, 0)), cyclic=cyclic)
    position = witness.position or (0,)
    inside = len(position) == len(shape) and all(0 <= p < m for p, m in zip(position, shape, strict=True))
    if not inside or not close(float(distance[position]), float(distance.max())):
        worst = tuple(map(int, np.unravel_index(int(distance.argmax()), distance.shape)))
        return f"the error of the witness is largest at {worst}, but it records {witness.position}"
    return ""
