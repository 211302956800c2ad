"""The cost of exactness: pools that keep NaN, and normalisations that correct the rounding of their mean.

"lax" is `lax.reduce_window`, whose maxima drop NaNs on the CPU from some size on. "lax, NaNs kept" is hand-written code
that keeps them: a second maximum, over the positions of NaN. "two passes" computes a mean, then the mean square of the
residuals. A ratio below 1 means that ours is faster; the brackets have its quartiles.

    python benchmarks/exactness.py --json exactness.json --plot exactness.png
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import report
from jax import lax
from timing import alternate, first_calls

import jaxconv as jc

Function = Callable[[jax.Array], jax.Array]
EPSILON = 1e-5


def largest(x: jax.Array, window: tuple[int, ...], stride: tuple[int, ...]) -> jax.Array:
    """Max pooling by lax."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, *window, 1), (1, *stride, 1), "VALID")


def largest_or_nan(x: jax.Array, window: tuple[int, ...], stride: tuple[int, ...]) -> jax.Array:
    """Max pooling by lax, with NaN wherever a window has one."""
    has_nan = largest(jnp.isnan(x).astype(x.dtype), window, stride) > 0
    return jnp.where(has_nan, jnp.asarray(jnp.nan, x.dtype), largest(x, window, stride))


def pools(window: tuple[int, ...], stride: tuple[int, ...]) -> dict[str, Function]:
    """Max pooling by each contender."""
    return {
        "ours": partial(jc.max_pool, window=window, stride=stride),
        "lax": partial(largest, window=window, stride=stride),
        "lax, NaNs kept": partial(largest_or_nan, window=window, stride=stride),
    }


def two_passes(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """x, centred and divided by the spread."""
    residual = x - jnp.mean(x, axes, keepdims=True)
    return residual * lax.rsqrt(jnp.mean(jnp.square(residual), axes, keepdims=True) + EPSILON)


def norms(ours: Function, axes: tuple[int, ...]) -> dict[str, Function]:
    """Normalisation without parameters by each contender."""
    return {"ours": ours, "two passes": partial(two_passes, axes=axes)}


def batch_norm(x: jax.Array) -> jax.Array:
    """Batch normalisation in training."""
    state: jc.BatchNormState = {"mean": jnp.zeros(x.shape[-1]), "var": jnp.ones(x.shape[-1])}
    return jc.batch_norm({}, state, x, training=True)[0]


# label -> the shape of x, and the contenders.
CASES: dict[str, tuple[tuple[int, ...], dict[str, Function]]] = {
    "max pool 2x2 s2": ((32, 28, 28, 6), pools((2, 2), (2, 2))),
    "max pool 2x2 s2, one image": ((1, 28, 28, 6), pools((2, 2), (2, 2))),
    "max pool 2x2 s2 c64": ((32, 56, 56, 64), pools((2, 2), (2, 2))),
    "max pool 3x3 s2 c64": ((32, 28, 28, 64), pools((3, 3), (2, 2))),
    "max pool 3x3 s1 c32": ((32, 28, 28, 32), pools((3, 3), (1, 1))),
    "max pool 17x17 s2 c8": ((8, 64, 64, 8), pools((17, 17), (2, 2))),
    "max pool 28x28, whole": ((32, 28, 28, 6), pools((28, 28), (28, 28))),
    "max pool 64 s64, signal": ((8, 16000, 1), pools((64,), (64,))),
    "global max pool": ((32, 7, 7, 512), {"ours": jc.global_max_pool, "lax": lambda x: jnp.max(x, (1, 2))}),
    "batch norm": ((32, 28, 28, 32), norms(batch_norm, (0, 1, 2))),
    "layer norm": ((32, 28, 28, 32), norms(partial(jc.layer_norm, {}), (3,))),
    "instance norm": ((32, 28, 28, 32), norms(partial(jc.instance_norm, {}), (1, 2))),
}  # fmt: skip


def with_gradient(function: Function) -> Callable[[jax.Array, jax.Array], Any]:
    """A function that returns the result, and the gradient of its product with dy."""

    def both(x: jax.Array, dy: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, pull = jax.vjp(function, x)
        return y, pull(dy)[0]

    return both


def measured(label: str, program: str, options: Any) -> dict[str, Any]:
    """One row of the results. The contenders have to agree, on numbers without NaNs."""
    shape, contenders = CASES[label]
    draw = np.random.default_rng(0)
    x = jnp.asarray(draw.normal(size=shape).astype(np.float32))
    out = jax.eval_shape(contenders["ours"], x)
    dy = jnp.asarray(draw.normal(size=out.shape).astype(np.float32))
    operands = (x,) if program == "forward" else (x, dy)
    make = {"forward": lambda function: function, "forward + gradient": with_gradient}[program]
    compiled = {name: jax.jit(make(function)) for name, function in contenders.items()}
    runs = {name: lambda run=run: jax.block_until_ready(run(*operands)) for name, run in compiled.items()}
    results, first = first_calls(runs)
    for name, result in results.items():
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4, err_msg=name), result, results["ours"])
    pairs = [("ours", other) for other in runs if other != "ours"]
    timing = alternate(runs, rounds=options.rounds, redo=options.redo)
    return {"case": label, "program": program} | timing.row(pairs, first)


def main() -> None:
    """Print a row for each case and program; write and draw the rows if requested."""
    parser = report.parser(__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="TEXT", help="cases whose name contains one of these"
    )
    options = parser.parse_args()
    machine, rows = report.machine(), []
    print(report.heading(machine))
    for label in CASES:
        for program in ("forward", "forward + gradient"):
            if any(text in label for text in options.only):
                rows.append(measured(label, program, options))
                ratios = [f"{pair} {report.ratio_text(ratio)}" for pair, ratio in rows[-1]["ratios"].items()]
                times = [f"{name} {1e3 * spread['median']:.3g}" for name, spread in rows[-1]["seconds"].items()]
                print(f"{label:28} {program:19} {'; '.join(ratios)};  ms: {', '.join(times)}", flush=True)
    print(report.warning(rows))
    report.write(options.json, machine, rows)
    bars = [
        report.Bar(f"{pair}\n{row['program']}", row["case"], "", ratio)
        for row in rows
        for pair, ratio in row["ratios"].items()
    ]
    report.draw(options.plot, bars, report.title("Exact numbers", machine, rows), reading="below 1: ours is faster")


if __name__ == "__main__":
    main()
