"""Exit statuses, and the error for a request that cannot be carried out."""

from __future__ import annotations

from jaxconv.errors import explain

HELD, VIOLATED, UNDECIDED, FAILED = 0, 1, 2, 3
STATUS = {"PROVED": HELD, "HELD": HELD, "REFUTED": VIOLATED, "VIOLATED": VIOLATED, "UNDECIDED": UNDECIDED}
PROGRAM = "python -m jaxconv"


class UsageError(Exception):
    """A request that cannot be carried out: a sentence, or the arguments of `explain` after the first.

    >>> print(UsageError("--seed", "'a'", "a whole number", "Leave it out for 0").line("certify"))
    python -m jaxconv certify: --seed is 'a', but should be a whole number. Leave it out for 0.
    >>> print(UsageError("mine has no 'net'").line(""))
    python -m jaxconv: mine has no 'net'
    """

    def line(self, command: str) -> str:
        """What the user sees."""
        where, (first, *others) = f"{PROGRAM} {command}".rstrip(), self.args
        return explain(where, first, *others) if others else f"{where}: {first}"


def worst(statuses: list[int]) -> int:
    """The status of several claims: violated before undecided before held.

    >>> worst([0, 2]), worst([2, 1, 0])
    (2, 1)
    """
    return max(statuses, key=(HELD, UNDECIDED, VIOLATED).index)
