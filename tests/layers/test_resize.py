"""Resizing: against the reference and other libraries' results, derivatives, borders, dtypes, layouts, errors."""

import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import by_numpy, resized_by_others
from support.broken_twins import caught
from support.geometries import examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv import reference
from jaxconv.testing.configurations import small_integers

METHODS = ["nearest", "linear", "cubic", "lanczos3", "lanczos5", "area"]
CORNERS = ["half_pixel", "align", "asymmetric"]
X = np.random.default_rng(0).integers(-9, 10, (2, 5, 7, 3)).astype(np.float32)
close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-4)
FOUND = json.loads(resized_by_others.FILE.read_text())
ROWS = [(library, row) for library, rows in resized_by_others.TABLE.items() for row in rows]


@st.composite
def cases(draw):
    """x, the shape of the result and settings that go together."""
    rank = draw(st.integers(1, 2))
    lengths, shape = (draw(st.tuples(*[st.integers(1, 9)] * rank)) for _ in range(2))
    method = draw(st.sampled_from(METHODS))
    corners = draw(st.sampled_from(CORNERS)) if method != "area" else "half_pixel"
    free = corners == "half_pixel" and method not in ("nearest", "area")
    settings = {
        "method": method,
        "corners": corners,
        "antialias": draw(st.booleans()) if free else False,
        "coefficient": draw(st.sampled_from([-0.5, -0.75, 0.0, -1.0])),
        "border": draw(st.sampled_from(["inside", "edge"])),
    }
    return small_integers((2, *lengths, 3), draw(st.integers(0, 999))), shape, settings


@examples(40)
@given(case=cases())
def test_values_and_deltas_are_those_of_the_reference(case):
    x, shape, settings = case
    dy = small_integers((2, *shape, 3), 1)
    y, dx = by_numpy.pulled(partial(jc.resize, output_shape=shape, **settings), x, dy)
    close(y, reference.resize(x, shape, **settings))
    close(dx, reference.resize_deltas(x, dy, **settings))


def half_a_cell_off(x, shape, **settings):
    """Incorrect: the coordinates of the other corner rule."""
    other = {"half_pixel": "asymmetric", "align": "half_pixel", "asymmetric": "half_pixel"}[settings["corners"]]
    return reference.resize(x, shape, **settings | {"corners": other})


def another_slope(x, shape, **settings):
    """Incorrect: a cubic with another coefficient."""
    return reference.resize(x, shape, **settings | {"coefficient": settings["coefficient"] / 2 - 0.1})


def without_antialiasing(x, shape, **settings):
    """Incorrect: reads the nearest cells only."""
    return reference.resize(x, shape, **settings | {"antialias": False})


def the_other_border(x, shape, **settings):
    """Incorrect: copies of the last cell instead of cells of x only."""
    other = {"inside": "edge", "edge": "inside"}[settings["border"]]
    return reference.resize(x, shape, **settings | {"border": other})


@pytest.mark.parametrize("twin", [half_a_cell_off, another_slope, without_antialiasing, the_other_border])
def test_broken_twins_are_caught(twin):
    def is_detected(case):
        x, shape, settings = case
        y = by_numpy.resize(x, shape, **settings)
        return not np.allclose(y, twin(x, shape, **settings), rtol=1e-5, atol=1e-4)

    assert caught(cases(), is_detected)


@pytest.mark.parametrize(("library", "row"), ROWS, ids=lambda name: name)
def test_results_are_those_of_other_libraries(library, row):
    """`support/resized_by_others.py` wrote them. TensorFlow rounds the coordinates of its cubic to 1/1024 of a cell."""
    atol = 0.02 if (library, row) == ("tensorflow", 'method="bicubic"') else 2e-5
    settings = {"antialias": False} | resized_by_others.TABLE[library][row]
    for shape, expected in zip(resized_by_others.SHAPES, FOUND[library]["rows"][row], strict=True):
        actual = by_numpy.resize(resized_by_others.image(), shape, **settings)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(("library", "row"), [("torch", 'mode="bicubic"'), ("jax.image", 'method="linear"')])
def test_other_settings_do_not_give_these_results(library, row):
    """The broken twin: a cubic of another slope, and no antialiasing."""
    settings = resized_by_others.TABLE[library][row] | {"antialias": False, "coefficient": -0.5}
    actual = by_numpy.resize(resized_by_others.image(), (3, 12), **settings)
    assert not np.allclose(actual, FOUND[library]["rows"][row][1], atol=0.02)


def test_the_page_has_the_table():
    page = (Path(__file__).parents[2] / "docs" / "layers.md").read_text()
    rows = resized_by_others.documented()
    assert [row for row in rows if row not in page] == []
    assert page.count("image.resize`, ") + page.count("interpolate`, ") == len(rows)


def test_the_committed_results_are_of_the_rows_of_the_table():
    assert {name: list(found["rows"]) for name, found in FOUND.items()} == {
        name: list(rows) for name, rows in sorted(resized_by_others.TABLE.items())
    }


