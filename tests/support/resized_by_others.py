"""The table of resizing in other libraries, and the command that writes their results: `resized_by_others.json`.

    python tests/support/resized_by_others.py torch         # in an environment with PyTorch
    python tests/support/resized_by_others.py tensorflow    # in an environment with TensorFlow
    python tests/support/resized_by_others.py jax.image

Each command replaces the results of its library. `docs/layers.md` lists the rows.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".json")
SHAPES = [(8, 5), (3, 12), (2, 3)]  # of an image of 5 by 7: up and down, unequal along the axes
TORCH_CUBIC = {"method": "cubic", "coefficient": -0.75, "border": "edge"}

# Library -> their settings, in words -> ours. `antialias` is False where a row does not name it.
TABLE = {
    "torch": {
        'mode="nearest"': {"method": "nearest", "corners": "asymmetric"},
        'mode="nearest-exact"': {"method": "nearest"},
        'mode="bilinear"': {"method": "linear"},
        'mode="bilinear", align_corners=True': {"method": "linear", "corners": "align"},
        'mode="bilinear", antialias=True': {"method": "linear", "antialias": True},
        'mode="bicubic"': TORCH_CUBIC,
        'mode="bicubic", align_corners=True': TORCH_CUBIC | {"corners": "align"},
        'mode="bicubic", antialias=True': {"method": "cubic", "antialias": True},
    },
    "tensorflow": {
        'method="nearest"': {"method": "nearest"},
        'method="bilinear"': {"method": "linear"},
        'method="bilinear", antialias=True': {"method": "linear", "antialias": True},
        'method="bicubic"': {"method": "cubic"},
        'method="bicubic", antialias=True': {"method": "cubic", "antialias": True},
        'method="lanczos3"': {"method": "lanczos3"},
        'method="lanczos3", antialias=True': {"method": "lanczos3", "antialias": True},
        'method="lanczos5"': {"method": "lanczos5"},
        'method="lanczos5", antialias=True': {"method": "lanczos5", "antialias": True},
        'method="area"': {"method": "area"},
        'v1, method="bilinear"': {"method": "linear", "corners": "asymmetric"},
        'v1, method="bilinear", align_corners=True': {"method": "linear", "corners": "align"},
        'v1, method="nearest"': {"method": "nearest", "corners": "asymmetric"},
        'v1, method="nearest", align_corners=True': {"method": "nearest", "corners": "align"},
    },
    "jax.image": {
        'method="nearest"': {"method": "nearest"},
        'method="linear", antialias=False': {"method": "linear"},
        'method="linear"': {"method": "linear", "antialias": True},
        'method="cubic", antialias=False': {"method": "cubic"},
        'method="cubic"': {"method": "cubic", "antialias": True},
        'method="lanczos3", antialias=False': {"method": "lanczos3"},
        'method="lanczos3"': {"method": "lanczos3", "antialias": True},
        'method="lanczos5", antialias=False': {"method": "lanczos5"},
        'method="lanczos5"': {"method": "lanczos5", "antialias": True},
    },
}


def image() -> np.ndarray:
    """Whole numbers from -9 to 9, [n, h, w, c]."""
    return np.random.default_rng(0).integers(-9, 10, (1, 5, 7, 1)).astype(np.float32)


def read(settings: str) -> tuple[bool, dict]:
    """Whether a row is of TensorFlow's first version, and its settings."""
    first = settings.startswith("v1, ")
    return first, eval(f"dict({settings.removeprefix('v1, ')})")


def by_torch(settings: str, shape: tuple[int, int]) -> np.ndarray:
    """`torch.nn.functional.interpolate`."""
    torch = import_module("torch")

    x = torch.from_numpy(np.moveaxis(image(), -1, 1).copy())
    return np.moveaxis(torch.nn.functional.interpolate(x, shape, **read(settings)[1]).numpy(), 1, -1)


def by_tensorflow(settings: str, shape: tuple[int, int]) -> np.ndarray:
    """`tf.image.resize`, or `tf.compat.v1.image.resize`."""
    tf = import_module("tensorflow")

    first, given = read(settings)
    return (tf.compat.v1.image.resize if first else tf.image.resize)(image(), shape, **given).numpy()


def by_jax(settings: str, shape: tuple[int, int]) -> np.ndarray:
    """`jax.image.resize`."""
    jax = import_module("jax")

    return np.asarray(jax.image.resize(image(), (1, *shape, 1), **read(settings)[1]))


def documented() -> list[str]:
    """The rows of the table in `docs/layers.md`."""
    names = {
        "torch": "torch.nn.functional.interpolate",
        "tensorflow": "tf.image.resize",
        "jax.image": "jax.image.resize",
    }
    rows = []
    for library, settings in TABLE.items():
        for theirs, ours in settings.items():
            name = "tf.compat.v1.image.resize" if theirs.startswith("v1, ") else names[library]
            given = ", ".join(
                f"{key}={json.dumps(value) if isinstance(value, str) else value}" for key, value in ours.items()
            )
            rows.append(f"| `{name}`, `{theirs.removeprefix('v1, ')}` | `{given}` |")
    return rows


def main(library: str) -> None:
    """Writes the results of one library."""
    run = {"torch": by_torch, "tensorflow": by_tensorflow, "jax.image": by_jax}[library]
    module = import_module(library.partition(".")[0])
    results = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows = {
        settings: [np.round(run(settings, shape).astype(float), 6).tolist() for shape in SHAPES]
        for settings in TABLE[library]
    }
    results[library] = {"version": module.__version__, "rows": rows}
    lines = [
        f"{json.dumps(name)}: {json.dumps(result, separators=(',', ':'))}" for name, result in sorted(results.items())
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
