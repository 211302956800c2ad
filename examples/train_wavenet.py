"""Train a WaveNet-like network that predicts the next sample of a noisy signal, then run it on a stream.

Causal convolutions with dilations of 1, 2, 4, ... and gates see the last 64 samples. The network is proved to be
causal and local, so `jc.streamed` computes it chunk by chunk, with a cache for each layer, and each sample once.
Prints a summary, the mean squared error of the prediction beside that of repeating the last sample and that of the
noise, which nothing predicts, and the largest difference between the streamed and the whole result.

    python examples/train_wavenet.py            generated signals
    python examples/train_wavenet.py --quick    3 steps, without telling results

Expect a mean squared error of 0.045 and 0.036 for the seeds 0 and 1, beside 0.56 and 0.59 for repeating the last
sample. This took 246 and 167 s on two cores that fifteen other programs shared.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from shared import start, table, trained, training_options

import jaxconv as jc

LAYERS, CHANNELS, NOISE = 6, 16, 0.1


def init(key: jax.Array) -> dict[str, Any]:
    """Parameters: two samples to channels, a gate and a mix for each dilation, and channels to a sample."""
    first, *keys, last = jax.random.split(key, 2 * LAYERS + 2)
    gates = [jc.init_conv(each, (2,), CHANNELS, 2 * CHANNELS) for each in keys[::2]]
    mixes = [jc.init_conv(each, (1,), CHANNELS, CHANNELS) for each in keys[1::2]]
    return {
        "first": jc.init_conv(first, (2,), 1, CHANNELS),
        "layers": [{"gate": gate, "mix": mix} for gate, mix in zip(gates, mixes, strict=True)],
        "last": jc.init_conv(last, (1,), CHANNELS, 1),
    }


def model(params: dict[str, Any], x: jax.Array) -> jax.Array:
    """The prediction [n, t, 1] of sample t + 1 from the samples up to t of x [n, t, 1]."""
    hidden, skips = jc.conv(params["first"], x, padding="CAUSAL"), 0.0
    for number, layer in enumerate(params["layers"]):
        both = jc.conv(layer["gate"], hidden, padding="CAUSAL", dilation=2**number)
        gated = jnp.tanh(both[..., :CHANNELS]) * jax.nn.sigmoid(both[..., CHANNELS:])
        mixed = jc.conv(layer["mix"], gated)
        hidden, skips = hidden + mixed, skips + mixed
    return jc.conv(params["last"], jax.nn.relu(skips))


def signals(draw: np.random.Generator, count: int, length: int) -> np.ndarray:
    """Signals [n, t, 1]: two sines of random frequencies and phases, and white noise."""
    t = np.arange(length)
    frequency, phase = draw.uniform(0.02, 0.2, (2, count, 1)), draw.uniform(0, 2 * np.pi, (2, count, 1))
    waves = np.sin(2 * np.pi * frequency * t + phase).sum(0)
    return (waves + draw.normal(0, NOISE, waves.shape))[..., None].astype(np.float32)


def loss(params: Any, state: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, Any]:
    """The mean squared error of the prediction, from the sample on that sees 64 samples."""
    (x,) = batch
    errors = model(params, x[:, :-1]) - x[:, 1:]
    return (errors[:, 2**LAYERS :] ** 2).mean(), (state, {})


def run(args: argparse.Namespace) -> None:
    """Train, then measure and stream."""
    begun, draw = time.perf_counter(), np.random.default_rng(args.seed)
    count, length, chunk = (1024, 256, 100) if not args.quick else (32, 96, 40)
    args.steps = 3 if args.quick else args.steps
    examples, tests = signals(draw, count, length), signals(draw, 128, length)
    params = jax.jit(init)(jax.random.key(args.seed))
    print(jc.summary(model, params, tests[:1]), end="\n\n")
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, args.steps))
    how = {"steps": args.steps, "batch": 16, "seed": args.seed, "name": "WaveNet"}
    params = trained(loss, params, {}, (examples,), optimiser, **how).params
    error = float(jax.jit(loss)(params, {}, (tests,), jax.random.key(0))[0])
    last = float(np.diff(tests[:, 2**LAYERS :], axis=1).var())
    rows = [("the network", error), ("the last sample again", last), ("noise that nothing predicts", NOISE**2)]
    print(table([("prediction", "mean squared error"), *((name, f"{value:.4f}") for name, value in rows)]))

    long = signals(draw, 1, 10 * chunk)
    stream = jc.streamed(model, params, long, axes={1: (1,)}, chunk=chunk)
    print(f"\n{stream.report()}\n")
    chunks, whole = stream.run(long), jax.jit(model)(params, long)
    print(f"Ten chunks of {chunk} samples differ from the whole by at most {np.abs(chunks - whole).max():.1e}.")
    print(f"\n{args.steps} steps, {time.perf_counter() - begun:.0f} s.")


if __name__ == "__main__":
    start(run, training_options(__doc__, steps=1500))
