"""Evaluate a jaxpr with every operation rounded more coarsely; how far a result moves bounds its rounding error.

When terms cancel, the rounding error of a sum is relative to its terms, not to the small sum. Backward error analysis
models such an error (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., SIAM 2002, sections 1.5 and
3.1): the computed result is the exact result for slightly perturbed operands. The perturbations are

- for an arithmetic operation: each cell of its result, by eight units in the last place;
- for a sum, a product or an elementary function: also each cell of its operands. A sum of n terms adds n units, which
  is twice its largest rounding error in any order of the terms;
- for linear algebra: the same, relative to the largest cell of the operand.

Each cell is scaled by a random number. An array of these numbers is a noise; each noise is used with both signs.

Real numbers do not overflow. If an operation without poles has finite operands and a non-finite result, nothing is
known about later results, and the evaluation reports an overflow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias, cast

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.layout import is_endless, opened, scan_sizes
from jaxconv.jaxprs.primitives import NEVER, ONCE, family
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.traverse import equations, work
from jaxconv.jaxprs.typing import AnyJaxpr, Array, ArrayValue, Params, eps_of
from jaxconv.verify.execution.tolerance import is_kind

ROUNDINGS = 8  # units in the last place
CELLS = 8192  # cells that are perturbed by different numbers; larger arrays repeat them
WORK = 2**27  # largest number of elements computed by one `while` loop, over all iterations
MOST_ROUNDS = 2**14  # largest number of iterations of one `while` loop
FLOAT32_EPS = float(np.finfo(np.float32).eps)
STRIDE = 1009  # offset into the noise between operations, so that consecutive operations use different numbers
_DRAWN = [np.random.default_rng(seed).uniform(-1, 1, 2 * CELLS).astype(np.float32) for seed in range(4)]
NOISES = [sign * noise for noise in _DRAWN for sign in (1, -1)]

Flag: TypeAlias = jax.Array | bool
Noise: TypeAlias = Array | None  # None perturbs nothing
Results: TypeAlias = tuple[list[ArrayValue], Flag]  # and whether any operation overflowed


class Operand(NamedTuple):
    """A value, whether it depends on the arguments, and whether all of its cells are finite."""

    value: ArrayValue
    depends: bool
    finite: Flag = True


def perturbed_outputs(
    jaxpr: Jaxpr, consts: Sequence[ArrayValue], leaves: Sequence[ArrayValue], noise: Noise, first: int = 0
) -> Results:
    """The perturbed outputs of a jaxpr, and whether any operation overflowed. `first` is the offset into the noise."""
    results, overflow = _perturbed(jaxpr, consts, [Operand(x, True, _finite(x)) for x in leaves], noise, first)
    return [result.value for result in results], overflow


def bounded(jaxpr: Jaxpr, consts: Sequence[ArrayValue], leaves: Sequence[ArrayValue]) -> Results:
    """The outputs of a jaxpr without perturbation, and whether a `while` loop was stopped at its iteration limit.

    In a function with such loops an overflow counts as well, as in `perturbed_outputs`.
    """
    if not any(is_endless(equation) for equation, _ in equations(jaxpr)):
        return jax.core.eval_jaxpr(jaxpr, consts, *leaves), jnp.bool_(False)
    return perturbed_outputs(jaxpr, consts, leaves, None)


def _perturbed(
    jaxpr: Jaxpr, consts: Sequence[ArrayValue], operands: list[Operand], noise: Noise, first: int
) -> tuple[list[Operand], Flag]:
    """The results and the overflow flag; equations of calls, loop bodies and branches are perturbed as well."""
    overflows: list[Flag] = [jnp.bool_(False)]

    def step(equation: JaxprEqn, inputs: list[Operand], path: evaluate.Path) -> list[Operand]:
        offset, loop = first + STRIDE * sum(path), inside.get(equation.primitive.name)
        if loop is not None and any(operand.depends for operand in inputs):
            values, overflow = loop(equation.params, [operand.value for operand in inputs], noise, offset)
            results = [Operand(y, True, _finite(y)) for y in values]
        else:
            results, overflow = _executed(equation, inputs, noise, offset)
        overflows.append(overflows[-1] | overflow)
        return results

    outputs = evaluate.evaluate(jaxpr, consts, operands, step, constant=lambda value, aval: _constant(value))
    return outputs, overflows[-1]


def _constant(x: ArrayValue) -> Operand:
    return Operand(x, False, _finite(x))


def _executed(equation: JaxprEqn, inputs: list[Operand], noise: Noise, first: int) -> tuple[list[Operand], Flag]:
    """The results of one equation, and whether it overflowed."""
    depends, finite = any(operand.depends for operand in inputs), _all(operand.finite for operand in inputs)
    operands, how = [operand.value for operand in inputs], guard.rounds(equation)
    if not depends or how == NEVER:
        return [Operand(y, depends, finite) for y in evaluate.executed(equation, operands)], False
    if how != ONCE:
        perturb = _operand_perturbation(equation)
        starts = range(first, first + len(inputs) * STRIDE, STRIDE // 3)
        operands = [
            perturb(x, noise, start) if operand.depends else x
            for x, operand, start in zip(operands, inputs, starts, strict=False)
        ]
    results = [Operand(y, True, _finite(y)) for y in evaluate.executed(equation, operands)]
    results = [result._replace(value=_underflow(equation, operands, result.value, noise, first)) for result in results]
    overflow = False if guard.row_of(equation).poles else finite & ~_all(result.finite for result in results)
    return [
        result._replace(value=_perturb(result.value, noise, first, ROUNDINGS * _eps(result.value)))
        for result in results
    ], overflow


def _operand_perturbation(equation: JaxprEqn) -> Callable[[ArrayValue, Noise, int], ArrayValue]:
    """The function that perturbs the operands of an equation."""
    count = guard.terms(equation) or 1
    if equation.primitive.name in family("linear algebra"):
        return lambda x, noise, first: _perturb(x, noise, first, ROUNDINGS * _eps(x), largest=True)
    # XLA sums narrow floats in float32 or pairwise, except the sums that it adds in order.
    in_order = guard.row_of(equation).in_order
    unit: Callable[[ArrayValue], float] = lambda x: _eps(x) if in_order else min(_eps(x), FLOAT32_EPS)
    return lambda x, noise, first: _perturb(x, noise, first, ROUNDINGS * _eps(x) + count * unit(x))


def _underflow(
    equation: JaxprEqn, operands: Sequence[ArrayValue], y: ArrayValue, noise: Noise, first: int
) -> ArrayValue:
    """An element-wise result, with an absolute perturbation where it may have underflowed.

    A relative perturbation does not change a product that became 0.
    """
    elementwise = all(jnp.ndim(x) == 0 or jnp.shape(x) == jnp.shape(y) for x in operands)
    if noise is None or not guard.row_of(equation).underflows or not elementwise or not _is_real_float(y):
        return y
    info = cast(np.finfo, jnp.finfo(y.dtype))
    # XLA on the CPU flushes subnormal numbers to 0, except those of float16, which it computes in float32.
    least = info.smallest_subnormal if y.dtype == jnp.float16 else info.smallest_normal
    lost = jnp.abs(y) < info.smallest_normal
    for x in operands:
        lost = lost & jnp.asarray(x).astype(bool) & jnp.isfinite(x)
    step = (ROUNDINGS * float(least) * _noise_cells(noise, first, y.shape)).astype(y.dtype)
    return jnp.where(lost, y + step, y)


def _is_real_float(x: ArrayValue) -> bool:
    return is_kind(x, np.floating) and guard.is_real(x.dtype) and x.size > 0


def _eps(x: ArrayValue) -> float:
    return eps_of(x.dtype) if is_kind(x, np.inexact) else 0.0


def _perturb(x: ArrayValue, noise: Noise, first: int, amount: float, *, largest: bool = False) -> ArrayValue:
    """Add to each float up to `amount` times itself, or times the largest float of x."""
    if noise is None or not is_kind(x, np.inexact) or x.size == 0:
        return x
    step = jnp.float32(amount) * _noise_cells(noise, first, x.shape)
    if jnp.issubdtype(x.dtype, np.complexfloating):
        step = jax.lax.complex(step, jnp.float32(amount) * _noise_cells(noise, first + CELLS // 2, x.shape))
    # Add x * step, since 1 + step rounds to 1 in a dtype coarser than x's.
    return x + (jnp.max(jnp.abs(x)).astype(x.dtype) if largest else x) * step.astype(x.dtype)


def _noise_cells(noise: Array, first: int, shape: Sequence[int]) -> Array:
    """One number of the noise for each cell of an array of this shape, starting at offset `first`."""
    size = math.prod(shape)
    if size > CELLS:  # The offset differs between operations. Otherwise equal factors would cancel.
        noise, start = jnp.tile(noise[:CELLS], size // CELLS + 2), first % CELLS
    else:
        start = first % (len(noise) - size + 1)
    return noise[start : start + size].reshape(shape)


def _finite(x: ArrayValue) -> Flag:
    if isinstance(x, float | complex):
        return bool(np.isfinite(x))
    if not is_kind(x, np.inexact):
        return True
    wide = x if guard.is_real(x.dtype) else x.astype(np.float32)
    return jnp.all(jnp.isfinite(wide))


def _all(flags: Iterable[Flag]) -> jax.Array:
    result = jnp.bool_(True)
    for flag in flags:
        result = result & flag
    return result


def _function(closed: AnyJaxpr, noise: Noise, first: int) -> Callable[..., Results]:
    """A loop's body or a branch as a perturbed function; it treats every operand as dependent on the arguments."""
    return lambda *operands: perturbed_outputs(*opened(closed), operands, noise, first)


