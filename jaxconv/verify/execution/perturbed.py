"""What a jaxpr computes if every operation rounds more coarsely: how far that moves a result is how far to trust it.

Where terms cancel, a sum is off by as much as its terms are, and not by as much as what is left of them. Backward error
analysis says how to add such an error (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., SIAM 2002,
sections 1.5 and 3.1): what is computed is the exact result of operands that are off a little. So

- one arithmetic operation shakes each cell of its result, by eight units in the last place;
- a sum, a product or an elementary function shakes each cell of its operands, too: a sum of n terms by n units more,
  which is twice what it can be off in any order of its terms;
- linear algebra does so by as much as the largest cell of the operand.

Each cell is shaken its own way, by as much as random numbers say: a noise, and its negative.

Real numbers do not overflow: where finite operands of an operation without poles have a result that is not finite,
nothing is known of what comes of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from jaxconv.jaxprs import evaluate, guard
from jaxconv.jaxprs.layout import is_endless, opened, scan_sizes
from jaxconv.jaxprs.primitives import NEVER, ONCE, family
from jaxconv.jaxprs.registry import Registry
from jaxconv.jaxprs.traverse import equations, work

ROUNDINGS = 8  # units in the last place
CELLS = 8192  # that are shaken each by its own number, before these come again
WORK = 2**27  # elements of all results of one `while` loop, over all of its rounds
MOST_ROUNDS = 2**14  # of such a loop
STRIDE = 1009  # from operation to operation: no two in a row are shaken alike
_DRAWN = [np.random.default_rng(seed).uniform(-1, 1, 2 * CELLS).astype(np.float32) for seed in range(4)]
NOISES = [sign * noise for noise in _DRAWN for sign in (1, -1)]


class Operand(NamedTuple):
    """A value; whether it depends on the arguments; and whether all of its cells are known to be finite."""

    value: Any
    depends: bool
    finite: Any = True


def shaken(
    jaxpr: Any, consts: Sequence[Any], leaves: Sequence[Any], noise: Any, first: int = 0
) -> tuple[list[Any], Any]:
    """The outputs of a jaxpr, and whether anything overflowed on the way."""
    results, overflow = _shaken(jaxpr, consts, [Operand(x, True, _finite(x)) for x in leaves], noise, first)
    return [one.value for one in results], overflow


def bounded(jaxpr: Any, consts: Sequence[Any], leaves: Sequence[Any]) -> tuple[list[Any], Any]:
    """The outputs of a jaxpr, rounded as ever, and whether a `while` loop was cut short because it ran for too long."""
    if not any(is_endless(equation) for equation, _ in equations(jaxpr)):
        return jax.core.eval_jaxpr(jaxpr, consts, *leaves), jnp.bool_(False)
    return shaken(jaxpr, consts, leaves, None)


def _shaken(
    jaxpr: Any, consts: Sequence[Any], operands: list[Operand], noise: Any, first: int
) -> tuple[list[Operand], Any]:
    """In calls, bodies of loops and branches as well."""
    overflows = [jnp.bool_(False)]

    def step(equation: Any, inputs: list[Operand], path: evaluate.Path) -> list[Operand]:
        its_first, loop = first + STRIDE * sum(path), inside.get(equation.primitive.name)
        if loop is not None and any(one.depends for one in inputs):
            found, over = loop(equation.params, [one.value for one in inputs], noise, its_first)
            results = [Operand(y, True, _finite(y)) for y in found]
        else:
            results, over = _executed(equation, inputs, noise, its_first)
        overflows.append(overflows[-1] | over)
        return results

    outputs = evaluate.evaluate(jaxpr, consts, operands, step, constant=lambda value, aval: _constant(value))
    return outputs, overflows[-1]


def _constant(x: Any) -> Operand:
    return Operand(x, False, _finite(x))


def _executed(equation: Any, inputs: list[Operand], noise: Any, first: int) -> tuple[list[Operand], Any]:
    """The results of one equation, and whether it overflowed."""
    depends, finite = any(one.depends for one in inputs), _all(one.finite for one in inputs)
    operands, how = [one.value for one in inputs], guard.rounds(equation)
    if not depends or how == NEVER:
        return [Operand(y, depends, finite) for y in evaluate.executed(equation, operands)], False
    if how != ONCE:
        shake = _of_operands(equation)
        starts = range(first, first + len(inputs) * STRIDE, STRIDE // 3)
        operands = [
            shake(x, noise, start) if one.depends else x
            for x, one, start in zip(operands, inputs, starts, strict=False)
        ]
    results = [Operand(y, True, _finite(y)) for y in evaluate.executed(equation, operands)]
    over = False if guard.row_of(equation).poles else finite & ~_all(one.finite for one in results)
    return [one._replace(value=_shake(one.value, noise, first, ROUNDINGS * _eps(one.value))) for one in results], over


def _of_operands(equation: Any) -> Callable[[Any, Any, int], Any]:
    """How the operands of an equation are shaken."""
    count = guard.terms(equation) or 1
    if equation.primitive.name in family("linear algebra"):
        return lambda x, noise, first: _shake(x, noise, first, ROUNDINGS * _eps(x), largest=True)
    # Narrow floats are added up in float32, or pairwise: XLA does so on every platform.
    unit = lambda x: min(_eps(x), float(jnp.finfo(np.float32).eps))
    return lambda x, noise, first: _shake(x, noise, first, ROUNDINGS * _eps(x) + count * unit(x))


def _eps(x: Any) -> float:
    return float(jnp.finfo(x.dtype).eps) if _is_float(x) else 0.0


def _is_float(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, np.inexact)


def _shake(x: Any, noise: Any, first: int, amount: float, *, largest: bool = False) -> Any:
    """Each float moved by up to `amount` of itself, or of the largest of them."""
    if noise is None or not _is_float(x) or x.size == 0:
        return x
    step = jnp.float32(amount) * _cut(noise, first, x.shape)
    if jnp.issubdtype(x.dtype, np.complexfloating):
        step = jax.lax.complex(step, jnp.float32(amount) * _cut(noise, first + CELLS // 2, x.shape))
    # The step alone, since 1 + step is 1 in a coarser type than x's.
    return x + (jnp.max(jnp.abs(x)).astype(x.dtype) if largest else x) * step.astype(x.dtype)


def _cut(noise: Any, first: int, shape: Sequence[int]) -> Any:
    """A number of the noise for each cell of an array of that shape, from one of them on."""
    size = math.prod(shape)
    if size > CELLS:
        noise, first = jnp.tile(noise[:CELLS], size // CELLS + 1), 0
    start = first % (len(noise) - size + 1)
    return noise[start : start + size].reshape(shape)


def _finite(x: Any) -> Any:
    if isinstance(x, float | complex):
        return bool(np.isfinite(x))
    if not _is_float(x):
        return True
    wide = x if jnp.finfo(x.dtype).bits >= 16 else x.astype(np.float32)
    return jnp.all(jnp.isfinite(wide))


def _all(flags: Any) -> Any:
    found = jnp.bool_(True)
    for flag in flags:
        found = found & flag
    return found


def _function(closed: Any, noise: Any, first: int) -> Callable[..., tuple[list[Any], Any]]:
    """A loop's body or a branch as a function; all that enters it counts as dependent."""
    return lambda *operands: shaken(*opened(closed), operands, noise, first)


