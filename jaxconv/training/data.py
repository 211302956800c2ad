"""Handwritten digits as arrays: those of scikit-learn, MNIST's IDX files, and batches in a fixed order."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxconv.checks import integer
from jaxconv.errors import explain, public
from jaxconv.training.lenet import SIDE
from jaxconv.training.paths import path_of

AGAIN = "Download the file again: the images and labels of one part must match"


class Digits(NamedTuple):
    """Images [n, h, w, 1] in float32 from 0 (paper) to 1 (ink), by default 32x32; labels [n] in int32 from 0 to 9."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


@public
def bundled_digits(side: int = SIDE) -> Digits:
    """The 1,797 UCI digits in scikit-learn, resized from 8x8 to `side` x `side`. With `side=8` they are not resized.

    A fixed set of 360 digits is held out for the test. Their writers also wrote training digits, so the accuracy is for
    new digits, not for new writers.

    Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI machine learning repository, 1998.
    """
    side = integer("side", side, least=1, cure="Leave it out for 32, or write 8 for no scaling")
    from sklearn.datasets import load_digits

    pixels, targets = load_digits(return_X_y=True)
    images = np.asarray(pixels, np.float32).reshape(-1, 8, 8, 1) / 16
    images = np.asarray(jax.image.resize(images, (len(images), side, side, 1), "linear"))
    labels = np.asarray(targets, np.int32)
    order = np.random.default_rng(1998).permutation(len(images))
    test, train = order[:360], order[360:]
    return Digits(images[train], labels[train], images[test], labels[test])


@public
def mnist(folder: str | Path) -> Digits:
    """MNIST's 28x28 digits from its four IDX files in `folder`, plain or gzipped, padded by 2 pixels to 32x32.

    Raises:
        FileNotFoundError: the folder does not exist, or it lacks a file under all of its usual names.
        ValueError: a file is not an IDX file or is truncated, or images and labels do not match.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits.
    """
    folder, parts = path_of("folder", folder, "data/mnist"), []
    if not folder.is_dir():
        cure = "Write the folder into which MNIST's four files were downloaded"
        raise FileNotFoundError(explain("folder", repr(str(folder)), "a folder that exists", cure))
    for part in ("train", "t10k"):
        images_path, labels_path = (_find(folder, f"{part}-{kind}") for kind in ("images-idx3", "labels-idx1"))
        images, labels = read_idx(images_path, axes=3), read_idx(labels_path, axes=1)
        if images.shape[1:] != (28, 28):
            raise ValueError(explain(images_path.name, f"of images {images.shape[1:]}", "28x28", AGAIN))
        if len(images) != len(labels):
            actual = f"{len(labels)} labels"
            raise ValueError(explain(labels_path.name, actual, f"{len(images)}, one for each image", AGAIN))
        if labels.size and labels.max() > 9:
            actual = f"label {labels.max()} at index {labels.argmax()}"
            raise ValueError(explain(labels_path.name, actual, "labels from 0 to 9", AGAIN))
        margin = (SIDE - 28) // 2
        images = np.pad(images, [(0, 0), (margin, margin), (margin, margin)])[..., None]
        parts += [images.astype(np.float32) / 255, labels.astype(np.int32)]
    return Digits(*parts)


@public
def read_idx(path: str | Path, axes: int) -> np.ndarray:
    """The unsigned bytes of an IDX file, plain or gzipped, as an array with `axes` axes.

    An IDX file has two zero bytes, a byte for the type (8: unsigned bytes), a byte for the number of axes, the length
    of each axis in four bytes (big-endian), and then the data.

    Raises:
        ValueError: not such a file, another number of axes, or more or less data than in the header.
    """
    path = path_of("path", path, "data/mnist")
    axes = integer("axes", axes, least=1, cure="Write 3 for images and 1 for labels")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(explain(path.name, "a broken gzip file", "whole", "Fetch it again")) from error
    if len(content) < 4 + 4 * axes or content[:4] != bytes((0, 0, 8, axes)):
        kind = {1: "labels", 3: "images"}.get(axes, "numbers")
        actual = f"a file that begins with {content[:4].hex(' ') or 'nothing'}"
        expected = f"an IDX file of {kind}, which begins with 00 00 08 {axes:02x} and {axes} lengths"
        raise ValueError(explain(path.name, actual, expected, "Are images and labels mixed up?"))
    shape = tuple(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes))
    numbers = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if numbers.size != math.prod(shape):
        expected = f"{math.prod(shape)} numbers long, according to its header: {shape}"
        cure = "It is truncated: fetch it again" if numbers.size < math.prod(shape) else "Something follows the data"
        raise ValueError(explain(path.name, f"{numbers.size} numbers long", expected, cure))
    return numbers.reshape(shape)


@public
def batches(count: int, size: int, *, seed: int) -> Iterator[np.ndarray]:
    """Index arrays of `size` out of `count` examples, without end. The seed determines the order of each epoch.

    The last examples of an epoch that do not fill a batch are skipped, so all batches have the same shape.

    >>> [batch.tolist() for _, batch in zip(range(2), batches(5, 2, seed=0))]
    [[2, 4], [3, 0]]
    """
    count = integer("count", count, least=1, cure="It is len(images)")
    cure = "Write a power of two that is at most the number of examples"
    size = integer("size", size, cure=cure)
    if not 1 <= size <= count:
        raise ValueError(explain("size", size, f"from 1 to the {count} examples", cure))
    generator = np.random.default_rng(integer("seed", seed, least=0, cure="Write 0"))
    while True:
        order = generator.permutation(count)
        for start in range(0, count - size + 1, size):
            yield order[start : start + size]


def _find(folder: Path, stem: str) -> Path:
    """The file under its usual names: train-images-idx3-ubyte or train-images.idx3-ubyte, with or without .gz."""
    names = [f"{spelling}-ubyte{end}" for spelling in (stem, stem.replace("-idx", ".idx")) for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    expected, cure = f"one that contains {names[0]} (or with .gz)", "Download the four files of MNIST into it"
    raise FileNotFoundError(explain("folder", repr(str(folder)), expected, cure))
