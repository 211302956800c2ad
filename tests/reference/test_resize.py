"""Reference resizing, compared with results worked out by hand, and deltas with the adjoint."""

import numpy as np
import pytest

from jaxconv import reference

X = np.array([0.0, 4.0, 8.0, 20.0]).reshape(1, 4, 1)


@pytest.mark.parametrize(
    ("m", "settings", "expected"),
    [
        (8, {"method": "nearest"}, [0, 0, 4, 4, 8, 8, 20, 20]),
        (3, {"method": "nearest"}, [0, 8, 20]),
        (3, {"method": "nearest", "corners": "asymmetric"}, [0, 4, 8]),
        (8, {}, [0, 1, 3, 5, 7, 11, 17, 20]),
        (7, {"corners": "align"}, [0, 2, 4, 6, 8, 14, 20]),
        (8, {"corners": "asymmetric"}, [0, 2, 4, 6, 8, 14, 20, 20]),
        (2, {}, [2, 14]),
        (2, {"antialias": True}, [(0 * 3 + 4 * 3 + 8) / 7, (4 + 8 * 3 + 20 * 3) / 7]),
        (1, {"method": "area"}, [8]),
        (3, {"method": "area"}, [1, 6, 17]),
        # Half-way between cells the cubic has the weights (a/8, (4 - a)/8, (4 - a)/8, a/8).
        (7, {"method": "cubic", "corners": "align", "coefficient": -0.5, "border": "edge"},
         [0, 0.5 * (0 + 4) * 1.125 - 0.0625 * (0 + 8), 4, 6 * 1.125 - 0.0625 * 20, 8, 14 * 1.125 - 0.0625 * 24, 20]),
    ],
)  # fmt: skip
def test_by_hand(m, settings, expected):
    np.testing.assert_allclose(reference.resize(X, (m,), **settings).ravel(), expected, rtol=1e-12)


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic", "lanczos3", "lanczos5", "area"])
def test_the_deltas_are_the_adjoint(method):
    generator = np.random.default_rng(0)
    x, dy = generator.normal(size=(2, 5, 7, 3)), generator.normal(size=(2, 8, 3, 3))
    y = reference.resize(x, (8, 3), method=method)
    np.testing.assert_allclose(np.vdot(y, dy), np.vdot(x, reference.resize_deltas(x, dy, method=method)), rtol=1e-12)
