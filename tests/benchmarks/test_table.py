"""`benchmarks/table.py`: the operations that it finds, the choices that it calls slow, and the table that it saves."""

import json

import numpy as np
import pytest
import table
from layer_rows import ROWS, convolution, pool
from timing import Timing

from jaxconv.lowering import saved_table
from jaxconv.lowering.algorithms import ALGORITHMS
from jaxconv.lowering.table import algorithm_for


def test_the_operations_of_a_layer_and_their_algorithms():
    found = {one.operation: one for one in table.decisions(convolution(3, 6, 2, 5), 4)}
    assert set(found) == {"conv", "conv_input_grad", "conv_kernel_grad"}
    for operation, one in found.items():
        assert one.sizes == (4, 2, 5)
        assert one.chosen == algorithm_for(operation, one.spec, 4, 2, 5)
        assert {"lax", "nhwc", "row_products", "toeplitz", one.chosen} <= set(one.candidates)
        assert "depthwise" not in one.candidates
    pools = {one.operation: one for one in table.decisions(pool("max", 3, 8, 2), 4)}
    assert set(pools) == {"max_pool", "max_pool_scatter"}
    assert pools["max_pool_scatter"].candidates == ["lax", *(name for name in ALGORITHMS if name.startswith("argmax"))]
    assert table.decisions(pool("max", 3, 9, 2, dilation=2), 4) == []


def test_every_candidate_computes_the_operation():
    (one,) = [one for one in table.decisions(convolution(3, 6, 2, 5), 4) if one.operation == "conv_kernel_grad"]
    results = {name: np.asarray(run()) for name, run in one.calls().items()}
    assert set(results) == set(one.candidates)
    for result in results.values():
        np.testing.assert_allclose(result, results["lax"], rtol=1e-4, atol=1e-4)


def row(chosen, fastest, disturbed=0):
    """A row in which lax took 2 s, nhwc 1.16 s and row_products 1 s, but for one round of lax."""
    seconds = {"lax": [2.0, 2.0, 0.1, 2.0, 2.0], "nhwc": 5 * [1.16], "row_products": 5 * [1.0]}
    return {"chosen": chosen, "fastest": fastest, "disturbed": disturbed} | Timing(seconds, 0, disturbed).row()


@pytest.mark.parametrize(("chosen", "slow"), [("lax", True), ("nhwc", True), ("row_products", False)])
def test_choices_that_are_slow(chosen, slow):
    assert table.is_slow(row(chosen, "row_products")) == slow
    assert not table.is_slow(row("nhwc", "nhwc"))


def test_the_fastest_is_not_that_of_one_lucky_round():
    seconds = {"lax": [2.0, 2.0, 0.1, 2.0, 2.0], "nhwc": 5 * [1.16], "row_products": 5 * [1.0]}
    assert table.fastest_of(Timing(seconds, 0, 0)) == "row_products"


def test_slow_choices_of_undisturbed_rows_are_saved(tmp_path, monkeypatch):
    found = [table.decisions(convolution(3, side, 4, 5), 4)[0] for side in (6, 7, 8)]
    rows = [row("lax", "row_products"), row("lax", "row_products", disturbed=1), row("row_products", "row_products")]
    path = tmp_path / "mine.json"
    path.write_text(table.saved_text(rows, found, {"jax": "0.12"}))
    assert json.loads(path.read_text())["about"] == {"jax": "0.12"}
    monkeypatch.setenv(saved_table.VARIABLE, str(path))
    assert [one.chosen for one in found] == ["row_products", "lax", "lax"]


def test_every_layer_has_decisions():
    """Except for products without a window operation, and a pool that reads every second cell."""
    without = {label for label, layer in ROWS.items() if not table.decisions(layer, 1)}
    assert without == {"locally connected 3x3 14px c16", "tiled 4x4 3x3 c16 32px", "max pool 3x3 d2 s2 c64 32px"}
