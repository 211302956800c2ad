"""State dicts with the names and shapes of torchvision's networks, without PyTorch, in PyTorch's order."""

import math

import numpy as np

BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def batch_norm(name, c):
    return {**{f"{name}.{array}": (c,) for array in BATCH_NORM}, f"{name}.num_batches_tracked": ()}


def resnet18(width=64, classes=1000):
    """Name -> shape of every array of ResNet-18."""
    shapes = {"conv1.weight": (width, 3, 7, 7), **batch_norm("bn1", width)}
    i = width
    for stage in range(1, 5):
        o = width * 2 ** (stage - 1)
        for block in range(2):
            at = f"layer{stage}.{block}"
            shapes |= {f"{at}.conv1.weight": (o, i, 3, 3), **batch_norm(f"{at}.bn1", o)}
            shapes |= {f"{at}.conv2.weight": (o, o, 3, 3), **batch_norm(f"{at}.bn2", o)}
            if i != o:
                shapes |= {f"{at}.downsample.0.weight": (o, i, 1, 1), **batch_norm(f"{at}.downsample.1", o)}
            i = o
    return {**shapes, "fc.weight": (classes, i), "fc.bias": (classes,)}


def filled(shapes, dtype=np.float32):
    """Arrays of these shapes, in which no number occurs twice."""
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
    return {
        name: np.arange(end - math.prod(shape), end).astype(dtype).reshape(shape)
        for (name, shape), end in zip(shapes.items(), ends, strict=True)
    }
