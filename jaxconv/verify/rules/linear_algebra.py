"""Rules for decompositions and solvers, which take the last axes of an operand as a vector or a matrix.

The other axes list independent problems. Each result is a function of the operands at its own index along these axes,
the same function at every index. So a shift along them shifts the results. Within a matrix nothing may move, except the
columns of the right-hand side of a linear system, which are independent, too.

Theorem: `CertifierRules.map_sound` in proofs/coq.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jaxconv.verify.domain import CannotProve, Moving, Plain, everywhere, is_moving, length_of, renamed
from jaxconv.verify.factors import invariant_axis, join
from jaxconv.verify.rule_table import Equation, rule
from jaxconv.verify.rules.reduction import without


@rule("svd")
def singular(eqn: Equation[Moving]) -> list[Plain]:
    """The singular values of each matrix, and its singular vectors if they are asked for.

    Rows and columns in another order leave the singular values unchanged: P A Q has those of A for permutations P and
    Q. So rows that show whole periods may move, and columns, too. The vectors do not stay: those of the rows move, and
    each pair may change its sign.

    Example: jnp.linalg.svd(x, compute_uv=False) of x [w, c] is invariant under cyclic shifts along w.
    Theorem: `CertifierRules.map_sound` in proofs/coq for matrices that do not move. There is none for permutations.
    Jaxpr: x [*batch, m, n]; results: the values [*batch, k], and with `compute_uv` the vectors of both sides.
    """
    (value,) = eqn.moving()
    rank = len(value.axes)
    permuted = [number for number in (rank - 2, rank - 1) if is_moving(value.axes[number])]
    if not permuted:
        return list(decomposition(eqn))
    still = without(value, permuted)
    for number in permuted:
        still = still.with_new_axis(number, invariant_axis(length_of(value.axes[number])))
    values = _each(replace(eqn, inputs=[still], shapes=eqn.shapes[:1]), 2)
    vectors = eqn.walk.broken(_mixed(eqn)[0], "Use the singular values only")
    return [*values, *[vectors] * (len(eqn.shapes) - 1)]


@rule("cholesky", "eig", "eigh", "hessenberg", "lu", "qr", "schur", "tridiagonal")
def decomposition(eqn: Equation[Moving]) -> list[Moving]:
    """The factors of each matrix, whose axes must not move.

    Example: jnp.linalg.eigh(x[..., :, None] * x[..., None, :]) moves with x [n, h, w, c] along h and w.
    Jaxpr: x [*batch, m, n]; results [*batch, ...].
    """
    return _each(eqn, 2)


@rule("lu_pivots_to_permutation")
def permutation(eqn: Equation[Moving]) -> list[Moving]:
    """The permutation of each vector of pivots. Jaxpr: x [*batch, n]; see `decomposition`."""
    return _each(eqn, 1)


@rule("cholesky_update", "householder_product")
def of_matrix_and_vector(eqn: Equation[Moving]) -> list[Moving]:
    """A function of each matrix and vector. Jaxpr: a [*batch, m, n], v [*batch, k]; see `decomposition`."""
    return _each(eqn, 2, 1)


@rule("symmetric_product")
def of_two_matrices(eqn: Equation[Moving]) -> list[Moving]:
    """A function of each pair of matrices. Jaxpr: a [*batch, m, n], c [*batch, m, m]; see `decomposition`."""
    return _each(eqn, 2, 2)


@rule("tridiagonal_solve")
def tridiagonal_solve(eqn: Equation[Moving]) -> list[Moving]:
    """The solution for each tridiagonal matrix. Jaxpr: three diagonals [*batch, m], b [*batch, m, n]."""
    return _each(eqn, 1, 1, 1, 2)


@rule("triangular_solve")
def triangular_solve(eqn: Equation[Moving]) -> list[Moving]:
    """The solution x of a x = b, or of x a = b, for one triangular matrix of a at a time.

    The columns of b (its rows for x a = b) are independent, so they may move. The other axis must not.

    Example: solving with a matrix [c, c] and b [c, w] moves with b along w.
    Jaxpr: a [*batch, m, m], b [*batch, m, n] or [*batch, n, m]; `left_side`.
    """
    matrix, value = eqn.moving()
    solved = len(value.axes) - (2 if eqn.params["left_side"] else 1)
    if is_moving(value.axes[solved]):
        raise CannotProve(*_mixed(eqn))
    batch = _batch(eqn, matrix, 2)
    columns = eqn.shapes[0][-1 if eqn.params["left_side"] else -2]
    every_column = batch.with_new_axis(len(batch.axes), invariant_axis(columns, 1))
    joined = join([every_column, value.without_axis(solved)], eqn.walk.new_signal())
    result = joined.with_new_axis(solved, invariant_axis(eqn.shapes[0][solved]))
    return [everywhere(result) if result.depends else result]


def _each(eqn: Equation[Moving], *ranks: int) -> list[Moving]:
    """Results that are computed from the last axes of each operand, as many as `ranks` states, which must not move."""
    batches = [_batch(eqn, value, rank) for value, rank in zip(eqn.moving(), ranks, strict=True)]
    joined = join(batches, eqn.walk.new_signal())
    return [_of_shape(renamed(joined, number), shape) for number, shape in enumerate(eqn.shapes)]


def _batch(eqn: Equation[Moving], value: Moving, rank: int) -> Moving:
    """An operand without its last axes, which must not move."""
    first = len(value.axes) - rank
    if any(map(is_moving, value.axes[first:])):
        raise CannotProve(*_mixed(eqn))
    return replace(value, axes=value.axes[:first])


def _mixed(eqn: Equation[Moving]) -> tuple[str, str]:
    return f"{eqn.name} mixes the cells along the shifted axis", "Decompose matrices of other axes, such as channels"


def _of_shape(batch: Moving, shape: Sequence[int]) -> Moving:
    """A result of this shape, whose first axes move as those of the operands."""
    within = [invariant_axis(length) for length in shape[len(batch.axes) :]]
    result = replace(batch, axes=(*batch.axes, *within))
    return everywhere(result) if result.depends else result
