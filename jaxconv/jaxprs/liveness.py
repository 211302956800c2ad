"""The memory of a jaxpr: bytes of the values that are alive at once."""

from __future__ import annotations

import math

from jaxconv.jaxprs.layout import called, is_literal, opened
from jaxconv.jaxprs.traverse import within
from jaxconv.jaxprs.typing import AnyJaxpr, Atom, aval_of, shape_of


def peak_bytes(jaxpr: AnyJaxpr) -> int:
    """The largest number of bytes of values that are alive at once, if equations run in order.

    Inputs and constants are alive all the time, and other values from their equation to their last use. A compiler
    that fuses equations needs less, and an algorithm that copies its operands more.

    >>> import jax
    >>> x = jax.ShapeDtypeStruct((100,), "float32")
    >>> peak_bytes(jax.make_jaxpr(lambda x: (x + 1) * 2)(x))  # the input, the sum and the product
    1200
    """
    body, _ = opened(jaxpr)
    kept = {id(atom) for atom in (*body.invars, *body.constvars, *body.outvars)}
    last = {id(atom): n for n, equation in enumerate(body.eqns) for atom in equation.invars}
    alive = sum(map(_bytes, (*body.invars, *body.constvars)))
    peak = alive
    for number, equation in enumerate(body.eqns):
        own = sum(map(_bytes, equation.outvars))
        inner = max((peak_bytes(one) - sum(map(_bytes, opened(one)[0].invars)) for one in within(equation)), default=0)
        peak = max(peak, alive + (max(own, inner) if called(equation) else own + inner))
        alive += own
        used = {id(atom): atom for atom in (*equation.invars, *equation.outvars) if not is_literal(atom)}
        ended = (atom for key, atom in used.items() if key not in kept and last.get(key, number) <= number)
        alive -= sum(map(_bytes, ended))
    return peak


def _bytes(atom: Atom) -> int:
    dtype = getattr(aval_of(atom), "dtype", None)
    return 0 if dtype is None else math.prod(shape_of(atom)) * dtype.itemsize
