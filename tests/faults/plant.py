"""Plant faults in a copy of the tree, one at a time, and see which the tests find: `python tests/faults/plant.py`.

Each fault is put into a temporary copy, where the tests that could see it run until one fails:

    killed     a test failed; the fault is found
    survived   all of them passed: with --gate the whole suite has its say, too
    timed out  they did not end in time
    invalid    the package or the tests cannot be imported: that does not count

Handwritten faults name their tests. For mechanical ones `--record` once writes which tests execute which lines, and
in how many seconds. Results are added to a file, so that a second run does what is left.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from faults import executed, mechanical, trial
from faults.fault import ROOT, Fault, written

BUILD = ROOT / "build" / "faults"
GATE_MINUTES = 90


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every fault that counts was found."""
    options = parser().parse_args(arguments)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copies = [trial.copy(Path(folder) / str(number)) for number in range(options.jobs)]
        if options.record:
            record(options, copies)
            return 0
        faults = chosen(options)
        if options.unplanted:
            return unplanted(options, copies, faults)
        plant(options, copies, faults)
    print(table(faults, known(options.results)))
    return int(any(row["outcome"] == "survived" for row in results(faults, known(options.results))))


def parser() -> argparse.ArgumentParser:
    """The options, as `--help` prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--handwritten", action="store_true", help="those of tests/faults/*.toml alone")
    which.add_argument("--mechanical", action="store_true", help=f"the {mechanical.COUNT} mechanical ones alone")
    which.add_argument("--record", action="store_true", help="record which tests execute which lines, and stop")
    parser.add_argument(
        "--only", metavar="TEXT", help="faults with this in their name, area or file; or test files to record"
    )
    parser.add_argument("--part", type=part, default=(1, 1), metavar="3/20", help="the third of twenty parts")
    parser.add_argument("--gate", action="store_true", help="run the whole suite against what survives")
    parser.add_argument("--again", action="store_true", help="run what was not killed before once more")
    parser.add_argument("--unplanted", action="store_true", help="run the tests without faults: all must pass")
    parser.add_argument("--jobs", type=int, default=2, help="copies that run side by side (2)")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one fault (300)")
    parser.add_argument("--results", type=Path, default=BUILD / "results.jsonl", help="where results are added")
    parser.add_argument("--lines", type=Path, default=BUILD / "lines.jsonl", help="where executed lines are recorded")
    return parser


def part(text: str) -> tuple[int, int]:
    """`3/20` as (3, 20).

    >>> part("3/20")
    (3, 20)
    """
    number, count = map(int, text.split("/"))
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(f"{text} is no part: write 1/{count} to {count}/{count}")
    return number, count


def chosen(options: argparse.Namespace) -> list[Fault]:
    """The faults that the options ask for."""
    faults = [] if options.mechanical else written()
    faults += [] if options.handwritten else mechanical.drawn()
    if options.only:
        faults = [fault for fault in faults if any(options.only in s for s in (fault.name, fault.area, fault.file))]
    number, count = options.part
    return faults[number - 1 :: count]


def plant(options: argparse.Namespace, copies: Sequence[Path], faults: Iterable[Fault]) -> None:
    """Try each fault that has no result yet, in as many copies as there are; print and keep how it ended."""
    before = known(options.results)
    done = {name for name, row in before.items() if row["outcome"] == "killed" or not options.again}
    killers = {row["name"]: row["by"] for row in before.values() if "::" in row["by"]}
    left = [fault for fault in faults if digest(fault) not in done]
    lines = executed.read(options.lines) if any(not fault.tests for fault in left) else None

    def one(fault: Fault, folder: Path) -> dict:
        source = (ROOT / fault.file).read_bytes()
        line = fault.line(source) if executed.is_called(source, fault.line(source)) else None
        tests = fault.tests or lines.tests(fault.file, line, most=options.limit / 3)
        found = trial.Trial("survived", "", 0.0)
        if fault.name in killers:
            with suppress(RuntimeError):  # What found it in an earlier source finds it soonest, but may be gone.
                found = trial.attempt(folder, fault, [killers[fault.name]], options.limit)
        if tests and found.outcome != "killed":
            found = trial.attempt(folder, fault, tests, options.limit)
        if options.gate and found.outcome == "survived":
            with trial.planted(folder, fault):
                found = trial.run(folder, [], 60 * GATE_MINUTES, "-n", "auto", "--sample", "1")
        return {"digest": digest(fault), "name": fault.name, "file": fault.file} | asdict(found)

    with options.results.open("a") as file:
        for number, row in enumerate(spread(one, left, copies), 1):
            file.write(as_line(row))
            file.flush()
            by = f" by {row['by']}" if row["by"] else ""
            print(
                f"{number}/{len(left)} {row['outcome']}{by}: {row['name']}, {row['file']} ({row['seconds']:.0f} s)",
                flush=True,
            )


def unplanted(options: argparse.Namespace, copies: Sequence[Path], faults: Iterable[Fault]) -> int:
    """A test that fails without a fault would seem to find all of them."""
    tests = sorted({test for fault in faults for test in fault.tests})
    found = trial.run(copies[0], tests, 60 * GATE_MINUTES)
    print(f"{len(tests)} test files without a fault: {found.outcome} {found.by} ({found.seconds:.0f} s)")
    return int(found.outcome != "survived")


def record(options: argparse.Namespace, copies: Sequence[Path]) -> None:
    """Record each test file that has no record yet."""
    options.lines.touch()
    done = {json.loads(row)["test"].split("::")[0] for row in options.lines.read_text().splitlines()}
    left = [file for file in executed.files() if file not in done and (options.only or "") in file]
    one = lambda file, folder: (file, trial.record(folder, file, 2 * options.limit))
    with options.lines.open("a") as lines:
        for number, (file, rows) in enumerate(spread(one, left, copies), 1):
            lines.write(rows)
            lines.flush()
            print(f"{number}/{len(left)} {len(rows.splitlines())} tests recorded of {file}", flush=True)


def spread(one: Callable[[Any, Path], Any], items: Iterable[Any], copies: Sequence[Path]) -> Iterator[Any]:
    """`one` of each item and a copy that is free, in any order."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for folder in copies:
        free.put(folder)

    def in_a_copy(item: Any) -> Any:
        folder = free.get()
        try:
            return one(item, folder)
        finally:
            free.put(folder)

    with ThreadPoolExecutor(len(copies)) as pool:
        try:
            for done in as_completed([pool.submit(in_a_copy, item) for item in items]):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # without waiting for all the others after an error


