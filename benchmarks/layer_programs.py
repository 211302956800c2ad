"""The single layers as JAX programs: ours, and lax's own operation; forward, and forward with every gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from layer_rows import Layer

import jaxconv as jc
from jaxconv.lowering import forced

Program = Callable[..., Any]
PROGRAMS = ("forward", "forward + gradients")


def ours(layer: Layer) -> Callable[..., Any]:
    """jaxconv's function of x, and of the kernel if there is one."""
    settings: dict[str, Any] = {"stride": layer.stride, "padding": ((layer.pad, layer.pad),) * len(layer.window)}
    if layer.kind == "max":
        return lambda x: jc.max_pool(x, layer.window, **settings)
    if layer.kind == "average":
        return lambda x: jc.avg_pool(x, layer.window, **settings)
    settings |= {"dilation": layer.dilation, "groups": layer.groups}
    if layer.kind == "local":
        return lambda x, kernel: jc.locally_connected({"kernel": kernel}, x, **settings)
    if layer.kind == "tiled":
        return lambda x, kernel: jc.tiled_conv({"kernel": kernel}, x, **settings)
    if layer.kind == "conv":
        return lambda x, kernel: jc.conv({"kernel": kernel}, x, **settings)

    def transposed(x: Any, kernel: Any) -> Any:
        output = jax.ShapeDtypeStruct((len(x), *layer.out, layer.channels[1]), x.dtype)
        (found,) = jax.linear_transpose(lambda y: jc.conv({"kernel": kernel}, y, **settings), output)(x)
        return found

    return transposed


def laxs(layer: Layer) -> Callable[..., Any]:
    """The same by lax: our functions leave its own operation where "lax" is forced, but for local connections.

    Of which tiled ones are a case to lax: it has to be given a kernel for each position.
    """
    if layer.kind == "tiled":
        untied = lambda kernel: jc.untie({"kernel": kernel}, layer.out)["kernel"]
        return lambda x, kernel: _locally_connected(layer, x, untied(kernel))
    if layer.kind == "local":
        return lambda x, kernel: _locally_connected(layer, x, kernel)
    return ours(layer)


def _locally_connected(layer: Layer, x: Any, kernel: Any) -> Any:
    """lax's operation, whose kernel is [*out, c*taps, o], the channel first."""
    rank = len(layer.window)
    weights = jnp.moveaxis(kernel, -2, rank).reshape(*layer.out, -1, layer.channels[1])
    padding, image, window = [(layer.pad, layer.pad)] * rank, "HWD"[:rank], (layer.stride,) * rank
    numbers = (f"N{image}C", f"{image}IO", f"N{image}C")
    return lax.conv_general_dilated_local(x, weights, window, padding, layer.window, dimension_numbers=numbers)


# contender -> the way that it is forced to, and its function.
CONTENDERS: dict[str, tuple[str, Callable[[Layer], Callable[..., Any]]]] = {
    "ours": ("table", ours),
    "lax": ("lax", laxs),
}


def program(layer: Layer, name: str, contender: str) -> Program:
    """A function of x, dy and the kernel if there is one: y, or y with the deltas of x and the kernel."""
    way, make = CONTENDERS[contender]
    function = make(layer)

    def forward(x: Any, dy: Any, *kernel: Any) -> Any:
        with forced(way):
            return function(x, *kernel)

    def with_gradients(x: Any, dy: Any, *kernel: Any) -> Any:
        with forced(way):
            y, pull = jax.vjp(function, x, *kernel)
            return y, *pull(dy)

    return forward if name == "forward" else with_gradients


def calls(layer: Layer, name: str, given: Sequence[Any]) -> dict[str, Callable[[], Any]]:
    """For ours and lax's a call that computes."""
    arrays, found = [jnp.asarray(a) for a in given], {}
    for contender in CONTENDERS:
        jitted = jax.jit(program(layer, name, contender))
        found[contender] = lambda jitted=jitted: jax.block_until_ready(jitted(*arrays))
    return found
