"""Environments that need an interpreter of their own: `python environment_processes.py NAME FOLDER [more]`.

Prints for each environment and each row of `environments.py` what is wrong, as JSON; nothing is wrong where that is "".
It asserts nothing, so that `python -O` changes nothing.
"""

import json
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

# Less optimised programs are the same programs, and compile in half the time. Read when JAX makes its first array.
os.environ["XLA_FLAGS"] = " ".join(
    [
        *os.environ.get("XLA_FLAGS", "").split(),
        "--xla_backend_optimization_level=0",
        *(["--xla_force_host_platform_device_count=8"] if "devices" in sys.argv else []),
    ]
)

import jax
import jax.numpy as jnp
import numpy as np
from environments import LAYERS, Layer, difference, forward_and_gradient, more
from jax.sharding import AxisType, NamedSharding, PartitionSpec

Outcomes = dict[str, dict[str, str]]
PLANTED = "planted"  # a row that is expected to give what it does not: it must be seen


def outcome(run: Callable[[], Any], expected: Any) -> str:
    """What is wrong with a call; whatever it raises is."""
    try:
        return difference(run(), expected)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def off(tree: Any) -> Any:
    """A tree of numbers that is wrong in one of them."""
    leaves, structure = jax.tree.flatten(jax.tree.map(np.array, tree))
    leaves[0].flat[-1] += 1
    return jax.tree.unflatten(structure, leaves)


def plain(layer: Layer) -> Any:
    """y and the gradients on one device, as NumPy arrays."""
    return jax.tree.map(np.asarray, jax.jit(forward_and_gradient(layer))(*layer.operands()))


def split(kind: AxisType, spec: PartitionSpec, layer: Layer) -> Any:
    """y and the gradients, x being split over all devices."""
    mesh = jax.make_mesh((8,), ("i",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        params, x = layer.operands()
        operands = (
            jax.device_put(params, NamedSharding(mesh, PartitionSpec())),
            jax.device_put(x, NamedSharding(mesh, spec)),
        )
        return jax.jit(forward_and_gradient(layer))(*operands)


def mapped(layer: Layer) -> Any:
    """y and the gradients, each device having an example of its own and computing without the others."""
    mesh = jax.make_mesh((8,), ("i",), axis_types=(AxisType.Auto,))
    over, everywhere = PartitionSpec("i"), PartitionSpec()
    apply = partial(layer.apply, axis_name="i") if layer.of_the_batch else layer.apply
    out = (over, everywhere) if layer.of_the_batch else over if layer.takes_x else everywhere
    each = jax.shard_map(apply, mesh=mesh, in_specs=(everywhere, over), out_specs=out)
    return jax.jit(forward_and_gradient(replace(layer, apply=each)))(*layer.operands())


def one_by_one(layer: Layer) -> Layer:
    """The layer on each example as if it were alone."""
    return replace(
        layer, apply=lambda params, x: jnp.concatenate([layer.apply(params, one) for one in jnp.split(x, len(x))])
    )


DEVICES: dict[str, Callable[[Layer], Any]] = {
    "batch split": partial(split, AxisType.Auto, PartitionSpec("i")),
    "height split": partial(split, AxisType.Auto, PartitionSpec(None, "i")),
    "height split, explicit": partial(split, AxisType.Explicit, PartitionSpec(None, "i")),
    "shard_map over the batch": mapped,
}


def devices(folder: Path, layers: dict[str, Layer]) -> Outcomes:
    """Every layer on 8 devices, against the same on one; leaves the latter for `flags`."""
    expected = {name: plain(layer) for name, layer in layers.items()}
    (folder / "plain").write_bytes(pickle.dumps(expected))
    found: Outcomes = {}
    for environment, run in DEVICES.items():
        alone = {n: plain(one_by_one(layer)) for n, layer in layers.items() if run is mapped and layer.of_the_key}
        here = expected | alone
        found[environment] = {name: outcome(partial(run, layer), here[name]) for name, layer in layers.items()}
        name, layer = next(iter(layers.items()))
        found[environment][PLANTED] = outcome(partial(run, layer), off(expected[name]))
    return found


if __name__ == "__main__":
    name, folder, *size = sys.argv[1:]
    print(json.dumps({"devices": devices}[name](Path(folder), more() if size else LAYERS)))
