"""Rows that run jaxprs: loops, branches, and windows that any function combines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaxconv.jaxprs.layout import opened, scan_sizes
from support.numpy_evaluation.windows import WINDOW, windows_of


def _scan(*operands: np.ndarray, run: Any, jaxpr: Any, length: int, reverse: bool, **params: Any) -> list[Any]:
    num_consts, num_carry = scan_sizes(params)
    consts, carry = list(operands[:num_consts]), list(operands[num_consts : num_consts + num_carry])
    xs = operands[num_consts + num_carry :]
    shapes = [variable.aval for variable in opened(jaxpr)[0].outvars[num_carry:]]
    stacked = [np.zeros((length, *aval.shape), aval.dtype) for aval in shapes]
    for step in reversed(range(length)) if reverse else range(length):
        results = run(jaxpr, [*consts, *carry, *(x[step] for x in xs)])
        carry = results[:num_carry]
        for into, result in zip(stacked, results[num_carry:], strict=True):
            into[step] = result
    return [*carry, *stacked]


def _while(*operands: np.ndarray, run: Any, cond_jaxpr: Any, body_jaxpr: Any, **params: Any) -> list[np.ndarray]:
    in_cond, in_body = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body = operands[:in_cond], operands[in_cond : in_cond + in_body]
    carry = list(operands[in_cond + in_body :])
    while (holds := run(cond_jaxpr, [*of_cond, *carry])[0]).any():
        found = run(body_jaxpr, [*of_body, *carry])
        if holds.ndim == 0:
            carry = found
            continue
        spread = (holds.reshape(holds.shape + (1,) * (one.ndim - holds.ndim)) for one in found)
        carry = [np.where(here, new, old) for here, new, old in zip(spread, found, carry, strict=True)]  # under vmap
    return carry


def _cond(which: np.ndarray, *operands: np.ndarray, run: Any, branches: Any, **_: Any) -> list[np.ndarray]:
    return run(branches[int(np.clip(which, 0, len(branches) - 1))], operands)


def _general_window(
    x: np.ndarray, start: np.ndarray, *, run: Any, jaxpr: Any, consts: Any, **params: Any
) -> list[np.ndarray]:
    """Combined from the first cell on, by whatever function."""
    windows = windows_of(x, start, *(params[name] for name in WINDOW))
    found = np.full(windows.shape[: x.ndim], start, x.dtype)
    one = jax.make_jaxpr(jax.vmap(jaxpr_as_fun(ClosedJaxpr(jaxpr, consts))))
    flat = windows.reshape(found.size, -1)
    for number in range(flat.shape[1]):
        cells = (found.ravel(), np.ascontiguousarray(flat[:, number]))
        found = run(one(*cells), cells)[0].reshape(found.shape)
    return [found]


# Each is told how to run a jaxpr.
CONTROL: dict[str, Callable[..., Any]] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "reduce_window": _general_window,
}
