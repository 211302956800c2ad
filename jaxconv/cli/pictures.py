"""The plots of `check --pictures`. All are drawn before the first one is written."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxconv.verify.execution.layerwise import layerwise
from jaxconv.verify.execution.plots import layer_bars, position_map, shift_map


def draw(report: Any, fn: Callable[..., Any], inputs: Sequence[Any], axes: Any) -> tuple[dict[str, bytes], list[str]]:
    """Plots of a check's errors by position, by shift and by layer, as PNG files.

    Returns:
        The files by name, and a line for each plot that does not exist: by position for an output without axes, by
        shift along more than two axes, by layer for a function that computes nothing.
    """

    def by_layer() -> Any:
        layers = layerwise(fn, *inputs, axes=axes)
        if not layers:
            raise ValueError("no operation of the function computes a value that is measured")
        return layer_bars(layers)

    pictures: dict[str, Callable[[], Any]] = {}
    for leaf in range(len(report.leaves)):
        pictures[f"output-{leaf}-by-position.png"] = lambda leaf=leaf: position_map(report, leaf=leaf)
        pictures[f"output-{leaf}-by-shift.png"] = lambda leaf=leaf: shift_map(report, leaf=leaf)
    pictures["by-layer.png"] = by_layer
    files, missing = {}, []
    for name, picture in pictures.items():
        try:
            figure = picture()
        except ValueError as error:
            missing.append(f"no {name}: {error}")
        else:
            files[name] = _png(figure)
    return files, missing


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def save(files: dict[str, bytes], folder: Path) -> None:
    """Write the files into a folder, which is created if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
