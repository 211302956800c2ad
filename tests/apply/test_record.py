"""A run that was killed, at any moment, continues with the same result; a record of something else is refused."""

import errno
import json
import os
import signal as signals
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.split_networks import FIRST, SECOND, unet
from support.tiling_oracle import signal

import jaxconv as jc
from jaxconv.apply import record as records
from jaxconv.apply import reserve

ROOT = Path(__file__).parents[2]
X = signal((1, 40, 20, 2))
SHAPE = (1, 40, 20, 3)


def expected(fn=unet, x=X):
    return np.asarray(fn(jnp.asarray(x)))


class Counted:
    """An input of which slices are read, that counts them."""

    def __init__(self, array=X):
        self.array, self.shape, self.dtype, self.reads = array, array.shape, array.dtype, 0

    def __getitem__(self, cells):
        self.reads += 1
        return self.array[cells]


def opened(folder, mode="r+", shape=SHAPE):
    return np.memmap(folder / "result", np.float32, mode if (folder / "result").exists() else "w+", shape=shape)


def run(folder, fn=unet, x=X, tile=16, out=None, **options):
    """Number of tiles that were computed: the new lines of the record."""
    out, path = opened(folder) if out is None else out, folder / "record"
    before = path.read_bytes().count(b"\n") if path.exists() else 0
    result = jc.tiled(fn, tile=tile, axes=(1, 2), out=out, record=path, **options)(x)
    np.testing.assert_array_equal(result[:], expected(fn, np.asarray(getattr(x, "array", x))))
    return path.read_bytes().count(b"\n") - max(before, 1)


def test_a_second_run_computes_nothing(tmp_path):
    tiles = run(tmp_path)
    assert tiles > 4
    assert run(tmp_path) == 0
    assert run(tmp_path, batch=2, devices=jax.devices()) == 0  # how tiles are computed does not matter


def test_a_result_that_was_overwritten_is_computed_again(tmp_path):
    tiles = run(tmp_path)
    opened(tmp_path, "r+")[0, 0, 0, 0] += 1
    assert run(tmp_path) == 1
    opened(tmp_path, "w+")[:] = 0  # a new file, as a script makes that is started again
    assert run(tmp_path) == tiles


KILLED = """
import os, signal, sys, zlib
sys.path[:0] = [{tests!r}]
import numpy as np
import jaxconv as jc
from jaxconv.apply import record
from support.split_networks import unet
from support.tiling_oracle import signal as drawn

moment, left = sys.argv[1], int(sys.argv[2])

def at(name, before=lambda *arguments: None):
    def killing(honest):
        def called(*arguments):
            global left
            if name == moment:
                left -= 1
                if left == 0:
                    before(*arguments)
                    os.kill(os.getpid(), signal.SIGKILL)
            return honest(*arguments)
        return called
    return killing

def half(of_record, line):
    of_record._file.write(line[:len(line) // 2])
    of_record._file.flush()

class Result(np.memmap):
    __setitem__ = at("a part is written", lambda self, cells, part: np.memmap.__setitem__(
        self, cells, np.where(np.arange(part.size).reshape(part.shape) % 2, part, 0)))(np.memmap.__setitem__)
    flush = at("the result is written")(np.memmap.flush)

record.Record._append = at("half a line is written", half)(record.Record._append)
record.Record.add = at("a tile is in the result")(record.Record.add)
out = Result("result", np.float32, "w+", shape={shape})
jc.tiled(unet, tile=16, axes=(1, 2), out=out, record="record")(drawn({x}))
"""


@pytest.mark.parametrize(
    ("moment", "call"),
    [
        ("half a line is written", 1),  # the first line, before any tile
        ("half a line is written", 3),
        ("a part is written", 3),
        ("the result is written", 4),
        ("a tile is in the result", 2),
    ],
)
def test_a_run_that_is_killed_continues(moment, call, tmp_path):
    script = KILLED.format(tests=str(ROOT / "tests"), shape=SHAPE, x=X.shape)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", script, moment, str(call)],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signals.SIGKILL, killed.stderr.decode()
    done = max((tmp_path / "record").read_bytes().count(b"\n") - 1, 0)
    assert done == call - 1 if "tile" in moment else done < call
    everything = tmp_path / "everything"
    everything.mkdir()
    assert run(tmp_path) == run(everything) - done


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_a_line_that_is_cut_short_counts_as_missing(cut, tmp_path):
    run(tmp_path)
    path = tmp_path / "record"
    text = path.read_bytes()
    path.write_bytes(text[:-cut])
    run(tmp_path)
    assert path.read_bytes().splitlines()[0] == text.splitlines()[0]
    assert sorted(path.read_bytes().splitlines()) == sorted(text.splitlines())


def test_a_first_line_that_is_cut_short_is_written_again(tmp_path):
    tiles = run(tmp_path)
    path = tmp_path / "record"
    path.write_bytes(path.read_bytes()[:20])
    assert run(tmp_path) == tiles


def twice(x):
    return 2 * unet(x)


unet_of_other_weights = lambda x: jc.conv(
    SECOND, jc.conv(jax.tree.map(lambda a: a + 1, FIRST), x, padding="same"), padding="same"
)
unet_of_weights = lambda x: jc.conv(SECOND, jc.conv(FIRST, x, padding="same"), padding="same")
unet_of_other_weights.__name__ = unet_of_weights.__name__ = "network"

