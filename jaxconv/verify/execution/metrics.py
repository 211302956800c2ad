"""Measures of partial equivariance from the literature, each with its source.

All of them are for cyclic shifts. The law of a function is determined as in `check`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.checks import integer
from jaxconv.errors import explain, public
from jaxconv.jaxprs.typing import Array, ArrayValue, PyTree, with_leaves
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.execution import compare
from jaxconv.verify.execution.law import Law, Shifts, ShiftsAndMoves
from jaxconv.verify.execution.run import executing
from jaxconv.verify.execution.sweep import Each, Shifted, Subject, subject, sweep
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.shifted_axes import Axes


@dataclass(frozen=True, eq=False)
class ShiftErrors:
    """An error for each of many shifts."""

    shifts: np.ndarray  # [k, axes]
    values: np.ndarray  # [k]

    @property
    def mean(self) -> float:
        """The mean error over the shifts."""
        return float(self.values.mean())

    @property
    def worst(self) -> float:
        """The largest error."""
        return float(self.values.max())


@executing()
@public
def consistency(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes,
    shifts: Shifts = None,
    classes: int = -1,
    batch: int | None = None,
) -> float:
    """The probability that two random shifts of an image have the same label: argmax consistency.

    `E_x P_{s,s'}[argmax f(shift(x, s)) == argmax f(shift(x, s'))]`, with s and s' drawn independently from `shifts`.
    The expectation over all pairs is computed exactly as `mean_x sum_c p_c(x)^2`, where p_c(x) is the fraction of the
    shifts with label c. Scores with a NaN have a label that equals no other.

    Args:
        fn: any JAX function to an array of scores, such as [n, classes].
        arguments: its positional arguments, arrays or pytrees of them.
        axes: the axes along which the input is rolled: see `certify`.
        shifts: None for all of them, an integer for its multiples, or rows of one integer for each axis.
        classes: the axis of the scores; each index of the other axes has a label, as in a batch of images.
        batch: number of evaluations in one call: see `check`.

    Returns:
        A number from 0 to 1: the mean over the images.

    Raises:
        ValueError: axes or shifts that do not fit, or an output that is not one array of scores.
        TypeError: an argument with axes is not an array.

    Law: 1 if f is invariant and its scores have no ties; never less than 1/classes.

    Source: Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, section 4. There, pairs of crops
    are sampled. Here the image is rolled, and all pairs are counted.

    >>> import jax.numpy as jnp
    >>> from jaxconv.verify.execution.metrics import consistency
    >>> x = jnp.asarray([[1.0, 0.0, 0.0, 0.0]])
    >>> consistency(lambda x: x[:, :2], x, axes=(1,))  # label 1 after one shift of four: (1/4)^2 + (3/4)^2
    0.625
    """
    labels = _labels(fn, arguments, axes, shifts, classes, batch)
    same = [(labels == label).mean(0) ** 2 for label in np.unique(labels)]
    return float(np.sum(same, axis=0).mean())


@executing()
@public
def adversarial_consistency(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes,
    shifts: Shifts = None,
    classes: int = -1,
    labels: Array | Sequence[int] | None = None,
    batch: int | None = None,
) -> float:
    """The fraction of the images whose label no shift changes: consistency under the worst shift.

    `E_x min_s [argmax f(shift(x, s)) == y(x)]`, where y is f's label of the unshifted image, or the true label.

    Args:
        fn: any JAX function to an array of scores, such as [n, classes].
        arguments: its positional arguments, arrays or pytrees of them.
        axes: the axes along which the input is rolled: see `certify`.
        shifts: None for all of them, an integer for its multiples, or rows of one integer for each axis.
        classes: the axis of the scores.
        labels: the true labels, with the shape of the scores without the axis `classes`. With them, the result is
            adversarial accuracy.
        batch: number of evaluations in one call: see `check`.

    Returns:
        A number from 0 to 1: the fraction of the images.

    Raises:
        ValueError: axes or shifts that do not fit, labels of another shape, or an output that is not one array of
            scores.
        TypeError: an argument with axes is not an array.

    Law: 1 if f is invariant and its scores have no ties; without `labels`, at most `consistency`.

    Source: Michaeli, Michaeli and Soudry, "Alias-Free Convnets: Fractional Shift Invariance via Polynomial
    Activations", CVPR 2023, whose adversarial accuracy is that of the worst integer shift.

    >>> import jax.numpy as jnp
    >>> from jaxconv.verify.execution.metrics import adversarial_consistency
    >>> x = jnp.asarray([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    >>> adversarial_consistency(lambda x: x[:, :2], x, axes=(1,))
    0.5
    """
    shifted = _labels(fn, arguments, axes, shifts, classes, batch)
    unshifted = _labels(fn, arguments, axes, np.zeros((1, _count(axes)), np.int32), classes, batch)
    if labels is not None and np.shape(labels) != unshifted.shape[1:]:
        expected, cure = f"of shape {unshifted.shape[1:]}", "Pass one label for each image, or leave them out"
        raise ValueError(explain("labels", f"of shape {np.shape(labels)}", expected, cure))
    expected = unshifted if labels is None else np.asarray(labels)[None]
    return float((shifted == expected).all(0).mean())


@executing()
@public
def equivariance_error(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes,
    shifts: Shifts = None,
    certificate: Certificate | None = None,
    moves: ShiftsAndMoves | None = None,
    invariant: bool = False,
    batch: int | None = None,
) -> PyTree:
    """The equivariance error for each shift: the difference of both sides of the law, relative to their size.

    `|f(shift(x, s)) - shift(f(x), t)| / (|f(shift(x, s))| + |f(x)|)` in the Euclidean norm; 0 if both norms are 0.

    Args:
        fn: any JAX function of arrays.
        arguments: its positional arguments, arrays or pytrees of them.
        axes: the axes along which the input is rolled, jointly: see `check`.
        shifts: None for all of them, an integer or one for each axis for its multiples, or rows for a sample.
        certificate: the law, as for `check`; without it or moves, the law is the one that the shapes suggest.
        moves: the law by hand.
        invariant: the law that the output does not move.
        batch: number of evaluations in one call: see `check`.

    Returns:
        `ShiftErrors` in place of each array of f's output: `shifts`, `values`, and their `mean` and `worst`.

    Raises:
        ValueError: axes, shifts, moves or a certificate that do not fit the function.
        TypeError: an argument with axes is not an array.

    Law: 0 up to rounding for equivariant functions; at most 1; the same for every multiple of f.

    Source: Finzi, Welling and Wilson, "A Practical Method for Constructing Equivariant Multilayer Perceptrons for
    Arbitrary Matrix Groups", ICML 2021, whose library EMLP tests with it, using root mean squares.

    >>> import jax.numpy as jnp
    >>> from jaxconv.verify.execution.metrics import equivariance_error
    >>> x = jnp.asarray([3.0, 0.0, 0.0, 0.0])
    >>> equivariance_error(lambda x: x * jnp.asarray([1.0, 0.0, 0.0, 0.0]), x, axes=(0,)).values.tolist()
    [0.0, 1.0, 1.0, 1.0]
    """
    prepared = subject(fn, arguments, axes, batch=batch, certificate=certificate, moves=moves, invariant=invariant)
    rows = prepared.rows(shifts)
    before = prepared.function(prepared.function.consts, prepared.leaves)
    values = sweep(prepared, rows, _relative_errors, before, batch)
    return with_leaves(prepared.output, [ShiftErrors(rows, value) for value in values])


@executing()
@public
def lie_derivative_error(
    fn: Callable[..., object],
    *arguments: PyTree,
    axes: Axes,
    certificate: Certificate | None = None,
    moves: ShiftsAndMoves | None = None,
    invariant: bool = False,
) -> PyTree:
    """The local equivariance error: the mean square of the Lie derivative of f, for shifts by fractions of a cell.

    `LEE = mean_p |L f(x)[p]|^2`, with the Lie derivative `L f(x) = d/de shift(f(shift(x, e)), -r e)` at e = 0. Here r
    is the rate t/s of the law (0 for invariance). A shift by a fraction of a cell multiplies each mode of the Fourier
    transform by a phase: `shift(x, e)^[k] = exp(-2 pi i k e / n) x^[k]`. The mode n/2 of an even n has no direction and
    stays unchanged.

    One JVP computes it: `L f(x) = J(-D x) + r D f(x)`, with the Jacobian J at x and the spectral derivative D.

    Args:
        fn: any JAX function of arrays that supports forward-mode differentiation.
        arguments: its positional arguments, arrays or pytrees of arrays; the shifted ones have real floats.
        axes: the axes along which the input is shifted, one at a time.
        certificate: the law, as for `check`; without it or moves, the law is the one that the shapes suggest.
        moves: the law by hand.
        invariant: the law that the output does not move.

    Returns:
        An array [axes] in place of each array of f's output: the error for each axis, in squared units of the output
        per squared cell.

    Raises:
        ValueError: axes, moves or a certificate that do not fit the function.
        TypeError: an argument with axes is not an array of real floats.

    Law: 0 for linear circular convolutions, and if f commutes with shifts by fractions of a cell. It measures aliasing:
    for f(x) = x^2 and a wave x, it is pi^2/2 for more than n/4 periods and 0 for fewer.

    Source: Gruver, Finzi, Goldblum and Wilson, "The Lie Derivative for Measuring Learned Equivariance", ICLR 2023,
    section 4. There, shifts interpolate bilinearly.

    >>> import jax.numpy as jnp
    >>> from jaxconv.verify.execution.metrics import lie_derivative_error
    >>> wave = lambda periods: jnp.cos(2 * jnp.pi * periods * jnp.arange(16.0) / 16)
    >>> [float(lie_derivative_error(jnp.square, wave(k), axes=(0,))[0].round(4)) for k in (3, 5)]
    [0.0, 4.9348]
    """
    prepared = subject(fn, arguments, axes, certificate=certificate, moves=moves, invariant=invariant)
    outputs = functools.partial(prepared.function, prepared.function.consts)
    errors = [
        lie_derivative(prepared, outputs, axis, [laws[axis] for laws in prepared.plan.laws])
        for axis in range(_count(axes))
    ]
    return with_leaves(prepared.output, [np.asarray(column) for column in zip(*errors, strict=True)])


def lie_derivative(
    one: Subject,
    outputs: Callable[[list[ArrayValue]], list[ArrayValue]],
    axis: int,
    laws: Sequence[Law | None],
    *,
    scaled: bool = False,
) -> list[float]:
    """The mean square of each output's Lie derivative along one axis; NaN for an output without a law or real floats.

    `scaled` divides by the mean square of the output; 0/0 is 0.
    """

    def errors(leaves: list[jax.Array]) -> list[jax.Array | float]:
        tangents = [jnp.zeros_like(x) for x in leaves]
        for argument, argument_axis in one.plan.along[axis].arguments:
            leaf = one.plan.offsets[argument]
            tangents[leaf] = -derivative(leaves[leaf], argument_axis)
        real = [number for number, x in enumerate(leaves) if is_kind(x, np.floating)]

        def of_real(new: list[jax.Array]) -> list[jax.Array]:
            replaced = dict(zip(real, new, strict=True))
            return outputs([replaced.get(i, x) for i, x in enumerate(leaves)])

        values, changes = jax.jvp(of_real, ([leaves[i] for i in real],), ([tangents[i] for i in real],))
        mean_squares: list[jax.Array | float] = []
        for value, change, law in zip(values, changes, laws, strict=True):
            if law is None or not is_kind(value, np.floating):
                mean_squares.append(jnp.nan)
                continue
            for output_axis, t in law.moves:
                change = change + jnp.asarray(t / law.shift, value.dtype) * derivative(value, output_axis)
            error, size = _mean_square(change), _mean_square(value) if scaled else 1
            mean_squares.append(jnp.where(error == 0, 0, error / size))
        return mean_squares

    for argument, _ in one.plan.along[axis].arguments:
        leaf = one.leaves[one.plan.offsets[argument]]
        if not is_kind(leaf, np.floating):
            cure = "Cast it: x.astype(jnp.float32)"
            raise TypeError(explain(f"argument {argument}", leaf.dtype, "of real floats", cure))
    with executing():
        found = cast("list[jax.Array]", jax.jit(errors)([jnp.asarray(x) for x in one.leaves]))
        return [float(error) for error in found]


def _mean_square(y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(y.astype(jnp.float32) if y.dtype.itemsize < 4 else y))


def derivative(x: jax.Array, axis: int) -> jax.Array:
    """The spectral derivative along an axis, per cell: mode k is multiplied by `2 pi i k / n`, and mode n/2 by 0."""
    n = x.shape[axis]
    wide = x if x.dtype.itemsize >= 4 else x.astype(jnp.float32)
    modes = np.arange(n // 2 + 1) * (2 * np.pi / n)
    if n % 2 == 0:
        modes[-1] = 0
    kind = jnp.complex128 if wide.dtype == jnp.float64 else jnp.complex64
    factors = jnp.asarray(1j * modes, kind).reshape([-1 if number == axis else 1 for number in range(x.ndim)])
    return jnp.fft.irfft(factors * jnp.fft.rfft(wide, axis=axis), n, axis=axis).astype(x.dtype)


def relative(before: jax.Array, after: jax.Array) -> jax.Array:
    """`|after - before| / (|after| + |before|)` in the Euclidean norm; 0 if both norms are 0."""
    if not is_kind(before, np.inexact):
        before, after = before.astype(jnp.float32), after.astype(jnp.float32)
    size = _norm(after) + _norm(before)
    return jnp.where(size == 0, 0, _norm(after - before) / jnp.where(size == 0, 1, size))


def _norm(x: jax.Array) -> jax.Array:
    wide = x if is_kind(x, np.inexact) and x.dtype.itemsize >= 4 else x.astype(jnp.float32)
    return jnp.sqrt(jnp.sum(jnp.square(jnp.abs(wide))))


def _relative_errors(shifted: Shifted, before: list[jax.Array]) -> list[jax.Array]:
    """The relative error of each output leaf after one shift."""
    expected = (
        compare.rolled(leaf, compare.moves_of(laws, shifted.shift))
        for leaf, laws in zip(before, shifted.plan.laws, strict=True)
    )
    return [relative(*pair) for pair in zip(expected, shifted.outputs(), strict=True)]


@functools.cache  # returns the same function object each time, so that it is compiled once
def _label(classes: int) -> Each:
    """A function for `sweep` that returns the labels; -1 where a score is NaN."""

    def each(shifted: Shifted, _: PyTree) -> jax.Array:
        (scores,) = shifted.outputs()
        nan = jnp.isnan(scores).any(classes) if is_kind(scores, np.inexact) else jnp.zeros((), bool)
        return jnp.where(nan, -1, jnp.argmax(scores, classes).astype(jnp.int32))

    return each


def _labels(
    fn: Callable[..., object],
    arguments: tuple[PyTree, ...],
    axes: Axes,
    shifts: Shifts,
    classes: int,
    batch: int | None,
) -> np.ndarray:
    """The label of every image for every shift: [shifts, *images]."""
    classes = integer("classes", classes, cure="Leave it out for the last axis")
    prepared = subject(fn, arguments, axes, batch=batch, invariant=True)
    ranks = [len(shape) for shape in prepared.shapes]
    if len(ranks) != 1 or not -ranks[0] <= classes < ranks[0]:
        cure = "Return one array of scores, such as [n, classes], and name its axis of classes"
        expected = f"one array with an axis {classes}"
        raise ValueError(explain("the output", f"of shapes {prepared.shapes}", expected, cure))
    rows = np.asarray(shifts) if _is_unshifted(shifts) else prepared.rows(shifts)
    labels = sweep(prepared, rows, _label(classes), batch=batch)
    # The label of scores with a NaN differs from those of all other shifts.
    return np.where(labels < 0, -1 - np.arange(len(labels)).reshape(-1, *[1] * (labels.ndim - 1)), labels)


def _is_unshifted(shifts: Shifts) -> bool:
    """Whether the shifts are rows of zeros."""
    return np.ndim(shifts) == 2 and not np.any(shifts)


def _count(axes: Axes) -> int:
    return len(next(iter(axes.values()))) if isinstance(axes, Mapping) else len(axes)
