"""Watchers of a training run: a log in JSON lines, its curve, a progress bar or lines, and TensorBoard."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from jaxconv.checks import function, integer
from jaxconv.errors import explain, public, public_as
from jaxconv.training.paths import path_of

if TYPE_CHECKING:
    from jaxconv.training.fit import Row, Watcher


@public
def read_log(path: str | Path) -> list[dict[str, float]]:
    """The rows of a log, one for each logged step. A last line that a killed run left incomplete is skipped.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is not a row of a log.
    """
    path = path_of("path", path, "runs/digits/log.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    rows: list[dict[str, float]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            if not line.endswith("\n"):
                continue
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            cure = "Delete this line, or name another file"
            expected = 'a row such as {"step": 10, "loss": 0.5}'
            raise ValueError(explain(f"line {number} of {path}", repr(line[:40]), expected, cure))
        rows.append(row)
    return rows


class Log:
    """A watcher that appends a row as a line of JSON to a file: `pandas.read_json(path, lines=True)` reads them.

    Each line is written at once. A resumed run removes the rows after its first step: it makes them again.

    Args:
        path: the file. Its folder has to exist.
        every: steps between two rows. The last step has a row, too.
        steps: the number of the last step.
        resumed_at: the number of steps before this run; 0 begins a new file.

    Raises:
        FileExistsError: `resumed_at` is 0, and the file has rows.
    """

    @public_as("Log")
    def __init__(self, path: str | Path, *, steps: int, every: int = 10, resumed_at: int = 0) -> None:
        self.path = path_of("path", path, "runs/digits/log.jsonl")
        self._every = integer("every", every, least=1, cure="Leave it out for 10")
        self._steps = integer("steps", steps, least=0, cure="Write the number of steps of the run")
        resumed_at = integer("resumed_at", resumed_at, least=0, cure="Leave it out for a new run")
        rows = read_log(self.path) if self.path.exists() else []
        if rows and not resumed_at:
            cure = "Resume that run, or choose another folder"
            raise FileExistsError(explain("path", f"'{self.path}', with {len(rows)} rows", "a new file", cure))
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text("".join(f"{json.dumps(row)}\n" for row in rows if row["step"] <= resumed_at))
        new.replace(self.path)
        self._file = self.path.open("a")

    def __call__(self, row: Row) -> None:
        """Write a row if it is its turn."""
        if row["step"] % self._every == 0 or row["step"] == self._steps:
            self._file.write(f"{json.dumps(row)}\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Progress:
    """A watcher that shows a progress bar on a terminal, and elsewhere a line now and then.

    Args:
        name: the beginning of the bar or the line.
        steps: the number of the last step.
        done: the number of steps before this run.
        seconds: between two lines.
        file: where to write; None is standard error.
    """

    def __init__(self, name: str, steps: int, *, done: int = 0, seconds: float = 5, file: TextIO | None = None) -> None:
        self._file = sys.stderr if file is None else file
        self._name, self._steps, self._seconds = name, steps, seconds
        self._last, self._bar = -math.inf, None
        if self._file.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc=name, total=steps, initial=done, unit="step", file=self._file)

    def __call__(self, row: Row) -> None:
        """Show a row."""
        shown = {name: f"{row[name]:.4f}" for name in ("loss", "accuracy") if name in row}
        if self._bar is not None:
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update()
        elif time.monotonic() - self._last >= self._seconds or row["step"] == self._steps:
            self._last = time.monotonic()
            texts = [f"{name} {value}" for name, value in shown.items()]
            texts += [f"{row['examples_per_second']:,.0f} images/s", f"{row['seconds']:.0f} s"]
            print(
                f"{self._name}: step {row['step']:.0f}/{self._steps}, {', '.join(texts)}", file=self._file, flush=True
            )

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@public
def with_learning_rate(watcher: Watcher, schedule: Callable[[int], Any] | float) -> Watcher:
    """A watcher of rows with "learning_rate": the number, or the value of optax's schedule at the step.

    >>> rows = []
    >>> with_learning_rate(rows.append, lambda count: 0.1 * 0.5**count)({"step": 2, "loss": 1.0})
    >>> rows
    [{'step': 2, 'loss': 1.0, 'learning_rate': 0.05}]
    """
    function("watcher", watcher, cure="Pass a Log")
    rate = schedule if callable(schedule) else lambda count: schedule
    return lambda row: watcher(row | {"learning_rate": float(rate(int(row["step"]) - 1))})


@public
def tensorboard(folder: str | Path) -> Watcher:
    """A watcher that writes the numbers of each row for TensorBoard, into files in `folder`.

    Raises:
        ModuleNotFoundError: TensorBoard is not installed.
    """
    folder = path_of("folder", folder, "runs/digits/tensorboard")
    try:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportMissingImports]  it is optional
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportMissingImports]
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        cure = "Run pip install tensorboard"
        raise ModuleNotFoundError(explain("tensorboard", "not installed", "installed", cure)) from error
    writer = EventFileWriter(os.fspath(folder))

    def watch(row: Row) -> None:
        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items() if name != "step"]
        writer.add_event(Event(wall_time=time.time(), step=int(row["step"]), summary=Summary(value=values)))
        writer.flush()

    return watch


@public
def plot_curves(path: str | Path, picture: str | Path) -> None:
    """Draws the loss, and the accuracy and learning rate if the log has them, over the steps, as a picture.

    Raises:
        FileNotFoundError: there is no log at `path`.
        ValueError: the log has no rows.
    """
    from matplotlib.figure import Figure

    rows: list[Mapping[str, float]] = [*read_log(path)]
    if not rows:
        raise ValueError(explain("path", f"'{path}', a log without rows", "a log with a row or more", "Train first"))
    names = [name for name in ("loss", "accuracy", "learning_rate") if name in rows[0]]
    figure = Figure(figsize=(6, 2.2 * len(names)), layout="constrained")
    for name, axes in zip(names, figure.subplots(len(names), sharex=True, squeeze=False)[:, 0], strict=True):
        axes.plot([row["step"] for row in rows], [row.get(name, math.nan) for row in rows])
        axes.set_ylabel(name.replace("_", " "))
        axes.grid(alpha=0.3)
        if name == "loss":
            axes.set_yscale("log")
    figure.supxlabel("step")
    figure.savefig(path_of("picture", picture, "curve.png"), dpi=120)
