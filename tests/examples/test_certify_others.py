"""What the certificate says of other libraries' networks, beside receptive fields worked out here."""

import importlib.util
from unittest import mock

import pytest
from support.example_scripts import EXAMPLES, pictured, rows, run

HEIGHT = 32
# The step from one output to the next, and the first and last row that output 0 sees: by hand, each tap beyond a window's
# first reaching a step of its layer further. Flax puts the one zero that a strided window needs behind the image.
EXPECTED = {
    "flax": (2, {"CIRCULAR": (-3, 3), "SAME": (-2, 4)}),
    "equinox": (2, {"CIRCULAR": (-3, 4), "SAME": (-3, 4)}),
    "haiku": (1, {"CIRCULAR": (-3, 3), "SAME": (-3, 3)}),
}
INSTALLED = [name for name in EXPECTED if importlib.util.find_spec(name)]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    if not INSTALLED:
        pytest.skip("none of the libraries is installed")
    return run("certify_others", tmp_path_factory.mktemp("pictures"))


def test_missing_libraries_are_said_and_skipped(tmp_path):
    with mock.patch.object(importlib.util, "find_spec", return_value=None):
        ran = run("certify_others", tmp_path)
    assert [line.split(" is not installed: skipped")[0] for line in ran.text.splitlines()] == list(EXPECTED)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.peers
def test_what_is_proved_of_each(ran):
    """A wrap keeps both laws, zeros only the one of the interior; the fields are those of the recurrence."""
    found = {tuple(row[:2]): row[2:] for row in rows(ran.text, "network ")}
    assert len(found) == 2 * len(INSTALLED)
    for name in INSTALLED:
        step, reaches = EXPECTED[name]
        for padding, cyclic in (("CIRCULAR", "PROVED"), ("SAME", "UNDECIDED")):
            first, last = reaches[padding]
            inside = [j for j in range(HEIGHT // step) if step * j + first >= 0 and step * j + last < HEIGHT]
            law = [f"[{inside[0]},", f"{inside[-1] + 1})", str(step), "->", "1", str(last - first + 1)]
            assert found[f"{name},", padding] == [cyclic, "PROVED", *law]


@pytest.mark.peers
def test_the_line_that_pads_is_blamed(ran):
    lines = (EXAMPLES / "certify_others.py").read_text().splitlines()
    blamed = {"flax": "linen.Conv(8, (3, 3), strides=2", "equinox": "jax.vmap(eqx.combine", "haiku": "hk.Conv2D("}
    culprits = [line for line in ran.text.splitlines() if ", SAME: line " in line]
    assert len(culprits) == len(INSTALLED)
    for name, culprit in zip(INSTALLED, culprits, strict=True):
        number, code = culprit.removeprefix(f"{name}, SAME: line ").split(": ", 1)
        assert lines[int(number) - 1].split("  #")[0].strip() == code
        assert blamed[name] in code


@pytest.mark.peers
def test_it_is_drawn(ran):
    assert {"#0072B2", "#E0E0E0"} <= pictured(ran, "others.png")
