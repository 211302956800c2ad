"""How orbax writes a checkpoint's arrays: one NumPy file, every part of which has a checksum.

Orbax's own format spreads them over many files, which TensorStore's threads write and read. On a full disk, and on a
damaged file, these threads print tracebacks and go on. One file is written whole or not at all, and NumPy reads it.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import future

Saved = tuple[dict[str, np.ndarray], Any]  # the arrays by name, and the description
NAME, ABOUT = "arrays.npz", "about"  # the file, and the entry that describes the others


class NpzHandler(ocp.handlers.AsyncCheckpointHandler):
    """Saves named arrays and a description, in the background."""

    async def async_save(self, directory: Any, args: NpzSave) -> list[future.Future]:
        """Return the futures whose results orbax awaits before it renames the folder."""

        async def write() -> None:
            if ocp.multihost.is_primary_host(0):
                stored = {name: _native(array) for name, array in args.arrays.items()}
                described = np.frombuffer(json.dumps(args.about).encode(), np.uint8)
                # As np.savez, which on a full disk leaves an open archive that prints a traceback once it is collected.
                with (Path(directory) / NAME).open("wb") as file, zipfile.ZipFile(file, "w") as archive:
                    for name, array in (stored | {ABOUT: described}).items():
                        with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                            np.lib.format.write_array(entry, array, allow_pickle=False)

        return [future.CommitFutureAwaitingContractedSignals(write(), name="npz")]

    def save(self, directory: Any, args: NpzSave) -> None:
        """Orbax requires it of every handler; the manager calls `async_save`."""
        raise NotImplementedError

    def restore(self, directory: Any, args: NpzRestore) -> Saved:
        """Return the arrays with the dtypes of the file, and the description. NumPy compares the checksums."""
        # NumPy leaves a damaged file open if it opened it itself.
        with (Path(directory) / NAME).open("rb") as file, np.load(file, allow_pickle=False) as entries:
            arrays = dict(entries)
        about = json.loads(arrays.pop(ABOUT).tobytes())
        return arrays, about


@ocp.args.register_with_handler(NpzHandler, for_save=True)
@dataclasses.dataclass
class NpzSave(ocp.args.CheckpointArgs):
    """What to save."""

    arrays: dict[str, np.ndarray]
    about: Any


@ocp.args.register_with_handler(NpzHandler, for_restore=True)
@dataclasses.dataclass
class NpzRestore(ocp.args.CheckpointArgs):
    """There is nothing to choose."""


def _native(array: np.ndarray) -> np.ndarray:
    """The array; its bits as integers if NumPy's files do not know the dtype, as bfloat16."""
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "V" else array
