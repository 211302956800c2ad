"""How the gradient of a shared kernel adds up: a filter on a digit, what each overlay asks for, and jax.grad.

A filter of 7x7 is trained for a few steps on digits. Each of the 49 positions at which it lies on one digit then asks
for a change of its own (the summed-delta rule, in NumPy loops), and jax.grad is the sum of them, not their mean.

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
    """The filters, and a dense layer on what they say."""
    first, second = jax.random.split(key)
    conv = jc.init_conv(first, (WINDOW, WINDOW), 1, FILTERS)
    return {"conv": conv, "head": jc.init_dense(second, 7 * 7 * FILTERS, 10)}


def model(params: Params, images: jax.Array, offset: jax.Array | float = 0.0) -> jax.Array:
    """Scores of the ten digits; `offset` is added to what the filters say, so that its gradient is their deltas."""
    y = jax.nn.relu(jc.conv(params["conv"], images, stride=STRIDE) + offset)
    return jc.dense(params["head"], y.reshape(len(y), -1))


def deltas(params: Params, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the filter that changes most: what each overlay asks for, [i, j, u, v], and jax.grad's gradient, [u, v]."""
    x, y = jnp.asarray(image), jnp.asarray(label)
    loss = lambda params, offset: cross_entropy(lambda p, x: model(p, x, offset), params, x, y)
    places = (image.shape[1] - WINDOW) // STRIDE + 1
    gradients, dy = jax.jit(jax.grad(loss, argnums=(0, 1)))(params, jnp.zeros((1, places, places, FILTERS)))
    kernel, gradient = np.asarray(params["conv"]["kernel"]), np.asarray(gradients["conv"]["kernel"])
    asked = reference.kernel_deltas_per_overlay(kernel, image, np.asarray(dy), stride=STRIDE)
    most = int(np.abs(gradient).max((0, 1, 2)).argmax())
    return asked[..., 0, most], gradient[..., 0, most]


def draw(image: np.ndarray, asked: np.ndarray, gradient: np.ndarray) -> figures.Figure:
    """The digit with the overlays' centres, a small picture for each overlay, their sum, and jax.grad's."""
    total = asked.sum((0, 1))
    count, largest, reach = asked[..., 0, 0].size, np.abs(asked).max(), np.abs(total).max()
    figure = figures.new(12, 4.5, f"What each of {count} overlays asks of one filter adds up to its gradient")
    digit, each, sums, grads = figure.subplot_mosaic([["x", "each", "sum"], ["x", "each", "grad"]],
                                                     width_ratios=[4, 4, 2]).values()  # fmt: skip
    figures.cells(digit, image[0, :, :, 0], "the digit, and two of the filter's places", vmax=1.5)
    for extreme, colour in ((np.argmin, figures.BLUE), (np.argmax, figures.GREEN)):  # of the overlays, by their sums
        i, j = divmod(int(extreme(asked.sum((2, 3)))), len(asked))
        figures.frame(digit, i * STRIDE, j * STRIDE, WINDOW, WINDOW, colour)
        figures.frame(each, i * (WINDOW + 1), j * (WINDOW + 1), WINDOW, WINDOW, colour)
    tiles = np.pad(asked, [(0, 0), (0, 0), (0, 1), (0, 1)], constant_values=np.nan)
    side = len(asked) * (WINDOW + 1)
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
    """Train, add up, print and draw."""
    digits = bundled_digits()
    params = jax.jit(init)(jax.random.key(args.seed))
    how = {"steps": args.steps, "batch": 64, "seed": args.seed, "name": "training"}
    params = train(model, params, digits, optax.adam(2e-3), **how)
    image, label = digits.test_images[args.image][None], digits.test_labels[args.image][None]
    asked, gradient = deltas(params, image, label)
    total, count = asked.sum((0, 1)), asked[..., 0, 0].size
    print(
        f"\nA 7x7 filter after {args.steps} steps, at {count} places on a digit {label[0]}, largest number of each:\n"
    )
    print(table([
        ("what", "largest"),
        ("an overlay's delta", f"{np.abs(asked).max():.6f}"),
        ("sum of the overlays' deltas", f"{np.abs(total).max():.6f}"),
        ("jax.grad", f"{np.abs(gradient).max():.6f}"),
        ("sum - jax.grad", f"{np.abs(total - gradient).max():.1e}"),
        ("mean of the overlays' deltas", f"{np.abs(total / count).max():.6f}"),
    ]))  # fmt: skip
    print(f"\nThe sum is the gradient; the mean would be {count} times too small.\n")
    figures.save(draw(image, asked, gradient), args.out, "gradient.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--steps", type=positive, default=100, help="of training")
    parser.add_argument("--image", type=within(0, 359), default=0, metavar="0..359", help="a held-out digit")
    parser.add_argument("--seed", type=natural, default=0, help="of the parameters and the batches")
    start(run, parser)
