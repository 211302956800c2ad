"""Single layers by PyTorch, with channels first, in both of its memory layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  an optional package
from layer_rows import Kind, Layer
from torch.nn import functional  # pyright: ignore[reportMissingImports]  an optional package

FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}  # number of spatial axes -> layout with channels last


def function(layer: Layer) -> Callable[..., Any]:
    """PyTorch's function of x [n, c, *spatial], and of the kernel if the layer has one."""
    rank = len(layer.window)
    sliding: dict[str, Any] = {"stride": layer.stride, "padding": layer.pad}
    largest = lambda x: functional.max_pool2d(x, layer.window, dilation=layer.dilation, **sliding)
    pools: dict[Kind, Callable[..., Any]] = {
        "max": largest,
        "min": lambda x: -largest(-x),
        "average": lambda x: functional.avg_pool2d(x, layer.window, **sliding),
        "adaptive": lambda x: functional.adaptive_avg_pool2d(x, layer.window),
        "blur": lambda x: functional.conv2d(x, _blur(layer, x.shape[1]), groups=x.shape[1], **sliding),
    }
    if layer.kind in pools:
        return pools[layer.kind]
    if layer.kind == "local":
        return lambda x, kernel: _locally_connected(layer, x, kernel)
    if layer.kind == "transposed":
        return lambda x, kernel: functional.conv_transpose2d(x, kernel, **sliding)
    convolve = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[rank]
    return lambda x, kernel: convolve(x, kernel, dilation=layer.dilation, groups=layer.groups, **sliding)


def _blur(layer: Layer, channels: int) -> Any:
    """The binomial filter for each channel, [c, 1, *window]."""
    row = np.poly1d([1, 1]) ** (layer.window[0] - 1)
    weights = (np.multiply.outer(row.coeffs, row.coeffs) / row(1) ** 2).astype(np.float32)
    return torch.from_numpy(weights).expand(channels, 1, *layer.window)


def _locally_connected(layer: Layer, x: Any, kernel: Any) -> Any:
    """A locally connected layer: `unfold`, then a product for each position. The kernel is [position, c*taps, o]."""
    cells = functional.unfold(x, layer.window, stride=layer.stride, padding=layer.pad)
    y = torch.einsum("ncp,pco->nop", cells, kernel)
    return y.reshape(*y.shape[:2], *layer.out)


def contenders(layer: Layer, given: Sequence[Any], name: str) -> dict[str, Callable[[], Any]]:
    """For each memory layout, a function that runs the layer."""
    formats = {"torch": torch.contiguous_format}
    if layer.kind != "local" and len(layer.window) in FORMATS:
        formats["torch channels_last"] = FORMATS[len(layer.window)]
    apply, runs = function(layer), {}
    for contender, memory in formats.items():
        x, dy, *kernel = (_as_torch(layer, number, a) for number, a in enumerate(given))
        inputs = [_in_layout(a, memory).requires_grad_() for a in (x, *kernel)]
        dy = _in_layout(dy, memory)
        runs[contender] = _forward(apply, inputs) if name == "forward" else _with_gradients(apply, inputs, dy)
    return runs


def _in_layout(a: Any, memory: Any) -> Any:
    """An array in a memory layout; only images and volumes have a choice."""
    return a.contiguous(memory_format=memory) if a.ndim - 2 in FORMATS else a


def _forward(apply: Callable[..., Any], inputs: list[Any]) -> Callable[[], Any]:
    def call() -> Any:
        with torch.no_grad():
            return [apply(*inputs)]

    return call


def _with_gradients(apply: Callable[..., Any], inputs: list[Any], dy: Any) -> Callable[[], Any]:
    def call() -> Any:
        y = apply(*inputs)
        return [y, *torch.autograd.grad(y, inputs, dy)]

    return call


def _as_torch(layer: Layer, number: int, a: np.ndarray) -> Any:
    """x, dy [n, *spatial, c] as [n, c, *spatial]; a kernel [*window, c, o] as [o, c, *window]."""
    if number < 2:
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(a, -1, 1)))
    if layer.kind == "local":
        rank = len(layer.window)
        return torch.from_numpy(np.moveaxis(a, -2, rank).reshape(np.prod(layer.out), -1, a.shape[-1]).copy())
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(a, (-1, -2), (0, 1))))


def arrays(layer: Layer, results: Sequence[Any]) -> list[np.ndarray]:
    """Results with their axes in JAX's order: y and dx [n, *spatial, c], and the kernel's deltas."""
    converted = [np.moveaxis(a.detach().numpy(), 1, -1) for a in results[:2]]
    for kernel in (a.detach().numpy() for a in results[2:]):
        if layer.kind == "local":
            shape = (*layer.out, layer.channels[0], *layer.window, layer.channels[1])
            converted.append(np.moveaxis(kernel.reshape(shape), len(layer.out), -2))
        else:
            converted.append(np.moveaxis(kernel, (0, 1), (-1, -2)))
    return converted
