"""The derivation behind a certificate: how each equation's results move; only data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jaxconv.verify.domain import Value


@dataclass(frozen=True)
class Row:
    """One row of the derivation: an equation, how deep in calls it stands, and how its outputs move."""

    number: int
    depth: int
    primitive: str
    outputs: tuple[Value, ...]


Rows: TypeAlias = tuple[Row, ...]
Derivation: TypeAlias = tuple[Rows, Rows]  # of the cyclic and of the interior walk
