"""Receptive fields: what an output can see, as certified, and how much of it moves it at all.

The certificate proves which pixels an output cell can depend on, whatever the weights. Of those, the ones in the middle
count most: the mean size of the gradient, over random networks and digits, falls off towards the border of the
certified square, the more the deeper the network is (Luo et al., Understanding the effective receptive field in deep
convolutional neural networks, NeurIPS 2016).

    python examples/show_receptive_field.py        a table, and pictures/receptive_field.png
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import figures
import jax
import jax.numpy as jnp
import numpy as np
from shared import picture_options, positive, start, table
from tqdm import tqdm

import jaxconv as jc
from jaxconv.training.data import bundled_digits

CHANNELS = 8
NETWORKS = [  # name, depths, convolutions from one max pooling to the next
    ("3x3 convolutions", (1, 2, 4, 8, 12), None),
    ("max pooling after every second", (1, 2, 3, 4, 5), 2),
]
PART = 1 - 0.9545  # of the largest gradient: what counts as effective, as in the paper


class Field(NamedTuple):
    """What the cell in the middle of a network's output sees of the image."""

    name: str
    depth: int
    certified: tuple[slice, slice]  # of pixels
    size: int  # the certificate's own
    gradient: np.ndarray  # [h, w], mean size, largest 1

    @property
    def effective(self) -> float:
        """The side of a square of as many pixels as have more than a part of the largest gradient."""
        return float(np.sqrt((self.gradient > PART).sum()))

    @property
    def outside(self) -> float:
        """The largest gradient where the certificate proves that there is none."""
        others = self.gradient.copy()
        others[self.certified] = 0
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


def field(name: str, depth: int, pool_after: int | None, images: jax.Array, keys: jax.Array) -> Field:
    """Certify one network, and average the gradients of as many random ones as there are keys over the images."""
    fn = lambda params, x: net(params, x, pool_after)
    shapes = jax.eval_shape(lambda: init(keys[0], depth)), jax.ShapeDtypeStruct(images.shape, "float32")
    certificate = jc.certify(fn, *shapes, axes={1: (1, 2)}, search=False)
    middle = [length // 2 for length in certificate.leaves[0].shape[1:3]]
    reach, size = [], 0
    for axis, j in zip(certificate.leaves[0].axes, middle, strict=True):
        if (proved := axis.interior.receptive_field) is None:
            raise ValueError(f"{name}: no receptive field is proved\n{certificate}")
        cells = proved.cells(j)
        reach.append(slice(cells.start, cells.stop))
        size = proved.size

    signal = lambda x, params: fn(params, x)[:, *middle].sum()
    each = jax.jit(lambda params: jnp.abs(jax.grad(signal)(images, params)).mean((0, -1)))
    gradient = np.mean([each(init(key, depth)) for key in keys], axis=0)
    return Field(name, depth, (reach[0], reach[1]), size, gradient / gradient.max())


def draw(fields: list[Field], image: np.ndarray) -> figures.Figure:
    """For each network the digit, the certified square over it, and inside that the gradients."""
    figure = figures.new(12, 5.6, "The certified receptive field grows with depth; what counts is its middle")
    colour = [int(figures.BLUE[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    for plots, (name, _, _) in zip(figure.subplots(len(NETWORKS), 5), NETWORKS, strict=True):
        plots[0].set_ylabel(name)
        its = [field for field in fields if field.name == name]
        for plot in plots[len(its) :]:
            plot.set_visible(False)
        for plot, one in zip(plots, its, strict=False):
            figures.cells(
                plot, image, f"depth {one.depth}: {one.size}x{one.size}, effective {one.effective:.1f}", vmax=2.5
            )
            plot.imshow(np.dstack([np.broadcast_to(colour, (*image.shape, 3)), one.gradient]), interpolation="nearest")
            plot.contour(one.gradient, [PART], colors="black", linewidths=1.5)
            (top, bottom), (left, right) = [(along.start, along.stop) for along in one.certified]
            figures.frame(plot, top, left, bottom - top, right - left, figures.VERMILION)
    figure.supxlabel("red: certified square; blue: mean gradient of one output cell; line: 4.55 % of its largest")
    return figure


def run(args: argparse.Namespace) -> None:
    """Certify, average, print and draw."""
    images = bundled_digits().test_images
    todo = [
        (name, depth, pool_after) for name, depths, pool_after in NETWORKS for depth in depths if depth <= args.depth
    ]
    keys = jax.random.split(jax.random.key(args.seed), args.networks)
    fields = [field(*one, jnp.asarray(images[:8]), keys) for one in tqdm(todo, desc="receptive fields", unit="network")]
    print(f"The cell in the middle of the output; gradients of {args.networks} random networks on 8 digits:\n")
    titles = ("network", "depth", "certified", "effective", "part", "largest gradient outside")
    row = lambda f: (f.name, f.depth, f.size, f"{f.effective:.1f}", f"{f.effective / f.size:.0%}", f"{f.outside:.2g}")
    print(table([titles, *map(row, fields)]))
    print()
    figures.save(draw(fields, images[0, :, :, 0]), args.out, "receptive_field.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--networks", type=positive, default=16, help="random networks to average over")
    parser.add_argument("--depth", type=positive, default=12, help="of the deepest network to show")
    parser.add_argument("--seed", type=int, default=0, help="of their parameters")
    start(run, parser)
