"""A picture of weight sharing: same colour, same weight.

An image has three channels, with one digit each. A filter with a slice for each channel slides over it. Each slice has
one colour, the same at every position; no two channels share a slice. Each position gives one cell of the feature map,
the sum over the three slices. Another figure has a line for each product, coloured by its weight, as in textbooks:
shared, not shared, and two channels.

    python examples/show_sharing.py        pictures/sliding.gif, sharing.png, sharing_lines.png
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import figures
import jax.numpy as jnp
import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from shared import natural, picture_options, positive, start, table
from sklearn.datasets import load_digits
from tqdm import tqdm

import jaxconv as jc

COLOURS = (figures.BLUE, figures.VERMILION, figures.GREEN)  # one for each input channel
WEIGHTS = (figures.BLUE, figures.ORANGE, figures.GREEN, figures.VERMILION, figures.PURPLE, figures.SKY)
EDGES = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]  # responds to vertical strokes
KERNEL = np.stack([EDGES, np.transpose(EDGES), [[0, -1, 0], [-1, 4, -1], [0, -1, 0]]], axis=-1)[..., None]
HALO = withStroke(linewidth=2.5, foreground="white")


def image(seed: int) -> np.ndarray:
    """Three of the bundled 8x8 digits as the channels of an image [8, 8, 3], with values from 0 to 16."""
    images = np.reshape(load_digits(return_X_y=True)[0], (-1, 8, 8))
    return np.stack([images[i] for i in np.random.default_rng(seed).choice(len(images), 3, replace=False)], axis=-1)


def overlay(plots: list[Axes], top: int, left: int) -> None:
    """Draw the filter's slices at one position of their channels, with their colours and weights."""
    for channel, (plot, colour) in enumerate(zip(plots, COLOURS, strict=True)):
        figures.frame(plot, top, left, 3, 3, colour, fill=True, facecolor=colour + "40")
        for u, v in product(range(3), repeat=2):
            weight = KERNEL[u, v, channel, 0]
            plot.text(left + v, top + u, f"{weight:+d}" if weight else "0", color=colour, fontsize=8, fontweight="bold",
                      ha="center", va="center", path_effects=[HALO])  # fmt: skip


def stage(figure: figures.Figure, x: np.ndarray, y: np.ndarray, places: list[tuple[int, int]], until: int) -> None:
    """Draw the three channels, the filter at some positions, and the first `until` cells of the feature map by row."""
    *channels, plot = figure.subplots(1, 4)
    for number, channel in enumerate(channels):
        figures.cells(channel, x[:, :, number], f"channel {number}", vmax=32)  # pale, so that the weights are legible
    reach = np.abs(y).max()
    shown = np.where(np.arange(y.size).reshape(y.shape) < until, y, np.nan)
    figures.cells(plot, shown, "feature map", cmap=figures.SIGNED, vmin=-reach, vmax=reach)
    for top, left in places:
        overlay(channels, top, left)
        figures.frame(plot, top, left, 1, 1, "black")
        plot.text(left, top, f"{y[top, left]:.0f}", fontsize=8, ha="center", va="center")


def animate(x: np.ndarray, y: np.ndarray, frames: int, folder: Path) -> None:
    """Write sliding.gif: one frame for each position, which adds the cell at the filter's position to the map."""
    folder.mkdir(parents=True, exist_ok=True)
    writer, finding = PillowWriter(fps=5), "The stencil slides, its weights stay: same colour, same weight"
    figure = figures.new(10, 3.1, finding)
    with writer.saving(figure, folder / "sliding.gif", dpi=72):
        for number, place in enumerate(tqdm(list(np.ndindex(y.shape))[:frames], desc="sliding.gif", unit="frame")):
            figure.clear()
            figures.entitle(figure, finding)
            stage(figure, x, y, [place], number + 1)
            writer.grab_frame()
    print(f"figure: {folder / 'sliding.gif'}")


def wires(plot: Axes, weight: Callable[[int, int, int], int], title: str, channels: int = 1) -> None:
    """Draw a line from each of six input cells to each output cell that reads it, in the colour of its weight.

    `weight` is the weight's number, of a channel, an output cell and a tap. The second six weights are dotted.
    """
    for channel, out, tap in product(range(channels), range(4), range(3)):
        dotted, colour = divmod(weight(channel, out, tap), len(WEIGHTS))
        style = {"color": WEIGHTS[colour], "linestyle": (0, (1, 1)) if dotted else "-", "linewidth": 2.5}
        plot.plot([out + tap, out + 1], [4 * channel, 2], zorder=1, **style)
    for channel in range(channels):
        plot.scatter(range(6), [4 * channel] * 6, 130, "white", edgecolors="black", zorder=2)
        plot.text(-0.5, 4 * channel, f"channel {channel}" if channels > 1 else "input", ha="right", va="center")
    plot.scatter(range(1, 5), [2] * 4, 130, "black", zorder=2)
    plot.text(0.5, 2, "output", ha="right", va="center")
    plot.set_title(title, fontsize=10)
    plot.set(xlim=(-2.2, 5.3), ylim=(-0.4, 4.4 if channels > 1 else 2.4))
    plot.axis("off")


def lines() -> figures.Figure:
    """Draw one filter of three taps on a signal of six cells: shared, not shared, and on two channels."""
    figure = figures.new(11, 4, "Same colour, same weight: shared across positions, never across channels")
    plots = figure.subplots(1, 3)
    wires(plots[0], lambda channel, out, tap: tap, "shared: 3 weights, each used 4 times")
    wires(plots[1], lambda channel, out, tap: 3 * out + tap, "not shared: 12 weights, each used once")
    wires(plots[2], lambda channel, out, tap: 3 * channel + tap, "two channels: 3 shared weights for each", 2)
    return figure


def run(args: argparse.Namespace) -> None:
    """Apply the filter, print and draw."""
    x = image(args.seed)
    y = np.asarray(jc.conv({"kernel": jnp.float32(KERNEL)}, jnp.float32(x), batched=False))[..., 0]
    weights, positions = KERNEL.size, y.size
    print(table([
        ("kernel", "weights", "each used", "products"),
        ("shared", weights, f"{positions} times", weights * positions),
        ("not shared", weights * positions, "once", weights * positions),
    ]))  # fmt: skip
    print("\nFeature map:")
    print("\n".join(" ".join(f"{cell:4.0f}" for cell in row) for row in y))
    print()
    animate(x, y, args.frames, args.out)
    still = figures.new(
        10, 3.1, f"One kernel, the same {weights} weights at each of {positions} positions: three of them"
    )
    stage(still, x, y, [(0, 0), (1, 3), (4, 1)], y.size)
    figures.save(still, args.out, "sharing.png")
    figures.save(lines(), args.out, "sharing_lines.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--seed", type=natural, default=0, help="seed of the choice of digits")
    parser.add_argument("--frames", type=positive, default=36, help="number of frames of the animation")
    start(run, parser, quick={"frames": 6})