def _plain(closed: Any) -> Callable[..., list[Any]]:
    """The same, rounded as it is."""
    still = lambda operands: _shaken(*opened(closed), [Operand(x, False) for x in operands], None, 0)[0]
    return lambda *operands: [one.value for one in still(operands)]


# Loops and branches whose bodies round more coarsely.
inside: Registry[Callable[[Mapping[str, Any], list[Any], Any, int], tuple[list[Any], Any]]] = Registry()


@inside("scan")
def _scan(params: Mapping[str, Any], operands: list[Any], noise: Any, first: int) -> tuple[list[Any], Any]:
    """Each round shakes as the others do; a chaotic map makes much of that."""
    constants, carry = scan_sizes(dict(params))
    body = _function(params["jaxpr"], noise, first)
    fixed, carried, rows = operands[:constants], operands[constants : constants + carry], operands[constants + carry :]

    def step(state: tuple[Any, list[Any]], row: list[Any]) -> tuple[tuple[Any, list[Any]], list[Any]]:
        found, over = body(*fixed, *state[1], *row)
        return (state[0] | over, found[:carry]), found[carry:]

    start = (jnp.bool_(False), carried)
    (over, last), stacked = jax.lax.scan(step, start, rows, length=params["length"], reverse=params["reverse"])
    return [*last, *stacked], over


@inside("while")
def _while(params: Mapping[str, Any], operands: list[Any], noise: Any, first: int) -> tuple[list[Any], Any]:
    """Rounded more coarsely a loop may end earlier or later, or never: twice as many rounds and a few are its limit.

    A loop that takes longer than `WORK` allows is cut short, which counts as an overflow.
    """
    of_test, of_body = params["cond_nconsts"], params["body_nconsts"]
    closed = params["cond_jaxpr"], params["body_jaxpr"]
    test, body = map(_plain, closed)
    coarse_test, coarse_body = (_function(one, noise, first) for one in closed)
    for_test, for_body, start = operands[:of_test], operands[of_test:][:of_body], operands[of_test + of_body :]
    most = max(8, min(MOST_ROUNDS, WORK // max(1, sum(work(one)[0] for one in closed))))
    limit = most
    if noise is not None:
        count = lambda state: (state[0] + 1, body(*for_body, *state[1]))
        goes = lambda state: (state[0] < most) & test(*for_test, *state[1])[0]
        rounds, _ = jax.lax.while_loop(goes, count, (0, start))
        limit = jnp.minimum(2 * rounds + 8, most)

    def goes_on(state: tuple[Any, Any, list[Any]]) -> Any:
        return (state[0] < limit) & coarse_test(*for_test, *state[2])[0][0]

    def turn(state: tuple[Any, Any, list[Any]]) -> tuple[Any, Any, list[Any]]:
        found, over = coarse_body(*for_body, *state[2])
        return state[0] + 1, state[1] | over, found

    rounds, over, last = jax.lax.while_loop(goes_on, turn, (0, jnp.bool_(False), start))
    return last, over | (rounds >= most)


@inside("cond")
def _cond(params: Mapping[str, Any], operands: list[Any], noise: Any, first: int) -> tuple[list[Any], Any]:
    index, *others = operands
    return jax.lax.switch(index, [_function(branch, noise, first) for branch in params["branches"]], *others)
