"""The file of a checkpoint: a bit that is flipped anywhere is found, or changes nothing that is read."""

import asyncio

import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.training.npz_handler import NAME, NpzHandler, NpzRestore, NpzSave

ARRAYS = {
    "['a/b']": np.float32([[1, -2, 3]]),
    ".half": np.asarray(jnp.ones(2, jnp.bfloat16)),
    ".none": np.zeros((0, 3)),
    "value": np.int32(7),
}
ABOUT = {"format": 1, "settings": {"seed": 0}}


@pytest.fixture
def folder(tmp_path):
    """A folder with the file."""

    async def save():
        for future in await NpzHandler().async_save(
            tmp_path, NpzSave({k: np.asarray(v) for k, v in ARRAYS.items()}, ABOUT)
        ):
            future.result()

    asyncio.run(save())
    return tmp_path


def read(folder):
    """The names, dtypes, shapes and bytes that are read, and the description."""
    arrays, about = NpzHandler().restore(folder, NpzRestore())
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}, about


def test_every_flipped_bit_is_found_or_harmless(folder):
    sound, content, found = read(folder), (folder / NAME).read_bytes(), 0
    assert sound[0].keys() == ARRAYS.keys()
    assert sound[1] == ABOUT
    for place in range(len(content)):
        flipped = bytes([content[place] ^ 1 << place % 8])
        (folder / NAME).write_bytes(content[:place] + flipped + content[place + 1 :])
        try:
            assert read(folder) == sound, place
        except AssertionError:
            raise
        except Exception:
            found += 1
    assert found > len(content) / 2
