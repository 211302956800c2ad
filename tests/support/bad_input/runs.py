"""Bad calls of what trains: random changes of images, batches, devices, steps, the loop and its log."""

import itertools

import jax.numpy as jnp
import numpy as np
import optax

from jaxconv.training import augment, devices, fit, loader, log, nonfinite, pictures, update
from support.bad_input import Bad
from support.bad_input.valid import KEY, ones

IMAGES = ones(2, 6, 5, 1)
SGD = optax.sgd(0.1)
START = update.init_training(jnp.ones(2), SGD, KEY)
LOSS = "Write loss(params, state, batch, key), which returns (loss, (state, metrics))"
BATCH = "Write a power of two that is at most the number of examples"
LOG = 'Write it as text: "runs/digits/log.jsonl"'
NO_FUNCTION = ("a number", 3, TypeError, "3", "a function")


def loss(params, state, batch, key):
    """The mean of the parameters."""
    return params.mean(), (state, {})


VALID = {
    augment.random_shift: {"key": KEY, "images": IMAGES, "most": 1},
    augment.random_crop: {"key": KEY, "images": IMAGES, "size": (3, 2)},
    augment.random_flip: {"key": KEY, "images": IMAGES},
    loader.loader: {"examples": (IMAGES, np.zeros(2, int)), "batch": 1, "seed": 0},
    devices.data_mesh: {},
    devices.join_processes: {"coordinator": "127.0.0.1:1", "processes": 2, "process": 0},
    update.init_training: {"params": {}, "optimiser": SGD, "key": KEY},
    update.classification: {"model": lambda params, images: images},
    update.make_update: {"loss": loss, "optimiser": SGD},
    fit.fit: {"update": lambda train, batch: (train, {}), "train": START, "batches": itertools.repeat, "steps": 1},
    fit.diagnosis: {"loss": loss},
    nonfinite.first_nonfinite: {"loss": lambda params: (params, {}), "params": 1.0},
    log.read_log: {"path": "nowhere"},
    log.plot_curves: {"path": "nowhere", "picture": "nowhere.png"},
    log.tensorboard: {"folder": "nowhere"},
    log.with_learning_rate: {"watcher": print, "schedule": 0.1},
    pictures.cifar10: {"folder": "nowhere"},
    pictures.cifar100: {"folder": "nowhere"},
}  # fmt: skip


def bad(function, argument, *faults):
    """Rows as in `bad_input.bad`, of a function itself."""
    name = function.__name__
    return [
        Bad(name, argument, fault, lambda value=value: function(**{**VALID[function], argument: value}), error, argument,
            found, expected, fix, name)
        for fault, value, error, found, expected, fix in faults
    ]  # fmt: skip


def whole(function, argument, fix, least=1):
    """Rows of an argument that is an integer."""
    return bad(
        function, argument,
        ("too small", least - 1, ValueError, str(least - 1), f"{least} or more", fix),
        ("a fraction", 2.0, TypeError, "2.0", "an integer", fix),
    )  # fmt: skip


