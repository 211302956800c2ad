"""A table of invalid calls of every public function: the invalid argument, and each part of the expected message."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from support.bad_input.valid import FUNCTIONS, VALID


@dataclass(frozen=True)
class Bad:
    """An invalid call, and its message: `where: named is found, but should be expected. fix.`

    `found`, `expected` and `fix` are literal parts of the message; "..." matches any text.
    """

    function: str
    argument: str
    fault: str  # short description of the fault
    call: Callable[[], Any]
    error: type[Exception]
    named: str  # name of the argument in the message
    found: str
    expected: str
    fix: str
    where: str  # name of the function in the message

    def __str__(self) -> str:
        return f"{self.function}, {self.argument}: {self.fault}"

    @property
    def pattern(self) -> str:
        """The whole message as a regular expression."""
        literal = lambda text: re.escape(text).replace(re.escape("..."), ".*")
        parts = map(literal, (self.where, self.named, self.found, self.expected, self.fix))
        return "{}: {} is {}, but should be {}\\. {}\\.".format(*parts)


def bad(functions: str | Iterable[str], argument: str, *faults: tuple, named: str = "", **others: Any) -> list[Bad]:
    """Returns a row for each function and fault.

    Args:
        functions: names of public functions, separated by spaces.
        argument: the invalid argument; all others are as in `VALID`.
        faults: tuples (fault, value, error, found, expected, fix).
        named: name of the argument in the message, if it differs.
        others: further arguments of the call.
    """
    names = functions.split() if isinstance(functions, str) else functions
    return [
        Bad(
            name, argument, fault, caller(name, {**others, argument: value}), error, named or argument, found, expected,
            fix, name,
        )
        for name in names
        for fault, value, error, found, expected, fix in faults
    ]  # fmt: skip


def caller(name: str, changes: dict[str, Any]) -> Callable[[], Any]:
    """Returns the valid call of a function with some arguments changed."""
    return lambda: FUNCTIONS[name](**{**VALID.get(name, {}), **changes})
