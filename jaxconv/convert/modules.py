"""Settings of whole networks, read from the attributes of their modules. No library is imported."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from jaxconv.checks import choice, mapping, several, shown
from jaxconv.convert import LIBRARIES, ModuleLibrary
from jaxconv.convert.library import Layer
from jaxconv.convert.settings import settings_from_library
from jaxconv.errors import explain, public
from jaxconv.window import window_sizes

MOST_STRIDES = 64  # lengths that are tried, to see whether the settings depend on the length


@public
def settings_from_modules(
    library: ModuleLibrary, modules: Mapping[str, Any], *, lengths: Mapping[str, Sequence[int]] | None = None
) -> dict[str, dict[str, Any]]:
    """The keyword arguments of our layers for each module of a network: stride, padding, epsilon, momentum and others.

    A state dict does not hold these. They are read from the attributes of the modules, and converted by
    `settings_from_library`.

    Law: with the parameters of `from_library`, each of our layers computes the same as the module. It fails for
    modules without a row in the table of settings, such as activations, adaptive pools, dropout, `Unfold`, `Upsample`
    and containers: these are left out.

    Args:
        library: "torch" or "equinox".
        modules: name -> module, such as `dict(model.named_modules())` of PyTorch or `{"stem": model.stem}`.
        lengths: name -> lengths of the spatial axes of its input. Only modules need them whose settings depend on
            them: transposed convolutions, pools with `ceil_mode`, and SAME with a stride.

    Returns:
        Name -> the settings of `settings_from_library`. Pools also have their `window`.

    Raises:
        ValueError: a module whose settings depend on lengths that are not given, or that our layers do not reproduce;
            lengths of a module that is not there. The message names the module.

    >>> from types import SimpleNamespace
    >>> BatchNorm2d = type("BatchNorm2d", (SimpleNamespace,), {})        # as torch.nn.BatchNorm2d(8)
    >>> norm = BatchNorm2d(eps=1e-05, momentum=0.25, track_running_stats=True)
    >>> settings_from_modules("torch", {"bn1": norm})
    {'bn1': {'epsilon': 1e-05, 'momentum': 0.75, 'running_variance': 'unbiased'}}

    Source: the tables in docs/conversion.md. Tests run networks of PyTorch.
    """
    choice("library", library, get_args(ModuleLibrary))
    cure, example = "Pass dict(model.named_modules())", "Write lengths={'up': (32, 48)}"
    mapping("modules", modules, "a dict of names and modules", cure=cure)
    given = mapping("lengths", {} if lengths is None else lengths, "a dict of names and lengths", cure=example)
    rows = {name: found for name, module in modules.items() if (found := row_of(library, module)) is not None}
    for name in given:
        if name not in rows:
            cure = f"The modules are {', '.join(rows)}" if rows else "Leave it out"
            raise ValueError(explain("lengths", f"given for {shown(name)}", "given for a module with a window", cure))
    return {name: _settings(library, name, modules[name], row, given.get(name)) for name, row in rows.items()}


def row_of(library: str, module: Any) -> str | None:
    """Our name of a module's layer; None if it has no settings of ours."""
    name = re.sub(r"[123]d$", "", type(module).__name__)
    return next((row for row, layer in LIBRARIES[library].layers.items() if name in layer.classes), None)


def _settings(library: Any, name: str, module: Any, row: str, lengths: Sequence[int] | None) -> dict[str, Any]:
    """The settings of one module."""
    layer = LIBRARIES[library].layers[row]
    theirs = {key: getattr(module, key) for key in layer.settings if hasattr(module, key)}
    try:
        if "padding" not in layer.settings:
            return _of_norm(library, row, module, theirs)
        window = _window(module)
        found = (
            settings_from_library(library, row, lengths, window, **theirs)
            if lengths is not None
            else _of_any_length(library, row, layer, window, theirs)
        )
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error} The module is {name or 'the root'}, a {type(module).__name__}.") from error
    return {"window": window, **found} if row.endswith("pool") else found


def _of_norm(library: Any, row: str, module: Any, theirs: dict[str, Any]) -> dict[str, Any]:
    """Those of a normalisation, over the channels only."""
    shape = getattr(module, "normalized_shape", getattr(module, "shape", ()))
    if row in ("layer_norm", "rms_norm") and len(shape) > 1:
        cure = "Use group_norm with groups=1, whose scale has one number for each channel"
        raise ValueError(explain("normalized_shape", tuple(shape), "the number of channels", cure))
    if row == "batch_norm" and getattr(module, "track_running_stats", True) is False:
        cure = "Pass training=True to batch_norm, and drop the new state"
        raise ValueError(explain("track_running_stats", False, "True", cure))
    return settings_from_library(library, row, **theirs)


def _window(module: Any) -> tuple[int, ...]:
    """The window of a module. One number is repeated for each axis, whose number is in the class's name."""
    window = module.kernel_size
    rank = re.search(r"([123])d$", type(module).__name__)
    return window_sizes((window,) * int(rank[1]) if rank and not several(window) else window)


def _of_any_length(
    library: Any, row: str, layer: Layer, window: tuple[int, ...], theirs: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings that are the same for several long inputs, one after the other."""
    stride = theirs.get("stride", 1)
    steps = math.lcm(*stride) if isinstance(stride, Sequence) else stride or max(window)
    first = 1000 + max(window)
    found = [
        settings_from_library(library, row, (first + extra,) * len(window), window, **theirs)
        for extra in range(min(steps, MOST_STRIDES) + 1)
    ]
    if any(other != found[0] for other in found):
        expected = "given, since the settings depend on the lengths of the input"
        raise ValueError(explain("lengths", "left out", expected, "Write lengths={'its name': (32, 48)}"))
    return found[0]
