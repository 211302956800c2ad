"""Receptive fields: what an output can see, as certified, and how much of it moves it at all.

The certificate proves which pixels an output cell can depend on, whatever the weights. Of those, the ones in the middle
count most: the mean size of the gradient, over random networks and digits, falls off towards the border of the
certified square, the more the deeper the network is (Luo et al., Understanding the effective receptive field in deep
convolutional neural networks, NeurIPS 2016).

    python examples/show_receptive_field.py        a table, and pictures/receptive_field.png
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import NamedTuple

import figures
import jax
import jax.numpy as jnp
import numpy as np
from shared import natural, picture_options, positive, start, table, within
from tqdm import tqdm

import jaxconv as jc
from jaxconv.training.data import bundled_digits

CHANNELS = 8
NETWORKS = [  # name, depths, convolutions from one max pooling to the next
    ("3x3 convolutions", (1, 2, 4, 8, 12), None),
    ("max pooling after every second", (1, 2, 3, 4, 5), 2),
]
FINER = 8  # points of the line along the side of a pixel
PART = 1 - 0.9545  # of the largest gradient: what counts as effective, as in the paper


DEEPEST = max(depth for _, depths, _ in NETWORKS for depth in depths)
SIDE = 40  # of the image: the least multiple of 4 on which every network has an interior law, and so a field, is 36


class Square(NamedTuple):
    """The pixels that the cell in the middle of a network's output can depend on."""

    rows: slice
    columns: slice
    size: int  # the certificate's own


class Field(NamedTuple):
    """What the cell in the middle of a network's output sees of the image."""

    name: str
    depth: int
    certified: Square
    gradient: np.ndarray  # [h, w], mean size, largest 1

    @property
    def effective(self) -> float:
        """The side of a square of as many pixels as have more than a part of the largest gradient."""
        return float(np.sqrt((self.gradient > PART).sum()))

    @property
    def outside(self) -> float:
        """The largest gradient where the certificate proves that there is none."""
        others = self.gradient.copy()
        others[self.certified.rows, self.certified.columns] = 0
        return float(others.max())


def init(key: jax.Array, depth: int) -> list[jc.LayerParams]:
    """Random kernels."""
    channels = [1] + [CHANNELS] * depth
    keys = jax.random.split(key, depth)
    return [jc.init_conv(keys[i], (3, 3), channels[i], channels[i + 1]) for i in range(depth)]


def net(params: list[jc.LayerParams], x: jax.Array, pool_after: int | None) -> jax.Array:
    """Convolutions with ReLUs, and max pooling by 2 after each so many, if any."""
    for number, layer in enumerate(params, 1):
        x = jax.nn.relu(jc.conv(layer, x, padding="same"))
        if pool_after and number % pool_after == 0:
            x = jc.max_pool(x, (2, 2))
    return x


