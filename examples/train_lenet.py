"""Train LeNet-5 on handwritten digits, then print its number of parameters and its accuracy under shifts.

Prints the test accuracy, a table of the parameters of each layer, and the accuracy on shifted test images. The table
has the parameters with shared kernels (shared), with a kernel for each position (unshared), and with a weight for each
pair of an input and an output (dense).

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
BUNDLED = 1437  # training digits that come with scikit-learn; the others are held out
SHIFTS = (0, 1, 2, 3, 4, 6, 8)


def rate(text: str) -> float:
    """The learning rate in a command-line argument."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{number} is not positive and finite")
    return number


def arguments() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = options(__doc__)
    parser.add_argument("--mnist", metavar="DIR", help="train on MNIST's IDX files in DIR")
    parser.add_argument("--form", choices=FORMS, default="modern", help="form of the network")
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="adam", help="Adam, or plain gradient descent")
    parser.add_argument("--learning-rate", type=rate, help="rate at the first step; it decays to 0 along a cosine")
    parser.add_argument("--steps", type=positive, default=800, help="training steps")
    parser.add_argument("--batch", type=positive, default=64, help="images in a step")
    parser.add_argument("--seed", type=natural, default=0, help="seed of the parameters and the batches")
    return parser


def run(args: argparse.Namespace) -> None:
    """Train with the arguments, and print the results."""
    if args.mnist is None and args.batch > BUNDLED:
        raise ValueError(f"--batch is {args.batch}, but should be at most {BUNDLED}, the number of training digits.")
    digits = bundled_digits() if args.mnist is None else mnist(args.mnist)
    init, model = FORMS[args.form]
    optimiser, learning_rate = OPTIMISERS[args.optimiser]
    schedule = optax.cosine_decay_schedule(args.learning_rate or learning_rate, args.steps)

    started = time.perf_counter()
    params = jax.jit(init)(jax.random.key(args.seed))
    settings = {"steps": args.steps, "batch": args.batch, "seed": args.seed, "name": f"LeNet-5 ({args.form})"}
    params = train(model, params, digits, optimiser(schedule), **settings)
    model = jax.jit(model)  # one program instead of one for each operation
    test = accuracy(model, params, digits.test_images, digits.test_labels)
    seconds = time.perf_counter() - started

    print(f"\nTest accuracy {test:.2%} on {len(digits.test_images)} held-out digits, after {seconds:.0f} s.")
    print("\nParameters with shared kernels, with a kernel for each position, and with dense layers:\n")
    print(table(sharing(historical=args.form == "1998")))
    print("\nAccuracy on test images shifted up, down, left and right:\n")
    print("shift (pixels)  accuracy")
    for d, share in accuracy_when_shifted(model, params, digits.test_images, digits.test_labels, SHIFTS).items():
        print(f"{d:>14}  {share:>8.2%}")


if __name__ == "__main__":
    start(run, arguments())
