"""Devices that hold a part each, and fetch halos, compute what one device computes of the whole."""

import json
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.split_devices import HALOS, expected
from support.split_networks import FIRST, unet
from support.tiling_oracle import signal

import jaxconv as jc
from jaxconv.apply import shards
from jaxconv.verify.shifted_axes import Along
from jaxconv.verify.tiling.certificate import TilingAxis

ROOT = Path(__file__).parents[2]


def mesh(devices=2):
    return jax.make_mesh((devices,), ("rows",), devices=jax.devices()[:devices])


NETWORKS = {
    "zero padding": unet,
    "circular padding": lambda x: unet(x, "circular"),
    "causal": lambda x: jc.conv(FIRST, x, padding="causal"),
    "outputs at two scales": lambda x: {
        "fine": jnp.repeat(x, 2, 1),
        "coarse": jc.max_pool(x, (2, 2)),
        "n": jnp.ones(3),
    },
}


def total(fn, x):
    """A number that depends on all outputs."""
    return sum((leaf * (n + 1)).sum() for n, leaf in enumerate(jax.tree.leaves(fn(x))))


def judged(devices):
    """For each network, whether outputs and gradients are those of one device, and the collectives of the program."""
    rows = {}
    for name, fn in NETWORKS.items():
        x = jnp.asarray(signal((1, 16 * devices, 12, 2)))
        split = jc.sharded(fn, mesh(devices), axes=(1,), over="rows")
        pairs = zip(jax.tree.leaves(jax.jit(split)(x)), jax.tree.leaves(fn(x)), strict=True)
        equal = all(bool((own == other).all()) for own, other in pairs)
        gradients = [jax.jit(jax.grad(partial(total, one)))(x) for one in (split, fn)]
        placed = jax.device_put(x, jax.sharding.NamedSharding(mesh(devices), jax.sharding.PartitionSpec(None, "rows")))
        text = jax.jit(split).lower(placed).compile().as_text()
        collectives = {one for one in ("all-gather", "all-to-all", "all-reduce") if f" {one}" in text}
        rows[name] = [equal, bool((gradients[0] == gradients[1]).all()), sorted(collectives)]
    return rows


EXPECTED = {name: [True, True, []] for name in NETWORKS}


def test_two_devices_are_as_one():
    assert judged(2) == EXPECTED


@pytest.mark.slow
def test_eight_devices_are_as_one():
    """In a process of its own, since the number of devices is fixed when JAX starts."""
    setup = "import json, jax; jax.config.update('jax_num_cpu_devices', 8)"
    code = f"{setup}; from test_sharded import judged; print(json.dumps(judged(8)))"
    (found,) = finished([started("-c", code)])
    assert found == EXPECTED


@pytest.mark.slow
def test_rectangles_of_four_devices_are_as_one():
    """Rows and columns are split, so that devices need the corners of their diagonal neighbours, too."""
    (found,) = finished([started("-m", "support.split_devices", len(HALOS))])
    assert found == expected(len(HALOS))


