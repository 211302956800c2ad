"""What the table knows about the processor: usable cores, cache sizes and the width of its vectors.

Each fact is read from the system once, when the first function is traced. An environment variable overrides it, for
programs that are compiled on one machine and run on another, and for systems that do not state a fact.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from jaxconv.errors import explain

CACHES = "sys/devices/system/cpu/cpu0/cache"


@dataclass(frozen=True)
class Machine:
    """Facts on the processor, with the defaults for systems that do not state them.

    Attributes:
        cores: usable cores: by affinity and by the quota of the control group, rounded up.
        l2_bytes: second-level cache of one core, in bytes.
        l3_bytes: last-level cache that the cores share, in bytes.
        vector_bytes: length of a vector register: 64 with AVX-512, 32 with AVX, 16 otherwise.
    """

    cores: int = 1
    l2_bytes: int = 2**19
    l3_bytes: int = 2**24
    vector_bytes: int = 32


def variable(fact: str) -> str:
    """The environment variable that overrides a fact.

    >>> variable("l2_bytes")
    'JAXCONV_L2_BYTES'
    """
    return f"JAXCONV_{fact.upper()}"


@cache
def machine() -> Machine:
    """The facts of this machine, read once. Call `machine.cache_clear()` to read them again."""
    return read_machine(os.environ, Path("/"), usable_by_affinity())


def usable_by_affinity() -> int:
    """Number of cores on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_machine(environ: Mapping[str, str], root: Path, affinity: int) -> Machine:
    """The facts that the system states below `root`, overridden by environment variables.

    Args:
        environ: environment variables.
        root: the directory that has `sys` and `proc`.
        affinity: number of cores on which the process may run.

    Raises:
        ValueError: a variable is not a positive integer.
    """
    found = {
        "cores": min(affinity, _quota(root) or affinity),
        "l2_bytes": _cache_bytes(root, 2),
        "l3_bytes": _cache_bytes(root, 3),
        "vector_bytes": _vector_bytes(root),
    }
    for fact in fields(Machine):
        if (text := environ.get(variable(fact.name), "")) != "":
            found[fact.name] = _positive(variable(fact.name), text)
    return Machine(**{name: value for name, value in found.items() if value is not None})


def _positive(name: str, text: str) -> int:
    if re.fullmatch(r"[0-9]+", text) is None or int(text) == 0:
        raise ValueError(explain(name, repr(text), "a positive integer", "Leave it out for what the system states"))
    return int(text)


def _text(path: Path) -> str:
    """The text of a file; empty if the system has no such file, or forbids to read it."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _quota(root: Path) -> int | None:
    """Cores of the control group's quota, version 2 or 1, rounded up; None if there is no quota."""
    limit, _, period = _text(root / "sys/fs/cgroup/cpu.max").strip().partition(" ")
    if not limit:
        limit = _text(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").strip()
        period = _text(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us").strip()
    numbers = limit.isdigit() and period.isdigit() and int(limit) > 0 and int(period) > 0
    return math.ceil(int(limit) / int(period)) if numbers else None


def _cache_bytes(root: Path, level: int) -> int | None:
    """Bytes of the data cache of a level; None if the system does not state them."""
    for folder in sorted((root / CACHES).glob("index*")):
        kind, stated = _text(folder / "type").strip(), _text(folder / "size").strip()
        size = re.fullmatch(r"(\d+)([KMG]?)", stated)
        if _text(folder / "level").strip() == str(level) and kind != "Instruction" and size and int(size[1]):
            return int(size[1]) * 2 ** {"": 0, "K": 10, "M": 20, "G": 30}[size[2]]
    return None


def _vector_bytes(root: Path) -> int | None:
    """Bytes of a vector register, by the flags that Linux states; None if it states none."""
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", _text(root / "proc/cpuinfo"), re.MULTILINE)
    if flags is None:
        return None
    named = flags[1].split()
    return 64 if "avx512f" in named else 32 if "avx" in named else 16
