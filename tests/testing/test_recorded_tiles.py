"""The plugin guards tiles: a claim that needs larger margins, or other places, fails the test that recorded it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxconv.testing.tilings import MARGINS, described, includes

pytest_plugins = ["pytester"]
TESTS = """
import pytest, jax, jaxconv as jc
from models import backbone, image

slide = jax.ShapeDtypeStruct((1, 64, 48, 2), "float32")

def test_tiles(certificates):
    certificate = certificates.record_tiling(backbone, slide, tile=16, axes=(1, 2))
    assert certificate.name == "backbone"

def test_both(certificates):
    certificates.record(backbone, image, axes=(1,))
    certificates.record_tiling(lambda x: {"features": backbone(x), "mean": x}, slide, tile=(16,), axes=(1,), name="two")
"""


@pytest.fixture
def recorded(project):
    """A project whose snapshot has the claims of a network with zero padding."""
    project.write("same", tests=TESTS)
    project.run("--update-certificates").assert_outcomes(passed=2)
    return project


def test_the_snapshot_has_margins_and_the_table_shows_them(recorded):
    (own,) = (row for name, row in json.loads(recorded.snapshot.read_text())["tests"].items() if "test_tiles" in name)
    assert own["backbone"]["output along axis 1 of argument 0"] == {
        "length": 64,
        "tile": 16,
        "tiling": {
            "axis": 1, "shift": 1, "step": 1, "start": 0, "discard": [1, 1], "first": [0, 1], "last": [1, 0]
        },
    }  # fmt: skip
    result = recorded.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "test_models.py::test_both",
            "  backbone * along axis 1 of argument 0 (6 cells) * cyclic *",
            "  two *output[[]'features'] along axis 1 of argument 0 (tiles of 16 of 64 cells)  tiling multiples of 1, *",
            "test_models.py::test_tiles",
            "  backbone  output along axis 1 of argument 0 (tiles of 16 of 64 cells)  tiling multiples of 1, which move axis 1 by 1; discard 1 and 1 (0 and 1 of the first tile, 1 and 0 of the last)*",
        ]
    )
    assert "compared with" not in result.stdout.str()


def test_a_change_that_needs_other_tiles_fails(recorded):
    recorded.write("same", 2, tests=TESTS)
    result = recorded.run("-k", "test_tiles")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: backbone: claims of certificates.json are no longer proved",
            "*output along axis 1 of argument 0, tiling: multiples of 1, which *; discard 1 and 1 (*) before, multiples of 2, which move axis 1 by 1;*",
            "*If this is intended, run with --update-certificates and commit the file.",
            "1 weaker, compared with certificates.json*",
        ]
    )
    result = recorded.run("-k", "test_tiles", "--update-certificates")
    result.assert_outcomes(passed=1)
    recorded.run("-k", "test_tiles").assert_outcomes(passed=1)


def test_a_larger_margin_fails(recorded):
    recorded.pytester.makepyfile(
        models="""
import jax, jax.numpy as jnp, jaxconv as jc
kernel, image = jnp.ones((5, 5, 2, 4)), jax.ShapeDtypeStruct((1, 6, 4, 2), "float32")
def backbone(x):
    return jc.conv({"kernel": kernel}, x, padding="same")
"""
    )
    result = recorded.run("-k", "test_tiles")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*tiling: *discard 1 and 1 (*) before, *discard 2 and 2 (*) now"])


def test_a_lost_tiling_names_the_line(recorded):
    recorded.pytester.makepyfile(
        models="""
import jax, jax.numpy as jnp, jaxconv as jc
kernel, image = jnp.ones((3, 3, 2, 4)), jax.ShapeDtypeStruct((1, 6, 4, 2), "float32")
def backbone(x):
    y = jc.conv({"kernel": kernel}, x, padding="same")
    return y - y.mean((1, 2), keepdims=True)
"""
    )
    result = recorded.run("-k", "test_tiles")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*along axis 1 of argument 0, tiling: multiples of 1*before, not proved now",
            "*culprit:  reduce_sum at *models.py:5 (backbone)",
            "*reduce_sum over the tiled axis*",
            "*cure: *",
            "  backbone *tiling UNDECIDED at models.py:5*weaker",
        ]
    )


def test_a_smaller_margin_passes_and_asks_for_an_update(recorded):
    recorded.write("valid", tests=TESTS)
    result = recorded.run("-k", "test_tiles")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 stronger, compared with certificates.json: --update-certificates updates it"])


def test_a_name_used_twice_or_no_text_is_refused(project):
    project.write(
        "same",
        tests=TESTS.replace(
            "record(backbone, image, axes=(1,))", "record_tiling(backbone, slide, tile=8, axes=(1,), name=3)"
        ),
    )
    result = project.run("-k", "test_both")
    result.stdout.fnmatch_lines(["*TypeError: certificates: name is 3, but should be text*"])
    project.write("same", tests=TESTS.replace('name="two"', 'name="backbone"'))
    result = project.run("-k", "test_both")
    result.stdout.fnmatch_lines(["*ValueError: certificates: name is 'backbone', but should be different*"])


@st.composite
def claims(draw):
    """A claim about tiles, or None."""
    if draw(st.booleans()) and draw(st.booleans()):
        return None
    margins = {name: draw(st.lists(st.integers(0, 2), min_size=2, max_size=2)) for name in MARGINS}
    moves = {"shift": draw(st.sampled_from([1, 2, 4])), "step": draw(st.sampled_from([1, 2, -1]))}
    return {"axis": draw(st.sampled_from([1, 2])), "start": draw(st.integers(0, 1)), **moves, **margins}


def says(claim):
    """All consequences of a claim: a tile's offset, the place of its output, and the cells that are kept of 9."""
    if claim is None:
        return set()
    places = [
        (s, claim["axis"], claim["start"] + s * claim["step"] / claim["shift"]) for s in range(0, 25, claim["shift"])
    ]
    kept = {(name, j) for name in MARGINS for j in range(claim[name][0], 9 - claim[name][1])}
    return {(*place, cell) for place in places for cell in kept}


@given(claims(), claims())
def test_a_claim_includes_another_if_it_says_all_that_it_says(claim, other):
    if other is not None:
        assert includes(claim, other, True) == (says(claim) >= says(other))
        assert includes(claim, other | {"start": 5}, False) == includes(claim, other, False)


def test_claims_as_text():
    assert described(None) == "not proved"
    margins = {name: [0, 0] for name in MARGINS}
    assert described({"axis": None, "shift": 1, "step": 0, "start": 0, **margins}) == "the same for every tile"
    assert "by -1 from cell 9 on; discard" in described({"axis": 1, "shift": 2, "step": -1, "start": 9, **margins})
