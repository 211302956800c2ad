"""Dataclasses of a certificate's derivation: how the results of each equation move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jaxconv.jaxprs.evaluate import Path
from jaxconv.verify.claims import KindName
from jaxconv.verify.domain import Value


@dataclass(frozen=True)
class Row:
    """One row of the derivation: an equation, and how its outputs move.

    Attributes:
        number: of the row.
        path: of the equation, as in `traverse.with_paths`.
        primitive: name of the equation's primitive.
        outputs: how each result moves.
    """

    number: int
    path: Path
    primitive: str
    outputs: tuple[Value, ...]

    @property
    def depth(self) -> int:
        """Number of calls, loops and branches around the equation."""
        return len(self.path) // 2


Rows: TypeAlias = tuple[Row, ...]
Derivation: TypeAlias = dict[KindName, Rows]  # the rows of the walk of each kind of claims
