"""What `accelerate` replaced, and why it kept the rest: the result of `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jax.extend.core import JaxprEqn

from jaxconv.jaxprs.rewrite import KeptError, Replacement
from jaxconv.jaxprs.source import module_path, source_line
from jaxconv.jaxprs.typing import Stack, shape_of
from jaxconv.lowering.accelerate.reading import Reading


@dataclass(frozen=True)
class Outcome:
    """One window operation of lax.

    Attributes:
        primitive: the name of lax's primitive.
        shapes: the shapes of its operands.
        source: the line that it was traced from.
        module: the name scopes around it, such as "Net/Conv_0".
        algorithms: if it is replaced, our operation and those of its derivatives, each with the algorithm that the
            table has for it on the CPU; if not, empty.
        reason: why it is kept; empty if it is replaced.
    """

    primitive: str
    shapes: tuple[tuple[int, ...], ...]
    source: str
    module: str
    algorithms: dict[str, str] = field(default_factory=dict[str, str])
    reason: str = ""

    def __str__(self) -> str:
        result = ", ".join(f"{operation} by {algorithm}" for operation, algorithm in self.algorithms.items())
        where = f"{self.source}{f' in {self.module}' * bool(self.module)}"
        shapes = " ".join(f"[{','.join(map(str, shape))}]" for shape in self.shapes)
        return f"{where}: {self.primitive} {shapes}: {result or f'kept, because {self.reason}'}"


@dataclass(frozen=True)
class Explanation:
    """Every convolution and window reduction of a function, in the order of the jaxpr.

    Attributes:
        replaced: those that the table computes.
        kept: those that stay lax's.
    """

    replaced: tuple[Outcome, ...]
    kept: tuple[Outcome, ...]

    def __str__(self) -> str:
        heads = {f"{len(self.replaced)} replaced": self.replaced, f"{len(self.kept)} kept": self.kept}
        return "\n".join(line for head, rows in heads.items() for line in (head, *(f"  {row}" for row in rows)))


def outcome(equation: JaxprEqn, stack: Stack, found: Replacement | KeptError) -> Outcome:
    """Describe what became of an equation."""
    shapes = tuple(map(shape_of, equation.invars))
    where = equation.primitive.name, shapes, source_line(equation, stack), module_path(equation, stack)
    if isinstance(found, KeptError):
        return Outcome(*where, reason=str(found))
    return Outcome(*where, algorithms=found.meaning.algorithms() if isinstance(found.meaning, Reading) else {})


def explanation(outcomes: Sequence[Outcome]) -> Explanation:
    """Sort outcomes into those of equations that are replaced and those of equations that are kept."""
    return Explanation(tuple(row for row in outcomes if not row.reason), tuple(row for row in outcomes if row.reason))
