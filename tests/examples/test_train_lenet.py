"""LeNet-5 trained: in this process and briefly; every night also in a process of its own, as a reader would train it."""

import re
import signal
import subprocess
import sys

import pytest
from PIL import Image
from support.example_scripts import EXAMPLES, ended
from support.idx_files import write_mnist
from support.profiles import NIGHTLY

from jaxconv.account.sharing import table
from jaxconv.training import data, log
from jaxconv.training.lenet import sharing
from jaxconv.training.log import read_log

TESTED = 360 if NIGHTLY else 90


def accuracies(output):
    """The test accuracy, and that for each shift."""
    test = float(re.search(r"Test accuracy ([\d.]+)%", output)[1])
    return test, {int(d): float(share) for d, share in re.findall(r"^ *(\d+) +([\d.]+)%$", output, re.MULTILINE)}


def long():
    """With the settings of the README's command, which CI runs for 20 steps."""
    command = [sys.executable, str(EXAMPLES / "train_lenet.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


FORMS = [("modern", "adam"), ("1998", "sgd"), *([("1998", "adam"), ("modern", "sgd")] if NIGHTLY else [])]
RUNS = {f"{form}, {optimiser}": (form, optimiser) for form, optimiser in FORMS}


def short(form, optimiser):
    return ended("train_lenet", "--form", form, "--optimiser", optimiser, "--steps", 80, "--batch", 32)


@pytest.mark.parametrize("name", [*RUNS, *(["long"] if NIGHTLY else [])])
def test_lenet_learns_the_digits_and_says_what_shifts_do(name, monkeypatch):
    """With either form and optimiser: a tenth of the digits would be recognised by chance."""
    digits = data.bundled_digits()
    few = digits._replace(test_images=digits.test_images[:TESTED], test_labels=digits.test_labels[:TESTED])
    monkeypatch.setattr(data, "bundled_digits", lambda: few)
    status, text, errors = long() if name == "long" else short(*RUNS[name])
    assert status == 0, errors
    assert ("800/800" if name == "long" else "80/80") in errors  # the last line of the progress
    test, shifted = accuracies(text)
    assert test >= (98 if name == "long" else 90)
    assert shifted[0] == test
    assert list(shifted) == sorted(shifted)
    assert shifted[1] > shifted[4] > shifted[8]
    assert table(sharing(historical="1998" in name)) in text


def test_mnists_files_are_trained_on_and_the_seed_decides(tmp_path):
    """The losses in the lines of the progress tell runs apart; the same seed gives the same ones, and the same output."""
    write_mnist(tmp_path)
    runs = [ended("train_lenet", "--mnist", tmp_path, "--steps", 2, "--batch", 4, "--seed", seed) for seed in (3, 3, 4)]
    assert [found.status for found in runs] == [0, 0, 0]
    assert "on 3 held-out digits" in runs[0].text
    texts = [re.sub(r"after \d+ s", "", found.text) for found in runs]
    losses = [re.findall(r"loss ([\d.]+)", found.errors)[-1] for found in runs]
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
        (["--batch", "5000"], 1, "error: --batch is 5000, but should be at most 1437, the number of training digits."),
        (["--seed", "-1"], 2, "argument --seed: -1 is not from 0 to 1000000000"),
        (["--learning-rate", "nan"], 2, "argument --learning-rate: nan is not positive and finite"),
        (["--learning-rate", "inf"], 2, "argument --learning-rate: inf is not positive and finite"),
        (["--learning-rate", "0"], 2, "argument --learning-rate: 0.0 is not positive and finite"),
        (["--learning-rate", "1e30", "--steps", "9"], 1, "but should be finite. The first NaN is the result of "),
        (
            ["--resume"],
            1,
            "error: --resume is given without --run, but should name the run. Write --run FOLDER --resume.",
        ),
        (
            ["--devices", "99"],
            1,
            "error: data_mesh: devices is 99, but should be at most 2, the devices that JAX finds.",
        ),
        (["--join", "127.0.0.1:1", "2", "2"], 1, "error: join_processes: process is 2, but should be at most 1."),
        (
            ["--join", "a:1", "two", "0"],
            1,
            "error: --join is a:1 two 0, but should be HOST:PORT and two whole numbers.",
        ),
        (["--form", "2024"], 2, "argument --form: invalid choice: '2024'"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments, status, message):
    """In this process an exception that is not caught fails the test."""
    found = ended("train_lenet", *arguments)
    assert found.status == status
    assert message in found.errors
    assert "Traceback" not in found.errors


def losses(folder):
    """The losses in the log of a run, by step."""
    return {row["step"]: row["loss"] for row in read_log(folder / "log.jsonl")}


def test_a_run_in_a_folder_is_watched_and_resumed(tmp_path, monkeypatch):
    """Ctrl-C in step 30: what another run logs after it is what the resumed run logs, bit for bit."""
    settings = ("--steps", 40, "--batch", 16, "--shift", 1, "--save-every", 10)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert ended("train_lenet", *settings, "--run", whole).status == 0
    assert [*losses(whole)] == [10, 20, 30, 40]
    with Image.open(whole / "curve.png") as picture:
        assert min(picture.size) > 300

    class Impatient(log.Log):
        """Presses Ctrl-C."""

        def __call__(self, row):
            super().__call__(row)
            if row["step"] == 30:
                signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(log, "Log", Impatient)
        found = ended("train_lenet", *settings, "--run", cut)
    assert found.status == 130
    assert re.search(rf"\nSIGINT at step 3\d of 40. The run is saved in {cut / 'checkpoints'}.\n$", found.errors)
    refused = ended("train_lenet", *settings, "--run", cut)
    assert (refused.status, refused.errors.count("\n")) == (1, 1)
    assert re.match(rf"error: --run is {cut}, with a run at step 3\d. Add --resume to continue it", refused.errors)
    other = ended("train_lenet", *settings, "--run", cut, "--resume", "--seed", 1)
    assert "setting seed is 0 there and 1 here" in other.errors
    found = ended("train_lenet", *settings, "--run", cut, "--resume")
    assert found.status == 0, found.errors
    assert losses(cut) == losses(whole)


def test_devices_and_half_precision_learn_too():
    found = ended("train_lenet", "--steps", 60, "--batch", 32, "--devices", 2, "--dtype", "bfloat16")
    assert found.status == 0, found.errors
    assert accuracies(found.text)[0] >= 80
