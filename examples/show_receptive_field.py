"""Receptive fields: the pixels that an output can depend on, as certified, and those with a large gradient.

The certificate proves which pixels an output cell can depend on, for all weights. The pixels in the middle have the
largest influence. The mean absolute gradient, over random networks and digits, decreases towards the border of the
certified square, and more so in deeper networks (Luo et al., Understanding the effective receptive field in deep
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
NETWORKS = [  # name, depths, number of convolutions between max poolings
    ("3x3 convolutions", (1, 2, 4, 8, 12), None),
    ("max pooling after every second", (1, 2, 3, 4, 5), 2),
]
FINER = 8  # points of the line along the side of a pixel
PART = 1 - 0.9545  # a pixel is effective from this fraction of the largest gradient on, as in the paper


DEEPEST = max(depth for _, depths, _ in NETWORKS for depth in depths)
SIDE = 40  # of the image; 36 is the least multiple of 4 at which every network has an interior law and receptive field


class Square(NamedTuple):
    """The pixels that the cell in the middle of a network's output can depend on."""

    rows: slice
    columns: slice
    size: int  # from the certificate


class Field(NamedTuple):
    """The receptive field and the gradient of the cell in the middle of a network's output."""

    name: str
    depth: int
    certified: Square
    gradient: np.ndarray  # [h, w], mean absolute value, scaled to a maximum of 1

    @property
    def effective(self) -> float:
        """The side of a square with as many pixels as have more than `PART` of the largest gradient."""
        return float(np.sqrt((self.gradient > PART).sum()))

    @property
    def outside(self) -> float:
        """The largest gradient outside the certified square, where the certificate proves that it is 0."""
        others = self.gradient.copy()
        others[self.certified.rows, self.certified.columns] = 0
        return float(others.max())


def init(key: jax.Array, depth: int) -> list[jc.LayerParams]:
    """Random kernels."""
    channels = [1] + [CHANNELS] * depth
    keys = jax.random.split(key, depth)
    return [jc.init_conv(keys[i], (3, 3), channels[i], channels[i + 1]) for i in range(depth)]


def net(params: list[jc.LayerParams], x: jax.Array, pool_after: int | None) -> jax.Array:
    """Convolutions with ReLUs, and max pooling by 2 after every `pool_after` convolutions, if given."""
    for number, layer in enumerate(params, 1):
        x = jax.nn.relu(jc.conv(layer, x, padding="same"))
        if pool_after and number % pool_after == 0:
            x = jc.max_pool(x, (2, 2))
    return x


def certified(depth: int, pool_after: int | None, side: int) -> Square | str:
    """The certified square of one network for images of `side` pixels, or the reason why none is proved."""
    shapes = (
        jax.eval_shape(partial(init, depth=depth), jax.random.key(0)),
        jax.ShapeDtypeStruct((1, side, side, 1), "float32"),
    )
    certificate = jc.certify(partial(net, pool_after=pool_after), *shapes, axes={1: (1, 2)}, search=False)
    (leaf,), reach, size = certificate.leaves, [], 0
    for axis, length in zip(leaf.axes, leaf.shape[1:3], strict=True):
        if (proved := axis.interior.receptive_field) is None:
            return axis.interior.culprit.reason if axis.interior.culprit else str(axis.interior.verdict)
        cells = proved.cells(length // 2)
        reach.append(slice(cells.start, cells.stop))
        size = proved.size
    return Square(reach[0], reach[1], size)


def mean_gradient(depth: int, pool_after: int | None, images: jax.Array, keys: jax.Array) -> np.ndarray:
    """The mean absolute gradient [h, w] of the middle output, scaled to a maximum of 1.

    The mean is over the images, and over a random network for each key.
    """

    def middle(x: jax.Array, params: list[jc.LayerParams]) -> jax.Array:
        y = net(params, x, pool_after)
        return y[:, y.shape[1] // 2, y.shape[2] // 2].sum()

    each = jax.jit(lambda params: jnp.abs(jax.grad(middle)(images, params)).mean((0, -1)))
    gradient = np.mean([each(init(key, depth)) for key in keys], axis=0)
    return gradient / gradient.max()


def draw(fields: list[Field], image: np.ndarray) -> figures.Figure:
    """Draw, for each network, the digit, the certified square and the gradients in it."""
    figure = figures.new(12, 5.6, "The certified receptive field of one output, and the gradients in it")
    colour = [int(figures.BLUE[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    most = max(sum(field.name == name for field in fields) for name, _, _ in NETWORKS)
    for plots, (name, _, _) in zip(figure.subplots(len(NETWORKS), most, squeeze=False), NETWORKS, strict=True):
        plots[0].set_ylabel(name)
        network_fields = [field for field in fields if field.name == name]
        for plot in plots[len(network_fields) :]:
            plot.set_visible(False)
        for plot, field in zip(plots, network_fields, strict=False):
            rows, columns, size = field.certified
            title = f"depth {field.depth}: {size}x{size}, effective {field.effective:.1f}"
            figures.cells(plot, image, title, vmax=2.5)
            shades = np.dstack([np.broadcast_to(colour, (*image.shape, 3)), field.gradient])
            plot.imshow(shades, interpolation="nearest")
            # The line follows the edges of pixels. Between their centres it would leave the certified square.
            fine, (h, w) = np.kron(field.gradient > PART, np.ones((FINER, FINER))), field.gradient.shape
            plot.contour(fine, [0.5], extent=(-0.5, w - 0.5, -0.5, h - 0.5), colors="black", linewidths=1.5)
            figures.frame(plot, rows.start, columns.start, size, size, figures.VERMILION)
    figure.supxlabel(
        "orange frame: certified square; blue: mean gradient of one output cell; line: 4.55 % of its largest"
    )
    return figure


def run(args: argparse.Namespace) -> None:
    """Certify, average, print and draw."""
    images = jnp.asarray(bundled_digits(args.side).test_images[:8])
    networks = [(name, depth, after) for name, depths, after in NETWORKS for depth in depths if depth <= args.depth]
    keys = jax.random.split(jax.random.key(args.seed), args.networks)
    fields, reasons = [], []
    rows: list[tuple[str, ...]] = [("network", "depth", "certified", "effective", "part", "largest gradient outside")]
    for name, depth, after in tqdm(networks, desc="receptive fields", unit="network"):
        square = certified(depth, after, args.side)
        if isinstance(square, str):
            rows.append((name, str(depth), "not proved", *"---"))
            reasons.append(f"not proved of {name}, depth {depth}: {square}")
            continue
        field = Field(name, depth, square, mean_gradient(depth, after, images, keys))
        fields.append(field)
        part = f"{field.effective / square.size:.0%}"
        rows.append((name, str(depth), str(square.size), f"{field.effective:.1f}", part, f"{field.outside:.2g}"))
    print(f"The cell in the middle of the output; gradients of {args.networks} random networks on 8 digits:\n")
    print("\n".join([table(rows), "", *reasons]))
    figures.save(draw(fields, np.asarray(images[0, :, :, 0])), args.out, "receptive_field.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--networks", type=positive, default=16, help="number of random networks to average over")
    parser.add_argument(
        "--depth", type=within(1, DEEPEST), default=DEEPEST, help=f"depth of the deepest network: 1 to {DEEPEST}"
    )
    parser.add_argument("--side", type=within(8, 512), default=SIDE, help="side of the images, in pixels: 8 to 512")
    parser.add_argument("--seed", type=natural, default=0, help="seed of the networks' parameters")
    start(run, parser, quick={"networks": 2, "depth": 4})
