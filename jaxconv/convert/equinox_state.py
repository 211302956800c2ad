"""Running averages of Equinox, which are in a `State` beside the module. `BatchNorm` has the index of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax

from jaxconv.convert.layers_of import STATE, Found, Path, dotted, key_of
from jaxconv.errors import explain


def split(tree: Any) -> tuple[Any, Any]:
    """A module and its state. The state is None for other trees."""
    if isinstance(tree, tuple) and len(tree) == 2 and _is_state(tree[1]):
        return tree
    return tree, None


def _is_state(value: Any) -> bool:
    return type(value).__name__ == "State" and hasattr(value, "get") and hasattr(value, "set")


def _batch_norms(tree: Any) -> Iterator[tuple[Path, Any]]:
    """The batch normalisations of a module and their paths."""
    is_norm = lambda node: hasattr(node, "ema_state_index")
    for steps, node in jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_norm)[0]:
        if is_norm(node):
            yield tuple(map(key_of, steps)), node


def state_layers(tree: Any, state: Any) -> list[Found]:
    """The running averages of a module."""
    if state is None:
        return []
    found = []
    for path, norm in _batch_norms(tree):
        if norm.ema_state_index is None:
            cure = 'Write mode="ema"; the averages of mode "batch" are divided by 1 - momentum**count'
            raise ValueError(explain(f"the mode of {dotted(path)}", repr(norm.mode), "'ema'", cure))
        mean, var = state.get(norm.ema_state_index)
        found.append(Found(path, STATE, {"mean": mean, "var": var}))
    return found


def with_state(tree: Any, state: Any, arrays: Mapping[tuple[Path, str], Any]) -> Any:
    """The module, or the module and its state with these running averages, which are no longer to be initialised."""
    if state is None:
        return tree
    for path, norm in _batch_norms(tree):
        if (path, "mean") in arrays:
            averages = tuple(jax.numpy.asarray(arrays[path, name]) for name in ("mean", "var"))
            state = state.set(norm.ema_state_index, averages)
            state = state.set(norm.ema_first_time_index, jax.numpy.array(False))
    return tree, state
