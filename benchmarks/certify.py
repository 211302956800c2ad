"""The time of a certificate: a residual network of 50 layers, for images from 32 to 4,096 pixels a side; and programs.

The time includes tracing and four walks (two axes, cyclic and interior), without a search for counterexamples. The
first run is reported separately, because constant folding may compile primitives. The sizes alternate (`timing.py`). A
ratio is the time of a size over that of the smallest size.

The programs of `certified_programs.py`, and the network at the smallest size, are timed beside their plain tracing. JAX
forgets what it traced and compiled before each turn. A ratio is the time of a certificate over that of the trace.
Certificates of signals are rechecked as well.

    python benchmarks/certify.py --json certify.json --plot certify.png
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import report
from certified_programs import PROGRAMS, RECHECKED, Program
from timing import alternate, first_calls

import jaxconv as jc

WIDTHS = {"trace": 10, "certify": 12, "recheck": 12}  # of columns
SIDES = (32, 256, 1024, 4096)
STAGES = ((16, 3), (32, 4), (64, 6), (128, 3))  # channels, blocks of three convolutions, as in a ResNet-50


def network(key: jax.Array, stages: int = len(STAGES)):
    """Shapes of the parameters, and the function: a stem, up to 16 blocks of three convolutions, and a dense head."""
    shapes = jax.eval_shape(lambda key: [jc.init_conv(key, (3, 3), 3, STAGES[0][0])], key)
    channels = STAGES[0][0]
    for width, blocks in STAGES[:stages]:
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
        for number, (_, blocks) in enumerate(STAGES[:stages]):
            for block in range(blocks):
                stride = 2 if block == 0 and number else 1
                y = jax.nn.relu(jc.conv(layers[at], x, stride=stride))
                y = jax.nn.relu(jc.conv(layers[at + 1], y, padding="circular"))
                y = jc.conv(layers[at + 2], y)
                x = jax.nn.relu(x + y) if x.shape == y.shape else jax.nn.relu(y)
                at += 3
        return jc.dense(head, jc.global_avg_pool(x))

    return (shapes, head), apply


def certified(params: Any, apply: Any, side: int) -> Any:
    """The certificate for one image size."""
    image = jax.ShapeDtypeStruct((1, side, side, 3), "float32")
    fresh = partial(apply)  # a new function, because JAX would reuse the trace of the same one
    return jc.certify(fresh, params, image, axes={1: (1, 2)}, search=False)


def beside_tracing(name: str, program: Program, options: Any) -> dict[str, Any]:
    """One row: a program's certificate, and its plain trace."""
    fn, arguments, axes = program
    fresh = lambda: partial(fn)  # a new function, because JAX would reuse the trace of the same one
    runs = {
        "trace": lambda: jax.make_jaxpr(fresh())(*arguments),
        "certify": lambda: jc.certify(fresh(), *arguments, axes=axes, search=False),
    }
    if name in RECHECKED:
        made = runs["certify"]()
        runs["recheck"] = lambda: jc.recheck(made, fresh(), *arguments)
    certificates, first = first_calls(runs)
    timing = alternate(runs, rounds=options.rounds, redo=options.redo, before=jax.clear_caches)
    row = timing.row([(run, "trace") for run in runs if run != "trace"], first)
    certificate = certificates["certify"]
    claims = {"cyclic": str(certificate.cyclic), "interior": str(certificate.interior)}
    return {"case": name, "equations": certificate.equations, **claims, **row}


def main() -> None:
    """Print a row for each size; write and draw the rows if requested."""
    parser = report.parser(__doc__, rounds=7)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="sides of the images, in pixels")
    parser.add_argument(
        "--stages", type=int, choices=range(1, 5), default=4, help="stages of the network (%(default)s)"
    )
    only_help = "programs whose name contains one of these"
    parser.add_argument("--only", nargs="*", default=[""], metavar="TEXT", help=only_help)
    options = parser.parse_args()
    params, apply = network(jax.random.key(0), options.stages)
    runs = {str(side): lambda side=side: certified(params, apply, side) for side in options.sides}
    machine = report.machine()
    print(report.heading(machine))
    certificates, first = first_calls(runs)
    smallest = str(options.sides[0])
    row = alternate(runs, rounds=options.rounds, redo=options.redo).row([(side, smallest) for side in runs], first)
    print(f"{report.rounds_text(row)}\nside   equations  first (s)  median (s)  {'to the first':20}  cyclic")
    for side, certificate in certificates.items():
        ratio, median = report.ratio_text(row["ratios"][f"{side} / {smallest}"]), row["seconds"][side]["median"]
        cells = f"{side:<5}  {certificate.equations:>9}  {first[side]:>9.3f}  {median:>10.3f}"
        print(f"{cells}  {ratio:20}  {certificate.cyclic}")
    print(report.warning([row]))
    contents = {
        side: {"equations": certificate.equations, "cyclic": str(certificate.cyclic)}
        for side, certificate in certificates.items()
    }
    rows = [row | {"certificates": contents}]
    image = jax.ShapeDtypeStruct((1, options.sides[0], options.sides[0], 3), "float32")
    programs = {"the network": lambda: (apply, (params, image), {1: (1, 2)}), **PROGRAMS}
    heading = f"{'program':30}  equations  trace (ms)  certify (ms)  recheck (ms)  {'to the trace':20}"
    print(f"\n{heading}  {'recheck, to the trace':20}  cyclic, interior")
    for name, make in programs.items():
        if any(text in name for text in options.only):
            rows.append(found := beside_tracing(name, make(), options))
            medians = {run: f"{1e3 * seconds['median']:.1f}" for run, seconds in found["seconds"].items()}
            times = "  ".join(f"{medians.get(run, ''):>{width}}" for run, width in WIDTHS.items())
            ratios = (found["ratios"].get(f"{run} / trace") for run in ("certify", "recheck"))
            texts = "  ".join(f"{report.ratio_text(ratio) if ratio else '':20}" for ratio in ratios)
            claims = f"{found['cyclic']}, {found['interior']}"
            print(f"{name:30}  {found['equations']:>9}  {times}  {texts}  {claims}", flush=True)
    print(report.warning(rows[1:] or rows))
    report.write(options.json, machine, rows)
    bars = [report.Bar("seconds", pair, "", ratio) for pair, ratio in row["ratios"].items()]
    title = report.title("A certificate, by image size", machine, rows)
    report.draw(options.plot, bars, title, reading="1: no slower")


if __name__ == "__main__":
    main()
