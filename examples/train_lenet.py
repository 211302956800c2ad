"""Train LeNet-5 on handwritten digits, then print its number of parameters and its accuracy under shifts.

Prints the test accuracy, a table of the parameters of each layer, and the accuracy on shifted test images. The table
has the parameters with shared kernels (shared), with a kernel for each position (unshared), and with a weight for each
pair of an input and an output (dense).

    python examples/train_lenet.py                    1,797 digits that come with scikit-learn, about 20 seconds
    python examples/train_lenet.py --mnist DIR        MNIST, from its four IDX files in DIR, plain or gzipped
    python examples/train_lenet.py --form 1998        scaled tanh, trainable sub-sampling, C3 connected by a table
    python examples/train_lenet.py --run runs/digits  keep checkpoints, a log and its curve in that folder; Ctrl-C saves
    python examples/train_lenet.py --run runs/digits --resume             continue that run, bit for bit
    python examples/train_lenet.py --devices 4 --dtype bfloat16           split batches over devices; half precision
    python examples/train_lenet.py --join 127.0.0.1:1234 2 0              process 0 of 2, which split each batch
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import jax
import optax
from shared import natural, options, positive, start

from jaxconv.account.sharing import table
from jaxconv.training.augment import random_shift
from jaxconv.training.checkpoints import Checkpoints
from jaxconv.training.data import Digits, bundled_digits, mnist
from jaxconv.training.devices import data_mesh, join_processes, want_cpu_devices
from jaxconv.training.fit import diagnosis, fit
from jaxconv.training.lenet import init_lenet, init_lenet_1998, lenet, lenet_1998, sharing
from jaxconv.training.loader import loader
from jaxconv.training.log import Log, Progress, plot_curves, tensorboard, with_learning_rate
from jaxconv.training.step import Params, accuracy, accuracy_when_shifted
from jaxconv.training.update import classification, init_training, make_update

FORMS = {"modern": (init_lenet, lenet), "1998": (init_lenet_1998, lenet_1998)}
OPTIMISERS = {"adam": (optax.adam, 2e-3), "sgd": (optax.sgd, 0.1)}
BUNDLED = 1437  # training digits that come with scikit-learn; the others are held out
FREE = {"run", "resume", "save_every", "devices", "join"}  # a resumed run may have others
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
    parser.add_argument(
        "--shift", type=natural, default=0, help="shift training images at random by up to this many pixels"
    )
    parser.add_argument("--seed", type=natural, default=0, help="seed of the parameters and the batches")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="keep checkpoints, a log and its curve in FOLDER")
    parser.add_argument("--resume", action="store_true", help="continue the run in FOLDER")
    parser.add_argument("--save-every", type=positive, default=100, help="steps between two checkpoints")
    parser.add_argument("--devices", type=positive, help="split each batch over that many devices")
    join = ("HOST:PORT", "PROCESSES", "PROCESS")
    parser.add_argument("--join", nargs=3, metavar=join, help="be one of several processes, numbered from 0")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="dtype of the computation")
    return parser


def trained(args: argparse.Namespace, digits: Digits) -> Params:
    """The parameters after training. With a folder, the run is saved there, and may continue there."""
    init, model = FORMS[args.form]
    make_optimiser, learning_rate = OPTIMISERS[args.optimiser]
    schedule = optax.cosine_decay_schedule(args.learning_rate or learning_rate, args.steps)
    optimiser = make_optimiser(schedule)
    augment = partial(random_shift, most=args.shift) if args.shift else None
    loss, dtype = classification(model, augment=augment), None if args.dtype == "float32" else args.dtype
    mesh = data_mesh(None if args.join else args.devices) if args.devices or args.join else None
    update = make_update(loss, optimiser, mesh=mesh, dtype=dtype)
    batches = loader((digits.train_images, digits.train_labels), args.batch, seed=args.seed)

    train = init_training(jax.jit(init)(jax.random.key(args.seed)), optimiser, jax.random.key(args.seed))
    with ExitStack() as stack:
        checkpoints, watch = None, []
        first = jax.process_index() == 0  # the other processes print and log nothing
        if args.run is not None:
            settings = {name: value for name, value in vars(args).items() if name not in FREE}
            checkpoints = stack.enter_context(Checkpoints(args.run / "checkpoints", settings=settings))
            if args.resume:
                train = checkpoints.restore(train)
            elif checkpoints.latest is not None:
                cure = "Add --resume to continue it, or choose another folder."
                raise ValueError(f"--run is {args.run}, with a run at step {checkpoints.latest}. {cure}")
        if args.run is not None and first:
            log = stack.enter_context(Log(args.run / "log.jsonl", steps=args.steps, resumed_at=int(train.step)))
            watch += [with_learning_rate(log, schedule)]
            if importlib.util.find_spec("tensorboard"):
                watch += [tensorboard(args.run / "tensorboard")]
        if first:
            name = f"LeNet-5 ({args.form})"
            watch += [stack.enter_context(Progress(name, args.steps, done=int(train.step)))]
        how = {"steps": args.steps, "checkpoints": checkpoints, "save_every": args.save_every, "watch": watch}
        train = fit(update, train, batches, explain_nonfinite=diagnosis(loss, dtype=dtype), **how)
    if args.run is not None and first:
        plot_curves(args.run / "log.jsonl", args.run / "curve.png")
    return train.params


def run(args: argparse.Namespace) -> None:
    """Train with the arguments, and print the results."""
    if args.mnist is None and args.batch > BUNDLED:
        raise ValueError(f"--batch is {args.batch}, but should be at most {BUNDLED}, the number of training digits.")
    if args.resume and args.run is None:
        raise ValueError("--resume is given without --run, but should name the run. Write --run FOLDER --resume.")
    if args.devices is not None:
        want_cpu_devices(args.devices)
    if args.join is not None:
        address, *numbers = args.join
        if not all(number.isdecimal() for number in numbers):
            cure = "Write --join 127.0.0.1:1234 2 0 for process 0 of 2."
            raise ValueError(f"--join is {' '.join(args.join)}, but should be HOST:PORT and two whole numbers. {cure}")
        join_processes(address, *map(int, numbers))
    digits = bundled_digits() if args.mnist is None else mnist(args.mnist)
    started = time.perf_counter()
    params = jax.device_get(trained(args, digits))
    model = jax.jit(FORMS[args.form][1])  # one program instead of one for each operation
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