def _plain(closed: AnyJaxpr) -> Callable[..., list[ArrayValue]]:
    """A loop's condition or body as a function without perturbation."""

    def function(*operands: ArrayValue) -> list[ArrayValue]:
        results, _ = _perturbed(*opened(closed), [Operand(x, False) for x in operands], None, 0)
        return [result.value for result in results]

    return function


# Perturbed evaluation of loops and branches, by primitive.
inside: Registry[Callable[[Params, list[ArrayValue], Noise, int], Results]] = Registry()


@inside("scan")
def _scan(params: Params, operands: list[ArrayValue], noise: Noise, first: int) -> Results:
    """Every iteration uses the same noise. A chaotic map amplifies the perturbation from iteration to iteration."""
    constants, carry = scan_sizes(params)
    body = _function(params["jaxpr"], noise, first)
    fixed, carried, rows = operands[:constants], operands[constants : constants + carry], operands[constants + carry :]

    def step(
        state: tuple[jax.Array, list[ArrayValue]], row: list[ArrayValue]
    ) -> tuple[tuple[jax.Array, list[ArrayValue]], list[ArrayValue]]:
        results, overflow = body(*fixed, *state[1], *row)
        return (state[0] | overflow, results[:carry]), results[carry:]

    start = (jnp.bool_(False), carried)
    (overflow, last), stacked = jax.lax.scan(step, start, rows, length=params["length"], reverse=params["reverse"])
    return [*last, *stacked], overflow


