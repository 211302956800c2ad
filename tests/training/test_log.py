"""The log, its curve, the progress bar and TensorBoard: what is written, and what a killed run leaves."""

import io
import json
import sys
import types

import numpy as np
import pandas
import pytest
from PIL import Image

from jaxconv.training.log import Log, Progress, plot_curves, read_log, tensorboard, with_learning_rate


def row(step, **more):
    """A row as `fit` makes it."""
    return {"step": step, "loss": 1 / step, "accuracy": 0.5, "examples_per_second": 1234.0, "seconds": 2.0, **more}


def logged(path, first, last, **how):
    """Log these steps."""
    with Log(path, **how) as log:
        for step in range(first, last + 1):
            log(row(step))


def test_pandas_reads_the_rows_of_every_tenth_and_the_last_step(tmp_path):
    path = tmp_path / "log.jsonl"
    logged(path, 1, 25, steps=25)
    frame = pandas.read_json(path, lines=True)
    assert frame["step"].tolist() == [10, 20, 25]
    np.testing.assert_allclose(frame["loss"], [1 / 10, 1 / 20, 1 / 25])
    assert [*frame] == ["step", "loss", "accuracy", "examples_per_second", "seconds"]
    assert read_log(path) == [row(10), row(20), row(25)]


def test_a_resumed_run_replaces_the_rows_after_its_start(tmp_path):
    path = tmp_path / "log.jsonl"
    logged(path, 1, 9, steps=30, every=2)
    path.write_text(path.read_text() + '{"step": 10, "lo')  # killed within a line
    assert [one["step"] for one in read_log(path)] == [2, 4, 6, 8]
    logged(path, 6, 12, steps=30, every=3, resumed_at=5)
    assert [one["step"] for one in read_log(path)] == [2, 4, 6, 9, 12]
    assert path.read_text().endswith("\n")


def test_a_new_run_does_not_overwrite_a_log(tmp_path):
    path = tmp_path / "log.jsonl"
    logged(path, 1, 9, steps=9)
    before = path.read_text()
    with pytest.raises(
        FileExistsError, match=r"^Log: path is '.*log.jsonl', with 1 rows, but should be a new file. Resume"
    ):
        Log(path, steps=9)
    assert path.read_text() == before


@pytest.mark.parametrize("text", ['{"step": 1}\nnonsense\n{"step": 2}\n', "[1]\n", '{"loss": 1}\n'])
def test_another_file_is_refused_by_line(text, tmp_path):
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"^read_log: line [12] of .* is '.*', but should be a row such as"):
        read_log(tmp_path / "log.jsonl")


def test_the_learning_rate_is_that_of_the_step():
    rows = []
    watch = with_learning_rate(rows.append, lambda count: 10.0 - count)
    watch(row(1))
    watch(row(4))
    with_learning_rate(rows.append, 0.5)(row(2))
    assert [one["learning_rate"] for one in rows] == [10.0, 7.0, 0.5]  # optax counts from 0


def test_the_curve_shows_what_the_log_has(tmp_path):
    path = tmp_path / "log.jsonl"
    sizes = []
    for more in ({}, {"learning_rate": 0.1}):
        with Log(path, steps=20, resumed_at=int(path.exists())) as log:
            for step in range(2, 21):
                log(row(step, **more))
        plot_curves(path, tmp_path / "curve.png")
        with Image.open(tmp_path / "curve.png") as image:
            sizes.append(image.size)
            assert len(np.unique(np.asarray(image.convert("L")))) > 16
    assert sizes[0][0] == sizes[1][0]
    assert sizes[0][1] < sizes[1][1]
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ValueError, match=r"^plot_curves: path is '.*', a log without rows"):
        plot_curves(tmp_path / "empty.jsonl", tmp_path / "curve.png")


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self):
        """Return True."""
        return True


def test_a_terminal_has_a_bar_and_another_file_a_line_now_and_then():
    shown = {}
    for file in (Terminal(), io.StringIO()):
        with Progress("net", 100, done=40, seconds=3600, file=file) as progress:
            for step in range(41, 101):
                progress(row(step))
        shown[type(file)] = file.getvalue()
    assert "100/100" in shown[Terminal]
    assert "\r" in shown[Terminal]
    assert shown[io.StringIO] == (
        "net: step 41/100, loss 0.0244, accuracy 0.5000, 1,234 images/s, 2 s\n"
        "net: step 100/100, loss 0.0100, accuracy 0.5000, 1,234 images/s, 2 s\n"
    )


def test_tensorboard_receives_each_number(monkeypatch, tmp_path):
    """Stand-ins for TensorBoard's three modules, which record the events. TensorBoard itself is not installed here."""
    events = []

    class Record(types.SimpleNamespace):
        """Any message: its fields."""

    class Summary(Record):
        """A message with an inner message."""

        Value = Record

    class Writer:
        """Records events."""

        def __init__(self, folder):
            self.folder = folder

        def add_event(self, event):
            """Record it."""
            events.append((self.folder, event.step, {value.tag: value.simple_value for value in event.summary.value}))

        def flush(self):
            """Do nothing."""

    contents = {
        "tensorboard.compat.proto.event_pb2": {"Event": Record},
        "tensorboard.compat.proto.summary_pb2": {"Summary": Summary},
        "tensorboard.summary.writer.event_file_writer": {"EventFileWriter": Writer},
    }
    for name, content in contents.items():
        parts = name.split(".")
        for end in range(1, len(parts)):
            monkeypatch.setitem(sys.modules, ".".join(parts[:end]), types.ModuleType(parts[end - 1]))
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    tensorboard(tmp_path)(row(3))
    expected = json.loads(json.dumps(row(3)))
    del expected["step"]
    assert events == [(str(tmp_path), 3, expected)]


def test_without_tensorboard_the_fix_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match=r"tensorboard is not installed, .*Run pip install tensorboard"):
        tensorboard(tmp_path)
