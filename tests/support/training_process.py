"""A training run in a process of its own, which tests kill: batch normalisation, Adam, random shifts, many checkpoints.

python -m support.training_process FOLDER STEPS [TRAP]  prints each step, and ends by writing all of its state to
FOLDER/end.npz. A run that finds a checkpoint resumes. TRAP is what goes wrong: "nan", "full" or "wait".
"""

import resource
import signal
import sys
from pathlib import Path

import jax
import numpy as np
import optax

import jaxconv as jc
from jaxconv.training.augment import random_shift
from jaxconv.training.checkpoints import Checkpoints
from jaxconv.training.fit import Interrupted, diagnosis, fit
from jaxconv.training.loader import loader
from jaxconv.training.update import init_training, make_update

SAVE_EVERY = 2


def init(key):
    """Parameters and state of a small network."""
    first, second = jax.random.split(key)
    norm, state = jc.init_batch_norm(3)
    return {"conv": jc.init_conv(first, (3, 3), 1, 3), "norm": norm, "head": jc.init_dense(second, 3, 2)}, state


def loss(params, state, batch, key):
    """The loss of randomly shifted images."""
    images, labels = batch
    x = jc.conv(params["conv"], random_shift(key, images, 2))
    x, state = jc.batch_norm(params["norm"], state, x, training=True, momentum=0.5)
    scores = jc.dense(params["head"], jc.global_max_pool(jax.nn.relu(x)))
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean(), (state, {})


def examples(count=20):
    """Images and labels."""
    draw = np.random.default_rng(0)
    return np.float32(draw.normal(size=(count, 6, 5, 1))), np.int32(draw.integers(0, 2, count))


def begin(optimiser, seed=0):
    """The state before the first step."""
    params, state = init(jax.random.key(seed))
    return init_training(params, optimiser, jax.random.key(seed), state=state)


def small_files():
    """No file may become longer than 200 bytes: writing fails as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))


def bits(train):
    """All leaves of a state by path, as plain arrays."""
    plain = train._replace(key=jax.random.key_data(train.key))
    return {jax.tree_util.keystr(where): np.asarray(leaf) for where, leaf in jax.tree.leaves_with_path(plain)}


def main(folder, steps, trap=""):
    """Train to the end, or until killed."""
    folder, optimiser = Path(folder), optax.adam(0.01)
    train, batches = begin(optimiser), loader(examples(), 8, seed=3)
    if trap == "nan":
        batches = lambda step, sound=batches: (
            (np.where(number == 5, np.nan, images).astype(np.float32), labels)
            for number, (images, labels) in enumerate(sound(step), step)
        )
    with Checkpoints(folder / "checkpoints", settings={"seed": 3}) as checkpoints:
        if checkpoints.latest is not None:
            train = checkpoints.restore(train)
            print("resumed", int(train.step), flush=True)

        def watch(row):
            print("step", row["step"], flush=True)
            if trap == "full" and row["step"] == 5:
                checkpoints.wait()
                small_files()
            if trap == "wait":
                sys.stdin.readline()  # not signal.pause, which misses a signal that came before it

        how = {"steps": steps, "checkpoints": checkpoints, "save_every": SAVE_EVERY, "watch": [watch]}
        train = fit(make_update(loss, optimiser), train, batches, explain_nonfinite=diagnosis(loss), **how)
    np.savez(folder / "end.npz", **bits(train))


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.status)
    except ValueError as error:
        sys.exit(f"error: {error}")
