"""Training on many devices: the mesh, a function whose batch is split over it, and several processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxconv.checks import integer
from jaxconv.errors import explain, public

AXIS = "data"


def want_cpu_devices(count: int) -> None:
    """Split the CPU into that many devices, unless JAX has started already. Other platforms do not change."""
    with suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", count)


@public
def data_mesh(devices: int | None = None) -> Mesh:
    """A mesh of `devices` devices along one axis, "data", over which batches are split. None takes all devices.

    With several processes the mesh has all devices of all of them.

    Raises:
        ValueError: there are fewer devices.
        TypeError: `devices` is not an integer.

    >>> data_mesh(1).shape["data"]
    1
    """
    found = jax.devices()
    cure = "On CPUs, set jax.config.update('jax_num_cpu_devices', 8) before the first array"
    count = len(found) if devices is None else integer("devices", devices, least=1, cure=cure)
    if count > len(found):
        raise ValueError(explain("devices", count, f"at most {len(found)}, the devices that JAX finds", cure))
    if jax.process_count() > 1 and count != len(found):
        expected = f"{len(found)}, all devices of the {jax.process_count()} processes"
        raise ValueError(explain("devices", count, expected, "Leave it out"))
    return Mesh(np.array(found[:count]), (AXIS,), axis_types=(AxisType.Auto,))


def over_devices(fn: Callable[[Any, Any], Any], mesh: Mesh) -> Callable[[Any, Any], Any]:
    """The function of (state, batch), compiled for a replicated state and a batch that is split along its first axis.

    Each process passes its own part of the batch. Results are replicated.
    """
    whole, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))
    compiled = jax.jit(fn, in_shardings=(whole, split), out_shardings=whole)

    def placed(leaf: Any) -> jax.Array:
        leaf, parts = np.asarray(leaf), mesh.size // jax.process_count()
        if leaf.ndim == 0 or len(leaf) % parts:
            expected = f"an array whose first axis is a multiple of {parts}, the devices of this process"
            cure = "Choose a batch that is a multiple of the number of devices"
            raise ValueError(explain("batch", f"an array of shape {leaf.shape}", expected, cure))
        return jax.make_array_from_process_local_data(split, leaf)

    def call(state: Any, batch: Any) -> Any:
        return compiled(replicated(state, mesh), jax.tree.map(placed, batch))

    return call


def replicated(tree: Any, mesh: Mesh) -> Any:
    """The tree, with a copy of each leaf on each device. Each process passes the same leaves."""
    whole = NamedSharding(mesh, PartitionSpec())

    def copied(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and leaf.sharding == whole:
            return leaf
        if jax.process_count() == 1:
            return jax.device_put(leaf, whole)
        if jnp.issubdtype(
            leaf.dtype, jax.dtypes.prng_key
        ):  # whose data, but not itself, can be placed on other processes
            return jax.random.wrap_key_data(copied(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        return jax.make_array_from_process_local_data(whole, np.asarray(leaf))

    return jax.tree.map(copied, tree)


@public
def join_processes(coordinator: str, processes: int, process: int) -> None:
    """Connects this process with the others of one training run. Call it before the first array is made.

    Args:
        coordinator: host and port of process 0, such as "10.0.0.1:1234".
        processes: the number of processes.
        process: the number of this process, from 0.

    Raises:
        ValueError: `process` is not one of the processes.
        TypeError: a number is not an integer.
    """
    processes = integer("processes", processes, least=1, cure="Write the number of processes")
    process = integer("process", process, least=0, most=processes - 1, cure="Number the processes from 0")
    jax.distributed.initialize(coordinator, processes, process)
