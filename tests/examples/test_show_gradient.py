"""The deltas of the overlays add up to jax.grad, by hand and on a digit; and the figures show it."""

import re

import pytest
from support.example_scripts import pictured, rows, run


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run("show_gradient", tmp_path_factory.mktemp("pictures"), "--quick")


def largest(ran):
    """The numbers of the table, by the words before them."""
    return {" ".join(row[:-1]): float(row[-1]) for row in rows(ran.text, "quantity  ")}


def test_the_worked_examples_numbers_are_the_answers(tmp_path):
    ran = run("show_worked_gradient", tmp_path)
    assert rows(ran.text, "deltas of  ") == [
        ["kernel", *["0.3", "0.4"] * 2],
        ["bias", "0.1", "0.1"],
        ["input", *["-0.03", "0.01", "0.1"] * 2],
    ]
    pictured(ran, "worked_gradient.png")


def test_the_sum_of_the_overlays_is_the_gradient(ran):
    """Within the rounding of a sum of 49 terms in single precision; the mean is not it."""
    found = largest(ran)
    assert found["jax.grad"] > 0
    assert found["sum of the overlays' deltas"] == pytest.approx(found["jax.grad"], abs=1e-6)
    assert found["sum - jax.grad"] <= 49 * 2**-23 * max(found["an overlay's delta"], found["jax.grad"])
    assert found["mean of the overlays' deltas"] == pytest.approx(found["jax.grad"] / 49, abs=1e-6)


def test_it_trains_as_many_steps_as_asked_for_with_a_progress_bar(ran):
    assert "after 5 steps, at 49 places" in ran.text
    assert "5/5" in ran.errors
    assert re.search(r"loss \d", ran.errors)


def test_it_is_drawn(ran):
    """The frames of the two overlays are there, on the digit and on what they ask for."""
    assert {"#0072B2", "#009E73"} <= pictured(ran, "gradient.png")


def test_the_same_seed_gives_the_same_numbers_and_figure(ran, tmp_path):
    again = run("show_gradient", tmp_path, "--quick")
    other = run("show_gradient", tmp_path / "other", "--quick", "--seed", 1)
    assert largest(again) == largest(ran) != largest(other)
    assert (tmp_path / "gradient.png").read_bytes() == (ran.folder / "gradient.png").read_bytes()


@pytest.mark.parametrize(("option", "value"), [("--image", "360"), ("--image", "-1"), ("--steps", "0")])
def test_what_is_out_of_range_is_refused(option, value, tmp_path):
    with pytest.raises(SystemExit, match=r"^2$"):
        run("show_gradient", tmp_path, option, value)
