"""The gradient of a shared kernel by hand: a worked example from an answer about weight sharing, with its numbers.

The kernel [0.3, 0.5] overlays the input [1, 2, 3] at two positions, and the output is [1.3, 2.1]. The output deltas are
[-0.1, 0.2]. Each overlay gives a delta of the kernel, and of the input cells that it covers. The gradients are the sums
of these deltas.

    python examples/show_worked_gradient.py        a table, and pictures/worked_gradient.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import figures
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from shared import picture_options, start, table

import jaxconv as jc
from jaxconv import reference

INPUT, KERNEL, OUTPUT_DELTAS = np.array([1.0, 2.0, 3.0]), np.array([0.3, 0.5]), np.array([-0.1, 0.2])
FIRST, SECOND = figures.BLUE, figures.VERMILION  # the two overlays


def worked_example() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The deltas of kernel, bias and input: by the summed-delta rule, and by jax.grad."""
    x, kernel, dy = INPUT.reshape(1, 3, 1), KERNEL.reshape(2, 1, 1), OUTPUT_DELTAS.reshape(1, 2, 1)
    rule = reference.conv_deltas(kernel, x, dy)
    params = {"kernel": jnp.float32(kernel), "bias": jnp.zeros(1)}
    loss = lambda params, x: jnp.sum(jc.conv(params, x) * jnp.float32(dy))
    params_gradient, input_gradient = jax.grad(loss, argnums=(0, 1))(params, jnp.float32(x))
    pairs = zip(rule, (params_gradient["kernel"], params_gradient["bias"], input_gradient), strict=True)
    return dict(zip(("kernel", "bias", "input"), [(a.ravel(), np.ravel(b)) for a, b in pairs], strict=True))


def boxes(plot: Axes, row: float, column: int, values: Sequence[float], colour: str, label: str) -> None:
    """Draw numbers in adjacent boxes, with a label before them."""
    for number, value in enumerate(values, column):
        figures.frame(plot, row, number, 0.7, 1, colour)
        plot.text(number, row - 0.15, f"{value:.4g}", color=colour, ha="center", va="center", fontsize=12)
    plot.text(-0.8, row - 0.15, label, color=colour, ha="right", va="center")


def draw(deltas: dict[str, tuple[np.ndarray, np.ndarray]]) -> figures.Figure:
    """Draw the forward pass, and the backward pass to kernel and input, with one colour for each overlay."""
    figure = figures.new(12, 3.4, "One kernel, two overlays: its gradient is the sum of the two deltas")
    first, second = OUTPUT_DELTAS
    panels: list[tuple[str, list[tuple[int, Sequence[float], str, str]]]] = [
        ("forward", [
            (0, INPUT.tolist(), "black", "input"),
            (0, KERNEL.tolist(), FIRST, "overlay 1"),
            (1, KERNEL.tolist(), SECOND, "overlay 2"),
            (0, np.convolve(INPUT, KERNEL[::-1], "valid").tolist(), "black", "output"),
        ]),
        (f"kernel deltas (bias: {first:g} + {second:g} = {deltas['bias'][0][0]:.4g})", [
            (0, (INPUT[:2] * first).tolist(), FIRST, f"[1, 2] · ({first:g})"),
            (0, (INPUT[1:] * second).tolist(), SECOND, f"[2, 3] · {second:g}"),
            (0, deltas["kernel"][0].tolist(), "black", "sum"),
            (0, deltas["kernel"][1].tolist(), figures.GREY, "jax.grad"),
        ]),
        ("input deltas", [
            (0, (KERNEL * first).tolist(), FIRST, f"[0.3, 0.5] · ({first:g})"),
            (1, (KERNEL * second).tolist(), SECOND, f"[0.3, 0.5] · {second:g}"),
            (0, deltas["input"][0].tolist(), "black", "sum"),
            (0, deltas["input"][1].tolist(), figures.GREY, "jax.grad"),
        ]),
    ]  # fmt: skip
    for plot, (title, rows) in zip(figure.subplots(1, 3), panels, strict=True):
        for row, (column, values, colour, label) in enumerate(rows):
            boxes(plot, row, column, values, colour, label)
        plot.set(xlim=(-3.6, 2.6), ylim=(3.4, -0.7), aspect="equal")
        plot.set_title(title, fontsize=11)
        plot.axis("off")
    return figure


def run(args: argparse.Namespace) -> None:
    """Compute the example, print and draw."""
    deltas = worked_example()
    show = lambda values: "  ".join(f"{value:.4g}" for value in values)
    print("Input 1 2 3, kernel 0.3 0.5, output deltas -0.1 0.2:\n")
    print(table([("deltas of", "summed", "jax.grad"), *((n, show(a), show(b)) for n, (a, b) in deltas.items())]))
    print()
    figures.save(draw(deltas), args.out, "worked_gradient.png")


if __name__ == "__main__":
    start(run, picture_options(__doc__))
