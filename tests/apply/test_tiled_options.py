"""Options of `tiled` change how tiles are computed, and not the result: batches, devices, memory, progress."""

import inspect
import io
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.split_networks import FIRST, unet
from support.tiling_oracle import signal

import jaxconv as jc
from jaxconv.apply import plan, run
from jaxconv.apply.placement import Placed
from jaxconv.apply.plan import Tile
from jaxconv.apply.run import grouped
from jaxconv.verify.progress import Lines, reported
from jaxconv.verify.tiling.certificate import TilingAxis

X = signal((1, 76, 40, 2))
EXPECTED = np.asarray(unet(jnp.asarray(X)))


@pytest.mark.parametrize("devices", [None, jax.devices(), jax.devices()[1:]])
@pytest.mark.parametrize("batch", [1, 3])
def test_batches_and_devices_give_the_whole(batch, devices):
    found = jc.tiled(unet, tile=16, axes=(1, 2), batch=batch, devices=devices)(X)
    np.testing.assert_array_equal(found, EXPECTED)


def test_a_batch_of_arguments_of_which_one_is_not_tiled():
    fn = lambda params, a, b: jc.conv(params, a - b, padding="same")
    a, b = jnp.asarray(signal((1, 50, 20, 2))), signal((1, 50, 20, 2), seed=1)
    found = jc.tiled(fn, tile=(12, 20), axes={1: (1, 2), 2: (1, 2)}, batch=2)(FIRST, a, b)
    np.testing.assert_array_equal(found, fn(FIRST, a, jnp.asarray(b)))


def test_one_tile_is_on_a_device_at_a_time_unless_more_are_asked_for():
    """A call that does not name a batch needs the memory of one tile."""
    assert inspect.signature(jc.tiled).parameters["batch"].default == 1


def test_a_batch_has_one_program_for_each_size():
    """The last batch is filled up, so that the function is traced as often as for one tile at a time."""
    found, x = [], signal((1, 100, 8, 2))
    for batch in (1, 4):
        traced = []

        def fn(x, traced=traced):
            traced.append(x.shape)
            return jc.conv(FIRST, x, padding="same")

        result = jc.tiled(fn, tile=12, axes=(1,), batch=batch)(x)
        found.append((result, len(traced)))
    assert found[0][1] == found[1][1]
    np.testing.assert_array_equal(found[0][0], found[1][0])


def test_each_device_computes_every_other_tile(monkeypatch):
    devices, seen, honest = jax.devices()[:2], [], jax.device_put

    def put(value, device=None):
        seen.append((device, len(jax.tree.leaves(value))))
        return honest(value, device)

    monkeypatch.setattr(run.jax, "device_put", put)
    jc.tiled(lambda x: jc.conv(FIRST, x, padding="same"), tile=12, axes=(1,), devices=devices)(signal((1, 52, 6, 2)))
    tiles = [device for device, arrays in seen if arrays]  # the others are the arguments that are not tiled: none
    assert len(tiles) > 3
    assert tiles == [devices[n % 2] for n in range(len(tiles))]


def test_groups_have_one_size_and_every_tile_is_in_one():
    sizes = [(4, 4), (4, 3), (4, 4), (4, 4), (4, 3)]
    tiles = [Placed(n, tuple(Tile(0, s, ()) for s in size), ()) for n, size in enumerate(sizes)]
    groups = list(grouped(tiles, 2))
    assert all(len({tile.sizes for tile in group}) == 1 for group in groups)
    assert sorted(tile.number for group in groups for tile in group) == list(range(5))
    assert [[tile.number for tile in group] for group in groups] == [[0, 2], [3], [1, 4]]
    assert [[tile.number for tile in group] for group in grouped(tiles, 1)] == [[n] for n in range(5)]


@pytest.mark.parametrize("step", [2, -2])
def test_each_cell_is_in_one_tile(step):
    """Neighbours overlap in the input, and their parts of the output do not."""
    cells = {"inner": (2, 14), "first": (0, 14), "last": (2, 16)} if step > 0 else {
        "inner": (2, 14), "first": (2, 16), "last": (0, 14)}  # fmt: skip
    start = 0 if step > 0 else 60 - 16
    claim = TilingAxis(((0, 1),), 60, 16, 1, 60, 16, 2, step, start, **cells)
    tiles = plan.inside([claim], [claim])
    counts = np.zeros(60, int)
    for lo, hi, at in (tile.parts[0] for tile in tiles):
        counts[at : at + hi - lo] += 1
    np.testing.assert_array_equal(counts, 1)