def known(path: Path) -> dict[str, dict]:
    """The last result of each fault."""
    rows = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {row["digest"]: row for row in rows}


def as_line(row: dict) -> str:
    """A result as the file has it."""
    return json.dumps(row) + "\n"


def results(faults: Iterable[Fault], done: dict[str, dict]) -> list[dict]:
    """The results of those faults that have one."""
    return [done[digest(fault)] for fault in faults if digest(fault) in done]


def table(faults: Sequence[Fault], done: dict[str, dict]) -> str:
    """How many faults ended how, by area."""
    areas = dict.fromkeys(fault.area for fault in faults)
    rows = [f"{'':14}" + "".join(f"{name:>11}" for name in (*trial.OUTCOMES, "not run"))]
    for area in [*areas, "total"]:
        of = [fault for fault in faults if area in (fault.area, "total")]
        ended = Counter(row["outcome"] for row in results(of, done))
        counts = [*(ended[name] for name in trial.OUTCOMES), len(of) - ended.total()]
        rows.append(f"{area:14}" + "".join(f"{count:11}" for count in counts))
    return "\n".join(rows)


def digest(fault: Fault) -> str:
    """Names a fault in the source as it is."""
    return fault.digest((ROOT / fault.file).read_bytes())


if __name__ == "__main__":
    sys.exit(main())
