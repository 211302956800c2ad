"""Generalisation: which networks detect digits in positions that training did not show, and with how many examples.

Each network has one layer of sixteen 6x6 detectors, the strongest response of each over all positions, and a dense
layer. The detectors have a kernel for all positions, 2x2 alternating kernels, or a kernel for each position. Two dense
networks are compared with them, one with as many multiply-adds, and one with as few parameters. Digits of 8x8 pixels
are placed in the middle of a canvas of 16x16, or anywhere on it. The seeds determine the examples, their order, their
positions and the initial parameters. The tables have the mean over the seeds, plus or minus a standard deviation.

    python examples/show_generalisation.py        three tables, and pictures/generalisation.png; about 2 minutes
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import NamedTuple

import figures
import jax
import numpy as np
import optax
from shared import mean_and_deviation, natural, picture_options, positive, start, table, train_each

import jaxconv as jc
from jaxconv.training.data import Digits, bundled_digits
from jaxconv.training.step import Params, accuracy, accuracy_when_shifted, shifted

SIDE, REACH = 16, 4  # pixels: the side of the canvas, and the distance from a centred digit to the border
WINDOW, DETECTORS = (6, 6), 16
SHIFTS = range(REACH + 1)
SIZES = (64, 200, 600, 1437)  # of the training set
PLACES = ("centred", "anywhere")

Init = Callable[[jax.Array], Params]
Layer = Callable[[Params, jax.Array], jax.Array]


def units(count: int) -> tuple[Init, Layer]:
    """A dense layer, whose output has one position."""
    return lambda key: jc.init_dense(key, SIDE**2, count), lambda p, x: jc.dense(p, x.reshape(len(x), 1, 1, -1))


NETWORKS: dict[str, tuple[Init, Layer]] = {
    "shared": (
        lambda key: jc.init_conv(key, WINDOW, 1, DETECTORS),
        lambda p, x: jc.conv(p, x, padding="CIRCULAR"),
    ),
    "tiled": (
        lambda key: jc.init_tiled_conv(key, 2, WINDOW, 1, DETECTORS),
        lambda p, x: jc.tiled_conv(p, x, padding="CIRCULAR"),
    ),
    "local": (
        lambda key: jc.init_locally_connected(key, (SIDE, SIDE), WINDOW, 1, DETECTORS, padding="CIRCULAR"),
        lambda p, x: jc.locally_connected(p, x, padding="CIRCULAR"),
    ),
    "dense": units(554),
    "dense, small": units(3),
}
COLOURS = (figures.BLUE, figures.GREEN, figures.ORANGE, figures.VERMILION, figures.PURPLE)


class Found(NamedTuple):
    """The law of one network, its cost, and its accuracies."""

    law: str
    parameters: int
    multiply_adds: int
    by_shift: np.ndarray  # [seed, shift], trained on all digits, centred
    by_size: np.ndarray  # [place, size, seed], trained and tested with this placement


def init(key: jax.Array, name: str) -> Params:
    """Parameters of the detectors, and of a dense layer on their responses."""
    first, second = jax.random.split(key)
    detectors = NETWORKS[name][0](first)
    return {"detectors": detectors, "head": jc.init_dense(second, detectors["bias"].shape[-1], 10)}


def model(params: Params, x: jax.Array, name: str) -> jax.Array:
    """Scores of the ten digits, from the strongest response of each detector over all positions."""
    return jc.dense(params["head"], jc.global_max_pool(jax.nn.relu(NETWORKS[name][1](params["detectors"], x))))


def placed(images: np.ndarray, place: str, seed: int) -> np.ndarray:
    """Digits [n, 8, 8, 1] on the canvas: in its middle, or each at a random position."""
    images = np.pad(images, [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)])
    if place == "centred":
        return images
    by = np.random.default_rng(seed).integers(-REACH, REACH, (len(images), 2), endpoint=True)
    return np.concatenate([shifted(images[[i]], (down, across)) for i, (down, across) in enumerate(by)])


def measured(name: str, digits: Digits, seeds: range, steps: int) -> Found:
    """Train a network for each placement, size and seed, and test it."""
    sets, runs, fn = [], list(product(PLACES, SIZES, seeds)), partial(model, name=name)
    for place, size, seed in runs:
        chosen = np.random.default_rng(seed).permutation(len(digits.train_images))[:size]
        sets.append((placed(digits.train_images[chosen], place, seed), digits.train_labels[chosen]))
    settings = {"steps": steps, "batch": 64, "name": name}
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-2, steps))
    trained = train_each(partial(init, name=name), fn, sets, [seed for *_, seed in runs], optimiser, **settings)

    tests = {place: placed(digits.test_images, place, seeds[0]) for place in PLACES}
    scores = jax.jit(fn)  # one program instead of one for each operation
    score = lambda params, place: accuracy(scores, params, tests[place], digits.test_labels)
    by_size = [score(params, place) for params, (place, *_) in zip(trained, runs, strict=True)]
    on_all_digits = [params for params, run in zip(trained, runs, strict=True) if run[:2] == ("centred", SIZES[-1])]
    sweep = lambda params: accuracy_when_shifted(scores, params, tests["centred"], digits.test_labels, SHIFTS)
    by_shift = [list(sweep(params).values()) for params in on_all_digits]

    x = jax.ShapeDtypeStruct((1, SIDE, SIDE, 1), "float32")
    claim = jc.certify(fn, trained[0], x, axes={1: (1,)}).leaves[0].axes[0].cyclic
    law = f"{claim.verdict} {claim.shift}" if claim.verdict == "PROVED" else str(claim.verdict)
    cost = jc.summary(fn, trained[0], x)
    shape = len(PLACES), len(SIZES), len(seeds)
    return Found(law, cost.parameters, cost.multiply_adds, np.array(by_shift), np.reshape(by_size, shape))


def draw(found: dict[str, Found]) -> figures.Figure:
    """Draw the accuracy over the shift, and over the number of examples for both placements."""
    best = max(found, key=lambda name: found[name].by_shift[:, -1].mean())
    figure = figures.new(12, 4.4, f"Digits shifted by {SHIFTS[-1]} pixels: the {best} network recognises most of them")
    plots = figure.subplots(1, 3, sharey=True)
    for colour, (name, network) in zip(COLOURS, found.items(), strict=True):
        figures.curve(plots[0], SHIFTS, network.by_shift, colour, name)
        for plot, values in zip(plots[1:], network.by_size, strict=True):
            figures.curve(plot, SIZES, values.T, colour, name)
    plots[0].set(title=f"trained on {SIZES[-1]:,} centred digits", xlabel="shift of test digits (pixels)")
    for plot, place in zip(plots[1:], PLACES, strict=True):
        plot.set(title=f"trained and tested {place}", xlabel="training digits", xscale="log")
        plot.set_xticks(SIZES, map(str, SIZES))
        plot.minorticks_off()
    plots[0].set(ylabel="accuracy", ylim=(0, 1), xticks=SHIFTS)
    figure.legend(*plots[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(found), frameon=False)
    return figure


def run(args: argparse.Namespace) -> None:
    """Train, print and draw."""
    digits, seeds = bundled_digits(side=8), range(args.seed, args.seed + args.seeds)
    found = {name: measured(name, digits, seeds, args.steps) for name in NETWORKS}
    print(f"\nAccuracy in % over {args.seeds} seeds, after {args.steps} steps.")
    print(f"Trained on {SIZES[-1]:,} centred digits, by the shift of the test digits in pixels:\n")
    titles = ("network", "invariant", "parameters", "multiply-adds")
    costs = {name: (one.law, f"{one.parameters:,}", f"{one.multiply_adds:,}") for name, one in found.items()}
    rows = [(name, *costs[name], *mean_and_deviation(network.by_shift)) for name, network in found.items()]
    print(table([(*titles, *SHIFTS), *rows], words=2))
    for number, place in enumerate(PLACES):
        print(f"\nTrained and tested {place}, by the number of training digits:\n")
        rows = [(name, *mean_and_deviation(network.by_size[number].T)) for name, network in found.items()]
        print(table([(place, *SIZES), *rows]))
    print()
    figures.save(draw(found), args.out, "generalisation.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--steps", type=positive, default=300, help="training steps of each network")
    parser.add_argument("--seeds", type=positive, default=5, help="number of seeds, starting from --seed")
    parser.add_argument("--seed", type=natural, default=0, help="first seed")
    start(run, parser, quick={"steps": 5, "seeds": 1})
