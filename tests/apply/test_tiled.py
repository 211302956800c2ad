"""Tiles give the whole's result, `==` on whole numbers, or the function is refused with the line that is the reason."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.split_networks import FIRST, KEY, SECOND, unet, whole_numbers
from support.tiling_oracle import signal

import jaxconv as jc
from jaxconv.apply import plan

UP = whole_numbers(jc.init_conv_transpose(KEY, (3, 2), channels_in=2, channels_out=4))


NETWORKS = {
    "zero padding": unet,
    "reflection": lambda x: unet(x, "reflect"),
    "copies of the border": lambda x: unet(x, "edge"),
    "circular padding": lambda x: unet(x, "circular"),
    "no padding": lambda x: jc.conv(FIRST, x),
    "strides": lambda x: jc.conv(SECOND, jc.conv(FIRST, x, stride=2, padding="same"), stride=2, padding="same"),
    "causal": lambda x: jc.conv(SECOND, jc.conv(FIRST, x, padding="causal"), stride=(2, 1), padding="causal"),
    "finer than the input": lambda x: jc.conv_transpose(
        UP, x, stride=2, padding="same", output_shape=[2 * n for n in x.shape[1:3]]
    ),
    "a reversed output": lambda x: jc.conv(FIRST, x, padding="same")[:, ::-1],
    "outputs at three scales": lambda x: {"fine": jnp.repeat(x, 3, 1), "same": x, "coarse": jc.max_pool(x, (2, 2))},
    "outputs with different borders and strides": lambda x: (jc.conv(FIRST, x, padding="same"), jc.max_pool(x, (4, 4))),
    "an output that does not move": lambda x: (jc.conv(FIRST, x, padding="same"), jnp.arange(3)),
}


@pytest.mark.parametrize(
    ("shape", "tile"), [((40, 32), (16, 12)), ((44, 20), 20), ((52, 36), (16, 24)), ((24, 72), (32, 20))]
)
@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_give_the_whole(name, shape, tile):
    """Along one axis or both, and along none where the image is smaller than a tile."""
    fn, x = NETWORKS[name], signal((1, *shape, 2))
    found = jc.tiled(fn, tile=tile, axes=(1, 2))(x)
    expected = fn(jnp.asarray(x))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for own, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert own.dtype == other.dtype
        np.testing.assert_array_equal(own, other)


@given(st.integers(17, 60), st.integers(8, 16), st.integers(1, 3), st.sampled_from(["same", "reflect", "valid"]))
@settings(max_examples=15)
def test_any_sizes_of_a_strided_layer(whole, tile, stride, padding):
    """A tile that a strided "same" padding would not suit becomes some cells shorter."""
    fn = lambda x: jc.conv(FIRST, x, stride=(stride, 1), padding=padding)
    x = signal((1, whole, 5, 2), seed=whole)
    np.testing.assert_array_equal(jc.tiled(fn, tile=tile, axes=(1,))(x), fn(jnp.asarray(x)))


def test_signals_and_volumes():
    line = whole_numbers(jc.init_conv(KEY, (5,), 2, 3))
    fn, x = lambda x: jc.conv(line, x, padding="same", dilation=2), signal((2, 70, 2))
    np.testing.assert_array_equal(jc.tiled(fn, tile=24, axes=(1,))(x), fn(jnp.asarray(x)))
    cube = whole_numbers(jc.init_conv(KEY, (3, 3, 3), 2, 3))
    fn, x = lambda x: jc.conv(cube, x, padding="same"), signal((1, 9, 12, 10, 2))
    np.testing.assert_array_equal(jc.tiled(fn, tile=(5, 6, 7), axes=(1, 2, 3))(x), fn(jnp.asarray(x)))


def test_arguments_that_are_tiled_together_and_one_that_is_not():
    fn = lambda params, a, b: jc.conv(params, a - b, padding="same")
    a, b = signal((1, 30, 20, 2)), signal((1, 30, 20, 2), seed=1)
    found = jc.tiled(fn, tile=(12, 20), axes={1: (1, 2), 2: (1, 2)})(FIRST, a, b)
    np.testing.assert_array_equal(found, fn(FIRST, jnp.asarray(a), jnp.asarray(b)))


class Sliced:
    """An array of which only slices can be read, as from a file; it records how many cells are read at a time."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, cells):
        part = self.array[cells]
        self.most = max(self.most, part.size)
        return part


