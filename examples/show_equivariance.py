"""Where equivariance breaks: at borders because of the padding, and between borders because of the stride.

The first figure shows where the output of one convolution differs from the shifted output after a shift by one pixel,
for three paddings. The second shows by how much pooled features change with each cyclic shift, for four ways to halve
the resolution. The table is for small networks with these layers, trained briefly on digits of 16x16. It has the proved
laws of their features, the consistency (how often two cyclic shifts of a digit get the same label; Zhang, Making
convolutional networks shift-invariant again, ICML 2019), and the accuracy.

    python examples/show_equivariance.py        a table, pictures/borders.png and strides.png
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import figures
import jax
import numpy as np
import optax
from matplotlib.colors import LogNorm, Normalize
from shared import natural, picture_options, positive, start, table, train

import jaxconv as jc
from jaxconv.training.data import Digits, bundled_digits
from jaxconv.training.step import Params, accuracy
from jaxconv.verify.measures import consistency, equivariance_error

PADDINGS = ("SAME", "REFLECT", "CIRCULAR")
DOWN: dict[str, Callable[[jax.Array], jax.Array]] = {
    "none": lambda x: x,
    "max pooling": lambda x: jc.max_pool(x, (2, 2)),
    "blur pooling": lambda x: jc.blur_pool(x, (4, 4), padding="circular"),
    "polyphase": lambda x: jc.polyphase_down(x, (2, 2))[0],
}
NETWORKS = [("SAME", "max pooling"), ("REFLECT", "max pooling"), *(("CIRCULAR", down) for down in DOWN)]
ROUNDING = 1e-8  # relative; float32 rounds to 6e-8


def init(key: jax.Array) -> Params:
    """Parameters of two convolutions, and of a dense layer after the mean over positions."""
    keys = jax.random.split(key, 3)
    return {
        "first": jc.init_conv(keys[0], (5, 5), 1, 16),
        "second": jc.init_conv(keys[1], (5, 5), 16, 32),
        "head": jc.init_dense(keys[2], 32, 10),
    }


def features(params: Params, x: jax.Array, padding: str, down: str) -> jax.Array:
    """The features before the mean over positions: two convolutions, each followed by down-sampling."""
    x = DOWN[down](jax.nn.relu(jc.conv(params["first"], x, padding=padding)))
    return DOWN[down](jax.nn.relu(jc.conv(params["second"], x, padding=padding)))


def model(params: Params, x: jax.Array, padding: str, down: str) -> jax.Array:
    """Scores of the ten digits."""
    return jc.dense(params["head"], jc.global_avg_pool(features(params, x, padding, down)))


def border_errors(params: Params, image: np.ndarray) -> dict[str, np.ndarray]:
    """For each padding, the largest error [h, w] of one convolution at each position after shifts by one pixel."""
    errors, by_one = {}, np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    for padding in PADDINGS:
        layer = partial(jc.conv, params["first"], padding=padding)
        errors[padding] = jc.check(layer, image, axes=(1, 2), shifts=by_one).leaves[0].positions.max((0, 3))
    return errors


def stride_errors(params: Params, image: np.ndarray) -> dict[str, np.ndarray]:
    """For each down-sampling, |f(shifted) - f| / (|f(shifted)| + |f|) of the pooled features f, for shifts up to 7."""
    rows = np.stack(np.meshgrid(range(8), range(8), indexing="ij"), axis=-1).reshape(-1, 2)
    relative = {}
    for down in DOWN:
        pooled = lambda x, down=down: jc.global_avg_pool(features(params, x, "CIRCULAR", down))
        errors = equivariance_error(pooled, image, axes=(1, 2), shifts=rows, invariant=True)
        relative[down] = errors.values.reshape(8, 8)
    return relative


def draw(errors: dict[str, np.ndarray], finding: str, down: str, across: str, unit: str) -> figures.Figure:
    """Draw a map of errors for each name, with one colour scale.

    If the largest errors of the maps differ by more than a factor 1000, the scale is logarithmic: rounding is visible
    beside pooling. It begins at `ROUNDING`; smaller errors have its colour.
    """
    figure = figures.new(3.1 * len(errors) + 0.9, 3.6, finding)
    plots = figure.subplots(1, len(errors))
    largest = [float(error.max()) for error in errors.values()]
    top = max(largest)
    wide = 0 < 1000 * min(largest) < top
    scale = LogNorm(ROUNDING, top, clip=True) if wide else Normalize(0, top)
    for plot, (name, error) in zip(plots, errors.items(), strict=True):
        plot.imshow(np.maximum(error, ROUNDING) if wide else error, cmap="viridis", norm=scale)
        plot.set_title(f"{name}: up to {error.max():.2g}", fontsize=10)
        plot.set_xlabel(across)
    plots[0].set_ylabel(down)
    figure.colorbar(plots[0].images[0], ax=plots, label=unit, shrink=0.9)
    return figure


def measured(params: Params, padding: str, down: str, digits: Digits, steps: int, seed: int) -> tuple[str, ...]:
    """A row of the table: train one network, certify its features, and measure it."""
    name = f"{padding}, {down}"
    fn = partial(model, padding=padding, down=down)
    settings = {"steps": steps, "batch": 64, "seed": seed, "name": name}
    params = train(fn, params, digits, optax.adam(1e-2), **settings)
    x = jax.ShapeDtypeStruct((1, 32, 32, 1), "float32")
    claims = jc.certify(partial(features, padding=padding, down=down), params, x, axes={1: (1,)})
    cyclic, interior = claims.leaves[0].axes[0].cyclic, claims.leaves[0].axes[0].interior
    law = lambda claim: f"{claim.verdict} {claim.shift} -> {claim.moves[0][1]}" if claim.moves else str(claim.verdict)
    shifts = np.random.default_rng(seed).integers(0, 16, (16, 2))
    same = consistency(partial(fn, params), digits.test_images[:100], axes=(1, 2), shifts=shifts)
    right = accuracy(jax.jit(fn), params, digits.test_images, digits.test_labels)
    return name, law(cyclic), law(interior), f"{same:.1%}", f"{right:.1%}"


def run(args: argparse.Namespace) -> None:
    """Measure, train, print and draw."""
    digits = bundled_digits()
    digits = digits._replace(train_images=digits.train_images[:, ::2, ::2], test_images=digits.test_images[:, ::2, ::2])
    params = jax.jit(init)(jax.random.key(args.seed))
    borders, strides = border_errors(params, digits.test_images[:1]), stride_errors(params, digits.test_images[:1])
    worst = lambda errors: max(errors, key=lambda name: errors[name].max())
    finding = f"One convolution, shifted by one pixel: the errors are largest with {worst(borders)}"
    figures.save(draw(borders, finding, "row of the output", "column", "largest error"), args.out, "borders.png")
    finding = f"Pooled features under cyclic shifts: the changes are largest with {worst(strides)}"
    down, across, unit = "shift down (pixels)", "shift across (pixels)", "equivariance error"
    figures.save(draw(strides, finding, down, across, unit), args.out, "strides.png")

    rows = [measured(params, *network, digits, args.steps, args.seed) for network in NETWORKS]
    print(f"\nAfter {args.steps} steps; laws of the features of 32x32 images, consistency over cyclic shifts:\n")
    print(table([("padding, down", "cyclic", "interior", "consistency", "accuracy"), *rows], words=3))


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--steps", type=positive, default=300, help="training steps of each network")
    parser.add_argument(
        "--seed", type=natural, default=0, help="seed of the parameters, the batches and the sampled shifts"
    )
    start(run, parser, quick={"steps": 5})
