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
from functools import cache, partial
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
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from support.environments import LAYERS, Layer, difference, expected_of, forward_and_gradient, key, more, phase
from support.numpy_evaluation import evaluated

Outcomes = dict[str, dict[str, str]]
STEPWISE = [LAYERS[name] for name in ("conv", "max_pool", "lp_pool", "polyphase_down", "batch_norm", "dropout")]
COMPILED_WIDE = [LAYERS[name] for name in ("conv", "max_pool", "batch_norm")]
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
    """Every layer on 8 devices, against the same by NumPy, on none; leaves the latter for `flags`."""
    expected = {name: expected_of(layer) for name, layer in layers.items()}
    (folder / "plain").write_bytes(pickle.dumps(expected))
    found: Outcomes = {}
    for environment, run in DEVICES.items():
        alone = {n: expected_of(one_by_one(layer)) for n, layer in layers.items() if run is mapped and layer.of_the_key}
        here = expected | alone
        found[environment] = {name: outcome(partial(run, layer), here[name]) for name, layer in layers.items()}
        name, layer = next(iter(layers.items()))
        found[environment][PLANTED] = outcome(partial(run, layer), off(expected[name]))
    return found


def traced(layer: Layer) -> str:
    """The program of y and the gradients."""
    return str(jax.make_jaxpr(forward_and_gradient(layer))(*layer.operands()))


@cache
def program(layer: Layer) -> Callable[[Any, Any], Any]:
    """y and the gradients, compiled once for all flags that do not change the program."""
    return jax.jit(forward_and_gradient(layer))


def compiled(layer: Layer) -> Any:
    """y and the gradients, from arrays that are on the device already."""
    return program(layer)(*jax.device_put(layer.operands()))


def without_jit(layer: Layer) -> Any:
    """Executed step by step, of which each compiles a program; of most layers by NumPy, traced under the flag."""
    with jax.disable_jit():
        return forward_and_gradient(layer)(*layer.operands()) if layer in STEPWISE else expected_of(layer)


def under(flag: Any, run: Callable[[Layer], Any], layer: Layer) -> Any:
    with flag():
        return run(layer)


def in_double_precision(layer: Layer) -> Any:
    """Also that nothing of single precision is widened. Most are evaluated by NumPy, whose dtypes are those of the trace."""
    with jax.enable_x64(True):
        found = jax.eval_shape(layer.apply, *layer.operands())
        if {leaf.dtype for leaf in jax.tree.leaves(found)} != {np.dtype(np.float32)}:
            raise TypeError(f"float32 gives {found}")
        compute = jax.jit if layer in COMPILED_WIDE else evaluated
        found = compute(forward_and_gradient(layer))(*layer.operands(np.float64))
        if {leaf.dtype for leaf in jax.tree.leaves(found)} != {np.dtype(np.float64)}:
            raise TypeError(f"float64 gives {jax.tree.map(jnp.dtype, found)}")
        return jax.tree.map(np.asarray, found)


def guarded(layer: Layer) -> Any:
    """y executed step by step, and y and the gradients compiled: no constant is sent to the device by itself.

    The gradient step by step is not asked for: `test_environments.py` shows that `jax.grad` of a product is a transfer.
    """
    params, x = jax.device_put(layer.operands())
    key(), phase()
    with jax.transfer_guard("disallow"):
        y = jax.block_until_ready(layer.apply(params, x))
        found = jax.block_until_ready(program(layer)(params, x))
    return (y, found[1])


SINGLE: dict[str, Callable[[Layer], Any]] = {
    "python -O -W error": compiled,
    "disable_jit": without_jit,
    "debug_nans": partial(under, partial(jax.debug_nans, True), compiled),
    "debug_infs": partial(under, partial(jax.debug_infs, True), compiled),
    "x64": in_double_precision,
    "transfer_guard": guarded,
}
STRICT = {
    "strict dtype promotion": partial(jax.numpy_dtype_promotion, "strict"),
    "rank promotion raises": partial(jax.numpy_rank_promotion, "raise"),
}


def flags(folder: Path, layers: dict[str, Layer]) -> Outcomes:
    """Every layer under JAX's flags, against what NumPy found in another process, not under `python -O` either."""
    expected = pickle.loads((folder / "plain").read_bytes())
    first, planted = next(iter(layers.items()))
    found: Outcomes = {}
    for environment, run in SINGLE.items():
        here = dict(expected)
        if run is in_double_precision:  # of one key `jax.random.bernoulli` draws other numbers under x64
            x64 = partial(jax.enable_x64, True)
            here |= {name: under(x64, expected_of, layer) for name, layer in layers.items() if layer.of_the_key}
        found[environment] = {name: outcome(partial(run, layer), here[name]) for name, layer in layers.items()}
        found[environment][PLANTED] = outcome(partial(run, planted), off(expected[first]))
    programs = {name: traced(layer) for name, layer in layers.items()}
    for environment, flag in STRICT.items():
        found[environment] = {
            name: outcome(partial(under, flag, traced, layer), programs[name]) for name, layer in layers.items()
        }
        mixed = Layer(lambda _, x: x * np.ones(2, np.float16) + x[0])
        found[environment][PLANTED] = outcome(partial(under, flag, traced, mixed), "")
    return found


if __name__ == "__main__":
    name, folder, *size = sys.argv[1:]
    print(json.dumps({"devices": devices, "flags": flags}[name](Path(folder), more() if size else LAYERS)))