def bytes_of(fn, shape):
    """What the compiler says that a program needs."""
    analysis = jax.jit(fn).lower(jax.ShapeDtypeStruct(shape, "float32")).compile().memory_analysis()
    return analysis.argument_size_in_bytes + analysis.output_size_in_bytes + analysis.temp_size_in_bytes


def test_the_largest_tile_that_fits_is_used():
    """The largest tiles fit, and those a tenth larger do not, by the compiler's own count."""
    fn, shapes = lambda x: jc.max_pool(jc.conv(FIRST, x, padding="same"), (2, 2)), []

    def noted(x):
        shapes.append(x.shape)
        return fn(x)

    x, memory = signal((1, 200, 160, 2)), 150_000
    found = jc.tiled(noted, tile="auto", memory=memory, axes=(1, 2))(x)
    np.testing.assert_array_equal(found, fn(jnp.asarray(x)))
    usual = max(shape for shape, count in ((s, shapes.count(s)) for s in set(shapes)) if max(shape) < 160 and count > 1)
    assert bytes_of(fn, usual) <= memory
    larger = (1, *(int(1.3 * n) // 2 * 2 for n in usual[1:3]), 2)
    assert bytes_of(fn, larger) > memory


def test_a_memory_in_which_the_whole_fits_and_one_in_which_nothing_does():
    fn, x = lambda x: jc.conv(FIRST, x, padding="same"), signal((1, 20, 16, 2))
    np.testing.assert_array_equal(jc.tiled(fn, tile="auto", memory=10**9, axes=(1, 2))(x), fn(jnp.asarray(x)))
    with pytest.raises(ValueError, match=r"tiled: memory is 10, but should be \d+ or more, for the smallest tiles"):
        jc.tiled(fn, tile="auto", memory=10, axes=(1, 2))(x)


def test_parameters_and_batches_count():
    """Four tiles at once need four times as much, and are smaller."""
    seen = []
    fn = lambda x: (seen.append(x.shape), jc.conv(FIRST, x, padding="same"))[1]
    sizes = []
    for batch in (1, 4):
        seen.clear()
        jc.tiled(fn, tile="auto", memory=60_000, axes=(1, 2), batch=batch)(signal((1, 120, 120, 2)))
        sizes.append(min(shape[1] * shape[2] for shape in seen[-2:]))
    assert sizes[1] < sizes[0]


class Terminal(io.StringIO):
    """A stderr that is a terminal or not."""

    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_stderr_only_where_it_is_asked_for(terminal, monkeypatch, capfd):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    fn, x = lambda x: jc.conv(FIRST, x, padding="same"), signal((1, 52, 6, 2))
    stream = Terminal(terminal)
    monkeypatch.setattr("sys.stderr", stream)
    jc.tiled(fn, tile=16, axes=(1,))(x)
    assert stream.getvalue() == ""
    jc.tiled(fn, tile=16, axes=(1,), progress=True)(x)
    assert re.search(r"(\d+) of \1 tiles\n$", stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().startswith("\r") == terminal
    assert capfd.readouterr().out == ""


def test_lines_are_rare_where_nobody_looks(monkeypatch):
    stream, now = Terminal(terminal=False), itertools.count(0.0, 10.0)
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    lines = Lines(10, 0)
    for _ in range(10):
        lines.update(1)
    assert stream.getvalue().splitlines()[-1] == "tiled: 10 of 10 tiles"
    assert 2 < len(stream.getvalue().splitlines()) < 6


def test_tqdm_shows_the_bar_on_a_terminal_where_it_is_installed(monkeypatch):
    stream = Terminal(terminal=True)
    monkeypatch.setattr("sys.stderr", stream)
    with reported(5, 2, shown=True) as bar:
        bar.update(3)
    assert "5/5" in stream.getvalue()


OPTIONS = {
    "batch": (0, ValueError, "tiled: batch is 0, but should be 1 or more"),
    "devices": ([], TypeError, r"tiled: devices is \[\], but should be a sequence of one device of JAX or more"),
    "memory": (5, ValueError, "tiled: memory is 5, with tile=8, but should be given with tile=.auto., and only"),
    "progress": (1, TypeError, "tiled: progress is 1, but should be True or False"),
    "record": (3, TypeError, "tiled: record is 3, but should be a path"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_bad_options_are_refused_before_the_call(name):
    value, error, match = OPTIONS[name]
    with pytest.raises(error, match=match):
        jc.tiled(unet, tile=8, axes=(1,), **{name: value})


def test_auto_needs_a_memory():
    with pytest.raises(ValueError, match="tiled: memory is missing, but should be given with tile="):
        jc.tiled(unet, tile="auto", axes=(1,))
    with pytest.raises(TypeError, match="tiled: tile is 'all', but should be an integer, a sequence of integers, or"):
        jc.tiled(unet, tile="all", axes=(1,))
