"""How long a certificate takes: a residual network of 50 layers, for images from 32 to 4,096 pixels a side.

Tracing, and four walks (two axes, cyclic and interior), without a search for counterexamples. The first run apart,
since constants are folded by compiled primitives; then the median of the rounds, in seconds of processor time.

    python benchmarks/certify.py
"""

from __future__ import annotations

import argparse
import statistics
import time

import jax

import jaxconv as jc

SIDES = (32, 256, 1024, 4096)
STAGES = ((16, 3), (32, 4), (64, 6), (128, 3))  # channels, blocks of three convolutions, as in a ResNet-50


def network(key: jax.Array):
    """Parameters' shapes and the function: a stem, 16 blocks of three convolutions, and a dense head."""
    shapes = jax.eval_shape(lambda key: [jc.init_conv(key, (3, 3), 3, STAGES[0][0])], key)
    channels = STAGES[0][0]
    for width, blocks in STAGES:
        for _ in range(blocks):
            for window, inputs in (((1, 1), channels), ((3, 3), width), ((1, 1), width)):
                sizes = window, inputs, width
                shapes.append(jax.eval_shape(lambda key, sizes=sizes: jc.init_conv(key, *sizes), key))
            channels = width
    head = jax.eval_shape(lambda key: jc.init_dense(key, channels, 10), key)

    def apply(params, x):
        layers, head = params
        x = jax.nn.relu(jc.conv(layers[0], x, padding="circular"))
        at = 1
        for number, (_, blocks) in enumerate(STAGES):
            for block in range(blocks):
                stride = 2 if block == 0 and number else 1
                y = jax.nn.relu(jc.conv(layers[at], x, stride=stride))
                y = jax.nn.relu(jc.conv(layers[at + 1], y, padding="circular"))
                y = jc.conv(layers[at + 2], y)
                x = jax.nn.relu(x + y) if x.shape == y.shape else jax.nn.relu(y)
                at += 3
        return jc.dense(head, jc.global_avg_pool(x))

    return (shapes, head), apply


def main() -> None:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = max(parser.parse_args().rounds, 1)
    params, apply = network(jax.random.key(0))
    print(f"JAX {jax.__version__}\nside   equations  first (s)  median (s)  cyclic")
    for side in SIDES:
        image = jax.ShapeDtypeStruct((1, side, side, 3), "float32")
        first, certificate = timed(apply, params, image)
        median = statistics.median(timed(apply, params, image)[0] for _ in range(rounds))
        print(f"{side:<5}  {certificate.equations:>9}  {first:>9.3f}  {median:>10.3f}  {certificate.cyclic}")


def timed(apply, params, image):
    """Seconds of processor time, and the certificate."""
    fresh = lambda params, x: apply(params, x)  # noqa: PLW0108  a new function, or JAX would remember the trace
    started = time.process_time()
    certificate = jc.certify(fresh, params, image, axes={1: (1, 2)}, search=False)
    return time.process_time() - started, certificate


if __name__ == "__main__":
    main()
