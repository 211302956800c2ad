"""Exit statuses, and the error for a command that cannot be run."""

from __future__ import annotations

from jaxconv.errors import message

HELD, VIOLATED, UNDECIDED, FAILED = 0, 1, 2, 3
STATUS = {"PROVED": HELD, "HELD": HELD, "REFUTED": VIOLATED, "VIOLATED": VIOLATED, "UNDECIDED": UNDECIDED}
PROGRAM = "python -m jaxconv"


class UsageError(Exception):
    """A command that cannot be run. Its arguments are a sentence, or those of `message` after the first.

    >>> print(UsageError("--seed", "'a'", "a whole number", "Leave it out for 0").line("certify"))
    python -m jaxconv certify: --seed is 'a', but should be a whole number. Leave it out for 0.
    >>> print(UsageError("mine has no 'net'").line(""))
    python -m jaxconv: mine has no 'net'
    """

    def line(self, command: str) -> str:
        """The message that is printed."""
        name, (first, *others) = f"{PROGRAM} {command}".rstrip(), self.args
        return message(name, first, *others) if others else f"{name}: {first}"


def worst(statuses: list[int]) -> int:
    """The combined status of several claims: violated, otherwise undecided, otherwise held.

    >>> worst([0, 2]), worst([2, 1, 0])
    (2, 1)
    """
    return max(statuses, key=(HELD, UNDECIDED, VIOLATED).index)
