"""Train LeNet-5 on handwritten digits, then show what its shared kernels cost and what they give.

Prints the test accuracy, a table of the parameters that each layer has (shared), would have if its kernels were not
shared (unshared) and would have if every output saw every input (dense), and the accuracy on shifted test images.

    python examples/train_lenet.py                    1,797 digits that come with scikit-learn, about 20 seconds
    python examples/train_lenet.py --mnist DIR        MNIST, from its four IDX files in DIR, plain or gzipped
    python examples/train_lenet.py --form 1998        scaled tanh, trainable sub-sampling, C3 connected by a table
"""

from __future__ import annotations

import argparse
import math
import time

import jax
import optax
from shared import natural, options, positive, start, train

from jaxconv.account.sharing import table
from jaxconv.training.data import bundled_digits, mnist
from jaxconv.training.lenet import init_lenet, init_lenet_1998, lenet, lenet_1998, sharing
from jaxconv.training.step import accuracy, accuracy_when_shifted

FORMS = {"modern": (init_lenet, lenet), "1998": (init_lenet_1998, lenet_1998)}
OPTIMISERS = {"adam": (optax.adam, 2e-3), "sgd": (optax.sgd, 0.1)}
BUNDLED = 1437  # of the digits that come with scikit-learn; the others are held out
SHIFTS = (0, 1, 2, 3, 4, 6, 8)


def rate(text: str) -> float:
    """A learning rate of the command line."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{number} is not positive and finite")
    return number


def arguments() -> argparse.ArgumentParser:
    """What the command line may ask for."""
    parser = options(__doc__)
    parser.add_argument("--mnist", metavar="DIR", help="train on MNIST's IDX files in DIR")
    parser.add_argument("--form", choices=FORMS, default="modern", help="of the network")
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="adam", help="adam, or plain gradient descent")
    parser.add_argument("--learning-rate", type=rate, help="at the first step; it falls to 0 along a cosine")
    parser.add_argument("--steps", type=positive, default=800, help="of training")
    parser.add_argument("--batch", type=positive, default=64, help="images a step")
    parser.add_argument("--seed", type=natural, default=0, help="of the parameters and the batches")
    return parser


def run(args: argparse.Namespace) -> None:
    """Train as the arguments say, and print what came of it."""
    if args.mnist is None and args.batch > BUNDLED:
        raise ValueError(f"--batch is {args.batch}, but should be at most {BUNDLED}, the training digits there are.")
    digits = bundled_digits() if args.mnist is None else mnist(args.mnist)
    init, model = FORMS[args.form]
    optimiser, learning_rate = OPTIMISERS[args.optimiser]
    schedule = optax.cosine_decay_schedule(args.learning_rate or learning_rate, args.steps)

    started = time.perf_counter()
    params = jax.jit(init)(jax.random.key(args.seed))
    how = {"steps": args.steps, "batch": args.batch, "seed": args.seed, "name": f"LeNet-5 ({args.form})"}
    params = train(model, params, digits, optimiser(schedule), **how)
    model = jax.jit(model)  # one program instead of one for each operation
    test = accuracy(model, params, digits.test_images, digits.test_labels)
    seconds = time.perf_counter() - started

    print(f"\nTest accuracy {test:.2%} on {len(digits.test_images)} held-out digits, after {seconds:.0f} s.")
    print("\nParameters if each kernel is shared, if each position has its own, and if all is connected to all:\n")
    print(table(sharing(historical=args.form == "1998")))
    print("\nAccuracy on test images shifted up, down, left and right:\n")
    print("shift (pixels)  accuracy")
    for d, share in accuracy_when_shifted(model, params, digits.test_images, digits.test_labels, SHIFTS).items():
        print(f"{d:>14}  {share:>8.2%}")


if __name__ == "__main__":
    start(run, arguments())
