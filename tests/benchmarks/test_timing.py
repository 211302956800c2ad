"""The timer, by a clock that only moves when it is told to: who takes turns, what a ratio is, which rounds count."""

from pathlib import Path

import pytest
import timing
from timing import Clock, Spread, Timing, alternate, first_calls, others_seconds


@pytest.fixture(autouse=True)
def _durations_that_floats_hold_exactly(monkeypatch):
    for name, seconds in {"TURN": 1 / 256, "SETTLE": 1 / 64, "STRETCH": 5 / 16}.items():
        assert getattr(timing, name) == pytest.approx(seconds, rel=0.3)
        monkeypatch.setattr(timing, name, seconds)


class Machine:
    """A clock, and contenders that move it; `load` says which part of a CPU other processes take at a moment."""

    def __init__(self, load=lambda now: 0.0):
        self.now, self.taken, self.load, self.calls = 0.0, 0.0, load, []
        self.clock = Clock(lambda: self.now, lambda: self.taken, self.work)

    def work(self, seconds):
        """Time goes by, in which others compute, too."""
        self.taken += self.load(self.now) * seconds
        self.now += seconds

    def contender(self, name, seconds):
        """One that takes so long; or as long as a function of the time says."""

        def run():
            self.calls.append(name)
            self.work(seconds(self.now) if callable(seconds) else seconds)
            return name

        return run


def run(machine, seconds, **settings):
    contenders = {name: machine.contender(name, taken) for name, taken in seconds.items()}
    return alternate(contenders, clock=machine.clock, **settings)


def test_contenders_take_turns():
    machine = Machine()
    found = run(machine, {"a": 0.5, "b": 1.0}, rounds=4)
    assert "".join(machine.calls) == "ab" + "ab" * 4  # one call each to see how long it takes
    assert found.seconds == {"a": [0.5] * 4, "b": [1.0] * 4}


def test_short_calls_are_repeated_after_some_that_are_not_timed():
    machine = Machine()
    found = run(machine, {"a": 1 / 512, "b": 0.5}, rounds=1)
    assert "".join(machine.calls) == "ab" + "a" * 8 + "aa" + "b"  # 8 settle, 2 take the time of a turn
    assert found.of("a").median == 1 / 512


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    """The machine slows down by 8 in one round of three: times spread, ratios do not."""
    slow = lambda seconds: lambda now: seconds * (8 if 8 < now < 20 else 1)
    machine = Machine()
    found = run(machine, {"a": slow(1.0), "b": slow(2.0)}, rounds=3)
    assert sorted(found.seconds["a"]) == [1.0, 1.0, 8.0]
    assert found.ratio("a", "b") == Spread(0.5, 0.5, 0.5)
    assert found.ratio("b", "a") == Spread(2.0, 2.0, 2.0)


def test_the_ratio_of_the_medians_would_be_another():
    """The broken twin: the rounds' ratios are 4, 1/2 and 1/4, but the medians are equal."""
    found = Timing({"a": [4.0, 1.0, 2.0], "b": [1.0, 2.0, 8.0]}, redone=0, disturbed=0)
    assert found.ratio("a", "b") == Spread(0.5, 0.375, 2.25)
    assert found.of("a").median / found.of("b").median == 1.0


def test_short_rounds_are_judged_together_and_all_of_them_count():
    """A call of 3/64 is longer than what others are given to settle, which it sleeps: 5 of 4/64 fill 5/16 seconds."""
    machine = Machine()
    found = run(machine, {"a": 3 / 64}, rounds=3)
    assert found.seconds["a"] == [3 / 64] * 5


@pytest.mark.parametrize(("load", "redone"), [(0.0, 0), (0.14, 0), (0.16, 4)])
def test_disturbed_rounds_are_redone(load, redone):
    """Others compute from the first round to the fourth; each takes a second, and a little to settle."""
    machine = Machine(lambda now: load if now < 5 else 0.0)
    found = run(machine, {"a": 1.0}, rounds=3)
    assert (found.redone, found.disturbed, len(found.seconds["a"])) == (redone, 0, 3)


