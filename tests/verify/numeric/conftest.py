"""Checks of many small functions, each of which runs for a moment: XLA optimises them each night only."""

import pytest
from support.geometries import NIGHTLY
from support.quick_compilation import unoptimised


@pytest.fixture(autouse=not NIGHTLY)
def quickly_compiled():
    with unoptimised():
        yield
