"""The gradient of a shared kernel as a sum: a filter on a digit, the delta of each overlay, and jax.grad.

A 7x7 filter is trained for a few steps on digits. Each of the 49 positions at which it overlays one digit then has a
different delta (the summed-delta rule, in NumPy loops). jax.grad is the sum of these deltas, not their mean.

    python examples/show_gradient.py        a table, and pictures/gradient.png
"""

from __future__ import annotations

import argparse

import figures
import jax
import jax.numpy as jnp
import numpy as np
import optax
from shared import natural, picture_options, positive, start, table, train, within

import jaxconv as jc
from jaxconv import reference
from jaxconv.training.data import bundled_digits
from jaxconv.training.step import Params, cross_entropy

WINDOW, STRIDE, FILTERS = 7, 4, 8


def init(key: jax.Array) -> Params:
    """Parameters of the filters, and of a dense layer on their responses."""
    first, second = jax.random.split(key)
    conv = jc.init_conv(first, (WINDOW, WINDOW), 1, FILTERS)
    return {"conv": conv, "head": jc.init_dense(second, 7 * 7 * FILTERS, 10)}


def model(params: Params, images: jax.Array, offset: jax.Array | float = 0.0) -> jax.Array:
    """Scores of the ten digits. `offset` is added to the filters' outputs, so its gradient is the outputs' deltas."""
    y = jax.nn.relu(jc.conv(params["conv"], images, stride=STRIDE) + offset)
    return jc.dense(params["head"], y.reshape(len(y), -1))


def deltas(params: Params, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For the filter with the largest gradient: the delta [i, j, u, v] of each overlay, and the gradient [u, v]."""
    x, y = jnp.asarray(image), jnp.asarray(label)
    loss = lambda params, offset: cross_entropy(lambda p, x: model(p, x, offset), params, x, y)
    places = (image.shape[1] - WINDOW) // STRIDE + 1
    gradients, dy = jax.jit(jax.grad(loss, argnums=(0, 1)))(params, jnp.zeros((1, places, places, FILTERS)))
    kernel, gradient = np.asarray(params["conv"]["kernel"]), np.asarray(gradients["conv"]["kernel"])
    per_overlay = reference.kernel_deltas_per_overlay(kernel, image, np.asarray(dy), stride=STRIDE)
    largest = int(np.abs(gradient).max((0, 1, 2)).argmax())
    return per_overlay[..., 0, largest], gradient[..., 0, largest]


def draw(image: np.ndarray, per_overlay: np.ndarray, gradient: np.ndarray) -> figures.Figure:
    """Draw the digit with two overlays, a small picture of each overlay's delta, their sum, and jax.grad's result."""
    total = per_overlay.sum((0, 1))
    count, largest, reach = per_overlay[..., 0, 0].size, np.abs(per_overlay).max(), np.abs(total).max()
    figure = figures.new(12, 4.5, f"The deltas of {count} overlays add up to the gradient of one filter")
    digit, each, sums, grads = figure.subplot_mosaic([["x", "each", "sum"], ["x", "each", "grad"]],
                                                     width_ratios=[4, 4, 2]).values()  # fmt: skip
    figures.cells(digit, image[0, :, :, 0], "the digit, and two of the filter's places", vmax=1.5)
    for extreme, colour in ((np.argmin, figures.BLUE), (np.argmax, figures.GREEN)):  # of the overlays, by their sums
        i, j = divmod(int(extreme(per_overlay.sum((2, 3)))), len(per_overlay))
        figures.frame(digit, i * STRIDE, j * STRIDE, WINDOW, WINDOW, colour)
        figures.frame(each, i * (WINDOW + 1), j * (WINDOW + 1), WINDOW, WINDOW, colour)
    tiles = np.pad(per_overlay, [(0, 0), (0, 0), (0, 1), (0, 1)], constant_values=np.nan)
    side = len(per_overlay) * (WINDOW + 1)
    tiles = tiles.swapaxes(1, 2).reshape(side, side)[:-1, :-1]
    signed = {"cmap": figures.SIGNED, "vmin": -largest, "vmax": largest}
    figures.cells(each, tiles, f"each overlay's delta (up to {largest:.2g})", **signed)
    each.set_facecolor("#d9d9d9")
    signed = {"cmap": figures.SIGNED, "vmin": -reach, "vmax": reach}
    figures.cells(sums, total, f"their sum (up to {reach:.2g})", **signed)
    shades = figures.cells(grads, gradient, "jax.grad", **signed)
    figure.colorbar(shades, ax=[sums, grads], shrink=0.8)
    return figure


def run(args: argparse.Namespace) -> None:
    """Train, sum the deltas, print and draw."""
    digits = bundled_digits()
    params = jax.jit(init)(jax.random.key(args.seed))
    settings = {"steps": args.steps, "batch": 64, "seed": args.seed, "name": "training"}
    params = train(model, params, digits, optax.adam(2e-3), **settings)
    image, label = digits.test_images[args.image][None], digits.test_labels[args.image][None]
    per_overlay, gradient = deltas(params, image, label)
    total, count = per_overlay.sum((0, 1)), per_overlay[..., 0, 0].size
    print(
        f"\nA 7x7 filter after {args.steps} steps, at {count} places on a digit {label[0]}, largest absolute values:\n"
    )
    print(table([
        ("quantity", "largest"),
        ("an overlay's delta", f"{np.abs(per_overlay).max():.6f}"),
        ("sum of the overlays' deltas", f"{np.abs(total).max():.6f}"),
        ("jax.grad", f"{np.abs(gradient).max():.6f}"),
        ("sum - jax.grad", f"{np.abs(total - gradient).max():.1e}"),
        ("mean of the overlays' deltas", f"{np.abs(total / count).max():.6f}"),
    ]))  # fmt: skip
    print(f"\nThe sum is the gradient; the mean would be {count} times too small.\n")
    figures.save(draw(image, per_overlay, gradient), args.out, "gradient.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--steps", type=positive, default=100, help="training steps")
    parser.add_argument("--image", type=within(0, 359), default=0, metavar="0..359", help="a held-out digit")
    parser.add_argument("--seed", type=natural, default=0, help="seed of the parameters and the batches")
    start(run, parser, quick={"steps": 5})