def certified(depth: int, pool_after: int | None, side: int) -> Square | str:
    """Certify one network for images of so many pixels; the reason where no field is proved."""
    shapes = (
        jax.eval_shape(partial(init, depth=depth), jax.random.key(0)),
        jax.ShapeDtypeStruct((1, side, side, 1), "float32"),
    )
    certificate = jc.certify(partial(net, pool_after=pool_after), *shapes, axes={1: (1, 2)}, search=False)
    (leaf,), reach, size = certificate.leaves, [], 0
    for axis, length in zip(leaf.axes, leaf.shape[1:3], strict=True):
        if (proved := axis.interior.receptive_field) is None:
            return axis.interior.broken.reason if axis.interior.broken else str(axis.interior.verdict)
        cells = proved.cells(length // 2)
        reach.append(slice(cells.start, cells.stop))
        size = proved.size
    return Square(reach[0], reach[1], size)


def mean_gradient(depth: int, pool_after: int | None, images: jax.Array, keys: jax.Array) -> np.ndarray:
    """The size [h, w] of the middle output's gradient over the images and a random network for each key; largest 1."""

    def middle(x: jax.Array, params: list[jc.LayerParams]) -> jax.Array:
        y = net(params, x, pool_after)
        return y[:, y.shape[1] // 2, y.shape[2] // 2].sum()

    each = jax.jit(lambda params: jnp.abs(jax.grad(middle)(images, params)).mean((0, -1)))
    gradient = np.mean([each(init(key, depth)) for key in keys], axis=0)
    return gradient / gradient.max()


def draw(fields: list[Field], image: np.ndarray) -> figures.Figure:
    """For each network the digit, the certified square over it, and inside that the gradients."""
    figure = figures.new(12, 5.6, "The certified receptive field of one output, and the gradients in it")
    colour = [int(figures.BLUE[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    most = max(sum(field.name == name for field in fields) for name, _, _ in NETWORKS)
    for plots, (name, _, _) in zip(figure.subplots(len(NETWORKS), most, squeeze=False), NETWORKS, strict=True):
        plots[0].set_ylabel(name)
        its = [field for field in fields if field.name == name]
        for plot in plots[len(its) :]:
            plot.set_visible(False)
        for plot, one in zip(plots, its, strict=False):
            figures.cells(
                plot,
                image,
                f"depth {one.depth}: {one.certified.size}x{one.certified.size}, effective {one.effective:.1f}",
                vmax=2.5,
            )
            plot.imshow(np.dstack([np.broadcast_to(colour, (*image.shape, 3)), one.gradient]), interpolation="nearest")
            # Along the edges of pixels: between their centres, the line would leave the certified square.
            fine, (h, w) = np.kron(one.gradient > PART, np.ones((FINER, FINER))), one.gradient.shape
            plot.contour(fine, [0.5], extent=(-0.5, w - 0.5, -0.5, h - 0.5), colors="black", linewidths=1.5)
            rows, columns, size = one.certified
            figures.frame(plot, rows.start, columns.start, size, size, figures.VERMILION)
    figure.supxlabel(
        "orange frame: certified square; blue: mean gradient of one output cell; line: 4.55 % of its largest"
    )
    return figure


def run(args: argparse.Namespace) -> None:
    """Certify, average, print and draw."""
    images = jnp.asarray(bundled_digits(args.side).test_images[:8])
    todo = [(name, depth, after) for name, depths, after in NETWORKS for depth in depths if depth <= args.depth]
    keys = jax.random.split(jax.random.key(args.seed), args.networks)
    fields, reasons = [], []
    rows: list[tuple[str, ...]] = [("network", "depth", "certified", "effective", "part", "largest gradient outside")]
    for name, depth, after in tqdm(todo, desc="receptive fields", unit="network"):
        square = certified(depth, after, args.side)
        if isinstance(square, str):
            rows.append((name, str(depth), "not proved", *"---"))
            reasons.append(f"not proved of {name}, depth {depth}: {square}")
            continue
        one = Field(name, depth, square, mean_gradient(depth, after, images, keys))
        fields.append(one)
        part = f"{one.effective / square.size:.0%}"
        rows.append((name, str(depth), str(square.size), f"{one.effective:.1f}", part, f"{one.outside:.2g}"))
    print(f"The cell in the middle of the output; gradients of {args.networks} random networks on 8 digits:\n")
    print("\n".join([table(rows), "", *reasons]))
    figures.save(draw(fields, np.asarray(images[0, :, :, 0])), args.out, "receptive_field.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--networks", type=positive, default=16, help="random networks to average over")
    parser.add_argument(
        "--depth", type=within(1, DEEPEST), default=DEEPEST, help=f"of the deepest network: 1 to {DEEPEST}"
    )
    parser.add_argument("--side", type=within(8, 512), default=SIDE, help="of the images, in pixels: 8 to 512")
    parser.add_argument("--seed", type=natural, default=0, help="of their parameters")
    start(run, parser)
