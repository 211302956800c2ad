"""A case in which sharing is not ideal: parts in fixed positions, as in aligned faces.

A "face" of 16x16 pixels has four parts, each a handwritten digit: a 0 at the top left, a 1 at the top right, a 2 and a
3 below. In each position, with probability 1/2, another of these digits replaces the correct one. The task is to count
the correct parts. A 0 is correct in one position only, so a feature that is useful there is not useful elsewhere, as
with eyes and mouths.

Each network has one layer of 6x6 filters, the strongest response of each filter in each quarter, and a dense layer. The
filters have a kernel for all positions, one for each quarter, or one for each position. Dense networks with as many
multiply-adds are compared with them. The seeds determine the faces, their order and the initial parameters. The table
has the mean over the seeds, plus or minus a standard deviation.

    python examples/show_aligned_parts.py        a table, and pictures/aligned_parts.png; about 2 minutes
    python examples/show_aligned_parts.py --filters 32       networks with 32 filters
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import figures
import jax
import numpy as np
import optax
from shared import mean_and_deviation, natural, picture_options, positive, start, table, train_each

import jaxconv as jc
from jaxconv.training.data import bundled_digits
from jaxconv.training.step import Params, accuracy

SIDE, PART, PARTS = 16, 8, 4  # pixels along a face and along a part; parts, row by row
QUARTERS = ((PART, PART), (PART, PART))
WINDOW = (6, 6)
UNITS = 36  # dense units with 256 weights each cost as much as one filter with 36 weights at each of 256 positions

Faces = tuple[np.ndarray, np.ndarray]  # images [n, 16, 16, 1], and the number of correct parts of each
Init = Callable[[jax.Array, int], Params]
Layer = Callable[[Params, jax.Array], jax.Array]
LAYERS: dict[str, tuple[Init, Layer]] = {
    "shared": (
        lambda key, filters: jc.init_conv(key, WINDOW, 1, filters),
        lambda p, x: jc.max_pool(jc.conv(p, x, padding="SAME"), (PART, PART)),
    ),
    "regional": (
        lambda key, filters: jc.init_regional_conv(key, QUARTERS, WINDOW, 1, filters),
        lambda p, x: jc.max_pool(jc.regional_conv(p, x, regions=QUARTERS, padding="SAME"), (PART, PART)),
    ),
    "local": (
        lambda key, filters: jc.init_locally_connected(key, (SIDE, SIDE), WINDOW, 1, filters, padding="SAME"),
        lambda p, x: jc.max_pool(jc.locally_connected(p, x, padding="SAME"), (PART, PART)),
    ),
    "dense": (
        lambda key, filters: jc.init_dense(key, SIDE**2, UNITS * filters),
        lambda p, x: jc.dense(p, x.reshape(len(x), -1)),
    ),
}
COLOURS = (figures.BLUE, figures.GREEN, figures.ORANGE, figures.VERMILION)


class Found(NamedTuple):
    """The cost of a network, and its accuracy for each seed."""

    parameters: int
    multiply_adds: int
    accuracy: np.ndarray


def faces(images: np.ndarray, labels: np.ndarray, count: int, seed: int) -> Faces:
    """`count` faces, with parts drawn from these digits."""
    random = np.random.default_rng(seed)
    away = random.integers(1, PARTS, (count, PARTS)) * random.integers(0, 2, (count, PARTS))  # 0: the correct part
    digits = (np.arange(PARTS) + away) % PARTS
    chosen = np.empty_like(digits)
    for digit in range(PARTS):
        places = digits == digit
        chosen[places] = random.choice(np.flatnonzero(labels == digit), places.sum())
    parts = images[chosen].reshape(count, 2, 2, PART, PART, 1)  # [n, row of parts, column of parts, h, w, 1]
    return parts.swapaxes(2, 3).reshape(count, SIDE, SIDE, 1), (away == 0).sum(1).astype(np.int32)


def init(key: jax.Array, kind: str, filters: int) -> Params:
    """Parameters of the filters, and of a dense layer on their responses in each quarter."""
    first, second = jax.random.split(key)
    features = UNITS * filters if kind == "dense" else PARTS * filters
    return {"filters": LAYERS[kind][0](first, filters), "head": jc.init_dense(second, features, PARTS + 1)}


def model(params: Params, x: jax.Array, kind: str) -> jax.Array:
    """Scores of the counts from 0 to 4."""
    features = jax.nn.relu(LAYERS[kind][1](params["filters"], x))
    return jc.dense(params["head"], features.reshape(len(x), -1))


def measured(kind: str, filters: int, sets: Sequence[Faces], test: Faces, seeds: range, steps: int) -> Found:
    """Train a network for each seed, and test it."""
    fn, settings = partial(model, kind=kind), {"steps": steps, "batch": 64, "name": f"{kind}, {filters}"}
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-2, steps))
    trained = train_each(partial(init, kind=kind, filters=filters), fn, sets, seeds, optimiser, **settings)
    scores = jax.jit(fn)  # one program instead of one for each operation
    cost = jc.summary(fn, trained[0], jax.ShapeDtypeStruct((1, SIDE, SIDE, 1), "float32"))
    return Found(cost.parameters, cost.multiply_adds, np.array([accuracy(scores, params, *test) for params in trained]))


def finding(found: dict[str, dict[int, Found]]) -> str:
    """The title of the figure: which network finds most parts, for each number of filters or for all of them.

    >>> scores = lambda *accuracy: Found(0, 0, np.array(accuracy))
    >>> finding({"shared": {2: scores(0.5), 4: scores(0.9)}, "local": {2: scores(0.6, 0.8), 4: scores(0.8)}})
    'Parts in fixed places: most are found by the local network with 2 filters, by the shared one with 4'
    """
    mean = lambda kind, filters: found[kind][filters].accuracy.mean()
    best = {filters: max(found, key=lambda kind: mean(kind, filters)) for filters in next(iter(found.values()))}
    first, *others = dict.fromkeys(best.values())
    numbers = lambda kind: " and ".join(str(filters) for filters, best_kind in best.items() if best_kind == kind)
    clauses = [f"by the {first} network with {numbers(first)} filters"] if others else [f"by the {first} network"]
    clauses += [f"by the {kind} one with {numbers(kind)}" for kind in others]
    return f"Parts in fixed places: most are found {', '.join(clauses)}"


def draw(test: Faces, found: dict[str, dict[int, Found]]) -> figures.Figure:
    """Draw four faces, and the accuracy over the number of filters (proportional to the cost) and of parameters."""
    figure = figures.new(12, 4.4, finding(found))
    left, right = np.ravel(figure.subfigures(1, 2, width_ratios=[1, 2.4]))
    for label, plot in enumerate(np.ravel(left.subplots(2, 2)), start=1):
        figures.cells(plot, test[0][np.argmax(test[1] == label), ..., 0], f"{label} in place")
        plot.axhline(PART - 0.5, color=figures.SKY)
        plot.axvline(PART - 0.5, color=figures.SKY)
    plots = right.subplots(1, 2, sharey=True)
    for colour, (kind, by_filters) in zip(COLOURS, found.items(), strict=True):
        scores = np.stack([network.accuracy for network in by_filters.values()], axis=1)
        figures.curve(plots[0], list(by_filters), scores, colour, kind)
        figures.curve(plots[1], [network.parameters for network in by_filters.values()], scores, colour, kind)
    plots[0].set(xlabel=f"filters ({UNITS * SIDE**2:,} multiply-adds each)", ylabel="accuracy", xscale="log")
    plots[0].set_xticks(list(found["shared"]), map(str, found["shared"]))
    plots[0].minorticks_off()
    plots[0].legend(frameon=False)
    plots[1].set(xlabel="parameters", xscale="log")
    return figure


def run(args: argparse.Namespace) -> None:
    """Train, print and draw."""
    digits, seeds = bundled_digits(side=PART), range(args.seed, args.seed + args.seeds)
    sets = [faces(digits.train_images, digits.train_labels, 4000, seed) for seed in seeds]
    test = faces(digits.test_images, digits.test_labels, 2000, args.seed)
    found = {kind: {n: measured(kind, n, sets, test, seeds, args.steps) for n in args.filters} for kind in LAYERS}
    print(f"\nAccuracy in % over {args.seeds} seeds, after {args.steps} steps:\n")
    rows = [
        (
            kind,
            filters,
            f"{network.parameters:,}",
            f"{network.multiply_adds:,}",
            *mean_and_deviation(network.accuracy[:, None]),
        )
        for kind in LAYERS
        for filters, network in found[kind].items()
    ]
    print(table([("network", "filters", "parameters", "multiply-adds", "accuracy"), *rows]))
    print()
    figures.save(draw(test, found), args.out, "aligned_parts.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--filters", type=positive, nargs="+", default=[2, 4, 8, 16], help="numbers of filters")
    parser.add_argument("--steps", type=positive, default=400, help="training steps of each network")
    parser.add_argument("--seeds", type=positive, default=5, help="number of seeds, starting from --seed")
    parser.add_argument("--seed", type=natural, default=0, help="first seed")
    start(run, parser, quick={"filters": [3], "steps": 2, "seeds": 1})
