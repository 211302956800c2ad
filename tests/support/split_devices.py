"""Judges functions on a mesh of 2 x 2 devices, in a process of its own or in two of them; prints what it found as JSON.

python -m support.split_devices COUNT [PORT PROCESSES PROCESS]: the first COUNT networks; with a port, this is one of
several processes on one machine.
"""

import json
import re
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

import jaxconv as jc
from support.tiling_oracle import signal

NAMES = ("rows", "columns")
SHAPE = (1, 64, 48, 2)
# Input cells that a device fetches before its part and after it, by hand. The windows of the U-Net reach 1 + 2 + 1 cells,
# and one more where an odd cell reads the coarse cell beside it: 5, or 6 as a multiple of the stride. Those of the ResNet
# reach 4 * 2; the strided window, [2j, 2j + 2], reaches one more at the end: 9, or 10 as a multiple.
HALOS = {
    "U-Net, zeros": (6, 6),
    "ResNet, circular": (8, 10),
    "U-Net, circular": (6, 6),
    "ResNet, zeros": (8, 10),
    "transposed": (6, 6),
}


def networks():
    """The networks, whose parameters are drawn when they are imported: JAX has to know its devices before."""
    from support.split_networks import resnet, unet  # noqa: PLC0415  it starts JAX

    return {
        "U-Net, zeros": unet,
        "U-Net, circular": partial(unet, padding="circular"),
        "ResNet, zeros": resnet,
        "ResNet, circular": partial(resnet, padding="circular"),
        "transposed": lambda x: jnp.swapaxes(unet(x), 1, 2),
    }


def received(text, devices):
    """The number of array cells that each device receives, and the other collectives of a compiled program."""
    cells = [0] * devices
    for shape, pairs in re.findall(
        r"= \w+\[([\d,]*)\]\S* collective-permute\(.*?source_target_pairs=\{(.*?)\}\}", text
    ):
        for target in re.findall(r"\{\d+,(\d+)", pairs + "}"):
            cells[int(target)] += int(np.prod([int(length) for length in shape.split(",")]))
    others = {name for name in ("all-gather", "all-to-all", "all-reduce", "reduce-scatter") if f" {name}" in text}
    return cells, sorted(others)


def total(fn, x):
    """A number that depends on all outputs."""
    y = fn(x)
    return (y * (1 + jnp.arange(y.size, dtype=y.dtype).reshape(y.shape) % 3)).sum()


def alike(array, expected):
    """Whether the cells of this process are those of one device."""
    return all(bool((np.asarray(part.data) == expected[part.index]).all()) for part in array.addressable_shards)


def judged(mesh, count):
    """For each of the first networks: whether outputs and gradients are those of one device, the cells received, and collectives."""
    x, rows = signal(SHAPE), {}
    placed = NamedSharding(mesh, PartitionSpec(None, *NAMES))
    for name in list(HALOS)[:count]:
        fn = networks()[name]
        split = jc.sharded(fn, mesh, axes=(1, 2), over=NAMES)
        whole = jax.make_array_from_callback(x.shape, placed, lambda index: x[index])
        program = jax.jit(split).lower(whole).compile()
        outputs = alike(program(whole), np.asarray(jax.jit(fn)(x)))
        gradient = jax.jit(jax.grad(partial(total, split)))(whole)
        gradients = alike(gradient, np.asarray(jax.jit(jax.grad(partial(total, fn)))(x)))
        rows[name] = [outputs, gradients, *received(program.as_text(), mesh.size)]
    return rows


def expected(count, devices=4):
    """What is to be found on 2 x 2 devices."""
    (height, width), channels = (length // 2 for length in SHAPE[1:3]), SHAPE[3]
    cells = lambda halo: halo * channels * (width + height + halo)  # beside, and below with the corners
    return {name: [True, True, [cells(sum(halo))] * devices, []] for name, halo in list(HALOS.items())[:count]}


def main(count, port="", processes="1", process="0"):
    """Judge, and print the rows."""
    jax.config.update("jax_num_cpu_devices", 4 // int(processes))
    if port:
        jax.distributed.initialize(f"127.0.0.1:{port}", int(processes), int(process))
    print(json.dumps(judged(jax.make_mesh((2, 2), NAMES), int(count))))


if __name__ == "__main__":
    main(*sys.argv[1:])
