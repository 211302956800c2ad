"""What one pixel too little does: a network on tiles, with the overlap that is proved and with one pixel less.

The network is two 5x5 convolutions around a max pooling, with "same" padding. An image is computed as a whole, and from
tiles whose outputs are joined: with the cells discarded that `jc.certify_tiling` names, with one cell less, and with
tiles that begin at an odd pixel before the stride of 2. The table has the cells that differ from the whole's, and the
largest difference in percent of the largest output.

    python examples/show_tile_border.py        a table, and pictures/tile_border.png
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import figures
import jax
import jax.numpy as jnp
import numpy as np
from shared import natural, picture_options, start, table

import jaxconv as jc

SIDE, TILE, STRIDE = 192, 48, 2  # pixels
ROUNDING = 1e-5  # of the largest output

Network = Callable[[jax.Array], jax.Array]


def network(key: jax.Array) -> Network:
    """A network of grey images, with random weights."""
    first, second = jax.random.split(key)
    params = jc.init_conv(first, (5, 5), 1, 8), jc.init_conv(second, (5, 5), 8, 1)

    def apply(x: jax.Array) -> jax.Array:
        x = jc.max_pool(jax.nn.relu(jc.conv(params[0], x, padding="same")), (STRIDE, STRIDE))
        return jc.conv(params[1], x, padding="same")

    return jax.jit(apply)


def image(seed: int) -> np.ndarray:
    """Smooth noise, [1, h, w, 1]."""
    waves = np.random.default_rng(seed).normal(size=(SIDE, SIDE // 2 + 1, 2)) @ [1, 1j]
    frequencies = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    noise = np.fft.irfft2(waves / (frequencies + 0.02) ** 1.5, (SIDE, SIDE))
    return (noise / noise.std()).astype(np.float32)[None, ..., None]


def proved(fn: Network, x: np.ndarray) -> int:
    """The output cells that a tile discards at each side."""
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    claims = jc.certify_tiling(fn, shape, tile=TILE, axes=(1, 2)).leaves[0].axes
    return max(cells for claim in claims for cells in claim.discarded)


def joined(fn: Network, x: np.ndarray, discarded: int, late: int = 0) -> np.ndarray:
    """The outputs of tiles, joined; inner tiles begin `late` pixels after the place of their output."""
    cells, size = SIDE // STRIDE, TILE // STRIDE
    places = [*range(0, cells - size, size - 2 * discarded), cells - size]
    result = np.empty((cells, cells), np.float32)
    for top in places:
        for left in places:
            begin = [STRIDE * at + late * (0 < at < cells - size) for at in (top, left)]
            tile = x[:, begin[0] : begin[0] + TILE, begin[1] : begin[1] + TILE]
            keep = [discarded * (at > 0) for at in (top, left)]
            part = np.asarray(fn(jnp.asarray(tile)))[0, keep[0] :, keep[1] :, 0]
            result[top + keep[0] : top + size, left + keep[1] : left + size] = part
    return result


def draw(x: np.ndarray, whole: np.ndarray, differences: dict[str, np.ndarray]) -> figures.Figure:
    """Draw the image, the output of the whole, and where the outputs of tiles differ."""
    figure = figures.new(13, 3.4, "One cell too little leaves seams, and so does a tile that begins at an odd pixel")
    plots = np.ravel(figure.subplots(1, 2 + len(differences)))
    figures.cells(plots[0], x[0, ..., 0], "image")
    figures.cells(plots[1], whole, "output of the whole", cmap=figures.SIGNED)
    most = max(np.abs(difference).max() for difference in differences.values())
    for plot, (name, difference) in zip(plots[2:], differences.items(), strict=True):
        figures.cells(plot, difference, name, cmap=figures.SIGNED, vmin=-most, vmax=most)
    return figure


def run(args: argparse.Namespace) -> None:
    """Compute, print and draw."""
    fn, x = network(jax.random.key(args.seed)), image(args.seed)
    whole, cells = np.asarray(fn(jnp.asarray(x)))[0, ..., 0], proved(fn, x)
    outputs = {
        f"{cells} cells discarded": joined(fn, x, cells),
        f"{cells - 1} discarded": joined(fn, x, cells - 1),
        "from an odd pixel": joined(fn, x, cells, late=1),
    }
    differences = {name: output - whole for name, output in outputs.items()}
    largest = np.abs(whole).max()
    rows = [
        (name, f"{(np.abs(own) > ROUNDING * largest).sum():,}", f"{100 * np.abs(own).max() / largest:.1f}")
        for name, own in differences.items()
    ]
    print(table([("tiles", "other cells", "largest difference"), *rows]))
    print()
    figures.save(draw(x, whole, differences), args.out, "tile_border.png", colours=256)


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--seed", type=natural, default=0, help="seed of the image and of the weights")
    start(run, parser)
