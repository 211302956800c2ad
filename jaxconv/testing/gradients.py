"""The summed-delta rule for any layer: the gradient of shared parameters is the sum of the untied gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.checks import function, integer, several, shown, takes
from jaxconv.errors import explain, public
from jaxconv.testing.configurations import small_integers
from jaxconv.verify.execution.run import executing

NUMBERS = 512  # maximum number of entries of a parameter that are perturbed
SHOWN = 3  # maximum number of positions in a message


@executing()
@public
def assert_gradient_is_summed_delta(
    layer: Callable[[Any, Any], Any],
    params: Any,
    x: Any,
    *,
    positions: Sequence[int] | None = None,
    seed: int = 0,
) -> None:
    """Assert that `jax.grad` of shared parameters is the sum over output positions of the untied gradients.

        dL/dw = sum_p dL/dw[p],    dL/dw[p] = sum_{n,o} dy[n,p,o] dy[n,p,o]/dw

    where `w[p]` is a separate copy of the parameters for output position p: the untied, locally connected layer. The
    rule is a sum, not a mean, and includes every position. The right-hand side uses only the layer's forward pass: one
    parameter at a time is perturbed, and the change at each position's output is measured. So the test of the backward
    pass, which is JAX's or a `custom_vjp`, shares no code with it.

    Parameters, input and the deltas dy are small random integers, so that nothing is rounded. A layer is taken to be
    affine in its parameters if equal steps up and down change its outputs equally. Then both sides are compared bit for
    bit. The derivatives of such a layer do not depend on the parameters, and both sides are linear in dy. So a backward
    pass that is wrong by a fixed factor, or at some positions, agrees only by chance. Other layers (an activation or a
    normalisation after the sum) are compared at one random point, with central differences. The tolerance then contains
    the difference between the one-sided differences, the difference between two step sizes, and rounding. If the
    tolerance could hide the gradient itself, an error is raised.

    Args:
        layer: `layer(params, x) -> y`, [n, *out, o]: a function of two pytrees that returns one array.
        params: a pytree of arrays or shapes. Floating-point leaves are replaced by random ones; other leaves are kept.
        x: an array or a shape, or a pytree of them, treated in the same way.
        positions: axes of y over which the parameters are shared; by default all but the first and the last.
        seed: seed of the random numbers.

    Raises:
        AssertionError: the gradient differs; the message names the parameter and the kind of mistake.
        ValueError: no floating-point parameter, an output that is not an array, or a tolerance that is too large.

    Law: `jax.grad` of every layer of this library passes; a `custom_vjp` that averages does not.

    >>> import jax, jaxconv as jc
    >>> from functools import partial
    >>> from jaxconv.testing import assert_gradient_is_summed_delta
    >>> params = jax.eval_shape(lambda key: jc.init_conv(key, (3, 2), 2, 3), jax.random.key(0))
    >>> x = jax.ShapeDtypeStruct((2, 5, 6, 2), "float32")
    >>> assert_gradient_is_summed_delta(partial(jc.conv, stride=2, padding="same"), params, x)

    Source: LeCun et al., Backpropagation applied to handwritten zip code recognition, Neural Computation 1 (1989).
    """
    __tracebackhide__ = True
    cure = "Pass layer(params, x), functools.partial(jc.conv, stride=2) for example"
    function("layer", layer, cure=cure)
    takes("layer", layer, (params, x), "a function of two arguments", cure=cure)
    for name, tree in (("params", params), ("x", x)):
        _check_arrays(name, tree)
    seed = integer("seed", seed, least=0, cure="Leave it out for 0")
    free = [n for n, leaf in enumerate(jax.tree.leaves(params)) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    if not free:
        cure = "Pass the parameters whose gradient is to be checked"
        raise ValueError(explain("params", shown(params), "a tree with floating-point arrays", cure))
    params, x = _drawn(params, seed, 1), _drawn(x, seed, 2)
    leaves, structure = jax.tree.flatten(params)
    names = [f"params{jax.tree_util.keystr(path)}" for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    forward = lambda leaves: layer(jax.tree.unflatten(structure, leaves), x)
    y = jax.eval_shape(forward, leaves)
    if not hasattr(y, "shape"):
        cure = "Return one of its arrays"
        raise ValueError(explain("the layer's output", type(y).__name__, "one array [n, *out, o]", cure))
    along = tuple(range(1, len(y.shape) - 1)) if positions is None else _positions(positions, len(y.shape))
    dy = small_integers(y.shape, seed, 3, most=3)
    dy[dy == 0] = 1  # so that every position contributes
    generic = [_real(leaf, seed, number) if number in free else leaf for number, leaf in enumerate(leaves)]
    for number in free:
        rng = np.random.default_rng((seed, number))
        entries = np.sort(rng.permutation(leaves[number].size)[:NUMBERS])
        moved = _mover(forward, number, entries)
        at, untied = leaves, _affine(moved, leaves, number, entries, dy, along)
        if untied is None:
            at, untied = generic, _smooth(moved, generic, number, entries, dy, along)
        gradient = _gradient(forward, at, number, dy).ravel()[entries]
        _compare(names[number], gradient, untied, np.shape(leaves[number]))


@dataclass(frozen=True)
class Untied:
    """For some entries of a parameter: the delta of each position, [entries, positions], and the tolerances."""

    entries: np.ndarray
    each: np.ndarray
    allowed: np.ndarray  # tolerance of the sum over positions, [entries]
    curved: np.ndarray  # the part of the tolerance that is not rounding, [entries]
    positions: tuple[int, ...]  # the output's shape along its positions

    @property
    def exact(self) -> bool:
        """Whether nothing was rounded."""
        return not self.allowed.any()


def _check_arrays(name: str, tree: Any) -> None:
    """Raise an error if a leaf is not an array or a shape."""
    for leaf in jax.tree.leaves(tree):
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            cure = "Pass arrays or shapes, and close over the rest"
            raise TypeError(explain(name, shown(leaf), "a tree of arrays", cure))


def _positions(positions: Sequence[int], rank: int) -> tuple[int, ...]:
    """Non-negative axes of the output."""
    cure, items = "Write (1, 2) for the rows and columns of [n, i, j, o]", several(positions)
    if items is None:
        raise TypeError(explain("positions", shown(positions), "a sequence of the output's axes", cure))
    axes = [integer("positions", axis, cure=cure) for axis in items]
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(explain("positions", axis, f"from {-rank} to {rank - 1}, axes of the output", cure))
    return tuple(axis % rank for axis in axes)


def _drawn(tree: Any, *seed: int) -> Any:
    """The tree with random integers in place of its floats, and zeros in place of shapes of other dtypes."""
    leaves, structure = jax.tree.flatten(tree)

    def draw(number: int, leaf: Any) -> Any:
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            return jnp.asarray(small_integers(np.shape(leaf), *seed, number), leaf.dtype)
        return jnp.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf

    return jax.tree.unflatten(structure, [draw(number, leaf) for number, leaf in enumerate(leaves)])


def _gradient(forward: Callable[[list[Any]], Any], leaves: list[Any], number: int, dy: np.ndarray) -> np.ndarray:
    """`jax.grad` of sum(y * dy) with respect to one of the leaves, as float64."""

    def loss(leaf: Any) -> Any:
        y = forward([leaf if i == number else other for i, other in enumerate(leaves)])
        return jnp.sum(y * jnp.asarray(dy, y.dtype))

    with jax.default_matmul_precision("highest"):
        return np.asarray(jax.jit(jax.grad(loss))(leaves[number]), np.float64)


def _real(leaf: Any, *seed: int) -> Any:
    """The leaf plus random fractions, since kinks and ties are unlikely between integers."""
    return leaf + jnp.asarray(np.random.default_rng((*seed, 4)).uniform(-0.5, 0.5, leaf.shape), leaf.dtype)


Moved = Callable[[list[Any], float], np.ndarray]  # leaves, step -> [entries, *y]


def _mover(forward: Callable[[list[Any]], Any], number: int, entries: np.ndarray) -> Moved:
    """A function that returns the outputs with each entry of one leaf in turn changed by a step, as float64."""

    def changed(entry: Any, leaves: list[Any], step: Any) -> Any:
        leaf = leaves[number]
        leaf = leaf.ravel().at[entry].add(step).reshape(leaf.shape)
        return forward([leaf if i == number else other for i, other in enumerate(leaves)])

    @jax.jit
    def outputs(leaves: list[Any], step: Any) -> Any:
        return jax.lax.map(lambda entry: changed(entry, leaves, step), jnp.asarray(entries), batch_size=64)

    def moved(leaves: list[Any], step: float) -> np.ndarray:
        with jax.default_matmul_precision("highest"):
            return np.asarray(outputs(leaves, np.asarray(step, leaves[number].dtype)), np.float64)

    return moved


def _by_position(change: np.ndarray, dy: np.ndarray, along: tuple[int, ...]) -> np.ndarray:
    """change * dy, summed over all axes except the positions: [entries, positions]."""
    product = np.moveaxis(change * dy, [axis + 1 for axis in along], range(1, len(along) + 1))
    summed = product.sum(axis=tuple(range(len(along) + 1, product.ndim)))
    return summed.reshape(len(change), math.prod(dy.shape[axis] for axis in along))


def _affine(
    moved: Moved, leaves: list[Any], number: int, entries: np.ndarray, dy: np.ndarray, along: tuple[int, ...]
) -> Untied | None:
    """The exact deltas, if all outputs are integers and equal steps up and down change them equally; otherwise None."""
    up, here, down = (moved(leaves, step) for step in (1.0, 0.0, -1.0))
    most = 2 / float(jnp.finfo(leaves[number].dtype).eps)  # integers up to this one are exact
    whole = all(
        (y == np.rint(y)).all() and np.abs(y).max(initial=0) * np.abs(dy).sum() < most for y in (up, here, down)
    )
    if not whole or not np.array_equal(up - here, here - down):
        return None
    shape = tuple(dy.shape[axis] for axis in along)
    none = np.zeros(len(entries))
    return Untied(entries, _by_position(up - here, dy, along), none, none, shape)


def _smooth(
    moved: Moved, leaves: list[Any], number: int, entries: np.ndarray, dy: np.ndarray, along: tuple[int, ...]
) -> Untied:
    """The deltas by central differences, and their tolerances.

    At a kink the derivative is between the one-sided slopes, so their difference bounds the error.
    """
    h = 2.0**-6
    far_up, up, here, down, far_down = (moved(leaves, s * h) for s in (2, 1, 0, -1, -2))
    near, far, sides = (up - down) / (2 * h), (far_up - far_down) / (4 * h), np.abs(up + down - 2 * here) / h
    rounding = 8 * float(jnp.finfo(leaves[number].dtype).eps) * np.abs(here) / h
    total = lambda error: (error * np.abs(dy)).sum(axis=tuple(range(1, error.ndim)))
    # Rounding causes apparent kinks of about its size.
    allowed, curved = (
        total(np.abs(near - far) + sides + rounding),
        total(np.maximum(np.abs(near - far) + sides - rounding, 0)),
    )
    return Untied(entries, _by_position(near, dy, along), allowed, curved, tuple(dy.shape[axis] for axis in along))


def _compare(name: str, gradient: np.ndarray, untied: Untied, shape: tuple[int, ...]) -> None:
    """Raise an error if the entries of the gradient are not the sums of the untied gradients."""
    __tracebackhide__ = True
    total = untied.each.sum(axis=1)
    wrong = np.flatnonzero(~(np.abs(gradient - total) <= untied.allowed))
    if not len(wrong):
        size, curved = np.median(np.abs(untied.each).sum(axis=1)), np.median(untied.curved)
        if curved > size / 4:
            expected = f"well below {size:.3g}, the size of the untied gradients"
            cure = "Check the layer before its activation, or with smaller values"
            raise ValueError(explain(f"the tolerance for {name}", f"{curved:.3g}", expected, cure))
        return
    first = int(wrong[0])
    index = [int(i) for i in np.unravel_index(untied.entries[first], shape)]
    how = "bit for bit" if untied.exact else f"to within {untied.allowed[first]:.3g}"
    lines = [
        f"the gradient of {name} is not the sum over positions of the untied gradient ({how})",
        f"entry {index}: jax.grad is {gradient[first]:.6g}, the sum over {untied.each.shape[1]} positions "
        f"{total[first]:.6g}; {len(wrong)} of {len(gradient)} entries differ",
    ]
    raise AssertionError("\n  ".join([*lines, *_diagnosis(gradient, total, untied, shape)]))


def _diagnosis(gradient: np.ndarray, total: np.ndarray, untied: Untied, shape: tuple[int, ...]) -> list[str]:
    """The kind of mistake, if it is one of the usual ones; and the fix."""
    count = untied.each.shape[1]
    same = lambda other: bool((np.abs(gradient - other) <= untied.allowed + 1e-5 * np.abs(other)).all())
    if count > 1 and same(total / count):
        return ["it is the mean over positions", "cure: add the deltas of all positions up and do not divide"]
    if not gradient.any():
        return ["it is zero", "cure: look for stop_gradient, or for a custom_vjp that returns zeros"]
    for sign, name in ((-1, "the negated sum"), (0.5, "half the sum"), (2, "twice the sum")):
        if same(sign * total):
            return [f"it is {name}", "cure: look for that factor in the custom_vjp"]
    if len(total) == math.prod(shape) and len(shape) > 2:
        window = tuple(range(len(shape) - 2))
        if same(np.flip(total.reshape(shape), window).ravel()):
            return ["it is the sum, flipped", "cure: layers cross-correlate; flip the kernel's delta as the kernel is"]
    missing = [p for p in range(count) if same(total - untied.each[:, p])]
    if missing:
        at = [int(i) for i in np.unravel_index(missing[0], untied.positions)]
        return [f"it is the sum without position {at}", "cure: sum over every position, including the last one"]
    return ["cure: compare the backward pass with sum_p x[under p] * dy[p], position by position"]