def test_two_processes_are_as_one():
    """Each has two devices of four, and their halos pass through a connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [started("-m", "support.split_devices", 2, port, 2, number) for number in range(2)]
    assert finished(processes) == [expected(2)] * 2


def started(*arguments):
    """A process of this interpreter that finds the tests."""
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent)))
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )


def finished(processes):
    """What each of some processes printed."""
    try:
        return [json.loads(process.communicate(timeout=300)[0].splitlines()[-1]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_without_the_halos_there_would_be_seams():
    """The broken twin: each device computes its own part only."""
    x = jnp.asarray(signal((1, 32, 12, 2)))
    spec = jax.sharding.PartitionSpec(None, "rows")
    alone = jax.sharding.Mesh(mesh().devices, ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    found = jax.shard_map(unet, mesh=alone, in_specs=spec, out_specs=spec, check_vma=False)(x)
    assert (np.asarray(found) != np.asarray(unet(x))).any()


def test_one_device_and_several_arguments():
    fn = lambda params, a, b: jc.conv(params, a - b, padding="same")
    a, b = jnp.asarray(signal((1, 16, 8, 2))), jnp.asarray(signal((1, 16, 8, 2), seed=1))
    for devices in (1, 2):
        split = jc.sharded(fn, mesh(devices), axes={1: (1,), 2: (1,)}, over="rows")
        np.testing.assert_array_equal(split(FIRST, a, b), fn(FIRST, a, b))


REFUSED = {
    "a length": ((1, 31, 8, 2), unet, (1,), "is 31, but should be a multiple of 2, the number of devices"),
    "a stride": (
        (1, 34, 8, 2),
        lambda x: jc.max_pool(x, (2, 2)),
        (1,),
        "the part of a device along axis 1 of argument 0 is 17 cells, but should be a multiple of 2",
    ),
    "wide halos": (
        (1, 14, 8, 2),
        lambda x: jc.conv(FIRST, x, padding="same", dilation=4),
        (1,),
        "no cell of its result is free of the border",
    ),
    "an output": ((1, 32, 8, 2), lambda x: jc.conv(FIRST, x), (1,), "Use padding that keeps the length"),
    "a global mean": ((1, 32, 8, 2), lambda x: x - x.mean((1, 2), keepdims=True), (1,), "because of reduce_sum"),
    "two axes": ((1, 32, 8, 2), unet, (1, 2), "one axis of each argument for each name of `over`, 'rows'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_split_is_refused(name):
    shape, fn, axes, match = REFUSED[name]
    with pytest.raises(ValueError, match=match):
        jc.sharded(fn, mesh(), axes=axes, over="rows")(jnp.asarray(signal(shape)))


def test_an_axis_that_the_mesh_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"over is 'columns', but should be one of the mesh's axes, \('rows',\)"):
        jc.sharded(unet, mesh(), axes=(1,), over="columns")


@pytest.mark.parametrize(("sizes", "over"), [((2, 1), ("rows", "columns")), ((1, 2), ["rows", "columns"])])
def test_an_axis_of_the_mesh_with_one_device_splits_nothing(sizes, over):
    mesh = jax.make_mesh(sizes, ("rows", "columns"))
    x = jnp.asarray(signal((1, 32, 28, 2)))
    split = jc.sharded(lambda params, x: unet(x) * params, mesh, axes={1: (1, 2)}, over=over)
    found = split(jnp.float32(2), x)
    np.testing.assert_array_equal(found, 2 * unet(x))
    spec = found.sharding.spec
    assert [n for n, name in enumerate(spec) if name and mesh.shape[name] > 1] == [1 + sizes.index(2)]


def test_gradients_of_an_input_whose_type_is_split():
    """`jax.make_mesh` makes axes of the type Explicit; the gradient has the type of the input."""
    x = jnp.asarray(signal((1, 32, 12, 2)))
    split = jc.sharded(unet, mesh(), axes=(1,), over="rows")
    placed = jax.device_put(x, jax.sharding.NamedSharding(mesh(), jax.sharding.PartitionSpec(None, "rows")))
    found = jax.jit(jax.grad(partial(total, split)))(placed)
    np.testing.assert_array_equal(found, jax.grad(partial(total, unet))(x))
    assert jax.typeof(found).sharding.spec[1] == "rows"


NAMES = {
    "a number": (3, TypeError, "over is 3, but should be the name of an axis of the mesh, or a sequence of names"),
    "none": ((), TypeError, r"over is \(\), but should be the name of an axis"),
    "one twice": (("rows", "rows"), ValueError, "but should be each axis of the mesh once"),
    "an unknown one": (("rows", "depth"), ValueError, r"over is 'depth', but should be one of the mesh's axes"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_mesh_are_checked(name):
    over, error, match = NAMES[name]
    with pytest.raises(error, match=match):
        jc.sharded(unet, mesh(), axes=(1, 2), over=over)


def test_two_split_axes_that_move_an_output_along_one_axis_are_refused(monkeypatch):
    """No rule proves such claims today; without the refusal, parts would be lost."""
    monkeypatch.setattr(shards, "proved", lambda fn, shapes, all_along, *sizes: [[CLAIM] for _ in sizes])
    along = [Along(((0, axis),), 32) for axis in (1, 2)]
    with pytest.raises(ValueError, match=r"of 2 split axes lie is \(1, 1\), but should be one output axis for each"):
        shards.splits(unet, [jnp.zeros((1, 32, 32, 2))], [(along[0], "rows", 2), (along[1], "columns", 2)])


CLAIM = TilingAxis(((0, 1),), 32, 16, 1, 32, 16, 1, 1, 0, (1, 15), (0, 15), (1, 16))
