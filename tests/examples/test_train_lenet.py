"""LeNet-5 trained: once in a process of its own, as a reader would train it, and otherwise in this one."""

import re
import subprocess
import sys

import pytest
from support.example_scripts import EXAMPLES, ended
from support.idx_files import write_mnist

from jaxconv.account.sharing import table
from jaxconv.training.lenet import sharing


def accuracies(output):
    """The test accuracy, and that for each shift."""
    test = float(re.search(r"Test accuracy ([\d.]+)%", output)[1])
    return test, {int(d): float(share) for d, share in re.findall(r"^ *(\d+) +([\d.]+)%$", output, re.MULTILINE)}


def test_lenet_learns_the_digits_and_says_what_shifts_do():
    """At least 98 % on the held-out digits, with the settings that the README's command has."""
    command = [sys.executable, str(EXAMPLES / "train_lenet.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "800/800" in done.stderr  # the progress bar
    test, shifted = accuracies(done.stdout)
    assert test >= 98
    assert shifted[0] == test
    assert list(shifted) == sorted(shifted)
    assert shifted[1] > shifted[4] > shifted[8]
    assert table(sharing()) in done.stdout


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_the_historical_form_learns_too(optimiser):
    found = ended("train_lenet", "--form", "1998", "--optimiser", optimiser, "--steps", 100, "--batch", 32)
    assert found.status == 0, found.errors
    assert accuracies(found.text)[0] >= 90
    assert table(sharing(historical=True)) in found.text


def test_mnists_files_are_trained_on_and_the_seed_decides(tmp_path):
    """The losses that the progress bar shows tell runs apart; the same seed gives the same ones, and the same output."""
    write_mnist(tmp_path)
    runs = [ended("train_lenet", "--mnist", tmp_path, "--steps", 2, "--batch", 4, "--seed", seed) for seed in (3, 3, 4)]
    assert [found.status for found in runs] == [0, 0, 0]
    assert "on 3 held-out digits" in runs[0].text
    texts = [re.sub(r"after \d+ s", "", found.text) for found in runs]
    losses = [re.findall(r"loss=([\d.]+)", found.errors)[-1] for found in runs]
    assert (texts[0], losses[0]) == (texts[1], losses[1])
    assert losses[0] != losses[2]


def test_a_truncated_file_is_named(tmp_path):
    write_mnist(tmp_path, t10k_images=b"")
    found = ended("train_lenet", "--mnist", tmp_path)
    assert found.status == 1
    assert found.errors.startswith("error: read_idx: t10k-images-idx3-ubyte is a file that begins with nothing")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--mnist", "nowhere"], 1, "error: mnist: folder is 'nowhere', but should be a folder that exists."),
        (["--steps", "0"], 2, "argument --steps: 0 is not positive"),
        (["--steps", "few"], 2, "argument --steps: invalid positive value: 'few'"),
        (["--batch", "5000"], 1, "error: --batch is 5000, but should be at most 1437, the training digits there are."),
        (["--seed", "-1"], 2, "argument --seed: -1 is not from 0 to 1000000000"),
        (["--learning-rate", "nan"], 2, "argument --learning-rate: nan is not positive and finite"),
        (["--learning-rate", "inf"], 2, "argument --learning-rate: inf is not positive and finite"),
        (["--learning-rate", "0"], 2, "argument --learning-rate: 0.0 is not positive and finite"),
        (["--learning-rate", "1e30", "--steps", "9"], 1, "of training, but should be finite. Lower the learning rate."),
        (["--form", "2024"], 2, "argument --form: invalid choice: '2024'"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments, status, message):
    """In this process an exception that is not caught fails the test."""
    found = ended("train_lenet", *arguments)
    assert found.status == status
    assert message in found.errors
    assert "Traceback" not in found.errors
