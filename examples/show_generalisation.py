"""Generalisation: who detects digits where it has not seen them, and how many examples that takes.

One layer of sixteen 6x6 detectors, the strongest response of each over all positions, a dense layer on these: with a
kernel for all positions, with 2x2 kernels that take turns, and with a kernel for each position. Beside them two dense
networks, one of as many multiply-adds, one of as few parameters. Digits of 8x8 pixels stand in the middle of a canvas
of 16x16, or anywhere on it. The seeds choose examples, their order, their places and the first parameters; what is
shown is the mean over them, plus or minus a standard deviation.

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

SIDE, REACH = 16, 4  # pixels of the canvas, and of the way from a digit in its middle to its border
WINDOW, DETECTORS = (6, 6), 16
SHIFTS = range(REACH + 1)
SIZES = (64, 200, 600, 1437)  # of the training set
PLACES = ("centred", "anywhere")

Init = Callable[[jax.Array], Params]
Layer = Callable[[Params, jax.Array], jax.Array]


def units(count: int) -> tuple[Init, Layer]:
    """A dense layer, as a map of one position."""
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
    """What is known of one network: its law, what it costs, its accuracies."""

    law: str
    parameters: int
    multiply_adds: int
    by_shift: np.ndarray  # [seed, shift], trained on all digits, centred
    by_size: np.ndarray  # [place, size, seed], trained and tested in such places


def init(key: jax.Array, name: str) -> Params:
    """The detectors, and a dense layer on them."""
    first, second = jax.random.split(key)
    detectors = NETWORKS[name][0](first)
    return {"detectors": detectors, "head": jc.init_dense(second, detectors["bias"].shape[-1], 10)}


def model(params: Params, x: jax.Array, name: str) -> jax.Array:
    """Scores of the ten digits: what was detected counts, not where."""
    return jc.dense(params["head"], jc.global_max_pool(jax.nn.relu(NETWORKS[name][1](params["detectors"], x))))


def placed(images: np.ndarray, place: str, seed: int) -> np.ndarray:
    """Digits [n, 8, 8, 1] on the canvas: in its middle, or each of them somewhere."""
    images = np.pad(images, [(0, 0), (REACH, REACH), (REACH, REACH), (0, 0)])
    if place == "centred":
        return images
    by = np.random.default_rng(seed).integers(-REACH, REACH, (len(images), 2), endpoint=True)
    return np.concatenate([shifted(images[[i]], (down, across)) for i, (down, across) in enumerate(by)])


def measured(name: str, digits: Digits, seeds: range, steps: int) -> Found:
    """Train a network for each place, size and seed, and test it."""
    sets, runs, fn = [], list(product(PLACES, SIZES, seeds)), partial(model, name=name)
    for place, size, seed in runs:
        chosen = np.random.default_rng(seed).permutation(len(digits.train_images))[:size]
        sets.append((placed(digits.train_images[chosen], place, seed), digits.train_labels[chosen]))
    how = {"steps": steps, "batch": 64, "name": name}
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-2, steps))
    trained = train_each(partial(init, name=name), fn, sets, [seed for *_, seed in runs], optimiser, **how)

    tests = {place: placed(digits.test_images, place, seeds[0]) for place in PLACES}
    scores = jax.jit(fn)  # one program instead of one for each operation
    score = lambda params, place: accuracy(scores, params, tests[place], digits.test_labels)
    by_size = [score(params, place) for params, (place, *_) in zip(trained, runs, strict=True)]
    of_all = [params for params, run in zip(trained, runs, strict=True) if run[:2] == ("centred", SIZES[-1])]
    sweep = lambda params: accuracy_when_shifted(scores, params, tests["centred"], digits.test_labels, SHIFTS)
    by_shift = [list(sweep(params).values()) for params in of_all]

    x = jax.ShapeDtypeStruct((1, SIDE, SIDE, 1), "float32")
    claim = jc.certify(fn, trained[0], x, axes={1: (1,)}).leaves[0].axes[0].cyclic
    law = f"{claim.verdict} {claim.shift}" if claim.verdict == "PROVED" else str(claim.verdict)
    cost = jc.summary(fn, trained[0], x)
    shape = len(PLACES), len(SIZES), len(seeds)
    return Found(law, cost.parameters, cost.multiply_adds, np.array(by_shift), np.reshape(by_size, shape))


def draw(found: dict[str, Found]) -> figures.Figure:
    """Accuracy over the shift, and over the number of examples in either kind of place."""
    best = max(found, key=lambda name: found[name].by_shift[:, -1].mean())
    figure = figures.new(12, 4.4, f"Digits shifted by {SHIFTS[-1]} pixels: the {best} network recognises most of them")
    plots = figure.subplots(1, 3, sharey=True)
    for colour, (name, its) in zip(COLOURS, found.items(), strict=True):
        figures.curve(plots[0], SHIFTS, its.by_shift, colour, name)
        for plot, values in zip(plots[1:], its.by_size, strict=True):
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
    print(f"\nAccuracy in %, of {args.seeds} seeds, after {args.steps} steps.")
    print(f"Trained on {SIZES[-1]:,} centred digits, by the shift of the test digits in pixels:\n")
    titles = ("network", "invariant", "parameters", "multiply-adds")
    about = {name: (its.law, f"{its.parameters:,}", f"{its.multiply_adds:,}") for name, its in found.items()}
    rows = [(name, *about[name], *mean_and_deviation(its.by_shift)) for name, its in found.items()]
    print(table([(*titles, *SHIFTS), *rows], words=2))
    for number, place in enumerate(PLACES):
        print(f"\nTrained and tested {place}, by the number of training digits:\n")
        rows = [(name, *mean_and_deviation(its.by_size[number].T)) for name, its in found.items()]
        print(table([(place, *SIZES), *rows]))
    print()
    figures.save(draw(found), args.out, "generalisation.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--steps", type=positive, default=300, help="of training each network")
    parser.add_argument("--seeds", type=positive, default=5, help="how many, from --seed")
    parser.add_argument("--seed", type=natural, default=0, help="the first of them")
    start(run, parser)
