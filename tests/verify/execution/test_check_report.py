"""Test the report of a check as text, HTML and strict JSON."""

import json
import re

import numpy as np
from support.numeric_subjects import H, W, X, poisoned, zero_padded

from jaxconv.verify.execution.check import check


def test_the_report_says_what_was_found():
    text = str(check(zero_padded, X, axes=(1, 2)))
    assert text.startswith("zero_padded: VIOLATED for 48 cyclic shifts of 6 x 8 cells")
    assert "evidence, not a proof" in text
    assert "shifts by 1 along axis 1 of argument 0 -> 1 along output axis 1 (from the shapes)" in text
    assert re.search(
        r"largest error \S+ \(relative \S+, \S+ ULPs\) at shift \(\d, \d\), position \(0, \d, \d, \d\)", text
    )
    assert "2 sides * 18 roundings of the largest value" in text
    assert '<b style="color:#cf222e">VIOLATED</b>' in check(zero_padded, X, axes=(1,))._repr_html_()


def test_json_is_strict():
    def refuse(constant):
        raise AssertionError(constant)

    data = json.loads(check(poisoned, X, axes=(1,)).to_json(), parse_constant=refuse)
    (leaf,) = data["leaves"]
    assert (data["finding"], leaf["finding"], leaf["errors"][1]) == ("VIOLATED", "VIOLATED", "inf")
    assert np.shape(leaf["positions"]) == (1, H, W, 3)
    assert leaf["dtype"] == "float32"
    assert leaf["relative"][1] == leaf["ulps"][1] == "inf"
