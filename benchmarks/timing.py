"""The one timer: contenders take turns in one process, and what is compared are the ratios within each round.

A round has one turn of every contender, A B C A B C and so on: whatever slows the machine for longer than a round slows
all of them, and leaves their ratios alone. A turn repeats short calls until it takes some milliseconds, after some that
are not timed. While rounds go by, the system counts how long other processes computed; rounds that they disturbed are
thrown away and done again.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

QUIET = 0.15  # of one CPU: what other processes may take
STRETCH = 0.3  # seconds: rounds are judged together for as long, since the system counts in hundredths of a second
TURN = 5e-3  # seconds: what a turn takes at least
SETTLE = 20e-3  # seconds between turns: the one before left its data in the caches, and threads that still spin
PATIENCE = 60.0  # seconds: whoever takes longer gets fewer rounds
LEAST = 3  # rounds, however long they take


def others_seconds(stat: Path = Path("/proc/stat")) -> float | None:
    """Seconds that all CPUs spent on other processes than this one, from some moment on; None where nobody counts.

    >>> others_seconds(Path("no such file"))
    """
    try:
        first = stat.read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(int, first[1:9])
    busy = user + nice + system + interrupts + soft_interrupts + stolen
    return busy / os.sysconf("SC_CLK_TCK") - time.process_time()


@dataclass(frozen=True)
class Clock:
    """What time it is, and how long other processes have computed: seconds, of which only differences mean anything."""

    now: Callable[[], float] = time.perf_counter
    others: Callable[[], float | None] = others_seconds
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True)
class Spread:
    """A median between the quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more.

        >>> Spread.of([1.0, 2.0, 3.0, 4.0, 100.0])
        Spread(median=3.0, low=2.0, high=4.0)
        """
        low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
        return cls(median, low, high)


@dataclass(frozen=True)
class Timing:
    """What was measured. A list has one entry for each round that counts."""

    seconds: dict[str, list[float]]  # of one call of each contender
    redone: int  # rounds thrown away since other processes disturbed them
    disturbed: int | None  # rounds that count although they were disturbed; None where nobody can tell

    def of(self, name: str) -> Spread:
        """How long one call takes."""
        return Spread.of(self.seconds[name])

    def ratio(self, name: str, other: str) -> Spread:
        """The rounds' ratios of one contender's time to another's."""
        return Spread.of([a / b for a, b in zip(self.seconds[name], self.seconds[other], strict=True)])

    def row(self, pairs: Sequence[tuple[str, str]] = (), first: Mapping[str, float] | None = None) -> dict[str, Any]:
        """For JSON: every contender's time, and the ratios of some pairs.

        Of the first calls' seconds what is more than a later call's went into tracing and compiling.
        """
        compiling = {name: max(taken - self.of(name).median, 0.0) for name, taken in (first or {}).items()}
        return {
            "seconds": {name: asdict(self.of(name)) for name in self.seconds},
            "ratios": {f"{a} / {b}": asdict(self.ratio(a, b)) for a, b in pairs},
            "rounds": len(next(iter(self.seconds.values()))),
            "redone": self.redone,
            "disturbed": self.disturbed,
            "compile_seconds": compiling,
        }


@dataclass(frozen=True)
class _Stretch:
    """Rounds that are judged together: each one's seconds per call, and the part of a CPU that others took."""

    rounds: list[dict[str, float]]
    others: float | None

    @property
    def quiet(self) -> bool:
        return self.others is None or self.others <= QUIET


def first_calls(
    contenders: Mapping[str, Callable[[], Any]], clock: Clock | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Call each contender for the first time: what it gives back, and how long it took, compiling included."""
    clock, results, seconds = clock or Clock(), {}, {}
    for name, run in contenders.items():
        started = clock.now()
        results[name] = run()
        seconds[name] = clock.now() - started
    return results, seconds


def alternate(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 11,
    redo: int = 10,
    before: Callable[[], object] | None = None,
    clock: Clock | None = None,
) -> Timing:
    """Time contenders in turns. They have been called before (`first_calls`).

    Args:
        contenders: a name and a function for each, which comes back when its work is done.
        rounds: how many at least; where they take less than `STRETCH` seconds together, as many as fit into that. They
            are fewer, but `LEAST`, where they would take more than `PATIENCE` seconds.
        redo: how many disturbed stretches of rounds are thrown away, at most. After that the least disturbed count.
        before: called ahead of every turn and not timed. A turn is one call then.
        clock: the machine's own, unless another one is given.
    """
    clock = clock or Clock()
    warm = {} if before else {name: _seconds(run, clock) for name, run in contenders.items()}
    calls = {name: max(1, math.ceil(TURN / max(taken, 1e-9))) for name, taken in warm.items()}
    untimed = {name: int(SETTLE / max(taken, 1e-9)) for name, taken in warm.items()}

    def one_turn(name: str, run: Callable[[], object]) -> float:
        if before:
            before()
        elif untimed[name]:
            _seconds(run, clock, untimed[name])
        else:
            clock.sleep(SETTLE)
        return _seconds(run, clock, calls.get(name, 1))

    started, stretches = clock.now(), []
    while not _enough(stretches, clock.now() - started, rounds, redo):
        stretches.append(_stretch(lambda: {name: one_turn(name, run) for name, run in contenders.items()}, clock))
    kept = _kept(stretches, rounds)
    counted = [taken for stretch in kept for taken in stretch.rounds]
    seconds = {name: [taken[name] for taken in counted] for name in contenders}
    disturbed = sum(len(stretch.rounds) for stretch in kept if not stretch.quiet)
    redone = sum(len(stretch.rounds) for stretch in stretches) - len(counted)
    return Timing(seconds, redone, None if clock.others() is None else disturbed)


def _seconds(run: Callable[[], object], clock: Clock, calls: int = 1) -> float:
    """How long one of so many calls takes."""
    started = clock.now()
    for _ in range(calls):
        run()
    return (clock.now() - started) / calls


def _stretch(one_round: Callable[[], dict[str, float]], clock: Clock) -> _Stretch:
    """Rounds for as long as it takes to tell whether the machine is quiet."""
    started, before, rounds = clock.now(), clock.others(), []
    while not rounds or clock.now() - started < STRETCH:
        rounds.append(one_round())
    after = clock.others()
    taken = None if before is None or after is None else (after - before) / (clock.now() - started)
    return _Stretch(rounds, taken)


def _enough(stretches: Sequence[_Stretch], elapsed: float, rounds: int, redo: int) -> bool:
    """Whether there are as many quiet rounds as asked for; or no more may be redone; or time is up."""
    quiet = sum(len(stretch.rounds) for stretch in stretches if stretch.quiet)
    every = sum(len(stretch.rounds) for stretch in stretches)
    redone = sum(not stretch.quiet for stretch in stretches)
    late = elapsed > PATIENCE and every >= min(rounds, LEAST)
    return quiet >= rounds or late or (redone > redo and every >= rounds)


def _kept(stretches: Sequence[_Stretch], rounds: int) -> list[_Stretch]:
    """All the quiet stretches, and of the others the least disturbed, until there are rounds enough."""
    kept: list[_Stretch] = []
    for stretch in sorted(stretches, key=lambda stretch: stretch.others or 0.0):
        if stretch.quiet or sum(len(one.rounds) for one in kept) < rounds:
            kept.append(stretch)
    return kept