@inside("while")
def _while(params: Params, operands: list[ArrayValue], noise: Noise, first: int) -> Results:
    """A perturbed loop may end earlier, later or never, so it is limited to twice the unperturbed iterations plus 8.

    A loop that exceeds `WORK` or `MOST_ROUNDS` is stopped, which counts as an overflow.
    """
    cond_count, body_count = params["cond_nconsts"], params["body_nconsts"]
    closed = params["cond_jaxpr"], params["body_jaxpr"]
    condition, body = map(_plain, closed)
    coarse_condition, coarse_body = (_function(part, noise, first) for part in closed)
    cond_consts, body_consts, start = (
        operands[:cond_count],
        operands[cond_count:][:body_count],
        operands[cond_count + body_count :],
    )
    limit_of_work = max(8, min(MOST_ROUNDS, WORK // max(1, sum(work(part)[0] for part in closed))))
    limit: jax.Array | int = limit_of_work
    if noise is not None:

        def running(state: tuple[ArrayValue, list[ArrayValue]]) -> jax.Array:
            return (state[0] < limit_of_work) & condition(*cond_consts, *state[1])[0]

        def count(state: tuple[ArrayValue, list[ArrayValue]]) -> tuple[ArrayValue, list[ArrayValue]]:
            return state[0] + 1, body(*body_consts, *state[1])

        rounds, _ = jax.lax.while_loop(running, count, (0, start))
        limit = jnp.minimum(2 * rounds + 8, limit_of_work)

    def coarse_running(state: tuple[ArrayValue, jax.Array, list[ArrayValue]]) -> jax.Array:
        return (state[0] < limit) & coarse_condition(*cond_consts, *state[2])[0][0]

    def advance(
        state: tuple[ArrayValue, jax.Array, list[ArrayValue]],
    ) -> tuple[ArrayValue, jax.Array, list[ArrayValue]]:
        results, overflow = coarse_body(*body_consts, *state[2])
        return state[0] + 1, state[1] | overflow, results

    rounds, overflow, last = jax.lax.while_loop(coarse_running, advance, (0, jnp.bool_(False), start))
    return last, overflow | (rounds >= limit_of_work)


@inside("cond")
def _cond(params: Params, operands: list[ArrayValue], noise: Noise, first: int) -> Results:
    index, *others = operands
    branches = [_function(branch, noise, first) for branch in params["branches"]]
    return cast(Results, jax.lax.switch(index, branches, *others))
