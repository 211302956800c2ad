"""Data parallelism: eight devices, and two processes, train as one device does, up to rounding."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec
from support.training_process import begin, examples, loss

from jaxconv.training import devices
from jaxconv.training.devices import data_mesh, join_processes
from jaxconv.training.update import init_training, make_update

TESTS = Path(__file__).parents[1]
MOMENTUM = optax.sgd(0.1, momentum=0.9)
# The statistics and gradients are sums of some hundred terms of order 1, in float32, over six steps.
CLOSE = {"rtol": 0, "atol": 1000 * np.finfo(np.float32).eps}


def started(*arguments):
    """A process of `support.parallel_training`."""
    command = [sys.executable, "-m", "support.parallel_training", *map(str, arguments)]
    environment = {"PYTHONPATH": f"{TESTS.parent}:{TESTS}", "PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def ended(*processes):
    """Their outputs, after their success."""
    found = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), found[0][1]
    return [text for text, _ in found]


def state(file):
    """The last state of a run."""
    with np.load(file) as found:
        return dict(found)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The last state and the losses on one device, without a mesh."""
    file = tmp_path_factory.mktemp("single") / "one.npz"
    (text,) = ended(started(file, 0))
    return state(file), text.splitlines()[-1]


def assert_close(found, expected):
    """All leaves are equal up to rounding; integers are equal."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        exact = not np.issubdtype(value.dtype, np.floating)
        np.testing.assert_allclose(found[name], value, err_msg=name, **({"rtol": 0} if exact else CLOSE))


def losses(line):
    """The numbers of a line."""
    return [float(word) for word in line.split()[1:]]


def test_eight_devices_train_as_one_does(single, tmp_path):
    (text,) = ended(started(tmp_path / "eight.npz", 8))
    assert "devices 8\n" in text
    assert_close(state(tmp_path / "eight.npz"), single[0])
    np.testing.assert_allclose(losses(text.splitlines()[-1]), losses(single[1]), rtol=1e-5)


def test_two_processes_over_loopback_train_as_one_does(single, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [started(tmp_path / "two.npz", 1, "float32", port, 2, process) for process in range(2)]
    texts = ended(*processes)
    assert all("devices 2\n" in text for text in texts)
    assert texts[0].splitlines()[-1] == texts[1].splitlines()[-1]
    assert_close(state(tmp_path / "two.npz"), single[0])


def test_the_statistics_are_those_of_the_whole_batch():
    """The broken twin normalises the half of each device by its own statistics."""
    batch = examples(16)
    batch = batch[0] * np.float32([[[[k + 1]]] for k in range(16)]), batch[1]  # so that the halves differ
    whole, _ = make_update(loss, MOMENTUM)(begin(MOMENTUM), batch)
    split, _ = make_update(loss, MOMENTUM, mesh=data_mesh(2))(begin(MOMENTUM), batch)
    half, _ = make_update(loss, MOMENTUM)(begin(MOMENTUM), (batch[0][:8], batch[1][:8]))
    for name in ("mean", "var"):
        np.testing.assert_allclose(split.state[name], whole.state[name], rtol=1e-5)
        assert np.abs(half.state[name] - whole.state[name]).max() > 1e-2
    for one, other in zip(jax.tree.leaves(split.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)
        assert len(one.sharding.device_set) == 2


def test_a_batch_is_split_and_the_state_is_not(monkeypatch):
    shardings = []
    compile_ = jax.jit

    def jit(fn, **how):
        shardings.append(how)
        return compile_(fn, **how)

    monkeypatch.setattr(devices.jax, "jit", jit)
    make_update(loss, MOMENTUM, mesh=data_mesh(2))
    (how,) = [how for how in shardings if "in_shardings" in how]
    assert [one.spec for one in how["in_shardings"]] == [PartitionSpec(), PartitionSpec("data")]


def test_bfloat16_computes_in_bfloat16_and_keeps_float32():
    seen = []

    def scored(params, state, batch, key):
        seen.append(jax.tree.map(lambda leaf: leaf.dtype.name, (params, state, batch)))
        return loss(params, state, batch, key)

    update = make_update(scored, MOMENTUM, dtype=jnp.bfloat16)
    batch, start = examples(16), begin(MOMENTUM)
    train, metrics = update(start, batch)
    params, state, (images, labels) = seen[0]
    assert {*jax.tree.leaves(params), images} == {"bfloat16"}
    assert ({*jax.tree.leaves(state)}, labels) == ({"float32"}, "int32")
    assert {leaf.dtype.name for leaf in jax.tree.leaves((train.params, train.opt_state, train.state))} == {"float32"}
    full, expected = make_update(loss, MOMENTUM)(start, batch)
    np.testing.assert_allclose(metrics["loss"], expected["loss"], rtol=0.05)
    assert metrics["loss"] != expected["loss"]
    for after, before, other in zip(*map(jax.tree.leaves, (train.params, start.params, full.params)), strict=True):
        np.testing.assert_allclose(after - before, other - before, atol=0.05 * np.abs(other - before).max() + 1e-3)


def test_what_does_not_fit_is_named():
    with pytest.raises(
        ValueError, match=r"^data_mesh: devices is 99, but should be at most 2, the devices that JAX finds"
    ):
        data_mesh(99)
    update = make_update(loss, MOMENTUM, mesh=data_mesh(2))
    with pytest.raises(
        ValueError, match=r"batch is an array of shape \(3, 6, 5, 1\), but .* first axis is a multiple of 2"
    ):
        update(begin(MOMENTUM), examples(3))
    with pytest.raises(TypeError, match=r"^make_update: dtype is .*, but should be a floating-point dtype"):
        make_update(loss, MOMENTUM, dtype=jnp.int32)
    with pytest.raises(ValueError, match=r"^join_processes: process is 2, but should be at most 1"):
        join_processes("127.0.0.1:1", 2, 2)
    with pytest.raises(TypeError, match=r"^init_training: key is .*, but should be one jax.random key"):
        init_training({}, MOMENTUM, 0)


def test_the_message_of_the_process_count_is_a_sentence(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match=re.escape("devices is 1, but should be 2, all devices of the 2 processes.")):
        data_mesh(1)