ANOTHER = {
    "another function": (
        {},
        {"fn": twice},
        r"record .*record\) is of another function \(unet\), but should be of twice",
    ),
    "another size of tiles": (
        {},
        {"tile": 12},
        r"another tiling \(10 tiles of 16 x 16 cells\), but should be of 75 tiles of 12 x 12",
    ),
    "another input": ({}, {"x": X + 1}, r"is of another input at tile 0, but should be of this one"),
    "another shape": (
        {},
        {"x": signal((1, 44, 20, 2)), "out": np.memmap},
        r"of another input \(float32\[1,40,20,2\]\), but should be of float32\[1,44,20,2\]",
    ),
    "other weights": (
        {"fn": unet_of_weights},
        {"fn": unet_of_other_weights},
        "is of other operations, but should be of those of network",
    ),
}


@pytest.mark.parametrize("name", ANOTHER)
def test_a_record_of_something_else_is_refused_and_unchanged(name, tmp_path):
    first, second, match = ANOTHER[name]
    run(tmp_path, **first)
    text = (tmp_path / "record").read_bytes()
    if "out" in second:
        second = second | {"out": np.memmap(tmp_path / "other", np.float32, "w+", shape=(1, 44, 20, 3))}
    with pytest.raises(ValueError, match=match):
        run(tmp_path, **second)
    assert (tmp_path / "record").read_bytes() == text


def test_other_parameters_are_refused(tmp_path):
    fn = lambda params, x: jc.conv(params, x, padding="same")
    network = jc.tiled(fn, tile=16, axes={1: (1, 2)}, out=opened(tmp_path), record=tmp_path / "record")
    network(FIRST, X)
    with pytest.raises(ValueError, match=r"record \(.*\) is of other parameters, but should be of those of <lambda>"):
        network(jax.tree.map(lambda a: a + 1, FIRST), X)


@pytest.mark.parametrize("text", [b"{}\n", b"an image\n\0\1", b'{"format": 0}\n', b"[1]"])
def test_another_file_is_refused_and_unchanged(text, tmp_path):
    (tmp_path / "record").write_bytes(text)
    with pytest.raises(ValueError, match=r"tiled: record .* is another file, but should be a new file, or a record"):
        run(tmp_path)
    assert (tmp_path / "record").read_bytes() == text


def test_a_line_that_is_none_is_refused(tmp_path):
    run(tmp_path)
    with (tmp_path / "record").open("ab") as file:
        file.write(json.dumps({"tile": 1}).encode() + b"\n")
    with pytest.raises(ValueError, match=r"a line of record .* is b'.*', but should be the number and two checksums"):
        run(tmp_path)


def test_a_record_in_use_is_refused(tmp_path):
    run(tmp_path)
    with (tmp_path / "record").open("ab") as file:
        records._lock(file, tmp_path / "record")
        with pytest.raises(ValueError, match=r"tiled: record .* is in use by another process, but should be free"):
            run(tmp_path)


def test_a_record_of_a_result_in_memory_is_refused(tmp_path):
    for out in (None, np.zeros(SHAPE, np.float32)):
        with pytest.raises(ValueError, match="tiled: out is an array in memory, but should be in files"):
            jc.tiled(unet, tile=16, axes=(1, 2), out=out, record=tmp_path / "record")(X)


def test_a_record_in_no_folder_is_one_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"tiled: record .* is not written \(No such file or directory\)"):
        jc.tiled(unet, tile=16, axes=(1, 2), out=opened(tmp_path), record=tmp_path / "none" / "record")(X)


class Full:
    """A file on a disk that is full after some parts are written."""

    def __init__(self, array, parts):
        self.array, self.shape, self.dtype, self.parts = array, array.shape, array.dtype, parts

    def __getitem__(self, cells):
        return self.array[cells]

    def __setitem__(self, cells, part):
        self.parts -= 1
        if self.parts < 0:
            self.array[cells] = 0 * part  # half of it may have been written
            raise OSError(errno.ENOSPC, "No space left on device")
        self.array[cells] = part


def test_a_full_disk_is_one_error_and_the_next_run_continues(tmp_path):
    full = Full(opened(tmp_path), 3)
    with pytest.raises(OSError, match=r"tiled: out is not written \(No space left on device\), but should be") as error:
        run(tmp_path, out=full)
    assert error.value.errno == errno.ENOSPC
    full.parts = 10**6
    assert run(tmp_path, out=full) == len((tmp_path / "record").read_bytes().splitlines()) - 1 - 3


def test_a_record_on_a_full_disk_is_one_error_and_the_next_run_continues(tmp_path, monkeypatch):
    calls, honest = [], os.fsync

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(descriptor)

    monkeypatch.setattr(records.os, "fsync", fsync)
    with pytest.raises(OSError, match=r"tiled: record .* is not written \(No space left on device\), but should be"):
        run(tmp_path)
    run(tmp_path)


def test_the_space_of_a_file_is_reserved_before_the_first_tile(tmp_path, monkeypatch):
    """A write to a mapped page without space ends the process."""
    out = np.memmap(tmp_path / "result", np.float32, "w+", shape=SHAPE)
    assert (tmp_path / "result").stat().st_blocks * 512 < out.nbytes
    run(tmp_path, out=out)
    assert (tmp_path / "result").stat().st_blocks * 512 >= out.nbytes

    def none_left(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reserve.os, "posix_fallocate", none_left)
    out = np.memmap(tmp_path / "other", np.float32, "w+", shape=SHAPE)
    with pytest.raises(OSError, match=r"tiled: out \(.*other, 9600 bytes\) is not written \(No space left on device\)"):
        jc.tiled(unet, tile=16, axes=(1, 2), out=out)(X)
