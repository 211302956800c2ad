"""Settings of normalisations: epsilon, groups and momentum, from other libraries' names and defaults to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from jaxconv.checks import number
from jaxconv.convert.words import GIVEN, merged
from jaxconv.errors import explain
from jaxconv.window import positive

MOMENTUM = "Write it as a number between 0 and 1"
# library -> layer -> its settings and their defaults.
NORMS: dict[str, dict[str, dict[str, Any]]] = {
    "flax": {
        "layer_norm": {"epsilon": 1e-6, "reduction_axes": -1, "feature_axes": -1},
        "rms_norm": {"epsilon": 1e-6, "reduction_axes": -1, "feature_axes": -1},
        "group_norm": {"num_groups": 32, "epsilon": 1e-6},
        "instance_norm": {"epsilon": 1e-6, "feature_axes": -1},
        "batch_norm": {"momentum": 0.99, "epsilon": 1e-5, "axis": -1},
    },
    "equinox": {
        "layer_norm": {"eps": 1e-5},
        "rms_norm": {"eps": 1e-5},
        "group_norm": {"groups": GIVEN, "eps": 1e-5},
        "batch_norm": {"momentum": 0.99, "eps": 1e-5},
    },
    "haiku": {
        "layer_norm": {"axis": GIVEN, "eps": 1e-5},
        "rms_norm": {"axis": GIVEN, "eps": 1e-5},
        "group_norm": {"groups": GIVEN, "eps": 1e-5},
        "instance_norm": {"eps": 1e-5},
        "batch_norm": {"decay_rate": GIVEN, "eps": 1e-5},
    },
    "keras": {
        "layer_norm": {"axis": -1, "epsilon": 1e-3},
        "rms_norm": {"axis": -1, "epsilon": 1e-6},
        "group_norm": {"groups": 32, "axis": -1, "epsilon": 1e-3},
        "batch_norm": {"axis": -1, "momentum": 0.99, "epsilon": 1e-3},
    },
    "torch": {
        "layer_norm": {"eps": 1e-5},
        "rms_norm": {"eps": None, "dtype": "float32"},
        "group_norm": {"num_groups": GIVEN, "eps": 1e-5},
        "instance_norm": {"eps": 1e-5, "track_running_stats": False},
        "batch_norm": {"momentum": 0.1, "eps": 1e-5},
    },
}
OUR_WORDS = {"eps": "epsilon", "num_groups": "groups", "decay_rate": "momentum"}
AXES = ("axis", "reduction_axes", "feature_axes")


def norm_settings(where: str, library: str, layer: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments with which our normalisation computes the same as the other library's.

    >>> norm_settings("example", "torch", "batch_norm", {"momentum": 0.25})
    {'epsilon': 1e-05, 'momentum': 0.75, 'running_variance': 'unbiased'}
    """
    theirs = merged(where, library, layer, NORMS[library][layer], settings)
    for name in AXES:
        if name in theirs and theirs[name] not in (-1, (-1,), [-1]):
            cure = "Use group_norm with groups=1 for all axes of an example; move the channels of another layout"
            raise ValueError(explain(where, name, theirs[name], "-1, the channels", cure))
    if theirs.get("track_running_stats"):
        cure = "jaxconv uses the statistics of each example, in training and after it"
        raise ValueError(explain(where, "track_running_stats", True, "False", cure))
    if "eps" in theirs and theirs["eps"] is None:
        theirs["eps"] = _smallest_step(where, theirs["dtype"])
    renamed = {OUR_WORDS.get(name, name): value for name, value in theirs.items()}
    ours = {"epsilon": number(where, "epsilon", renamed["epsilon"], cure="Write epsilon=1e-5")}
    if "groups" in renamed:
        ours["groups"] = _groups(where, renamed["groups"])
    if "momentum" in renamed:
        ours |= _running(where, library, renamed["momentum"])
    return ours


def _smallest_step(where: str, dtype: Any) -> float:
    """The default eps of PyTorch's RMSNorm for x of a dtype: the eps of the dtype, for half precision that of float32.

    PyTorch's documentation has `torch.finfo(x.dtype).eps`; PyTorch 2.14 uses this. A dtype may be `torch.float16`.
    """
    name = str(dtype).removeprefix("torch.")
    try:
        return min(float(jnp.finfo(name).eps), float(jnp.finfo("float32").eps))
    except (TypeError, ValueError):
        cure = 'Write dtype="float32"'
        raise ValueError(explain(where, "dtype", repr(dtype), "a floating-point dtype, that of x", cure)) from None


def _groups(where: str, groups: Any) -> int:
    if groups == -1:  # Keras: one group per channel
        raise ValueError(explain(where, "groups", -1, "a number of groups", "Use instance_norm with the same epsilon"))
    return positive(where, "groups", groups, 1)[0]


def _running(where: str, library: str, momentum: Any) -> dict[str, Any]:
    """Our momentum and the kind of running variance. PyTorch's momentum is 1 - ours, its variance the unbiased one."""
    if library != "torch":
        return {"momentum": number(where, "momentum", momentum, cure=MOMENTUM)}
    if momentum is None:
        cure = "For a cumulative average pass momentum=1 - 1/n to batch_norm in step n"
        raise ValueError(explain(where, "momentum", None, "a number", cure))
    return {"momentum": 1 - number(where, "momentum", momentum, cure=MOMENTUM), "running_variance": "unbiased"}
