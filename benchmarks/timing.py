"""The timer of all benchmarks: contenders alternate in one process, and the ratios within each round are compared.

A round has one turn of every contender, A B C A B C and so on. If the machine slows down for longer than a round, all
contenders slow down, and their ratios do not change. A turn repeats short calls until it takes some milliseconds, after
some untimed calls. The system counts how long other processes compute during the rounds. Rounds that they disturbed are
discarded and repeated.
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

QUIET = 0.15  # largest fraction of one CPU that other processes may take
STRETCH = 0.3  # seconds of rounds that are judged together, because the system counts in hundredths of a second
TURN = 5e-3  # least seconds of a turn
SETTLE = 20e-3  # seconds between turns: the previous one left its data in the caches, and threads that still spin
PATIENCE = 60.0  # seconds after which there are fewer rounds
LEAST = 3  # least number of rounds, even after PATIENCE


def others_seconds(stat: Path = Path("/proc/stat")) -> float | None:
    """Seconds that all CPUs spent on other processes, since an arbitrary time; None if the system does not count them.

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
    """The time, and how long other processes have computed, in seconds since an arbitrary time; and a way to wait."""

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
        """The median and quartiles of one or more values.

        >>> Spread.of([1.0, 2.0, 3.0, 4.0, 100.0])
        Spread(median=3.0, low=2.0, high=4.0)
        """
        low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
        return cls(median, low, high)


@dataclass(frozen=True)
class Timing:
    """The measurements. A list has one entry for each round that counts."""

    seconds: dict[str, list[float]]  # for one call of each contender
    redone: int  # rounds that were discarded because other processes disturbed them
    disturbed: int | None  # rounds that count although they were disturbed; None if this is unknown

    def of(self, name: str) -> Spread:
        """The seconds of one call."""
        return Spread.of(self.seconds[name])

    def ratio(self, name: str, other: str) -> Spread:
        """The ratio of one contender's time to another's, over the rounds."""
        return Spread.of([a / b for a, b in zip(self.seconds[name], self.seconds[other], strict=True)])

    def row(self, pairs: Sequence[tuple[str, str]] = (), first: Mapping[str, float] | None = None) -> dict[str, Any]:
        """A dict for JSON with every contender's time, and the ratios of some pairs.

        The time of a first call beyond that of later calls counts as tracing and compiling.
        """
        compiling = {name: max(seconds - self.of(name).median, 0.0) for name, seconds in (first or {}).items()}
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
    """Rounds that are judged together: the seconds of a call in each, and the fraction of a CPU that others took."""

    rounds: list[dict[str, float]]
    others: float | None

    @property
    def quiet(self) -> bool:
        return self.others is None or self.others <= QUIET


def first_calls(
    contenders: Mapping[str, Callable[[], Any]], clock: Clock | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Call each contender for the first time. Returns its result, and its time with compilation included."""
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
    """Time contenders in alternating turns. They have been called before (`first_calls`).

    Args:
        contenders: a name and a function for each. The function returns when its work is done.
        rounds: least number of rounds. If they take less than `STRETCH` seconds together, there are as many as fit into
            that time. If they would take more than `PATIENCE` seconds, there are fewer, but at least `LEAST`.
        redo: most disturbed stretches of rounds that are discarded. After that the least disturbed stretches count.
        before: called before every turn and not timed. A turn is then one call.
        clock: the machine's clock by default.
    """
    clock = clock or Clock()
    warm = {} if before else {name: _seconds(run, clock) for name, run in contenders.items()}
    calls = {name: max(1, math.ceil(TURN / max(seconds, 1e-9))) for name, seconds in warm.items()}
    untimed = {name: int(SETTLE / max(seconds, 1e-9)) for name, seconds in warm.items()}

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
    counted = [one_round for stretch in kept for one_round in stretch.rounds]
    seconds = {name: [one_round[name] for one_round in counted] for name in contenders}
    disturbed = sum(len(stretch.rounds) for stretch in kept if not stretch.quiet)
    redone = sum(len(stretch.rounds) for stretch in stretches) - len(counted)
    return Timing(seconds, redone, None if clock.others() is None else disturbed)


def _seconds(run: Callable[[], object], clock: Clock, calls: int = 1) -> float:
    """The mean seconds of one of `calls` calls."""
    started = clock.now()
    for _ in range(calls):
        run()
    return (clock.now() - started) / calls


def _stretch(one_round: Callable[[], dict[str, float]], clock: Clock) -> _Stretch:
    """Run rounds for `STRETCH` seconds, long enough to determine whether the machine is quiet."""
    started, before, rounds = clock.now(), clock.others(), []
    while not rounds or clock.now() - started < STRETCH:
        rounds.append(one_round())
    after = clock.others()
    others = None if before is None or after is None else (after - before) / (clock.now() - started)
    return _Stretch(rounds, others)


def _enough(stretches: Sequence[_Stretch], elapsed: float, rounds: int, redo: int) -> bool:
    """Whether there are enough quiet rounds, or no more may be repeated, or `PATIENCE` is over."""
    quiet = sum(len(stretch.rounds) for stretch in stretches if stretch.quiet)
    every = sum(len(stretch.rounds) for stretch in stretches)
    redone = sum(not stretch.quiet for stretch in stretches)
    late = elapsed > PATIENCE and every >= min(rounds, LEAST)
    return quiet >= rounds or late or (redone > redo and every >= rounds)


def _kept(stretches: Sequence[_Stretch], rounds: int) -> list[_Stretch]:
    """All quiet stretches, and the least disturbed of the others until there are enough rounds."""
    kept: list[_Stretch] = []
    for stretch in sorted(stretches, key=lambda stretch: stretch.others or 0.0):
        if stretch.quiet or sum(len(other.rounds) for other in kept) < rounds:
            kept.append(stretch)
    return kept