def test_what_is_quiet_enough_is_the_only_limit(monkeypatch):
    """The broken twin: a timer that lets others take more does not redo what they disturbed."""
    monkeypatch.setattr(timing, "QUIET", 0.2)
    assert run(Machine(lambda now: 0.16 if now < 5 else 0.0), {"a": 1.0}, rounds=3).redone == 0


def test_redoing_ends_and_the_least_disturbed_rounds_count():
    """The rounds that others disturb less take 2 seconds, every fourth."""
    machine = Machine()
    turns = iter(range(100))
    machine.load = lambda now: 0.25 if heavy else 0.5
    heavy = False

    def contender():
        nonlocal heavy
        heavy = next(turns) % 4 == 1
        machine.work(2.0 if heavy else 1.0)

    found = alternate({"a": contender}, rounds=2, redo=6, clock=machine.clock)
    assert found.seconds["a"] == [2.0, 2.0]
    assert (found.disturbed, found.redone) == (2, 5)  # 7 rounds: the seventh disturbed one was one too many to redo


def test_quiet_rounds_count_before_disturbed_ones():
    """Three quiet rounds of a second; then all are disturbed, and take two."""
    machine = Machine(lambda now: 1.0 if now > 4 else 0.0)
    found = run(machine, {"a": lambda now: 2.0 if now > 4 else 1.0}, rounds=5, redo=4)
    assert found.seconds["a"] == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert (found.disturbed, found.redone) == (2, 3)


def test_where_nobody_counts_it_says_so():
    machine = Machine(lambda now: 2.0)
    blind = Clock(machine.clock.now, lambda: None, machine.clock.sleep)
    found = alternate({"a": machine.contender("a", 1.0)}, rounds=3, clock=blind)
    assert (found.redone, found.disturbed, len(found.seconds["a"])) == (0, None, 3)


def test_whoever_takes_long_gets_fewer_rounds():
    machine = Machine()
    found = run(machine, {"a": timing.PATIENCE}, rounds=11)
    assert len(found.seconds["a"]) == timing.LEAST
    assert len(run(Machine(), {"a": timing.PATIENCE}, rounds=2).seconds["a"]) == 2


def test_what_comes_before_a_turn_is_not_timed():
    machine = Machine()
    found = run(machine, {"a": 0.5, "b": 0.5}, rounds=2, before=machine.contender("-", 5.0))
    assert "".join(machine.calls) == "-a-b" * 2
    assert found.seconds["a"] == [0.5, 0.5]


def test_compiling_is_what_the_first_call_takes_longer():
    machine, late = Machine(), []
    contenders = {"a": lambda: machine.work(0.5 if late else 3.0) or late.append(1), "b": machine.contender("b", 1.0)}
    results, first = first_calls(contenders, machine.clock)
    assert results["b"] == "b"
    row = alternate(contenders, rounds=3, clock=machine.clock).row([("a", "b")], first)
    assert row["compile_seconds"] == {"a": 2.5, "b": 0.0}
    assert row["ratios"] == {"a / b": {"median": 0.5, "low": 0.5, "high": 0.5}}
    assert row["seconds"]["b"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert (row["rounds"], row["redone"], row["disturbed"]) == (3, 0, 0)


def test_quartiles_are_pythons():
    assert Spread.of([4.0]) == Spread(4.0, 4.0, 4.0)
    assert Spread.of([1.0, 3.0]) == Spread(2.0, 1.5, 2.5)
    assert Spread.of([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(3.0, 2.0, 4.0)


def test_what_others_take_is_read_from_the_system(tmp_path, monkeypatch):
    """user nice system idle iowait irq softirq steal guest: all but idle and iowait; guests are in user's already."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 5000 700 4 6 40 99 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    monkeypatch.setattr(timing.os, "sysconf", {"SC_CLK_TCK": 100}.get)
    monkeypatch.setattr(timing.time, "process_time", lambda: 0.5)
    assert others_seconds(stat) == pytest.approx(2.0 - 0.5)
    assert others_seconds(Path("no such file")) is None
