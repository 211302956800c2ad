"""No run is lost: killed at any moment, interrupted, or without space, it resumes to the same bits."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parents[1]
STEPS = 40


def started(folder, steps=STEPS, trap="", command=()):
    """A run in a process of its own."""
    arguments = [sys.executable, "-m", "support.training_process", str(folder), str(steps), *([trap] if trap else [])]
    environment = {"PYTHONPATH": f"{TESTS.parent}:{TESTS}", "PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu"}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([*command, *arguments], **pipes, text=True, env=environment)


def ended(process):
    """Its exit status, its output and its errors."""
    text, errors = process.communicate(timeout=300)
    lines = errors.splitlines(
        keepends=True
    )  # on JAX 0.10, grain notes that it cannot profile processes, which it has not
    return process.returncode, text, "".join(line for line in lines if "absl:Grain multiprocess worker" not in line)


def killed_when(process, step):
    """Kill it once it has made that step, if it is not done by then."""
    for line in process.stdout:
        if line == f"step {step}\n":
            break
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def end(folder):
    """All of a run's last state."""
    with np.load(folder / "end.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The last state of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    status, text, errors = ended(started(folder))
    assert (status, errors) == (0, "")
    assert f"step {STEPS}\n" in text
    return end(folder)


def assert_same(found, expected):
    """All leaves, bit for bit: parameters, the optimiser's and the normalisation's state, key and step."""
    assert found.keys() == expected.keys()
    assert {".step", ".key", ".params['conv']['kernel']", ".state['mean']"} <= found.keys()
    assert any("mu" in name for name in found)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize(("seed", "kills"), [(0, 1), pytest.param(1, 10, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_at_random_moments_ends_as_if_it_were_not(seed, kills, uninterrupted, tmp_path):
    """A checkpoint is written at every second step, so most kills hit a write."""
    draw, unfinished = random.Random(seed), 0
    first = 1
    for kill in range(kills):
        last = min(STEPS - 1, first + draw.randint(1, 2 * STEPS // (kills + 1)))
        killed_when(started(tmp_path), draw.randint(first, last) if kill else last)
        unfinished += any("tmp" in path.name for path in (tmp_path / "checkpoints").iterdir())
        steps = [int(path.name) for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]
        first = max(steps, default=0) + 1
        assert not (tmp_path / "end.npz").exists()
    status, text, errors = ended(started(tmp_path))
    assert (status, errors) == (0, "")
    assert "resumed" in text
    assert kills == 1 or unfinished >= 1
    assert_same(end(tmp_path), uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_in_one_line(number, uninterrupted, tmp_path):
    process = started(tmp_path)
    for line in process.stdout:
        if line == "step 5\n":
            break
    process.send_signal(number)
    status, _, errors = ended(process)
    assert status == 128 + number
    name, step = number.name, max(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert step >= 5
    assert errors == f"{name} at step {step} of {STEPS}. The run is saved in {tmp_path / 'checkpoints'}.\n"
    status, text, errors = ended(started(tmp_path))
    assert (status, errors) == (0, "")
    assert f"resumed {step}\n" in text
    assert_same(end(tmp_path), uninterrupted)


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    """The run waits in a watcher for a line: the first signal is only noted."""
    process = started(tmp_path, trap="wait")
    assert process.stdout.readline() == "step 1\n"
    process.send_signal(signal.SIGINT)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "step 2\n"
    process.send_signal(signal.SIGINT)
    status, _, errors = ended(process)
    assert status != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_a_disk_without_space_is_one_line_and_the_last_checkpoint_stays(uninterrupted, tmp_path):
    status, _, errors = ended(started(tmp_path, trap="full"))
    assert status == 1
    assert errors.count("\n") == 1
    assert errors.startswith(
        f"error: Checkpoints.save: folder is '{tmp_path / 'checkpoints'}', but should be writable ("
    )
    assert "File too large). " in errors
    assert errors.endswith("The checkpoint of step 4 is complete. Free space, or choose another folder, and resume.\n")
    status, text, errors = ended(started(tmp_path))
    assert (status, errors) == (0, "")
    assert text.startswith("resumed 4\n")
    assert_same(end(tmp_path), uninterrupted)


def test_a_nan_ends_the_run_and_the_last_good_checkpoint_stays(tmp_path):
    status, _, errors = ended(started(tmp_path, trap="nan"))
    assert status == 1
    assert errors == (
        "error: fit: the loss is nan at step 6, but should be finite. The first NaN is in batch[0], before the step. "
        f"The last good checkpoint is that of step 4 in {tmp_path / 'checkpoints'}. Lower the learning rate.\n"
    )
