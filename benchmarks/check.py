"""What the numeric check costs beside loops that a person would write: ratios, in one run.

A network of six circular convolutions, 3x3, 16 channels, with a ReLU each; every cyclic shift of its image:

- `loop`: for each shift both sides, f(roll(x, s)) and roll(f(x), s), by a jitted f, and their difference;
- `best loop`: f(x) once; for each shift f of the rolled image, and the difference in NumPy;
- `check`: `jc.check`.

"with compiling" starts each run from a function that JAX has not seen; "warm" has run everything once. The ways take
turns in every round, and the medians of wall-clock time are compared: a ratio above 1 says that the check is faster.

    python benchmarks/check.py
    python benchmarks/check.py --json
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from jaxconv.verify.numeric import check

CHANNELS = 16


def network():
    """A function that JAX has not seen, of (params, x)."""

    def apply(params, x):
        for layer in params:
            x = jax.nn.relu(jc.conv(layer, x, padding="circular"))
        return x

    return apply


def inputs(side: int, layers: int):
    """Parameters and an image, one of them for all ways."""
    keys = jax.random.split(jax.random.key(0), layers + 1)
    sizes = [(3, CHANNELS), *[(CHANNELS, CHANNELS)] * (layers - 1)]
    params = [jc.init_conv(key, (3, 3), *size) for key, size in zip(keys, sizes, strict=False)]
    return params, jax.random.normal(keys[-1], (1, side, side, 3))


def both_sides(fn, params, x) -> float:
    """Both sides for each shift, as equivariance tests are written."""
    jitted, worst = jax.jit(fn), 0.0
    for shift in itertools.product(range(x.shape[1]), range(x.shape[2])):
        after = jitted(params, jnp.asarray(np.roll(np.asarray(x), shift, (1, 2))))
        expected = np.roll(np.asarray(jitted(params, x)), shift, (1, 2))
        worst = max(worst, float(np.abs(np.asarray(after) - expected).max()))
    return worst


def best_loop(fn, params, x) -> float:
    """One evaluation a shift, rolling in NumPy, which compiles nothing."""
    jitted, worst, image = jax.jit(fn), 0.0, np.asarray(x)
    before = np.asarray(jitted(params, image))
    for shift in itertools.product(range(x.shape[1]), range(x.shape[2])):
        after = np.asarray(jitted(params, np.roll(image, shift, (1, 2))))
        worst = max(worst, float(np.abs(after - np.roll(before, shift, (1, 2))).max()))
    return worst


def checked(fn, params, x) -> float:
    """The check."""
    return float(check(fn, params, x, axes={1: (1, 2)}).leaves[0].errors.max())


WAYS = {"loop": both_sides, "best loop": best_loop, "check": checked}


def medians(side: int, layers: int, rounds: int, *, warm: bool) -> dict[str, float]:
    """Seconds of each way, which take turns."""
    params, x = inputs(side, layers)
    kept = {name: network() for name in WAYS}
    if warm:
        for name, way in WAYS.items():
            way(kept[name], params, x)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            fn = kept[name] if warm else network()
            if not warm:
                jax.clear_caches()
            started = time.perf_counter()
            way(fn, params, x)
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    """Print a row for each case, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--sides", type=int, nargs=2, default=(32, 8), help="the large image's side and the small one's"
    )
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args()
    large, small = options.sides
    rows = []
    for side, warm in ((large, False), (large, True), (small, False), (small, True)):
        found = medians(side, options.layers, max(options.rounds, 1), warm=warm)
        ratios = {f"{name} / check": found[name] / found["check"] for name in ("loop", "best loop")}
        rows.append({"side": side, "shifts": side**2, "warm": warm, "seconds": found, "ratios": ratios})
    if options.json:
        print(json.dumps({"jax": jax.__version__, "backend": jax.default_backend(), "rows": rows}))
        return
    print(f"JAX {jax.__version__}, {jax.default_backend()}; medians of {options.rounds} rounds")
    print("side  shifts  what            loop (s)  best loop (s)  check (s)  loop/check  best/check")
    for row in rows:
        what = "warm" if row["warm"] else "with compiling"
        times = "  ".join(f"{row['seconds'][name]:>{width}.3f}" for name, width in zip(WAYS, (8, 13, 9), strict=True))
        ratios = "  ".join(f"{ratio:>10.2f}" for ratio in row["ratios"].values())
        print(f"{row['side']:<4}  {row['shifts']:>6}  {what:<14}  {times}  {ratios}")


if __name__ == "__main__":
    main()
