"""State dicts in files: safetensors and NumPy's npz."""

from __future__ import annotations

import importlib.util
import zipfile
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from jaxconv.checks import shown
from jaxconv.convert.order import natural
from jaxconv.errors import explain, public

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".npy")  # reading these would run what is in them, or lose the names


@public
def load_state_dict(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a state dict from a `.safetensors` or `.npz` file: name of each array -> array.

    A file of safetensors has lost the order of the state dict. Its names are sorted here, numbers by their value:
    `layer2` before `layer10`. Arrays of an npz file keep their order.

    Law: the arrays are those that were saved, bit for bit and dtype for dtype. It fails for pickled objects: they are
    refused, because reading a pickle runs code.

    Args:
        path: the file. PyTorch writes one by `safetensors.torch.save_file(model.state_dict(), path)`, or by
            `numpy.savez(path, **{name: tensor.numpy() for name, tensor in model.state_dict().items()})`.

    Returns:
        A dict of NumPy arrays for `from_state_dict`, those of bfloat16 with JAX's dtype.

    Raises:
        ValueError: another kind of file, a damaged one, or one with 8-bit floats, which NumPy does not have.
        FileNotFoundError: no such file.
        ModuleNotFoundError: safetensors is not installed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/net.npz", **{"fc.weight": np.ones((3, 2)), "fc.bias": np.zeros(3)})
    ...     {name: array.shape for name, array in load_state_dict(f"{folder}/net.npz").items()}
    {'fc.weight': (3, 2), 'fc.bias': (3,)}

    Source: Hugging Face, "Safetensors", https://huggingface.co/docs/safetensors, the format.
    """
    if not isinstance(path, str | PathLike):
        raise TypeError(explain("path", shown(path), "the path of a file", 'Write load_state_dict("net.safetensors")'))
    file = Path(fspath(path))
    readers = {".safetensors": _safetensors, ".npz": _npz}
    if file.suffix not in readers:
        cure = "Convert it: safetensors.torch.save_file(model.state_dict(), path)"
        kind = "a .safetensors or .npz file" + (", which hold no code" if file.suffix in PICKLES else "")
        raise ValueError(explain("path", repr(str(file)), kind, cure))
    if not file.is_file():
        raise FileNotFoundError(explain("path", repr(str(file)), "a file that exists", "Check its name"))
    return readers[file.suffix](file)


def _npz(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as entries:
            return dict(entries)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(_damaged(file, error, "numpy.savez")) from error


def _safetensors(file: Path) -> dict[str, Any]:
    if importlib.util.find_spec("safetensors") is None:
        cure = "Run pip install 'jaxconv[safetensors]'"
        raise ModuleNotFoundError(explain("path", repr(str(file)), "read by safetensors, which is missing", cure))
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  an extra

    try:
        with safe_open(file, framework="np") as opened:
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  not a dict
    except AttributeError as error:  # safetensors looks the dtype up in NumPy
        cure = "Convert them to float32 or bfloat16, and save the file again"
        raise ValueError(explain("path", f"{str(file)!r}: {error}", "arrays of NumPy's dtypes", cure)) from error
    except (SafetensorError, OSError) as error:
        raise ValueError(_damaged(file, error, "safetensors.torch.save_file")) from error
    return {name: arrays[name] for name in sorted(arrays, key=lambda name: natural(tuple(name.split("."))))}


def _damaged(file: Path, error: Exception, writer: str) -> str:
    """The message about a file that cannot be read."""
    return explain("path", f"{str(file)!r}: {error}", f"a file that {writer} wrote", "Save it again")
