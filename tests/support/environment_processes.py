"""Environments that need an interpreter of their own: `python -O -W error environment_processes.py ROWS FILE`.

ROWS is `some` of the rows of `environments.py`, `all` of them, or `more` geometries on 8 devices. FILE has what NumPy
found of the rows elsewhere, pickled. Prints for each environment and each row what is wrong, as JSON; nothing is wrong
where that is "". It asserts nothing, so that `python -O` changes nothing.
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
        "--xla_force_host_platform_device_count=8",
    ]
)

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from support.environments import LAYERS, Layer, difference, expected_of, forward_and_gradient, key, more, phase
from support.numpy_evaluation import evaluated

Outcomes = dict[str, dict[str, str]]
PLANTED = "planted"  # a row that is expected to give what it does not: it must be seen
# What `some` compiles: each family where most of it is at stake. All else is traced there, and evaluated by NumPy.
SOME = {
    "batch split": ("polyphase_down", "batch_norm", "channel_dropout"),
    "height split": ("conv", "max_pool", "adaptive_avg_pool", "group_norm"),
    "height split, explicit": ("conv", "max_pool", "blur_pool", "instance_norm"),
    "shard_map over the batch": ("locally_connected", "lp_pool", "batch_norm", "dropout"),
    "flags": ("conv", "max_pool", "polyphase_up", "batch_norm", "dropout"),
    "disable_jit": ("conv", "max_pool"),
    "x64": ("conv",),
}
ALL = dict.fromkeys(SOME, tuple(LAYERS)) | {
    "disable_jit": ("conv", "max_pool", "lp_pool", "polyphase_down", "batch_norm", "dropout"),
    "x64": ("conv", "max_pool", "batch_norm"),
}


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


def split(kind: AxisType, spec: PartitionSpec, layer: Layer, compiling: bool) -> Any:
    """y and the gradients, x being split over all devices; or their shapes, traced alone."""
    mesh = jax.make_mesh((8,), ("i",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        params, x = layer.operands()
        operands = (
            jax.device_put(params, NamedSharding(mesh, PartitionSpec())),
            jax.device_put(x, NamedSharding(mesh, spec)),
        )
        return (jax.jit if compiling else shapes)(forward_and_gradient(layer))(*operands)


def mapped(layer: Layer, compiling: bool) -> Any:
    """y and the gradients, each device having an example of its own and computing without the others."""
    mesh = jax.make_mesh((8,), ("i",), axis_types=(AxisType.Auto,))
    over, everywhere = PartitionSpec("i"), PartitionSpec()
    apply = partial(layer.apply, axis_name="i") if layer.of_the_batch else layer.apply
    out = (over, everywhere) if layer.of_the_batch else over if layer.takes_x else everywhere
    each = jax.shard_map(apply, mesh=mesh, in_specs=(everywhere, over), out_specs=out)
    return (jax.jit if compiling else shapes)(forward_and_gradient(replace(layer, apply=each)))(*layer.operands())


def shapes(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function traced alone: of results, zeros of their shapes."""
    return lambda *operands: jax.tree.map(lambda leaf: np.zeros(leaf.shape), jax.eval_shape(fn, *operands))


def one_by_one(layer: Layer) -> Layer:
    """The layer on each example as if it were alone."""
    return replace(
        layer, apply=lambda params, x: jnp.concatenate([layer.apply(params, one) for one in jnp.split(x, len(x))])
    )


DEVICES: dict[str, Callable[[Layer, bool], Any]] = {
    "batch split": partial(split, AxisType.Auto, PartitionSpec("i")),
    "height split": partial(split, AxisType.Auto, PartitionSpec(None, "i")),
    "height split, explicit": partial(split, AxisType.Explicit, PartitionSpec(None, "i")),
    "shard_map over the batch": mapped,
}


def devices(expected: dict[str, Any], layers: dict[str, Layer], compiled: dict[str, tuple[str, ...]]) -> Outcomes:
    """Every layer on 8 devices, against the same by NumPy, on none; what is not compiled has its shapes."""
    key(), phase()  # made on one device
    found: Outcomes = {}
    for environment, run in DEVICES.items():
        here = dict(expected)
        if run is mapped:
            here |= {
                name: expected_of(one_by_one(layer))
                for name, layer in layers.items()
                if layer.of_the_key and name in compiled[environment]
            }
        here |= {
            name: jax.tree.map(lambda leaf: np.zeros(np.shape(leaf)), here[name])
            for name in layers
            if name not in compiled[environment]
        }
        found[environment] = judged(
            {name: partial(run, layer, name in compiled[environment]) for name, layer in layers.items()}, here
        )
    return found


