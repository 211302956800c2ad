"""Reads the golden files, in the layouts of `jaxconv`: what the verified reference says of windows and convolutions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from jaxconv.window import Pad

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Window:
    """One axis, the padding that was asked for, the padding in cells, and the cells that each position reads."""

    length: int
    taps: int
    stride: int
    dilation: int
    padding: str | Pad
    pad: Pad
    reads: list[tuple[int | None, ...]]

    @property
    def geometry(self) -> dict[str, Any]:
        """Keyword arguments for a layer of one spatial axis."""
        return {"stride": self.stride, "padding": (self.padding,), "dilation": self.dilation}


@dataclass(frozen=True)
class Convolution:
    """A convolution and its deltas: channels last, one example; the kernel [*window, c, o]."""

    geometry: dict[str, Any]
    kernel: np.ndarray
    bias: np.ndarray
    x: np.ndarray
    dy: np.ndarray
    y: np.ndarray
    kernel_deltas: np.ndarray
    bias_deltas: np.ndarray
    x_deltas: np.ndarray


@cache
def windows() -> list[Window]:
    """Every row of windows.json."""
    return [
        Window(length, taps, stride, dilation, _padding(asked), Pad(*given), [tuple(cells) for cells in reads])
        for length, taps, stride, dilation, asked, given, reads in json.loads((HERE / "windows.json").read_text())
    ]


@cache
def convolutions() -> list[Convolution]:
    """Every case of conv.json."""
    return [_convolution(case) for case in json.loads((HERE / "conv.json").read_text())]


def _convolution(case: dict[str, Any]) -> Convolution:
    lengths, window, stride, dilation = zip(*case["sizes"], strict=True)
    c, o = case["channels"]
    image = lambda name, channels, lengths: _channels_last(case[name], (1, channels, *lengths))
    kernel = lambda name: np.moveaxis(_array(case[name], (o, c, *window)), (1, 0), (-2, -1))
    return Convolution(
        geometry={"stride": stride, "dilation": dilation, "padding": tuple(map(_padding, case["paddings"]))},
        kernel=kernel("kernel"),
        bias=_array(case["bias"], (o,)),
        x=image("x", c, lengths),
        dy=image("dy", o, case["out"]),
        y=image("y", o, case["out"]),
        kernel_deltas=kernel("kernel_deltas"),
        bias_deltas=_array(case["bias_deltas"], (o,)),
        x_deltas=image("x_deltas", c, lengths),
    )


def _array(numbers: list[int], shape: tuple[int, ...]) -> np.ndarray:
    return np.array(numbers, np.float32).reshape(shape)


def _channels_last(numbers: list[int], shape: tuple[int, ...]) -> np.ndarray:
    return np.moveaxis(_array(numbers, shape), 1, -1)


def _padding(padding: str | list) -> str | Pad:
    return padding if isinstance(padding, str) else Pad(*padding)
