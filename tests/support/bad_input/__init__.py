"""Bad calls of every public function, as a table: what was passed, and each part of the message that it must get."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from support.bad_input.valid import FUNCTIONS, VALID


@dataclass(frozen=True)
class Bad:
    """One bad call, and its message: `where: named is found, but should be expected. fix.`

    `found`, `expected` and `fix` are written as the message has them, "..." standing for any text.
    """

    function: str
    argument: str
    fault: str  # what kind of fault it is, in a word or two
    call: Callable[[], Any]
    error: type[Exception]
    named: str  # what the message calls the argument
    found: str
    expected: str
    fix: str
    where: str  # what the message calls the function

    def __str__(self) -> str:
        return f"{self.function}, {self.argument}: {self.fault}"

    @property
    def pattern(self) -> str:
        """The whole message as a regular expression."""
        literal = lambda text: re.escape(text).replace(re.escape("..."), ".*")
        parts = map(literal, (self.where, self.named, self.found, self.expected, self.fix))
        return "{}: {} is {}, but should be {}\\. {}\\.".format(*parts)


def bad(functions: str | Iterable[str], argument: str, *faults: tuple, named: str = "", **others: Any) -> list[Bad]:
    """A row for each function and fault.

    Args:
        functions: names of public functions, between spaces.
        argument: the one that is bad; every other is as in `VALID`.
        faults: (kind, value, error, found, expected, fix) each.
        named: what the message calls the argument, if not that.
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
    """The valid call of a function but for some arguments."""
    return lambda: FUNCTIONS[name](**{**VALID.get(name, {}), **changes})