@pytest.mark.parametrize("name", ["zero padding", "circular padding"])
def test_no_more_than_a_tile_is_read_at_a_time(name):
    x = Sliced(signal((1, 64, 48, 2)))
    result = jc.tiled(NETWORKS[name], tile=16, axes=(1, 2))(x)
    assert x.most <= 16 * 16 * 2
    np.testing.assert_array_equal(result, NETWORKS[name](jnp.asarray(x.array)))


def test_files_are_read_and_written(tmp_path):
    x, shape = signal((1, 40, 32, 2)), (1, 40, 32, 3)
    image = np.memmap(tmp_path / "image", x.dtype, "w+", shape=x.shape)
    image[:] = x
    out = np.memmap(tmp_path / "result", np.float32, "w+", shape=shape)
    assert jc.tiled(unet, tile=16, axes=(1, 2), out=out)(image) is out
    np.testing.assert_array_equal(np.memmap(tmp_path / "result", np.float32, "r", shape=shape), unet(jnp.asarray(x)))


def test_two_programs_for_each_axis_are_compiled():
    traced = []

    def fn(x):
        traced.append(x.shape)
        return jc.conv(FIRST, x, stride=(4, 1), padding="same")

    jc.tiled(fn, tile=16, axes=(1, 2))(signal((1, 100, 50, 2)))
    assert len({shape for shape in traced if max(shape) <= 16}) <= 4


REFUSED = {
    "a global mean": (lambda x: x - x.mean((1, 2), keepdims=True), "because of reduce_sum at .*test_tiled.py"),
    "positions": (lambda x: x + jnp.arange(x.shape[1], dtype=x.dtype)[None, :, None, None], "because of add at"),
    "the shape": (lambda x: x / x.shape[1], "a number in it depends on the size of the input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_function_without_proof_is_refused_with_its_line(name):
    fn, match = REFUSED[name]
    with pytest.raises(ValueError, match=match):
        jc.tiled(fn, tile=16, axes=(1, 2))(signal((1, 40, 32, 2)))


def test_too_small_a_tile_is_refused_and_the_smallest_that_works_works():
    fn, x = (
        lambda x: jc.conv(FIRST, jc.conv(FIRST, x, padding="same", dilation=3)[..., :2], padding="same"),
        signal((1, 40, 9, 2)),
    )
    with pytest.raises(ValueError, match="the tile along axis 1 of argument 0 is 8, but should be 9 or more"):
        jc.tiled(fn, tile=8, axes=(1,))(x)
    np.testing.assert_array_equal(jc.tiled(fn, tile=9, axes=(1,))(x), fn(jnp.asarray(x)))


def test_a_circular_network_on_a_length_that_its_stride_does_not_divide_is_refused():
    fn = lambda x: jc.conv(FIRST, x, stride=2, padding="circular")
    with pytest.raises(ValueError, match="the first and the last cells of output along axis 1 of argument 0"):
        jc.tiled(fn, tile=16, axes=(1,))(signal((1, 41, 8, 2)))


def test_what_reads_the_other_end_but_does_not_roll_is_refused():
    """Its border is that of a circular padding with the cells of one end in reverse order."""
    around = lambda x: jnp.concatenate([x[:, -2:][:, ::-1], x, x[:, :2]], 1)
    fn = lambda x: jc.conv(FIRST, around(x)[:, 1:-1])
    with pytest.raises(ValueError, match="the first and the last cells of output along axis 1"):
        jc.tiled(fn, tile=16, axes=(1,))(signal((1, 48, 6, 2)))


@pytest.mark.parametrize(
    ("out", "match"),
    [
        (
            np.zeros((1, 40, 32, 2), np.float32),
            r"out is of shape \(1, 40, 32, 2\) and dtype float32, but should be an array of",
        ),
        (np.zeros((1, 40, 32, 3), np.uint8), "and dtype uint8, but should be an array of shape"),
        ([np.zeros((1, 40, 32, 3), np.float32)], "out is"),
        (3, "out is int, but should be an array"),
        (jnp.zeros((1, 40, 32, 3)), "out is an array that cannot be written"),
    ],
)
def test_out_has_to_fit(out, match):
    with pytest.raises(ValueError, match=match):
        jc.tiled(unet, tile=16, axes=(1, 2), out=out)(signal((1, 40, 32, 2)))


def test_an_empty_batch_and_half_precision():
    x = jnp.zeros((0, 40, 32, 2))
    assert jc.tiled(unet, tile=16, axes=(1, 2))(x).shape == (0, 40, 32, 3)
    fn, x = (
        lambda x: jc.max_pool(x, (3, 3), stride=1, padding="same"),
        jnp.asarray(signal((1, 30, 30, 2)), jnp.bfloat16),
    )
    found = jc.tiled(fn, tile=16, axes=(1, 2))(x)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found, fn(x))


def test_greedy_tiles_would_be_wrong(monkeypatch):
    """With one cell less discarded at the end of each tile, there is a seam: the margins are needed."""
    x, honest = signal((1, 40, 32, 2)), plan._part
    expected = unet(jnp.asarray(x))

    def greedy(claim, offset, cells):
        return honest(claim, offset, (cells[0], min(cells[1] + 1, claim.output_tile)))

    monkeypatch.setattr(plan, "_part", greedy)
    assert (jc.tiled(unet, tile=16, axes=(1, 2))(x) != expected).any()


def test_every_cell_is_written_for_each_combination_of_sizes():
    """Cells that no tile had would stay as they were."""
    for height, width in itertools.product((33, 34, 35, 36), (25, 28)):
        fn, x = NETWORKS["strides"], signal((1, height, width, 2))
        out = np.full(jax.eval_shape(fn, x).shape, np.nan, np.float32)
        jc.tiled(fn, tile=16, axes=(1, 2), out=out)(x)
        assert not np.isnan(out).any()


def test_the_input_is_not_written_over():
    """Later tiles would read what earlier ones wrote."""
    fn, x = lambda x: jc.conv(SECOND, x, padding="same"), signal((1, 40, 32, 3))
    with pytest.raises(ValueError, match="tiled: out is in the memory of an argument"):
        jc.tiled(fn, tile=16, axes=(1, 2), out=x)(x)


def test_the_file_of_the_input_is_not_written_over(tmp_path):
    """Two memory maps of one file have addresses of their own."""
    fn, x = lambda x: jc.conv(SECOND, x, padding="same"), signal((1, 40, 32, 3))
    np.save(tmp_path / "x.npy", x)
    out = np.lib.format.open_memmap(tmp_path / "x.npy", "r+")
    with pytest.raises(ValueError, match="tiled: out is in the memory of an argument"):
        jc.tiled(fn, tile=16, axes=(1, 2), out=out)(np.load(tmp_path / "x.npy", mmap_mode="r"))
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)


