"""The cost of the numeric check compared with hand-written loops: ratios, in one run.

The network has six circular 3x3 convolutions of 16 channels, with a ReLU each. Every method takes every cyclic shift of
its image:

- `loop`: for each shift both sides, f(roll(x, s)) and roll(f(x), s), by a jitted f, and their difference;
- `best loop`: f(x) once; for each shift f of the rolled image, and the difference in NumPy;
- `network`: only the jitted f on as many images in batches of 64, a lower bound for every method;
- `check`: `jc.check`.

"with compiling" starts each run with a function that JAX has not compiled; "warm" has run everything once. The methods
alternate (`timing.py`). A ratio above 1 means that the check is faster.

    python benchmarks/check.py --json check.json --plot check.png
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import report
from timing import alternate, first_calls

import jaxconv as jc
from jaxconv.lowering import use_algorithm
from jaxconv.verify.execution.check import check

CHANNELS = 16
BATCH = 64


def network(algorithm: str):
    """A new function of (params, x), which JAX has not compiled."""

    def apply(params, x):
        with use_algorithm(algorithm):
            for layer in params:
                x = jax.nn.relu(jc.conv(layer, x, padding="circular"))
        return x

    return apply


def inputs(side: int, layers: int):
    """Parameters and an image, the same for all methods."""
    keys = jax.random.split(jax.random.key(0), layers + 1)
    sizes = [(3, CHANNELS), *[(CHANNELS, CHANNELS)] * (layers - 1)]
    params = [jc.init_conv(key, (3, 3), *size) for key, size in zip(keys, sizes, strict=False)]
    return params, jax.random.normal(keys[-1], (1, side, side, 3))


def both_sides(fn, params, x) -> float:
    """The largest error, from both sides for each shift, as equivariance tests are commonly written."""
    jitted, worst = jax.jit(fn), 0.0
    for shift in itertools.product(range(x.shape[1]), range(x.shape[2])):
        after = jitted(params, jnp.asarray(np.roll(np.asarray(x), shift, (1, 2))))
        expected = np.roll(np.asarray(jitted(params, x)), shift, (1, 2))
        worst = max(worst, float(np.abs(np.asarray(after) - expected).max()))
    return worst


def best_loop(fn, params, x) -> float:
    """The largest error, from one evaluation for each shift. NumPy rolls, which compiles nothing."""
    jitted, worst, image = jax.jit(fn), 0.0, np.asarray(x)
    before = np.asarray(jitted(params, image))
    for shift in itertools.product(range(x.shape[1]), range(x.shape[2])):
        after = np.asarray(jitted(params, np.roll(image, shift, (1, 2))))
        worst = max(worst, float(np.abs(after - np.roll(before, shift, (1, 2))).max()))
    return worst


def network_alone(fn, params, x) -> None:
    """Evaluate as many images as there are shifts, and discard the results."""
    jitted, images = jax.jit(fn), np.repeat(np.asarray(x), BATCH, axis=0)
    for _ in range(math.ceil(x.shape[1] * x.shape[2] / BATCH)):
        jax.block_until_ready(jitted(params, images))


def checked(fn, params, x) -> float:
    """The largest error, from `jc.check`."""
    return float(check(fn, params, x, axes={1: (1, 2)}).leaves[0].errors.max())


METHODS = {"loop": both_sides, "best loop": best_loop, "network": network_alone, "check": checked}


def measured(side: int, layers: int, options: Any, *, warm: bool) -> dict[str, Any]:
    """One row of the results."""
    params, x = inputs(side, layers)
    if warm:
        runs = {name: partial(method, network(options.algorithm), params, x) for name, method in METHODS.items()}
        first_calls(runs)
    else:
        runs = {
            name: lambda method=method: method(network(options.algorithm), params, x)
            for name, method in METHODS.items()
        }
    before = None if warm else jax.clear_caches
    timing = alternate(runs, rounds=options.rounds, redo=options.redo, before=before)
    row = timing.row([(name, "check") for name in METHODS if name != "check"])
    return {"side": side, "shifts": side**2, "warm": warm} | row


def shown(row: dict[str, Any]) -> str:
    """A line of the table."""
    state = "warm" if row["warm"] else "with compiling"
    times = "  ".join(f"{row['seconds'][name]['median']:>13.3f}" for name in METHODS)
    ratios = "  ".join(f"{report.ratio_text(ratio):>20}" for ratio in row["ratios"].values())
    return f"{row['side']:<4}  {row['shifts']:>6}  {state:<14}  {times}  {ratios}  {report.rounds_text(row)}"


def main() -> None:
    """Print a row for each case; write and draw the rows if requested."""
    parser = report.parser(__doc__, rounds=5)
    parser.add_argument("--sides", type=int, nargs=2, default=(32, 8), help="a large image's side and a small one's")
    parser.add_argument("--layers", type=int, default=6, help="convolutions of the network (%(default)s)")
    parser.add_argument("--algorithm", default="table", help='"lax" to use lax\'s convolutions in every method')
    options = parser.parse_args()
    machine = report.machine()
    print(report.heading(machine))
    times = "  ".join(f"{name + ' (s)':>13}" for name in METHODS)
    ratios = "  ".join(f"{name + ' / check':>20}" for name in METHODS if name != "check")
    print(f"side  shifts  {'state':<14}  {times}  {ratios}")
    rows = []
    for side in options.sides:
        for warm in (False, True):
            rows.append(measured(side, options.layers, options, warm=warm))
            print(shown(rows[-1]), flush=True)
    print(report.warning(rows))
    report.write(options.json, machine, rows)
    bars = [
        report.Bar(f"{row['side']}x{row['side']}", f"{'warm' if row['warm'] else 'with compiling'}: {pair}", "", ratio)
        for row in rows
        for pair, ratio in row["ratios"].items()
    ]
    title = report.title("All cyclic shifts of an image", machine, rows)
    report.draw(options.plot, bars, title, reading="above 1: the check is faster")


if __name__ == "__main__":
    main()