ROWS = [
    *[
        row for function in (augment.random_shift, augment.random_crop, augment.random_flip) for row in [
            *bad(function, "key", ("a number", 0, TypeError, "0", "one jax.random key", "Pass jax.random.key(0)")),
            *bad(function, "images", ("one image", IMAGES[0], ValueError, "of shape (6, 5, 1)", "an array [n, h, w, c]",
                                      "One image is image[None]")),
        ]
    ],
    *whole(augment.random_shift, "most", "Write 2 for up to 2 pixels in each direction", 0),
    *bad(
        augment.random_crop, "size",
        ("one number", 3, TypeError, "3", "two integers: height and width", "Write (28, 28) for windows of 28x28 pixels"),
        ("three", (1, 1, 1), ValueError, "(1, 1, 1)", "two integers: height and width", "Write (28, 28) ..."),
        ("too high", (7, 5), ValueError, "7", "at most 6", "Write (28, 28) for windows of 28x28 pixels"),
        ("too wide", (6, 6), ValueError, "6", "at most 5", "Write (28, 28) for windows of 28x28 pixels"),
        ("zero", (0, 5), ValueError, "0", "1 or more", "Write (28, 28) for windows of 28x28 pixels"),
    ),
    *bad(
        augment.random_flip, "share",
        ("negative", -0.1, ValueError, "-0.1", "between 0 and 1", "Leave it out for 0.5"),
        ("text", "half", TypeError, "'half'", "a number", "Leave it out for 0.5"),
    ),
    *bad(
        loader.loader, "examples",
        ("a number", 3, TypeError, "3", "a tuple or dict of arrays, or a sequence", "Pass (images, labels)"),
        ("none", (), ValueError, "arrays of no examples", "arrays of the same length", "Pass (images, labels)"),
        ("of other lengths", (np.ones(2), np.ones(3)), ValueError, "arrays of (2,) and (3,) examples", "arrays of the same length",
         "Pass (images, labels)"),
    ),
    *whole(loader.loader, "batch", BATCH),
    *bad(loader.loader, "batch", ("too large", 3, ValueError, "3", "at most the 2 examples", BATCH)),
    *whole(loader.loader, "seed", "Write 0", 0),
    *whole(loader.loader, "workers", "Leave it out for 2", 0),
    *whole(loader.loader, "ahead", "Leave it out for 4"),
    *whole(devices.data_mesh, "devices", "On CPUs, set jax.config.update('jax_num_cpu_devices', 8) before the first array"),
    *whole(devices.join_processes, "processes", "Write the number of processes"),
    *whole(devices.join_processes, "process", "Number the processes from 0", 0),
    *bad(update.init_training, "optimiser", ("a number", 0.1, TypeError, "0.1", "one of optax's optimisers", "Write optax.sgd(0.1)")),
    *bad(update.init_training, "key", ("a number", 0, TypeError, "0", "one jax.random key", "Pass jax.random.key(0)")),
    *bad(
        update.classification, "model",
        (*NO_FUNCTION, "Pass model(params, images), which returns scores [n, classes]"),
        ("of one argument", lambda x: x, TypeError, "the function <lambda>, which takes (x)", "a function of two arguments",
         "Pass model(params, images), which returns scores [n, classes]"),
    ),
    *bad(
        update.classification, "augment",
        (*NO_FUNCTION, "Write lambda key, images: random_shift(key, images, most=2)"),
        ("of one argument", lambda x: x, TypeError, "the function <lambda>, which takes (x)", "a function of two arguments",
         "Write lambda key, images: random_shift(key, images, most=2)"),
    ),
    *[
        row for function in (update.make_update, fit.diagnosis) for row in [
            *bad(
                function, "loss",
                (*NO_FUNCTION, LOSS),
                ("of two arguments", lambda params, batch: 0, TypeError, "the function <lambda>, which takes (params, batch)",
                 "a function of four arguments", LOSS),
            ),
            *bad(function, "dtype", ("of integers", np.int32, TypeError, "<class 'numpy.int32'>", "a floating-point dtype",
                                     "Write jnp.bfloat16")),
        ]
    ],
    *bad(update.make_update, "optimiser", ("a name", "adam", TypeError, "'adam'", "one of optax's optimisers", "Write optax.sgd(0.1)")),
    *bad(fit.fit, "update", (*NO_FUNCTION, "Pass the result of make_update")),
    *bad(fit.fit, "batches", (*NO_FUNCTION, "Pass the result of loader, or lambda step: ...")),
    *bad(fit.fit, "train", ("a dict", {}, TypeError, "{}", "a TrainState", "Pass the result of init_training")),
    *whole(fit.fit, "steps", "It counts the steps before this state, too", 0),
    *whole(fit.fit, "save_every", "Leave it out for 100"),
    *bad(nonfinite.first_nonfinite, "loss", (*NO_FUNCTION, "Write loss(params, ...), which returns (loss, auxiliary output)")),
    *bad(log.read_log, "path", ("a number", 1, TypeError, "1", "a path", LOG)),
    *[
        Bad("plot_curves", "path", "a number", lambda: log.plot_curves(1, "x.png"), TypeError, "path", "1", "a path", LOG, "read_log")
    ],
    *bad(log.tensorboard, "folder", ("a number", 1, TypeError, "1", "a path", 'Write it as text: "runs/digits/tensorboard"')),
    *bad(log.with_learning_rate, "watcher", (*NO_FUNCTION, "Pass a Log")),
    *[
        row for function, example in ((pictures.cifar10, "data/cifar-10-batches-bin"), (pictures.cifar100, "data/cifar-100-binary"))
        for row in bad(function, "folder", ("a number", 1, TypeError, "1", "a path", f'Write it as text: "{example}"'))
    ],
    *bad(pictures.cifar100, "labels", ("an unknown name", "rough", ValueError, "'rough'", '"coarse" or "fine"', 'Write labels="coarse"')),
]  # fmt: skip
