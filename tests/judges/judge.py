"""`Judge`, a function with the shapes of its arguments, and the decorators that register one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from importlib.util import find_spec
from typing import Any

import jax

from judges import programs

MARK = re.compile(r"# culprit(?:: (cyclic|interior))?$")


@dataclass(frozen=True)
class Judge:
    """A function `fn(x, *parameters)` of which claims about shifts of x along `axis` are judged.

    `build()` returns `fn` and the parameters: pytrees of `jax.ShapeDtypeStruct`. `written` is the Python function that
    a person wrote; it holds the marked lines. `values` tells whether the claims are those of `certify(values=True)`, and `single` whether the
    function is executed in float32, since it computes in float32 anyway.
    """

    name: str
    group: str
    shape: tuple[int, ...]
    axis: int
    dtype: str
    values: bool
    single: bool
    needs: str
    build: Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]
    written: Callable[..., Any]

    @property
    def installed(self) -> bool:
        """Whether the library that the function needs is installed."""
        return find_spec(self.needs) is not None

    def lines(self) -> dict[tuple[str, int], str]:
        """The text of each line of the function, by its file and number."""
        lines, start = inspect.getsourcelines(self.written)
        file = inspect.getsourcefile(self.written) or ""
        return {(file, number): line.rstrip() for number, line in enumerate(lines, start=start)}

    def culprits(self, kind: str) -> list[tuple[str, int]]:
        """The file and the number of each line that is marked as the one that breaks claims of this kind."""
        marks = {place: MARK.search(line) for place, line in self.lines().items()}
        return [place for place, mark in marks.items() if mark and mark[1] in (None, kind)]


JUDGES: dict[str, Judge] = {}


def judge(shape: Sequence[int], *parameters: Sequence[int], **settings: Any) -> Callable[[Callable], Callable]:
    """Register `fn(x, *parameters)` for arguments of these shapes. `settings`: axis, dtype, values, single."""

    def register(fn: Callable) -> Callable:
        abstract = tuple(jax.ShapeDtypeStruct(tuple(p), "float32") for p in parameters)
        _add(fn, shape, lambda: (fn, abstract), "jax", settings)
        return fn

    return register


def peer(needs: str, shape: Sequence[int], **settings: Any) -> Callable[[Callable], Callable]:
    """Register a function that imports another library and returns `fn(x, *parameters)` and the parameters."""

    def register(build: Callable) -> Callable:
        _add(build, shape, build, needs, settings)
        return build

    return register


def _add(written: Callable, shape: Sequence[int], build: Callable, needs: str, settings: dict[str, Any]) -> None:
    name = written.__name__
    if name in JUDGES:
        raise ValueError(f"two judges are called {name}")
    group = written.__module__.rsplit(".", 1)[-1]
    options = {"axis": 0, "dtype": "float32", "values": False, "single": False} | settings
    JUDGES[name] = Judge(name, group, tuple(shape), needs=needs, build=lenient(build), written=written, **options)


@cache
def all_judges() -> dict[str, Judge]:
    """All judges, by name."""
    for module in pkgutil.iter_modules(programs.__path__):
        importlib.import_module(f"judges.programs.{module.name}")
    return JUDGES


def lenient(fn: Callable) -> Callable:
    """`fn` under JAX's default promotion, as researchers write it; the tests of jaxconv forbid promotion."""

    @wraps(fn)
    def run(*arguments: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return fn(*arguments)

    return run
