"""Checkpoints: what is saved comes back bit for bit, and what is corrupt or foreign is refused by name."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv.training.checkpoints import CheckpointError, Checkpoints


class Pair(NamedTuple):
    """A node that is no dict."""

    key: jax.Array
    rest: tuple


def tree(seed=0):
    """Leaves of many kinds; NaN, infinities, -0.0 and no elements among them."""
    draw = np.random.default_rng(seed)
    special = np.float32([np.nan, -np.inf, -0.0, 1e-45])
    params = {
        "a/b": jnp.asarray(draw.normal(size=(2, 3)), jnp.bfloat16),
        "a.b": jnp.asarray(special + np.float32(seed)),
    }
    return Pair(
        jax.random.key(seed, impl="rbg"),
        (
            params,
            optax.adam(0.1).init(params),
            jnp.int32(seed),
            np.arange(3) + seed,
            jnp.zeros((0, 3)),
            jnp.array(True),
        ),
    )


def plain(leaf):
    """The bytes of a leaf."""
    return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf).tobytes()


def saved(folder, *steps, keep=3, **settings):
    """A closed folder with checkpoints, each with another tree."""
    with Checkpoints(folder, keep=keep, settings=settings) as checkpoints:
        for step in steps:
            checkpoints.save(step, tree(step))
    return folder


def restored(folder, like, step=None, **settings):
    """A tree from that folder."""
    with Checkpoints(folder, settings=settings) as checkpoints:
        return checkpoints.restore(like, step=step)


def test_all_leaves_come_back_with_their_types_and_bits(tmp_path):
    found = restored(saved(tmp_path, 7), tree(0))
    assert jax.tree.structure(found) == jax.tree.structure(tree(7))
    for leaf, expected in zip(jax.tree.leaves(found), jax.tree.leaves(tree(7)), strict=True):
        assert type(leaf) is type(expected)
        assert (leaf.dtype, leaf.shape) == (expected.dtype, expected.shape)
        assert plain(leaf) == plain(expected)
    assert jax.random.key_impl(found.key) == jax.random.key_impl(tree(7).key)


def test_the_newest_remain(tmp_path):
    with Checkpoints(saved(tmp_path, 1, 2, 5, 10, keep=2), keep=2) as checkpoints:
        assert checkpoints.latest == 10
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.isdigit()) == ["10", "5"]
        assert int(checkpoints.restore(tree(0), step=5).rest[2]) == 5
        with pytest.raises(CheckpointError, match=r"without a checkpoint of step 2, but should be one that holds"):
            checkpoints.restore(tree(0), step=2)


def test_leaves_return_to_their_devices(tmp_path):
    second = jax.devices()[1]
    key_and_params = tree(5).key, tree(5).rest[0]
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, key_and_params)
        found = checkpoints.restore(jax.device_put(key_and_params, second))
    assert all(leaf.devices() == {second} for leaf in jax.tree.leaves(found))


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"^Checkpoints.restore: folder is '.*', without a checkpoint, but should be"
    ):
        restored(tmp_path, tree(0))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t._replace(rest=t.rest[:-1]), r"\.rest\[5\] is bool\[\] there and absent here"),
        (lambda t: t._replace(rest=(*t.rest, jnp.ones(2))), r"\.rest\[6\] is absent there and float32\[2\] here"),
        (lambda t: t._replace(rest=(*t.rest[:3], np.arange(4), *t.rest[4:])), r"\.rest\[3\] is int64\[3\] there and int64\[4\] here"),
        (lambda t: t._replace(rest=(*t.rest[:2], jnp.float32(1), *t.rest[3:])), r"\.rest\[2\] is int32\[\] there and float32\[\] here"),
        (lambda t: t._replace(key=jax.random.key(0)), r"\.key is uint32\[4\] there and uint32\[2\] here"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_tree_is_refused_with_the_difference(change, text, tmp_path):
    with pytest.raises(
        CheckpointError, match=rf"'.*/4', of another run \({text}\), but should be a checkpoint of this run"
    ):
        restored(saved(tmp_path, 4), change(tree(0)))


def test_all_differences_are_listed_settings_too(tmp_path):
    saved(tmp_path, 4, batch=64, seed=0, form="modern")
    with pytest.raises(
        CheckpointError, match=r"setting batch is 64 there and 32 here; setting rate is None there and 0.1 here; \.key"
    ):
        restored(tmp_path, jnp.ones(2), batch=32, seed=0, form="modern", rate=0.1)
    restored(tmp_path, tree(0), batch=64, seed=0, form="modern")


def files(folder):
    """The files of a checkpoint that have content which is read."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.stat().st_size)


def damaged(path, how):
    """Damage a file."""
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "missing":
        path.unlink()
    else:
        place = len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])


def outcome(folder):
    """The tree of a checkpoint, or the message that refuses it."""
    try:
        return restored(folder, tree(0), step=4), ""
    except CheckpointError as error:
        return None, str(error)


@pytest.mark.parametrize("how", ["truncated", "missing", "a flipped bit"])
def test_a_damaged_file_is_refused_by_name_or_changes_nothing(how, tmp_path):
    """Each file in turn; some hold only what orbax notes for itself. No damage may change a leaf."""
    saved(tmp_path / "sound", 3, 4)
    refused = set()
    for file in files(tmp_path / "sound" / "4"):
        shutil.copytree(tmp_path / "sound", tmp_path / "other")
        damaged(tmp_path / "other" / file.relative_to(tmp_path / "sound"), how)
        found, message = outcome(tmp_path / "other")
        if message:
            assert re.search(r"checkpoint is '.*/other/4', with .*, but should be intact. Delete this folder", message)
            refused.add(file.name)
        else:
            assert [*map(plain, jax.tree.leaves(found))] == [*map(plain, jax.tree.leaves(tree(4)))], file
        assert int(restored(tmp_path / "other", tree(0), step=3).rest[2]) == 3
        shutil.rmtree(tmp_path / "other")
    assert "arrays.npz" in refused


def test_another_programs_description_is_refused(tmp_path):
    saved(tmp_path, 4)
    np.savez(tmp_path / "4" / "default" / "arrays.npz", about=np.frombuffer(b'{"a": 1}', np.uint8))
    with pytest.raises(CheckpointError, match=r"with a description that is not that of a training run"):
        restored(tmp_path, tree(0))


def test_numpy_reads_the_file(tmp_path):
    saved(tmp_path, 4)
    with np.load(tmp_path / "4" / "default" / "arrays.npz") as file:
        np.testing.assert_array_equal(file[".rest[0]['a.b']"], tree(4).rest[0]["a.b"])
        np.testing.assert_array_equal(file[".rest[0]['a/b']"].view(jnp.bfloat16), tree(4).rest[0]["a/b"])


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        CheckpointError, match=r"^Checkpoints: folder is '.*/file/run', but should be a folder to write into \("
    ):
        Checkpoints(tmp_path / "file" / "run")
    for folder in ("/proc/run", "/sys/run"):  # even root may not write there
        with pytest.raises(
            CheckpointError, match=rf"^Checkpoints: folder is '{folder}', but should be a folder to write into \("
        ):
            Checkpoints(folder)


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(TypeError, match=r"^Checkpoints: folder is 3, but should be a path"):
        Checkpoints(3)
    with pytest.raises(ValueError, match=r"^Checkpoints: keep is 0, but should be 1 or more"):
        Checkpoints(tmp_path, keep=0)
    with pytest.raises(TypeError, match=r"^Checkpoints: settings is .*, but should be a dict of text and numbers"):
        Checkpoints(tmp_path, settings={"a": object()})
