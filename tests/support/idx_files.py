"""Small IDX files in MNIST's four names, for tests of the loader and of the example."""

import numpy as np

GENERATOR = np.random.default_rng(0)


def idx(array):
    """The bytes of an IDX file of unsigned bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_mnist(folder, *, pack=lambda content: content, end="", spelling="{}-{}-ubyte", **replaced):
    """Four IDX files with a few random digits; `replaced` gives other bytes for one of them."""
    arrays = {}
    for part, count in (("train", 5), ("t10k", 3)):
        arrays[f"{part}_images"] = GENERATOR.integers(0, 256, (count, 28, 28))
        arrays[f"{part}_labels"] = GENERATOR.integers(0, 10, count)
    for name, array in arrays.items():
        part, kind = name.split("_")
        suffix = {"images": "images-idx3", "labels": "labels-idx1"}[kind]
        (folder / (spelling.format(part, suffix) + end)).write_bytes(replaced.get(name, pack(idx(array))))
    return arrays
