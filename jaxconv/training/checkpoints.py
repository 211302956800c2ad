"""Checkpoints of a training run by orbax: written in the background, complete or absent, and checked when read."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.tree_util import keystr
from orbax.checkpoint.checkpoint_managers import LatestN

from jaxconv.checks import integer, mapping, shown
from jaxconv.errors import explain, public_as
from jaxconv.training.npz_handler import NpzRestore, NpzSave, Saved
from jaxconv.training.paths import path_of

Tree = TypeVar("Tree")
FORMAT = 1  # of the description that accompanies the arrays


class CheckpointError(ValueError):
    """A checkpoint that is corrupt, that belongs to another run, or that could not be written."""


class Checkpoints:
    """The newest checkpoints of one run, in a folder with one sub-folder for each step.

    A checkpoint holds every leaf of a tree of arrays: parameters, the optimiser's state, the state of `batch_norm`,
    typed keys, the number of the step. Orbax writes it in the background into a temporary folder, which it renames at
    the end. So a run that is killed at any moment leaves complete checkpoints only. `STEP/default/arrays.npz` is a file
    of NumPy. It has a checksum for each leaf, and the settings, dtypes and shapes, which `restore` compares.

    Several processes of one run need a folder that all of them see. Leaves must be replicated over their devices.

    Args:
        folder: where the checkpoints are. It is created.
        keep: how many of the newest remain.
        settings: what else decides the run, as text and numbers: `{"batch": 64, "seed": 0}`. A checkpoint with other
            settings is refused.

    Raises:
        CheckpointError: the folder cannot be created or written.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> tree = {"w": jnp.arange(3.0), "key": jax.random.key(7)}
    >>> with Checkpoints(folder, settings={"seed": 7}) as checkpoints:
    ...     checkpoints.save(10, tree)
    >>> with Checkpoints(folder, settings={"seed": 7}) as checkpoints:
    ...     checkpoints.latest, checkpoints.restore({"w": jnp.zeros(3), "key": jax.random.key(0)})["w"]
    (10, Array([0., 1., 2.], dtype=float32))
    """

    @public_as("Checkpoints")
    def __init__(self, folder: str | Path, *, keep: int = 3, settings: Mapping[str, Any] | None = None) -> None:
        self.folder = path_of("folder", folder, "runs/digits").absolute()
        keep = integer("keep", keep, least=1, cure="Leave it out for 3")
        cure = 'Write {"batch": 64, "seed": 0}'
        given = {} if settings is None else mapping("settings", settings, "a dict", cure=cure)
        try:
            self.settings: dict[str, Any] = json.loads(json.dumps(dict(given)))
        except TypeError:
            raise TypeError(explain("settings", shown(settings), "a dict of text and numbers", cure)) from None
        options = ocp.CheckpointManagerOptions(preservation_policy=LatestN(keep), enable_async_checkpointing=True)
        logging.getLogger("absl").addFilter(_not_orbax)  # for good: orbax's threads outlive `close`
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
            self._manager = ocp.CheckpointManager(self.folder, options=options)
        except OSError as error:
            expected, cure = f"a folder to write into ({error})", "Choose another folder, or change its permissions"
            raise CheckpointError(explain("folder", f"'{folder}'", expected, cure)) from error

    @property
    def latest(self) -> int | None:
        """The step of the newest checkpoint that is complete; None if there is none."""
        steps = [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]
        return max(steps, default=None)

    @public_as("Checkpoints.save")
    def save(self, step: int, tree: Any) -> None:
        """Starts to write a checkpoint. It waits only for the one before, and for the copies of the arrays.

        Raises:
            CheckpointError: this checkpoint or the one before cannot be written. Those that are complete remain.
            ValueError: a leaf is not replicated over the devices of several processes.
        """
        arrays = {name: _host(name, leaf) for name, leaf in _named(tree).items()}
        kinds = {name: [array.dtype.name, list(array.shape)] for name, array in arrays.items()}
        args = NpzSave(arrays, {"format": FORMAT, "settings": self.settings, "arrays": kinds})
        self._writing(lambda: self._manager.save(step, args=args, force=True))

    @public_as("Checkpoints.wait")
    def wait(self) -> None:
        """Waits until the last checkpoint is complete.

        Raises:
            CheckpointError: it cannot be written. Those that are complete remain.
        """
        self._writing(self._manager.wait_until_finished)

    @public_as("Checkpoints.restore")
    def restore(self, like: Tree, *, step: int | None = None) -> Tree:
        """A tree of the structure of `like`, with the leaves of a checkpoint, placed as those of `like` are.

        Args:
            like: a tree of arrays with the structure, shapes and dtypes of the saved one.
            step: which checkpoint; None is the newest.

        Raises:
            CheckpointError: there is no such checkpoint, it is corrupt, or it has other leaves, shapes, dtypes or
                settings. The message lists each difference.
        """
        self.wait()
        step = self.latest if step is None else integer("step", step, least=0, cure="Leave it out for the newest")
        if step is None or not (self.folder / str(step)).is_dir():
            expected, cure = (
                "one that holds a checkpoint",
                "Train without resuming first, or name the folder of the run",
            )
            actual = f"'{self.folder}', without a checkpoint" + ("" if step is None else f" of step {step}")
            raise CheckpointError(explain("folder", actual, expected, cure))
        try:
            arrays, about = cast(Saved, self._manager.restore(step, args=NpzRestore()))
        except Exception as error:  # a file that is missing, truncated or changed may raise anything
            raise self._corrupt(step, f"an unreadable file ({_brief(error)})") from error
        leaves = _named(like)
        self._compare(step, about, leaves)
        return jax.tree.unflatten(
            jax.tree.structure(like), [_placed(_as_saved(arrays[name], leaf), leaf) for name, leaf in leaves.items()]
        )

    def close(self) -> None:
        """Waits until the last checkpoint is complete, and ends orbax's threads.

        Raises:
            CheckpointError: the last checkpoint cannot be written. Those that are complete remain.
        """
        self._writing(self._manager.close)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except CheckpointError:
            if error is None:  # the error that is on its way says more
                raise

    def _writing(self, write: Callable[[], object]) -> None:
        try:
            write()
        except Exception as error:  # orbax passes on whatever its parts raise: OSError, ValueError, RuntimeError
            latest = self.latest
            kept = "No checkpoint is complete" if latest is None else f"The checkpoint of step {latest} is complete"
            cure = f"{kept}. Free space, or choose another folder, and resume"
            raise CheckpointError(explain("folder", f"'{self.folder}'", f"writable ({_brief(error)})", cure)) from error

    def _corrupt(self, step: int, why: str) -> CheckpointError:
        cure = "Delete this folder, and resume from the checkpoint before it"
        return CheckpointError(explain("checkpoint", f"'{self.folder / str(step)}', with {why}", "intact", cure))

    def _compare(self, step: int, about: Any, leaves: Mapping[str, Any]) -> None:
        """Raise an error that lists each difference between the checkpoint and the run."""
        if not isinstance(about, dict) or about.get("format") != FORMAT or not {"settings", "arrays"} <= set(about):
            raise self._corrupt(step, "a description that is not that of a training run")
        expected = {name: _kind(leaf) for name, leaf in leaves.items()}
        saved = {name: (dtype, tuple(shape)) for name, (dtype, shape) in about["arrays"].items()}
        text = lambda kinds, name: f"{kinds[name][0]}{list(kinds[name][1])}" if name in kinds else "absent"
        differences = [
            f"setting {name} is {about['settings'].get(name)!r} there and {self.settings.get(name)!r} here"
            for name in sorted({*about["settings"], *self.settings})
            if about["settings"].get(name) != self.settings.get(name)
        ] + [
            f"{name} is {text(saved, name)} there and {text(expected, name)} here"
            for name in dict.fromkeys([*saved, *expected])
            if saved.get(name) != expected.get(name)
        ]
        if differences:
            actual = f"'{self.folder / str(step)}', of another run ({'; '.join(differences)})"
            cure = "Repeat the settings of that run, or choose another folder"
            raise CheckpointError(explain("checkpoint", actual, "a checkpoint of this run", cure))


def _named(tree: Any) -> dict[str, Any]:
    """The leaves by path, in order."""
    return {keystr(where) or "value": leaf for where, leaf in jax.tree.leaves_with_path(tree)}


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _host(name: str, leaf: Any) -> np.ndarray:
    """A leaf as an array of NumPy; a typed key as its data."""
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        actual = f"split over devices of several processes ({leaf.sharding})"
        raise ValueError(explain(name, actual, "replicated", "Save leaves that are replicated"))
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _kind(leaf: Any) -> tuple[str, tuple[int, ...]]:
    """The dtype and shape with which a leaf is saved."""
    shapes = jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf
    return np.dtype(shapes.dtype).name, tuple(shapes.shape)


def _as_saved(array: np.ndarray, leaf: Any) -> np.ndarray:
    """The array with the dtype of the leaf; the file has integers for those that NumPy does not know."""
    dtype = np.dtype(_kind(leaf)[0]) if _is_key(leaf) else np.dtype(leaf.dtype)
    return array if array.dtype == dtype else array.view(dtype)


def _placed(array: np.ndarray, leaf: Any) -> Any:
    """A leaf of the checkpoint with the type and the devices of the leaf that it replaces."""
    if not isinstance(leaf, jax.Array):
        return array
    placed = jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf)) if _is_key(leaf) else array
    return jax.device_put(placed, leaf.sharding)


def _brief(error: Exception) -> str:
    """An error on one line of moderate length."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _not_orbax(record: logging.LogRecord) -> bool:
    """Whether a record is not orbax's. It logs each error with its traceback; `Checkpoints` raises them all."""
    return f"{os.sep}orbax{os.sep}" not in record.pathname