def test_an_output_of_which_no_tile_has_a_part_is_refused():
    """Cyclic shifts move it, but a tile holds the first half only."""
    with pytest.raises(ValueError, match="an output along axis 1 of argument 0 is longer"):
        jc.tiled(lambda x: jnp.concatenate([x, x], 1), tile=8, axes=(1,))(signal((1, 32, 4, 2)))


@pytest.mark.parametrize(("length", "tile", "block"), [(140, 63, 4), (140, 60, 14), (75, 32, 5)])
def test_blocks_that_do_not_divide_the_tile_make_it_smaller(length, tile, block):
    fn, x = lambda x: x.reshape(1, -1, block, 4, 2).max(2), signal((1, length, 4, 2))
    np.testing.assert_array_equal(jc.tiled(fn, tile=tile, axes=(1,))(x), fn(jnp.asarray(x)))


def test_the_smallest_size_that_works_is_named_for_strides_and_reflections():
    wide = whole_numbers(jc.init_conv(KEY, (41, 1), 2, 3))
    for fn, length, tile in (
        (lambda x: jc.conv(wide, x, stride=2, padding="same"), 101, 20),
        (lambda x: jnp.pad(x, ((0, 0), (9, 9), (0, 0), (0, 0)), mode="reflect"), 70, 8),
    ):
        x = signal((1, length, 4, 2))
        with pytest.raises(
            ValueError, match=r"tiled: the tile along axis 1 of argument 0 is \d+, but should be"
        ) as error:
            jc.tiled(fn, tile=tile, axes=(1,))(x)
        smallest = int(str(error.value).split("should be ")[1].split()[0])
        assert smallest > tile
        np.testing.assert_array_equal(jc.tiled(fn, tile=smallest, axes=(1,))(x), fn(jnp.asarray(x)))


def test_what_is_no_function_or_no_array_is_refused():
    with pytest.raises(TypeError, match="tiled: fn is None, but should be a function"):
        jc.tiled(None, tile=8, axes=(1,))
    with pytest.raises(TypeError, match=r"tiled: argument 0 is .image., but should be an array"):
        jc.tiled(lambda x: x, tile=8, axes=(1,))("image")
