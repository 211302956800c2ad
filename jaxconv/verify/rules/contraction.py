"""Rules for products that sum over axes: channel mixing, dense layers, attention."""

from __future__ import annotations

from dataclasses import replace

from jaxconv.verify.rules.reduction import without
from jaxconv.verify.table import Equation, rule
from jaxconv.verify.values import Lost, Moving, carries, common_shift, length_of, meet, still, uniform


@rule("dot_general")
def product(eqn: Equation) -> list[Moving]:
    """out[b, i, j] = sum_k x[b, i, k] y[b, k, j].

    Both operands are seen as one array over (b, k, i, j), x uniform along j and y along i. How their product moves is
    what `meet` says, and the sum over k what a reduction says. Channel mixing keeps the shift, unshared weights
    break it (they vary along k, which moves), and attention scores move along two axes at once.
    Jaxpr: `dimension_numbers`: ((contracted of x, of y), (batch of x, of y)); the result is (batch, rest of x, of y).
    """
    x, y = common_shift(eqn.moving())
    (contract_x, contract_y), (batch_x, batch_y) = eqn.params["dimension_numbers"]
    rest_x = [n for n in range(len(x.axes)) if n not in (*contract_x, *batch_x)]
    rest_y = [n for n in range(len(y.axes)) if n not in (*contract_y, *batch_y)]
    for n, m in zip(contract_x, contract_y, strict=True):
        if carries(x.axes[n]) != carries(y.axes[m]) and not uniform(y.axes[m] if carries(x.axes[n]) else x.axes[n]):
            raise Lost(
                "a matrix product sums over the shifted axis with weights of their own for each position",
                "Share the weights: use a convolution",
            )
    wide_x = replace(
        x,
        axes=tuple(x.axes[n] for n in (*batch_x, *contract_x, *rest_x))
        + tuple(still(length_of(y.axes[n]), 1) for n in rest_y),
    )
    wide_y = replace(
        y,
        axes=tuple(y.axes[n] for n in (*batch_y, *contract_y))
        + tuple(still(length_of(x.axes[n]), 1) for n in rest_x)
        + tuple(y.axes[n] for n in rest_y),
    )
    together = meet([wide_x, wide_y], eqn.walk.new_signal())
    summed = range(len(batch_x), len(batch_x) + len(contract_x))
    return [without(together, summed)]