def judged(runs: dict[str, Callable[[], Any]], expected: dict[str, Any]) -> dict[str, str]:
    """What is wrong with each row; and with the first one, did it have to be off by one."""
    first, *others = runs
    once = cache(runs[first])
    return {
        first: outcome(once, expected[first]),
        PLANTED: outcome(once, off(expected[first])),
        **{name: outcome(runs[name], expected[name]) for name in others},
    }


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


def alone(layer: Layer, names: tuple[str, ...]) -> Any:
    """y and the gradients, compiled if the layer is among the named ones; else traced, and evaluated by NumPy."""
    return compiled(layer) if layer in [LAYERS[name] for name in names] else expected_of(layer)


def without_jit(layer: Layer, names: tuple[str, ...]) -> Any:
    """The named ones are executed step by step, each of which compiles a program."""
    with jax.disable_jit():
        stepwise = layer in [LAYERS[name] for name in names]
        return forward_and_gradient(layer)(*layer.operands()) if stepwise else expected_of(layer)


def under(flag: Any, run: Callable[..., Any], *arguments: Any) -> Any:
    with flag():
        return run(*arguments)


def in_double_precision(layer: Layer, names: tuple[str, ...]) -> Any:
    """Also that nothing of single precision is widened. NumPy's dtypes are those of the trace."""
    with jax.enable_x64(True):
        found = jax.eval_shape(layer.apply, *layer.operands())
        if {leaf.dtype for leaf in jax.tree.leaves(found)} != {np.dtype(np.float32)}:
            raise TypeError(f"float32 gives {found}")
        compute = jax.jit if layer in [LAYERS[name] for name in names] else evaluated
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


STRICT = {
    "strict dtype promotion": partial(jax.numpy_dtype_promotion, "strict"),
    "rank promotion raises": partial(jax.numpy_rank_promotion, "raise"),
}


def flags(expected: dict[str, Any], compiled_under: dict[str, tuple[str, ...]]) -> Outcomes:
    """Every layer under JAX's flags, against what NumPy found in another process, not under `python -O` either."""
    names = compiled_under["flags"]
    run = {
        "python -O -W error": partial(alone, names=names),
        "disable_jit": partial(without_jit, names=compiled_under["disable_jit"]),
        "debug_nans": partial(under, partial(jax.debug_nans, True), compiled),
        "debug_infs": partial(under, partial(jax.debug_infs, True), compiled),
        "x64": partial(in_double_precision, names=compiled_under["x64"]),
        "transfer_guard": guarded,
    }
    found: Outcomes = {}
    for environment, apply in run.items():
        here = dict(expected)
        if environment == "x64":  # of one key `jax.random.bernoulli` draws other numbers under x64
            x64 = partial(jax.enable_x64, True)
            here |= {name: under(x64, expected_of, layer) for name, layer in LAYERS.items() if layer.of_the_key}
        rows = names if environment in ("debug_nans", "debug_infs", "transfer_guard") else LAYERS
        found[environment] = judged({name: partial(apply, LAYERS[name]) for name in rows}, here)
    programs = {name: traced(layer) for name, layer in LAYERS.items()}
    for environment, flag in STRICT.items():
        found[environment] = {
            name: outcome(partial(under, flag, traced, layer), programs[name]) for name, layer in LAYERS.items()
        }
        mixed = Layer(lambda _, x: x * np.ones(2, np.float16) + x[0])
        found[environment][PLANTED] = outcome(partial(under, flag, traced, mixed), "")
    return found


if __name__ == "__main__":
    rows, file = sys.argv[1:]
    if rows == "more":
        layers = more()
        every = dict.fromkeys(DEVICES, tuple(layers))
        found = devices({name: expected_of(layer) for name, layer in layers.items()}, layers, every)
    else:
        expected = pickle.loads(Path(file).read_bytes())
        table = {"some": SOME, "all": ALL}[rows]
        found = devices(expected, LAYERS, table) | flags(expected, table)
    print(json.dumps(found))
