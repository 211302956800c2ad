"""Verdicts of the table beside what is known of paddings and strides; the figures' errors beside the laws."""

import contextlib
import io
import re
from argparse import Namespace

import jax
import pytest
from support.example_scripts import Ran, defaults, module, pictured
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.training.data import bundled_digits

PADDED = {"SAME, max pooling": "REFUTED", "REFLECT, max pooling": "REFUTED"}
WRAPPED = {
    "CIRCULAR, none": "PROVED 1 -> 1",
    "CIRCULAR, max pooling": "PROVED 4 -> 1",
    "CIRCULAR, blur pooling": "PROVED 4 -> 1",
    "CIRCULAR, polyphase": "PROVED 4 -> 1",
}
# Around the torus, by network; reflections and blurs every night.
CYCLIC = {name: law for name, law in (PADDED | WRAPPED).items() if NIGHTLY or not re.search("REFLECT|blur", name)}
PARTS = [name.split(", ")[1] for name in WRAPPED if name in CYCLIC]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """As the script runs, on few digits and without training: what a step is, tests of other scripts see."""
    script, folder, out, trained = module("show_equivariance"), tmp_path_factory.mktemp("pictures"), io.StringIO(), []
    certified = jc.certify

    def train(model, params, digits, optimiser, *, steps, batch, seed, name):
        trained.append((name, steps, seed, jax.eval_shape(model, params, digits.test_images[:2]).shape))
        return params

    def certify(fn, *arguments, **options):
        """Counterexamples are searched for where one is there, every night everywhere."""
        return certified(fn, *arguments, search=NIGHTLY or fn.keywords["padding"] == "SAME", **options)

    def few():
        return type(digits := bundled_digits())(*(array[:30] for array in digits))

    with pytest.MonkeyPatch.context() as patched, defaults(), contextlib.redirect_stdout(out):
        patched.setattr(script, "train", train)
        patched.setattr(script, "bundled_digits", few)
        patched.setattr(jc, "certify", certify)
        patched.setattr(script, "NETWORKS", [network for network in script.NETWORKS if ", ".join(network) in CYCLIC])
        patched.setattr(script, "DOWN", {down: script.DOWN[down] for down in dict.fromkeys(PARTS)})
        script.run(Namespace(steps=2, seed=0, out=folder))
    return Ran(out.getvalue(), trained, folder)


@pytest.fixture(scope="module")
def found(ran):
    """The cells of each row, by padding and down-sampling."""
    lines = [re.split(r"  +", line) for line in ran.text.splitlines() if re.match(r"(SAME|REFLECT|CIRCULAR), ", line)]
    return {line[0]: line[1:] for line in lines}


def test_around_the_torus_only_what_wraps_around_is_proved(found):
    """By the product of the strides; zeros and reflections are refuted by an executed counterexample."""
    assert {name: row[0] for name, row in found.items()} == CYCLIC


def test_inside_all_are_proved_whose_grid_stays(found):
    """A polyphase grid is chosen by the whole image, border included; after blurs too few outputs see none of it."""
    inside = {name: row[1] for name, row in found.items()}
    assert not inside.pop("CIRCULAR, blur pooling", "").startswith("PROVED")
    assert inside.pop("CIRCULAR, none") == "PROVED 1 -> 1"
    assert not inside.pop("CIRCULAR, polyphase").startswith("PROVED")
    assert set(inside.values()) == {"PROVED 4 -> 1"}


def test_labels_do_not_change_where_the_law_holds_for_every_shift(found):
    for name in ("CIRCULAR, none", "CIRCULAR, polyphase"):
        assert found[name][2] == "100.0%"
    assert all(0 < float(row[2][:-1]) <= 100 and 0 <= float(row[3][:-1]) <= 100 for row in found.values())


def test_they_are_drawn(ran):
    pictured(ran, "borders.png")
    pictured(ran, "strides.png")


def test_every_network_is_trained_as_asked_for(ran, found):
    assert ran.errors == [(name, 2, 0, (2, 10)) for name in found]
