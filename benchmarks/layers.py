"""Single convolutions, ours against lax's: how long they take forward, and forward with both gradients.

Ours and lax's alternate in one process, compiled and warm; a row gives the median of each in milliseconds, the median
of the rounds' ratios lax / ours (above 1 ours is faster) with its quartiles, and how long each took to compile.

    python benchmarks/layers.py --batch 1 32 128 --json layers.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxconv as jc
from jaxconv.lowering import forced

# name -> kernel [*window, c/groups, o], spatial axes, settings.
ROWS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "1x1 c16 32px": ((1, 1, 16, 16), (32, 32), {}),
    "1x1 c64 32px": ((1, 1, 64, 64), (32, 32), {}),
    "1x1 c128 32px": ((1, 1, 128, 128), (32, 32), {}),
    "1x1 s2 c64 32px": ((1, 1, 64, 64), (32, 32), {"stride": 2}),
    "depthwise 3x3 c64 32px": ((3, 3, 1, 64), (32, 32), {"groups": 64}),
    "depthwise 3x3 s2 c64 32px": ((3, 3, 1, 64), (32, 32), {"groups": 64, "stride": 2}),
    "depthwise 7x7 c64 32px": ((7, 7, 1, 64), (32, 32), {"groups": 64}),
    "depthwise k5 c32 L1000": ((5, 1, 32), (1000,), {"groups": 32}),
    "grouped g4 c64 32px": ((3, 3, 16, 64), (32, 32), {"groups": 4}),
    "grouped g8 s2 c64 32px": ((3, 3, 8, 64), (32, 32), {"groups": 8, "stride": 2}),
    "grouped g32 c64 32px": ((3, 3, 2, 64), (32, 32), {"groups": 32}),
    "3x3 1->16 32px": ((3, 3, 1, 16), (32, 32), {}),
    "3x3 16->16 32px": ((3, 3, 16, 16), (32, 32), {}),
    "3x3 64->64 32px": ((3, 3, 64, 64), (32, 32), {}),
    "5x5 1->6 28px": ((5, 5, 1, 6), (28, 28), {}),
    "5x5 6->16 14px": ((5, 5, 6, 16), (14, 14), {"padding": "valid"}),
}


def programs(settings: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Forward, and forward with both gradients, of (kernel, x, dy)."""
    chosen: dict[str, Any] = {"padding": "same", **settings}
    layer = lambda kernel, x: jc.conv({"kernel": kernel}, x, **chosen)

    def with_gradients(kernel: Any, x: Any, dy: Any) -> Any:
        y, pull = jax.vjp(layer, kernel, x)
        return y, pull(dy)

    return {"forward": lambda kernel, x, dy: layer(kernel, x), "forward + gradients": with_gradients}


def arguments(kernel: tuple[int, ...], spatial: tuple[int, ...], batch: int, settings: dict[str, Any]) -> list[Any]:
    """Normal numbers: a kernel, an input and deltas of the output."""
    shapes = [kernel, (batch, *spatial, kernel[-2] * settings.get("groups", 1))]
    forward = programs(settings)["forward"]
    shapes.append(jax.eval_shape(forward, *(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes), None).shape)
    generator = np.random.default_rng(0)
    return [jnp.asarray(generator.normal(size=shape).astype(np.float32)) for shape in shapes]


def compiled(program: Callable[..., Any], given: list[Any], way: str) -> tuple[Callable[..., Any], float]:
    """A program in one way; and the seconds that it took to compile."""
    fresh = lambda *given: program(*given)  # noqa: PLW0108  a new function, or JAX would remember the other way
    started = time.perf_counter()
    with forced(way):
        lowered = jax.jit(fresh).lower(*given)
    return lowered.compile(), time.perf_counter() - started


def seconds(run: Callable[..., Any], given: list[Any]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    jax.block_until_ready(run(*given))
    return time.perf_counter() - started


def measured(program: Callable[..., Any], given: list[Any], rounds: int) -> dict[str, float]:
    """Ours and lax's in turn."""
    ours, ours_compile = compiled(program, given, "table")
    laxs, laxs_compile = compiled(program, given, "lax")
    for run in (ours, laxs):
        seconds(run, given)
    pairs = [(seconds(ours, given), seconds(laxs, given)) for _ in range(rounds)]
    ratios = [laxs / ours for ours, laxs in pairs]
    low, _, high = statistics.quantiles(ratios, n=4) if rounds > 1 else ratios * 3
    return {
        "ours_ms": 1e3 * statistics.median(ours for ours, _ in pairs),
        "lax_ms": 1e3 * statistics.median(laxs for _, laxs in pairs),
        "ratio": statistics.median(ratios),
        "ratio_low": low,
        "ratio_high": high,
        "ours_compile_s": ours_compile,
        "lax_compile_s": laxs_compile,
    }


def main() -> None:
    """Print a row for each layer, batch and program, and write them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--only", default="", help="layers whose name contains this")
    parser.add_argument("--json", type=Path, help="where to write all numbers")
    options = parser.parse_args()
    device = jax.devices()[0].device_kind
    print(f"JAX {jax.__version__}, {device}")
    print(f"{'layer':26} batch  {'program':19} {'ours ms':>9} {'lax ms':>9}  lax / ours (quartiles)  compile s, lax's")
    rows = []
    for name, (kernel, spatial, settings) in ROWS.items():
        if options.only not in name:
            continue
        for batch in options.batch:
            given = arguments(kernel, spatial, batch, settings)
            for label, program in programs(settings).items():
                m = measured(program, given, max(options.rounds, 1))
                rows.append({"layer": name, "batch": batch, "program": label, **m})
                spread = f"{m['ratio']:7.2f} ({m['ratio_low']:.2f} - {m['ratio_high']:.2f})"
                compile_times = f"{m['ours_compile_s']:.2f}, {m['lax_compile_s']:.2f}"
                times = f"{m['ours_ms']:9.2f} {m['lax_ms']:9.2f}"
                print(f"{name:26} {batch:>5}  {label:19} {times}  {spread:22}  {compile_times}")
    for label in ("forward", "forward + gradients"):
        ratios = [row["ratio"] for row in rows if row["program"] == label]
        print(
            f"geometric mean of lax / ours, {label}: {statistics.geometric_mean(ratios):.2f}" if ratios else "no layer"
        )
    if options.json:
        options.json.write_text(json.dumps({"jax": jax.__version__, "device": device, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