def test_pytorchs_area_is_adaptive_pooling():
    """TensorFlow's area weighs a cell by its share."""
    x = np.arange(5, dtype=np.float32).reshape(1, 5, 1)
    assert by_numpy.adaptive_avg_pool(x, (2,)).ravel().tolist() == [1, 3]
    np.testing.assert_allclose(by_numpy.resize(x, (2,), method="area").ravel(), [(0 + 1 + 1) / 2.5, (1 + 3 + 4) / 2.5])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("corners", CORNERS)
def test_the_same_shape_is_the_identity_and_constants_stay(method, corners):
    settings = {"method": method, "corners": corners if method != "area" else "half_pixel"}
    np.testing.assert_array_equal(by_numpy.resize(X, (5, 7), **settings), X)
    y = by_numpy.resize(np.full_like(X, 3), (9, 4), antialias=False, **settings)
    np.testing.assert_allclose(y, np.full((2, 9, 4, 3), 3), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_infinite_cells_change_only_the_outputs_that_read_them(method):
    """A weight of 0 reads nothing: at multiples of 2, "linear" reads one cell."""
    x = np.zeros((1, 16, 1), np.float32)
    x[0, 8] = np.inf
    y = by_numpy.resize(x, (32,), method=method, border="inside").ravel()
    radius = {"nearest": 1, "linear": 1, "area": 1, "cubic": 2, "lanczos3": 3, "lanczos5": 5}[method]
    assert (y[: 17 - 2 * radius] == 0).all()
    assert (y[17 + 2 * radius :] == 0).all()
    assert not np.isfinite(y[16])
    up = by_numpy.resize(x[:, :9], (17,), method=method, corners="align").ravel() if method != "area" else y
    assert method == "area" or (np.isfinite(up[:16:2]).all() and up[16] == np.inf)


def test_compiled():
    """All methods in one program."""
    run = jax.jit(
        lambda x: [
            jc.resize(x, (3, 9), method=method, antialias=None if method in ("nearest", "area") else True)
            for method in METHODS
        ]
    )
    for method, y in zip(METHODS, run(X), strict=True):
        close(y, reference.resize(X, (3, 9), method=method, antialias=method not in ("nearest", "area")))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.complex64])
def test_dtype_is_kept(dtype):
    y = by_numpy.resize(X.astype(dtype), (9, 4), antialias=True)
    assert y.dtype == dtype
    np.testing.assert_allclose(
        y.astype(np.complex64).real, by_numpy.resize(X, (9, 4), antialias=True), rtol=0.02, atol=0.05
    )
    assert by_numpy.resize(X.astype(np.int8), (9, 4), method="nearest").dtype == np.int8
    assert by_numpy.resize(X > 0, (9, 4), method="nearest").dtype == bool


def test_double_precision():
    with jax.enable_x64(True):
        x = np.random.default_rng(1).normal(size=(1, 6, 1))
        y = evaluated(lambda x: jc.resize(x, (17,), method="lanczos3"))(x)
        np.testing.assert_allclose(y, reference.resize(x, (17,), method="lanczos3"), rtol=1e-13, atol=1e-14)


def test_layouts_and_batches():
    layer = partial(by_numpy.resize, output_shape=(9, 4), antialias=False)
    y = layer(X)
    np.testing.assert_array_equal(layer(X[1], batched=False), y[1])
    np.testing.assert_array_equal(np.moveaxis(layer(np.moveaxis(X, -1, 1), layout="channels_first"), 1, -1), y)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, ValueError, "antialias is None, but should be given where an axis shrinks. Pass antialias=True to"),
        (
            {"method": "bilinear"},
            ValueError,
            """method is 'bilinear', but should be "nearest", "linear", .* "linear".""",
        ),
        ({"corners": "aligned"}, ValueError, """corners is 'aligned', .* Perhaps you mean "align"."""),
        ({"antialias": True, "corners": "align"}, ValueError, "antialias is True, but should be False for method='lin"),
        ({"antialias": True, "method": "nearest"}, ValueError, "antialias is True, but should be False for method='ne"),
        ({"method": "area", "corners": "align"}, ValueError, 'corners is "align", but should be "half_pixel" for'),
        ({"antialias": False, "coefficient": 0.5}, ValueError, "coefficient is 0.5, but should be from -1 to 0"),
        ({"antialias": False, "border": "wrap"}, ValueError, """border is 'wrap', but should be "inside" or "edge"."""),
    ],
)
def test_errors_name_the_argument_and_the_cure(settings, error, message):
    with pytest.raises(error, match=f"resize: {message}"):
        jc.resize(X, (3, 9), **settings)


def test_integers_are_averaged_by_no_method():
    with pytest.raises(
        TypeError, match=r'resize: x is int32, but should be floats. Cast it first: .* method="nearest"'
    ):
        jc.resize(X.astype(int), (9, 9))
