"""Where sharing is not ideal: parts in fixed places, as in aligned faces.

A "face" of 16x16 pixels has four parts, each a handwritten digit: a 0 above left, a 1 above right, a 2 and a 3 below;
in each place, with even odds, another of these stands instead. How many parts are where they belong? A 0 counts in one
place only: a feature that is worth finding there is not in another, as with eyes and mouths. One layer of 6x6 filters,
the strongest response of each in each quarter, a dense layer on these: with a kernel for all positions, one for each
quarter, and one for each position. Beside them dense networks of as many multiply-adds. The seeds choose the faces,
their order and the first parameters; what is shown is the mean over them, plus or minus a standard deviation.

    python examples/show_aligned_parts.py        a table, and pictures/aligned_parts.png; about 2 minutes
    python examples/show_aligned_parts.py --filters 32       what it takes to catch up
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
UNITS = 36  # of a dense layer, 256 weights each, cost as much as a filter, 36 weights at each of 256 positions

Faces = tuple[np.ndarray, np.ndarray]  # images [n, 16, 16, 1], and of each how many parts are where they belong
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
    """What a network costs, and its accuracy for each seed."""

    parameters: int
    multiply_adds: int
    accuracy: np.ndarray


def faces(images: np.ndarray, labels: np.ndarray, count: int, seed: int) -> Faces:
    """So many faces, their parts drawn from these digits."""
    random = np.random.default_rng(seed)
    away = random.integers(1, PARTS, (count, PARTS)) * random.integers(0, 2, (count, PARTS))  # 0: it belongs there
    digits = (np.arange(PARTS) + away) % PARTS
    chosen = np.empty_like(digits)
    for digit in range(PARTS):
        places = digits == digit
        chosen[places] = random.choice(np.flatnonzero(labels == digit), places.sum())
    parts = images[chosen].reshape(count, 2, 2, PART, PART, 1)  # [n, place down, place across, h, w, 1]
    return parts.swapaxes(2, 3).reshape(count, SIDE, SIDE, 1), (away == 0).sum(1).astype(np.int32)


def init(key: jax.Array, kind: str, filters: int) -> Params:
    """The filters, and a dense layer on what they found in each quarter."""
    first, second = jax.random.split(key)
    found = UNITS * filters if kind == "dense" else PARTS * filters
    return {"filters": LAYERS[kind][0](first, filters), "head": jc.init_dense(second, found, PARTS + 1)}


def model(params: Params, x: jax.Array, kind: str) -> jax.Array:
    """Scores of the counts from 0 to 4."""
    found = jax.nn.relu(LAYERS[kind][1](params["filters"], x))
    return jc.dense(params["head"], found.reshape(len(x), -1))


def measured(kind: str, filters: int, sets: Sequence[Faces], test: Faces, seeds: range, steps: int) -> Found:
    """Train a network for each seed, and test it."""
    fn, how = partial(model, kind=kind), {"steps": steps, "batch": 64, "name": f"{kind}, {filters}"}
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-2, steps))
    trained = train_each(partial(init, kind=kind, filters=filters), fn, sets, seeds, optimiser, **how)
    scores = jax.jit(fn)  # one program instead of one for each operation
    cost = jc.summary(fn, trained[0], jax.ShapeDtypeStruct((1, SIDE, SIDE, 1), "float32"))
    return Found(cost.parameters, cost.multiply_adds, np.array([accuracy(scores, params, *test) for params in trained]))


def finding(found: dict[str, dict[int, Found]]) -> str:
    """Which network finds most parts, for each number of filters or for all of them.

    >>> one = lambda *accuracy: Found(0, 0, np.array(accuracy))
    >>> finding({"shared": {2: one(0.5), 4: one(0.9)}, "local": {2: one(0.6, 0.8), 4: one(0.8)}})
    'Parts in fixed places: most are found by the local network with 2 filters, by the shared one with 4'
    """
    mean = lambda kind, filters: found[kind][filters].accuracy.mean()
    best = {filters: max(found, key=lambda kind: mean(kind, filters)) for filters in next(iter(found.values()))}
    first, *others = dict.fromkeys(best.values())
    numbers = lambda kind: " and ".join(str(filters) for filters, its in best.items() if its == kind)
    told = [f"by the {first} network with {numbers(first)} filters"] if others else [f"by the {first} network"]
    told += [f"by the {kind} one with {numbers(kind)}" for kind in others]
    return f"Parts in fixed places: most are found {', '.join(told)}"


def draw(test: Faces, found: dict[str, dict[int, Found]]) -> figures.Figure:
    """Four faces; the accuracy over the filters, which is over the cost, and over the parameters."""
    figure = figures.new(12, 4.4, finding(found))
    left, right = np.ravel(figure.subfigures(1, 2, width_ratios=[1, 2.4]))
    for label, plot in enumerate(np.ravel(left.subplots(2, 2)), start=1):
        figures.cells(plot, test[0][np.argmax(test[1] == label), ..., 0], f"{label} in place")
        plot.axhline(PART - 0.5, color=figures.SKY)
        plot.axvline(PART - 0.5, color=figures.SKY)
    plots = right.subplots(1, 2, sharey=True)
    for colour, (kind, its) in zip(COLOURS, found.items(), strict=True):
        scores = np.stack([one.accuracy for one in its.values()], axis=1)
        figures.curve(plots[0], list(its), scores, colour, kind)
        figures.curve(plots[1], [one.parameters for one in its.values()], scores, colour, kind)
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
    print(f"\nAccuracy in %, of {args.seeds} seeds, after {args.steps} steps:\n")
    rows = [
        (kind, filters, f"{its.parameters:,}", f"{its.multiply_adds:,}", *mean_and_deviation(its.accuracy[:, None]))
        for kind in LAYERS
        for filters, its in found[kind].items()
    ]
    print(table([("network", "filters", "parameters", "multiply-adds", "accuracy"), *rows]))
    print()
    figures.save(draw(test, found), args.out, "aligned_parts.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--filters", type=positive, nargs="+", default=[2, 4, 8, 16], help="for each of the networks")
    parser.add_argument("--steps", type=positive, default=400, help="of training each network")
    parser.add_argument("--seeds", type=positive, default=5, help="how many, from --seed")
    parser.add_argument("--seed", type=natural, default=0, help="the first of them")
    start(run, parser)
