"""Pictures in colour as arrays: the binary files of CIFAR-10 and CIFAR-100, and folders of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxconv.checks import choice, integer, several, shown
from jaxconv.errors import explain, public
from jaxconv.training.paths import path_of

SIDE, CHANNELS = 32, 3
AGAIN = "Unpack the archive of the binary version again"


class Pictures(NamedTuple):
    """Images [n, h, w, 3] in float32 from 0 to 1; labels [n] in int32 from 0 to classes - 1."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


@public
def cifar10(folder: str | Path) -> Pictures:
    """CIFAR-10's 32x32 pictures of 10 classes, from the six .bin files of its binary version in `folder`.

    A record is a byte for the label and then 1024 bytes each for red, green and blue, row by row.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file has no whole number of records, or a label is not a class.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    folder = path_of("folder", folder, "data/cifar-10-batches-bin")
    train = [_records(folder / f"data_batch_{number}.bin", labels=1) for number in range(1, 6)]
    test = _records(folder / "test_batch.bin", labels=1)
    images, labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return Pictures(images, _classes(labels[:, 0], 10), test[0], _classes(test[1][:, 0], 10))


@public
def cifar100(folder: str | Path, *, labels: str = "fine") -> Pictures:
    """CIFAR-100's 32x32 pictures, from train.bin and test.bin of its binary version in `folder`.

    A record is a byte for the coarse label, a byte for the fine label, and the pixels as in CIFAR-10.

    Args:
        folder: the folder with the two files.
        labels: "fine" for the 100 classes, or "coarse" for the 20 groups of classes.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file has no whole number of records, a label is not a class, or `labels` is another name.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    folder = path_of("folder", folder, "data/cifar-100-binary")
    column = ("coarse", "fine").index(choice("labels", labels, ("coarse", "fine")))
    classes, parts = (20, 100)[column], []
    for name in ("train", "test"):
        images, numbers = _records(folder / f"{name}.bin", labels=2)
        parts += [images, _classes(numbers[:, column], classes)]
    return Pictures(*parts)


class ImageFolder:
    """The images of a folder with one sub-folder for each class, as a sequence of (image, label) for `loader`.

    Classes are numbered in the order of their names, images in the order of theirs. An image is read when it is asked
    for, converted to RGB, resized to `size` (height, width), and scaled to float32 from 0 to 1.

    Args:
        folder: the folder of the classes.
        size: height and width of the images.

    Raises:
        FileNotFoundError: the folder does not exist, or no class has an image.
        ValueError: `size` is not two positive integers, or an image cannot be read.
    """

    ENDS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})

    def __init__(self, folder: str | Path, size: Sequence[int]) -> None:
        folder, cure = path_of("folder", folder, "data/flowers"), "Write (64, 64) for images of 64x64 pixels"
        pair = several(size)
        if pair is None or len(pair) != 2:
            error = TypeError if pair is None else ValueError
            raise error(explain("size", shown(size), "two integers: height and width", cure))
        height, width = (integer("size", item, least=1, cure=cure) for item in pair)
        self.size = (height, width)
        found = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in self.ENDS)
        self.classes = sorted({path.parent.name for path in found})
        if not found:
            cure = "Make a sub-folder for each class, and put its images there"
            raise FileNotFoundError(explain("folder", f"'{folder}'", "a folder of folders of images", cure))
        numbers = {name: number for number, name in enumerate(self.classes)}
        self._examples = [(path, np.int32(numbers[path.parent.name])) for path in found]

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.int32]:
        path, label = self._examples[index]
        try:
            with Image.open(path) as image:
                resized = image.convert("RGB").resize((self.size[1], self.size[0]), Image.Resampling.BILINEAR)
        except OSError as error:
            cure = "Delete it, or fetch it again"
            raise ValueError(explain(f"'{path}'", f"unreadable ({error})", "an image", cure)) from error
        return np.asarray(resized, np.float32) / 255, label


def _records(path: Path, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """The images [n, 32, 32, 3] and label bytes [n, labels] of one file."""
    if not path.is_file():
        expected, cure = "the folder of the binary version", "Download and unpack it: this file is not there"
        raise FileNotFoundError(explain("folder", f"'{path.parent}' without {path.name}", expected, cure))
    content = np.frombuffer(path.read_bytes(), np.uint8)
    length = labels + SIDE * SIDE * CHANNELS
    if not content.size or content.size % length:
        expected = f"a positive multiple of {length} bytes, those of one record"
        raise ValueError(explain(path.name, f"{content.size} bytes long", expected, AGAIN))
    records = content.reshape(-1, length)
    planes = records[:, labels:].reshape(-1, CHANNELS, SIDE, SIDE)
    return np.moveaxis(planes, 1, -1).astype(np.float32) / 255, records[:, :labels]


def _classes(labels: np.ndarray, count: int) -> np.ndarray:
    """The labels, each of which has to be a class."""
    if labels.max() >= count:
        actual = f"{labels.max()} at index {labels.argmax()}"
        raise ValueError(explain("label", actual, f"from 0 to {count - 1}", AGAIN))
    return labels.astype(np.int32)
