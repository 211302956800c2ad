"""Runs one command: its report on stdout, everything else on stderr, and an exit status that only means a verdict."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from jaxconv.cli.parser import parse
from jaxconv.cli.streams import stdout_to_stderr
from jaxconv.cli.target import last_line
from jaxconv.cli.usage import FAILED, PROGRAM, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: its words, `sys.argv[1:]` if None.

    Returns:
        The exit status: 0 proved, held or counted; 1 refuted, violated or an objection; 2 undecided; 3 failed.

    Raises:
        KeyboardInterrupt: the user interrupted the command, or the user's code raised it.

    >>> main(["certify", "jax.nn:relu", "--shape", "1,8,6,1", "--axes", "1"])  # doctest: +ELLIPSIS
    relu: cyclic shifts PROVED, interior PROVED
    ...
    0
    """
    command = ""
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        command = options.command
        with stdout_to_stderr():
            outcome = options.run(options)
        sys.stdout.write(outcome.text + "\n")
        sys.stdout.flush()
    except SystemExit as stop:  # argparse has printed help or the version; `attempt` catches the user's exits
        return int(stop.code or 0)
    except UsageError as error:
        line = error.line(command)
    except Exception as error:  # a bug or a system error: Python's status for it, 1, means refuted here
        line = f"{PROGRAM} {command}".rstrip() + f": {last_line(error)}"
    else:
        return outcome.status
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no stderr or a full disk; the status remains
        sys.stderr.write(f"{line}\n")
    return FAILED
