"""Time and memory of a U-Net on tiles, beside the whole image and a handwritten sliding window with the same overlap.

Each contender runs in a process of its own, which reads the image from a file and writes labels into another one. Its
time is that of the call, with certification and compilation. Its memory is the largest anonymous memory of the process
(`RssAnon`, sampled): pages of mapped files do not count, since the system can drop them. The labels of all contenders
are compared.

Two devices are compared in one process: `jc.sharded`, and XLA's own partitioner for an input that is split over the
same mesh. The cells that each device receives are counted in the compiled programs.

    python benchmarks/tiling.py --json tiling.json --plot tiling.png
    python benchmarks/tiling.py --side 20000 --only tiled            an image that does not fit
"""

from __future__ import annotations

import json
import math
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import report
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from timing import QUIET, Spread, alternate, first_calls, others_seconds
from zoo.segmentation import init_unet, unet

import jaxconv as jc

CHANNELS, DEVICES = 3, 2
HALO, STRIDE = 24, 4  # pixels that a window of the handwritten loop discards at each side: 22, as a multiple of 4
LEAST_TILE = 4 * HALO
PERIOD = 0.005  # seconds between two samples of the memory


def labels(params: Any, image: jax.Array) -> jax.Array:
    """A byte for each pixel of an image of bytes [n, h, w, c]: the last bits of its score, which show small changes."""
    scores = unet(params, image.astype(jnp.float32) / 255)
    return jnp.floor(256 * (scores[..., 1] - scores[..., 0])).astype(jnp.int32).astype(jnp.uint8)


def parameters() -> Any:
    """Normally distributed parameters, which nothing has to be compiled for."""
    generator, shapes = np.random.default_rng(1), jax.eval_shape(init_unet, jax.random.key(0))
    return jax.tree.map(lambda leaf: generator.normal(0, 0.2, leaf.shape).astype(np.float32), shapes)


def whole(params: Any, image: np.ndarray, out: np.ndarray, tile: int) -> None:
    """All at once."""
    del tile
    out[:] = jax.jit(labels)(params, image)


def tiled(params: Any, image: np.ndarray, out: np.ndarray, tile: int) -> None:
    """By `jc.tiled`."""
    jc.tiled(labels, tile=tile, axes={1: (1, 2)}, out=out)(params, image)


def by_hand(params: Any, image: np.ndarray, out: np.ndarray, tile: int) -> None:
    """A sliding window, as one writes it: windows overlap, and the middle of each is kept."""
    compiled = jax.jit(labels)
    places = [_places(length, min(tile, length)) for length in image.shape[1:3]]
    for top, rows, kept_rows in places[0]:
        for left, columns, kept_columns in places[1]:
            found = np.asarray(compiled(params, image[:, rows, columns]))
            to = (
                slice(top + kept_rows.start, top + kept_rows.stop),
                slice(left + kept_columns.start, left + kept_columns.stop),
            )
            out[:, *to] = found[:, kept_rows, kept_columns]


