"""Single layers as JAX programs: ours and lax's operation, forward and forward with every gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from layer_rows import Kind, Layer

import jaxconv as jc
from jaxconv.lowering import use_algorithm

Program = Callable[..., Any]
PROGRAMS = ("forward", "forward + gradients")
# dtype -> the largest difference of results, as a fraction of the largest number. In float32, contenders sum up to
# 400,000 products in different orders. In 16 bits, ours rounds once, and others round several times.
AGREE = {"float32": 1e-4, "float16": 4e-3, "bfloat16": 3e-2}


def ours(layer: Layer) -> Callable[..., Any]:
    """jaxconv's function of x, and of the kernel if the layer has one."""
    settings: dict[str, Any] = {"stride": layer.stride, "padding": ((layer.pad, layer.pad),) * len(layer.window)}
    pools: dict[Kind, Callable[[Any], Any]] = {
        "max": lambda x: jc.max_pool(x, layer.window, dilation=layer.dilation, **settings),
        "min": lambda x: jc.min_pool(x, layer.window, dilation=layer.dilation, **settings),
        "average": lambda x: jc.avg_pool(x, layer.window, **settings),
        "adaptive": lambda x: jc.adaptive_avg_pool(x, layer.window),
        "blur": lambda x: jc.blur_pool(x, layer.window, **settings),
    }
    if layer.kind in pools:
        return pools[layer.kind]
    settings |= {"dilation": layer.dilation, "groups": layer.groups}
    if layer.kind == "local":
        return lambda x, kernel: jc.locally_connected({"kernel": kernel}, x, **settings)
    if layer.kind == "tiled":
        return lambda x, kernel: jc.tiled_conv({"kernel": kernel}, x, **settings)
    if layer.kind == "conv":
        return lambda x, kernel: jc.conv({"kernel": kernel}, x, **settings)

    def transposed(x: Any, kernel: Any) -> Any:
        output = jax.ShapeDtypeStruct((len(x), *layer.out, layer.channels[1]), x.dtype)
        (result,) = jax.linear_transpose(lambda y: jc.conv({"kernel": kernel}, y, **settings), output)(x)
        return result

    return transposed


def laxs(layer: Layer) -> Callable[..., Any]:
    """The same function by lax.

    Our functions become lax's operation if "lax" is forced. Where lax has no such operation, the function is
    hand-written. A tiled layer is locally connected in lax, with a kernel for each position.
    """
    if layer.kind == "tiled":
        untied = lambda kernel: jc.untie({"kernel": kernel}, layer.out)["kernel"]
        return lambda x, kernel: _locally_connected(layer, x, untied(kernel))
    if layer.kind == "local":
        return lambda x, kernel: _locally_connected(layer, x, kernel)
    if layer.kind == "blur":
        return lambda x: _blurred(layer, x)
    if layer.kind == "adaptive":
        return lambda x: _adaptive_average(_adaptive_average(x, 1, layer.window[0]), 2, layer.window[1])
    if layer.kind == "max" and layer.dilation > 1:
        return lambda x: _dilated_maximum(layer, x)
    return ours(layer)


def _blurred(layer: Layer, x: Any) -> Any:
    """Blur pooling by one depthwise convolution with the whole filter."""
    row = np.poly1d([1, 1]) ** (layer.window[0] - 1)
    weights = np.multiply.outer(row.coeffs, row.coeffs) / row(1) ** 2
    kernel = jnp.broadcast_to(jnp.asarray(weights, x.dtype)[..., None, None], (*layer.window, 1, x.shape[-1]))
    settings = {"feature_group_count": x.shape[-1], "dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    return lax.conv_general_dilated(x, kernel, (layer.stride,) * 2, [(layer.pad, layer.pad)] * 2, **settings)


def _adaptive_average(x: Any, axis: int, count: int) -> Any:
    """The mean of each adaptive window along one axis, slice by slice."""
    length = x.shape[axis]
    windows = [(j * length // count, -(-(j + 1) * length // count)) for j in range(count)]
    return jnp.stack([jnp.mean(lax.slice_in_dim(x, *cells, axis=axis), axis=axis) for cells in windows], axis=axis)


def _dilated_maximum(layer: Layer, x: Any) -> Any:
    """Max pooling, slice by slice, because lax has no derivative of a dilated window."""
    x = lax.pad(x, jnp.asarray(-np.inf, x.dtype), [(0, 0, 0), *[(layer.pad, layer.pad, 0)] * 2, (0, 0, 0)])
    reach = lambda out: (out - 1) * layer.stride + 1
    maximum = None
    for u, v in np.ndindex(*layer.window):
        first = [layer.dilation * u, layer.dilation * v]
        last = [at + reach(out) for at, out in zip(first, layer.out, strict=True)]
        cells = x[:, first[0] : last[0] : layer.stride, first[1] : last[1] : layer.stride]
        maximum = cells if maximum is None else jnp.where(cells > maximum, cells, maximum)  # keeps the first maximum
    return maximum


def _locally_connected(layer: Layer, x: Any, kernel: Any) -> Any:
    """lax's locally connected layer, whose kernel is [*out, c*taps, o], with the channel before the taps."""
    rank = len(layer.window)
    weights = jnp.moveaxis(kernel, -2, rank).reshape(*layer.out, -1, layer.channels[1])
    padding, image, window = [(layer.pad, layer.pad)] * rank, "HWD"[:rank], (layer.stride,) * rank
    numbers = (f"N{image}C", f"{image}IO", f"N{image}C")
    return lax.conv_general_dilated_local(x, weights, window, padding, layer.window, dimension_numbers=numbers)


# contender -> the algorithm that is forced, and its function.
CONTENDERS: dict[str, tuple[str, Callable[[Layer], Callable[..., Any]]]] = {
    "ours": ("table", ours),
    "lax": ("lax", laxs),
}


def program(layer: Layer, name: str, contender: str) -> Program:
    """A function of x, dy and the kernel, if there is one, that returns y, or y and the deltas of x and the kernel."""
    algorithm, make = CONTENDERS[contender]
    function = make(layer)

    def forward(x: Any, dy: Any, *kernel: Any) -> Any:
        with use_algorithm(algorithm):
            return function(x, *kernel)

    def with_gradients(x: Any, dy: Any, *kernel: Any) -> Any:
        with use_algorithm(algorithm):
            y, pull = jax.vjp(function, x, *kernel)
            return y, *pull(dy)

    return forward if name == "forward" else with_gradients


def calls(layer: Layer, name: str, given: Sequence[Any]) -> dict[str, Callable[[], Any]]:
    """For each contender, a function that runs its program."""
    arrays, runs = [jnp.asarray(a) for a in given], {}
    for contender in CONTENDERS:
        jitted = jax.jit(program(layer, name, contender))
        runs[contender] = lambda jitted=jitted: jax.block_until_ready(jitted(*arrays))
    return runs


def agree(layer: str, results: dict[str, list[np.ndarray]], dtype: str = "float32") -> None:
    """Check that all contenders compute the same results.

    Raises:
        ValueError: a contender's results differ from lax's.
    """
    for contender, arrays in results.items():
        for result, expected in zip(arrays, results["lax"], strict=True):
            if result.shape != expected.shape:
                raise ValueError(f"{layer}: {contender} has the shape {result.shape}, but lax {expected.shape}")
            result, expected = np.asarray(result, np.float32), np.asarray(expected, np.float32)
            worst, scale = np.abs(result - expected).max(), np.abs(expected).max()
            if not worst <= AGREE[dtype] * scale:
                raise ValueError(f"{layer}: {contender} differs from lax by {worst:.2g}, of numbers up to {scale:.2g}")
