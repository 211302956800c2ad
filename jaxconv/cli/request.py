"""The input and the outcome of a command."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

from jaxconv.cli import target
from jaxconv.cli.arguments import integer, shapes, shifted


@dataclass(frozen=True)
class Outcome:
    """The result of a command."""

    status: int
    text: str


@dataclass(frozen=True)
class Request:
    """The input of every command: a function, the shapes of its arguments, the shifted axes, and a seed."""

    fn: Any
    arguments: list[Any]
    axes: dict[int, tuple[int, ...]]  # empty for `summary`, which then chooses them
    seed: int

    @classmethod
    def read(cls, options: argparse.Namespace, *, axes_needed: bool = True) -> Request:
        """Validate the options before importing the function, which may take long."""
        arguments = shapes(options)
        by_default = options.axes is None and len(arguments) == 1 and not axes_needed
        axes = {} if by_default else shifted(options.axes, arguments)
        seed = integer(getattr(options, "seed", "0"), "--seed", least=0)
        fn = target.function(options.function)
        target.attempt(f"{options.function} cannot be read", lambda: target.check_arguments(fn, arguments))
        return cls(fn, arguments, axes, seed)

    def attempt(self, call: Any) -> Any:
        """The result of a call that runs or traces the function."""
        return target.attempt(target.given(self.fn, self.arguments), call)


def shown(result: Any, as_json: bool) -> str:
    """A result as a report, or as JSON."""
    return json.dumps(json.loads(result.to_json()), indent=2) if as_json else str(result)
