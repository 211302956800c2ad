"""LeNet-5 trained in processes of their own, as a reader would train it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.idx_files import write_mnist

from jaxconv.account.sharing import table
from jaxconv.training.lenet import sharing

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments):
    """The finished process of `train_lenet.py`."""
    command = [sys.executable, str(EXAMPLES / "train_lenet.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def accuracies(output):
    """The test accuracy, and that for each shift."""
    test = float(re.search(r"Test accuracy ([\d.]+)%", output)[1])
    return test, {int(d): float(share) for d, share in re.findall(r"^ *(\d+) +([\d.]+)%$", output, re.MULTILINE)}


def test_lenet_learns_the_digits_and_says_what_shifts_do():
    """At least 98 % on the held-out digits, with the settings that the README's command has."""
    done = run()
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
    done = run("--form", "1998", "--optimiser", optimiser, "--steps", "200")
    assert done.returncode == 0, done.stderr
    assert accuracies(done.stdout)[0] >= 90
    assert table(sharing(historical=True)) in done.stdout


def test_mnists_files_are_trained_on(tmp_path):
    write_mnist(tmp_path)
    done = run("--mnist", str(tmp_path), "--steps", "2", "--batch", "4")
    assert done.returncode == 0, done.stderr
    assert "on 3 held-out digits" in done.stdout


def test_a_truncated_file_is_named(tmp_path):
    write_mnist(tmp_path, t10k_images=b"")
    done = run("--mnist", str(tmp_path))
    assert done.returncode != 0
    assert done.stderr.startswith("error: read_idx: t10k-images-idx3-ubyte is a file that begins with nothing")


def test_the_same_seed_gives_the_same_run():
    outputs = [re.sub(r"after \d+ s", "", run("--steps", "5", "--seed", "3").stdout) for _ in range(2)]
    assert outputs[0] == outputs[1]
    assert "Test accuracy" in outputs[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--mnist", "nowhere"],
            "error: mnist: folder is 'nowhere', but should be a folder that exists.",
        ),
        (["--steps", "0"], "argument --steps: 0 is not positive"),
        (["--steps", "few"], "argument --steps: invalid positive value: 'few'"),
        (["--batch", "5000"], "error: --batch is 5000, but should be at most 1437, the training digits there are."),
        (["--seed", "-1"], "argument --seed: -1 is not from 0 to 1000000000"),
        (["--learning-rate", "nan"], "argument --learning-rate: nan is not positive and finite"),
        (["--learning-rate", "inf"], "argument --learning-rate: inf is not positive and finite"),
        (["--learning-rate", "0"], "argument --learning-rate: 0.0 is not positive and finite"),
        (["--learning-rate", "1e30", "--steps", "9"], "of training, but should be finite. Lower the learning rate."),
        (["--form", "2024"], "argument --form: invalid choice: '2024'"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments, message):
    done = run(*arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
