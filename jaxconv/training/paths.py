"""Validates arguments that are paths."""

from __future__ import annotations

import os
from pathlib import Path

from jaxconv.checks import shown
from jaxconv.errors import explain


def path_of(argument: str, value: object, example: str) -> Path:
    """The path from text or a `Path`.

    >>> path_of("folder", "data", "data/mnist").name
    'data'
    """
    if not isinstance(value, str | os.PathLike):
        raise TypeError(explain(argument, shown(value), "a path", f'Write it as text: "{example}"'))
    return Path(value)
