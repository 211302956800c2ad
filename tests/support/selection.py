"""A pytest plugin: which tests a run has, on how many processes, and what it says of those that it leaves out.

pytest                      the tests of every day: those that depend on the version of JAX, those that found a fault
                            which was planted (tests/faults), and one in six of the others; a process for each core
pytest --sample 1           every test but the slow ones; --sample N has one in N of the others, and above six also of
                            those that found a fault: a run on another version of JAX need not find it again
pytest FOLDER               every test there but the slow ones
pytest FILE, or FILE::TEST  in this process: starting others would take longer, and a debugger needs this one
"""

import argparse
import json
import zlib
from pathlib import Path

import pytest

from support import profiles

# What depends on the version of JAX: how its jaxprs look, what it compiles, what the docs print. It is never sampled.
OF_EACH_VERSION = ("jaxconv/", "tests/jaxprs/", "tests/lowering/", "tests/verify/contracts/", "tests/test_readme.py")
# The test that found each planted fault: without it, the fault might be found by none in the tests of every day.
FAULTS = Path(__file__).parents[1] / "faults" / "results.jsonl"
FINDERS = frozenset(json.loads(row)["by"] for row in FAULTS.read_text().splitlines())
EVERY_DAY = 6  # one in so many of the other tests, so that two cores take five minutes
USUAL = "not slow and not torch"  # as pyproject.toml has it
NIGHTLY = "HYPOTHESIS_PROFILE=nightly pytest -m 'not torch'"
LEFT_OUT = pytest.StashKey[int]()


def sampled(name: str, among: int) -> bool:
    """Whether the test of that name is one of the sample: of all others every so many, chosen by a hash.

    Names and not numbers choose, so that every process leaves out the same tests, and a new test moves no other.
    """
    always = name.startswith(OF_EACH_VERSION) or (name in FINDERS and among <= EVERY_DAY)
    return always or zlib.crc32(name.encode()) % among == 0


def usual_sample(config) -> int:
    """One in how many a run has that does not say: all where some folder, file, name or mark is asked for."""
    return EVERY_DAY if is_whole(config) and not profiles.NIGHTLY else 1


def is_whole(config) -> bool:
    """Whether a run is of whatever tests there are."""
    named = config.args_source is pytest.Config.ArgsSource.ARGS or is_small(config.args, config.option)
    return config.option.markexpr == USUAL and not named


def is_small(arguments: list[str], options) -> bool:
    """Whether a run is of single files, tests or names, or of what failed last."""
    files = [argument for argument in arguments if "::" in argument or not Path(argument).is_dir()]
    return bool(files or options.keyword or getattr(options, "lf", False) or options.collectonly)


def pytest_addoption(parser):
    text = f"run one in N of the tests that may be left out, chosen by their names ({EVERY_DAY} if all may run, else 1)"
    parser.addoption("--sample", type=at_least_one, metavar="N", help=text)


def at_least_one(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"--sample is {text!r}, but should be 1 or more. --sample 1 has all tests")
    return int(text)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """None is xdist's own: a process for each core."""
    automatic = config.option.numprocesses == "auto"
    return 0 if automatic and is_small(config.args, config.option) else None


def pytest_collection_modifyitems(config, items):
    left_out = [one for one in items if not sampled(one.nodeid, config.getoption("sample"))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [one for one in items if one not in set(left_out)]


def pytest_configure(config):
    if problem := profiles.unknown():
        raise pytest.UsageError(problem)
    if config.option.sample is None:
        config.option.sample = usual_sample(config)  # which other processes are told, as all options
    config.stash[LEFT_OUT] = 0


def pytest_deselected(items):
    if items:
        items[0].config.stash[LEFT_OUT] += len(items)


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Each process leaves out the same tests."""
    left_out = getattr(node, "workeroutput", {}).get("left_out", 0)
    node.config.stash[LEFT_OUT] = max(node.config.stash[LEFT_OUT], left_out)


def pytest_terminal_summary(terminalreporter, config):
    number = config.stash[LEFT_OUT]
    if number and is_whole(config):
        terminalreporter.write_line(
            f"left out: {number} tests. pytest --sample 1 has those that found no planted fault and are not in the sample; "
            f"pytest -m slow, those that take minutes; pytest -m torch, those that need PyTorch. "
            f"Nightly, on any geometry, in hours: {NIGHTLY}"
        )
