"""Dataclasses of a certificate's derivation: how the results of each equation move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jaxconv.verify.domain import Value


@dataclass(frozen=True)
class Row:
    """One row of the derivation: an equation, its nesting depth in calls, and how its results move."""

    number: int
    depth: int
    primitive: str
    outputs: tuple[Value, ...]


Rows: TypeAlias = tuple[Row, ...]
Derivation: TypeAlias = tuple[Rows, Rows]  # the rows of the cyclic walk and of the interior walk
