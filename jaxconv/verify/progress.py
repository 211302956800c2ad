"""How much of a long computation is done: a bar on a terminal, and otherwise a line now and then. Both go to stderr."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

PAUSE = {True: 0.2, False: 30.0}  # seconds between two lines: on a terminal, and elsewhere
WIDTH = 30  # of a bar


class Bar(Protocol):
    """A report of progress."""

    def update(self, n: int, /) -> object:
        """Report that n more units are done."""
        ...


def _now() -> float:
    """Seconds, as `time` counts them when it is asked: tests replace its clock."""
    return time.monotonic()


@dataclass
class Lines:
    """Progress as text. On a terminal each line replaces the last one.

    Attributes:
        total: number of units of work, such as tiles.
        done: number of units that are done.
        before: number of them that an earlier run had computed.
        terminal: whether stderr is a terminal.
        title: what is running.
        unit: a unit of work.
    """

    total: int
    done: int
    before: int = 0
    terminal: bool = False
    title: str = "tiled"
    unit: str = "tile"
    began: float = field(default_factory=_now)
    shown: float = field(default_factory=_now)

    def update(self, n: int, /) -> None:
        """Report that n more units are done."""
        self.done += n
        now = _now()
        if now - self.shown >= PAUSE[self.terminal] or self.done == self.total:
            self.shown = now
            ends = "\n" if not self.terminal or self.done == self.total else ""
            sys.stderr.write(("\r" if self.terminal else "") + self.line(now - self.began) + ends)
            sys.stderr.flush()

    def line(self, seconds: float) -> str:
        """The state after some seconds.

        >>> Lines(8, 6, before=2).line(10.0)
        'tiled: 6 of 8 tiles, 5 s left'
        >>> Lines(4, 1, terminal=True).line(60.0)
        'tiled: ███████                        1 of 4 tiles, 180 s left'
        """
        now = self.done - self.before
        left = f", {seconds / now * (self.total - self.done):.0f} s left" if now and self.done < self.total else ""
        bar = f"{'█' * (WIDTH * self.done // self.total):{WIDTH}} " if self.terminal else ""
        return f"{self.title}: {bar}{self.done} of {self.total} {self.unit}s{left}"


class Silence:
    """No report."""

    def update(self, n: int, /) -> None:
        """Report nothing."""


@contextmanager
def reported(total: int, done: int, *, shown: bool, title: str = "tiled", unit: str = "tile") -> Generator[Bar]:
    """Report the progress of `total` units, of which some are done; by tqdm on a terminal, if it is installed."""
    terminal = sys.stderr.isatty()
    if not shown or not total:
        yield Silence()
    elif terminal and importlib.util.find_spec("tqdm"):
        from tqdm import tqdm

        with tqdm(total=total, initial=done, desc=title, unit=unit) as bar:
            yield bar
    else:
        yield Lines(total, done, done, terminal, title, unit)