def _places(length: int, tile: int) -> list[tuple[int, slice, slice]]:
    """The first pixel of each window, its pixels, and those of its pixels that are kept."""
    last = length - tile
    starts = [*range(0, last, (tile - 2 * HALO) // STRIDE * STRIDE), last]
    return [
        (
            start,
            slice(start, start + tile),
            slice(HALO if start else 0, tile - HALO if start < last else tile),
        )
        for start in starts
    ]


CONTENDERS: dict[str, Callable[[Any, np.ndarray, np.ndarray, int], None]] = {
    "whole": whole,
    "by hand": by_hand,
    "tiled": tiled,
}


class Memory(threading.Thread):
    """Samples the anonymous memory of this process, in bytes, until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self._over = 0, threading.Event()

    def run(self) -> None:
        """Sample until `stop` is called."""
        while not self._over.wait(PERIOD):
            self.peak = max(self.peak, anonymous_bytes(Path("/proc/self/status").read_text()))

    def stop(self) -> int:
        """End, and return the largest sample."""
        self._over.set()
        self.join()
        return self.peak


def anonymous_bytes(status: str) -> int:
    r"""The anonymous memory that a /proc/PID/status states.

    >>> anonymous_bytes("Name: python\nRssAnon:\t    12 kB\nRssFile: 3 kB")
    12288
    """
    (kilobytes,) = re.findall(r"^RssAnon:\s*(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(kilobytes)


def draw(path: Path, side: int) -> None:
    """Write an image of random bytes, some rows at a time."""
    generator = np.random.default_rng(0)
    image = np.lib.format.open_memmap(path, "w+", np.uint8, (1, side, side, CHANNELS))
    for row in range(0, side, 64):
        image[0, row : row + 64] = generator.integers(0, 256, image[0, row : row + 64].shape, np.uint8)
    image.flush()


def one(name: str, folder: Path, tile: int) -> dict[str, float]:
    """Run a contender in this process; its seconds, and bytes."""
    image = np.load(folder / "image.npy", mmap_mode="r")
    out = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, image.shape[:3])
    params = parameters()
    memory = Memory()
    memory.start()
    started = time.perf_counter()
    CONTENDERS[name](params, image, out, tile)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "bytes": memory.stop()}


def strangers_seconds() -> float | None:
    """How long other processes than this one and those that it started have computed; None if this is unknown."""
    others, own = others_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return None if others is None else others - own.ru_utime - own.ru_stime


def measured(names: list[str], folder: Path, options: Any) -> dict[str, Any]:
    """A row: each contender runs in a new process in each round; and the number of labels that differ."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peaks: dict[str, list[float]] = {name: [] for name in names}
    disturbed: int | None = 0
    for _ in range(options.rounds):
        started, before = time.perf_counter(), strangers_seconds()
        for name in names:
            command = [sys.executable, __file__, "--one", name, str(folder), "--tile", str(options.tile)]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(ran.stdout.splitlines()[-1])
            seconds[name].append(found["seconds"])
            peaks[name].append(found["bytes"] / 2**20)
        after, elapsed = strangers_seconds(), time.perf_counter() - started
        if before is None or after is None or disturbed is None:
            disturbed = None
        else:
            disturbed += (after - before) / elapsed > QUIET
    results = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    first = results[names[0]]
    ratios = {
        f"{name} / {other}": asdict(Spread.of([a / b for a, b in zip(seconds[name], seconds[other], strict=True)]))
        for name, other in (("tiled", "whole"), ("tiled", "by hand"))
        if name in names and other in names
    }
    return {
        "case": f"{options.side} x {options.side}",
        "tile": options.tile,
        "seconds": {name: asdict(Spread.of(values)) for name, values in seconds.items()},
        "mebibytes": {name: asdict(Spread.of(values)) for name, values in peaks.items()},
        "ratios": ratios,
        "different_labels": {
            name: sum(int((first[0, row] != result[0, row]).sum()) for row in range(options.side))
            for name, result in results.items()
        },
        "rounds": options.rounds,
        "redone": 0,
        "disturbed": disturbed,
        "compile_seconds": {},
    }


def collectives(program: str) -> dict[str, int]:
    """The number of collective operations of a compiled program, and the most array cells that a device receives.

    >>> collectives("%a = f32[1,3,8]{2,1,0} collective-permute(%b), source_target_pairs={{0,1},{1,2}}, channel_id=1")
    {'collective-permute': 1, 'cells': 24}
    """
    found: dict[str, int] = {}
    cells: dict[str, int] = {}
    for line in program.splitlines():
        operation = re.search(r"= \w+\[([\d,]*)\]\S* (collective-permute|all-gather|all-to-all|all-reduce)\(", line)
        if operation is None:
            continue
        found[operation[2]] = found.get(operation[2], 0) + 1
        pairs = re.search(r"source_target_pairs=\{(.*?)\}\}", line)
        receivers = re.findall(r"\{\d+,(\d+)", pairs[1]) if pairs else map(str, range(DEVICES))
        for device in receivers:
            cells[device] = cells.get(device, 0) + math.prod(
                int(length) for length in operation[1].split(",") if length
            )
    return found | {"cells": max(cells.values(), default=0)}


def on_devices(options: Any) -> dict[str, Any]:
    """A row: two devices by `jc.sharded`, by XLA's own partitioner, and one device."""
    mesh = jax.make_mesh((DEVICES,), ("rows",), axis_types=(AxisType.Auto,))
    shape = (1, options.shards, options.shards, CHANNELS)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    params = parameters()
    split = NamedSharding(mesh, PartitionSpec(None, "rows"))
    placed, everywhere = jax.device_put(image, split), jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
    programs = {
        "sharded": jax.jit(jc.sharded(unet, mesh, axes={1: (1,)}, over="rows")),
        "partitioner": jax.jit(unet, out_shardings=split),
    }
    compiled = {name: program.lower(everywhere, placed).compile() for name, program in programs.items()}
    alone = jax.jit(unet)
    runs: dict[str, Callable[[], Any]] = {
        name: lambda program=program: jax.block_until_ready(program(everywhere, placed))
        for name, program in compiled.items()
    }
    runs["one device"] = lambda: jax.block_until_ready(alone(params, image))
    results, first = first_calls(runs)
    timing = alternate(runs, rounds=options.rounds, redo=options.redo)
    row = timing.row([("sharded", "partitioner"), ("sharded", "one device")], first)
    largest = lambda name: float(jnp.abs(jax.device_get(results[name]) - jax.device_get(results["one device"])).max())
    return {
        "case": f"{DEVICES} devices, {options.shards} x {options.shards}",
        "received": {name: collectives(program.as_text() or "") for name, program in compiled.items()},
        "difference": {name: largest(name) for name in compiled},
        **row,
    }


def main() -> None:
    """Print both tables; write and draw the rows if requested."""
    parser = report.parser(__doc__, rounds=3)
    parser.add_argument("--side", type=report.positive, default=2048, help="side of the image in pixels (%(default)s)")
    parser.add_argument("--tile", type=report.positive, default=512, help="side of a tile (%(default)s)")
    parser.add_argument("--shards", type=int, default=512, help="side of the image on two devices; 0: none")
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--folder", type=Path, help="where the files are; by default a temporary folder")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FOLDER"), help="one contender in this process")
    options = parser.parse_args()
    if options.tile < LEAST_TILE or options.tile % STRIDE or options.side % STRIDE:
        parser.error(f"--tile is {LEAST_TILE} or more, and {STRIDE} divides it and --side")
    if options.one:
        print(json.dumps(one(options.one[0], Path(options.one[1]), options.tile)))
        return
    jax.config.update("jax_num_cpu_devices", DEVICES)
    machine = report.machine()
    print(report.heading(machine))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        draw(Path(folder) / "image.npy", options.side)
        rows.append(row := measured(options.only, Path(folder), options))
    print(
        f"{row['case']}, tiles of {options.tile}: {report.rounds_text(row)}\ncontender   seconds   MiB   other labels"
    )
    for name in options.only:
        seconds, mebibytes = row["seconds"][name]["median"], row["mebibytes"][name]["median"]
        print(f"{name:10} {seconds:8.2f} {mebibytes:6.0f} {row['different_labels'][name]:8}")
    if options.shards:
        rows.append(row := on_devices(options))
        print(f"{row['case']}: {report.rounds_text(row)}\ncontender    ms        collectives, and cells of a device")
        for name, seconds in row["seconds"].items():
            print(f"{name:12} {1e3 * seconds['median']:8.1f}  {row['received'].get(name, '')}")
    for row in rows:
        for pair, ratio in row["ratios"].items():
            print(f"{row['case']}: {pair} = {report.ratio_text(ratio)}")
    print(report.warning(rows))
    report.write(options.json, machine, rows)
    bars = [report.Bar(row["case"], pair, "", ratio) for row in rows for pair, ratio in row["ratios"].items()]
    title = report.title("A U-Net on tiles and on two devices", machine, rows)
    report.draw(options.plot, bars, title, reading="below 1: faster")


if __name__ == "__main__":
    main()
