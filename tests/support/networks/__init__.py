"""Real networks of several makers, each beside what is true of it under shifts, worked out by hand.

`NETWORKS` is the table, `network(name)` one of its rows made for a small image, `network(name, large=True)` the same at
its real size. Parameters and images are abstract, so that even ResNet-101 costs nothing to build; `arguments.concrete`
fills them in. `tests/verify/test_networks_run.py` proves every expectation by running the network.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import pytest

import jaxconv as jc
from jaxconv.account.report import Summary
from support.networks.all_to_all import attention_map, fno, fno_1d, vit
from support.networks.expectation import Network
from support.networks.peers import equinox_cnn, flax_resnet, haiku_cnn, nnx_cnn, stax_cnn
from support.networks.plain import coord_conv, dilated, flatten_head, small_cnn, squeeze_excite
from support.networks.published import (
    RESNET50,
    RESNET101,
    convnext,
    densenet,
    lenet5,
    mobilenet,
    resnet,
    unet,
    vgg16,
    wavenet,
)


@dataclass(frozen=True)
class Row:
    """How to build a network: at its default, small size; with `large` at its real one; if `needs` is installed."""

    build: Callable[..., tuple]
    large: dict[str, Any] | None = None
    needs: str = "jax"


PHOTO = {"height": 224, "width": 224}
SCENE = {"height": 512, "width": 512}
VIT_LARGE = PHOTO | {"patch": 16, "channels": 768, "depth": 12}

NETWORKS: dict[str, Row] = {
    "small_cnn": Row(small_cnn, SCENE | {"channels": 64}),
    "small_cnn_zeros": Row(partial(small_cnn, padding="SAME"), SCENE | {"channels": 64}),
    "vgg16": Row(vgg16, PHOTO | {"base": 64}),
    "resnet50": Row(partial(resnet, RESNET50, height=576), PHOTO | {"base": 64}),
    "resnet101": Row(partial(resnet, RESNET101, height=1152), PHOTO | {"base": 64}),
    "lenet5": Row(lenet5),
    "dilated": Row(dilated, SCENE | {"channels": 32}),
    "wavenet": Row(wavenet, {"length": 16_000, "channels": 32}),
    "unet": Row(unet, SCENE | {"channels": 64}),
    "mobilenet": Row(mobilenet, PHOTO | {"channels": 32}),
    "densenet": Row(densenet, PHOTO | {"growth": 32}),
    "squeeze_excite": Row(squeeze_excite, PHOTO | {"channels": 64}),
    "convnext": Row(convnext, PHOTO | {"channels": 96}),
    "flatten_head": Row(flatten_head),
    "coord_conv": Row(coord_conv),
    "fno": Row(fno, SCENE | {"channels": 32, "modes": 12}),
    "fno_1d": Row(fno_1d, {"length": 8192, "channels": 64, "modes": 16}),
    "vit": Row(vit, VIT_LARGE),
    "vit_pooled": Row(partial(vit, output="mean"), VIT_LARGE),
    "vit_positions": Row(partial(vit, positions=True), VIT_LARGE),
    "attention_map": Row(attention_map, {"length": 1024, "channels": 64}),
    "flax_resnet": Row(flax_resnet, PHOTO | {"channels": 64}, needs="flax"),
    "flax_resnet_same": Row(partial(flax_resnet, padding="SAME"), PHOTO | {"channels": 64}, needs="flax"),
    "flax_resnet_group_norm": Row(partial(flax_resnet, norm="group"), PHOTO | {"channels": 64}, needs="flax"),
    "nnx_cnn": Row(nnx_cnn, PHOTO | {"channels": 64}, needs="flax"),
    "equinox_cnn": Row(equinox_cnn, PHOTO | {"channels": 64}, needs="equinox"),
    "haiku_cnn": Row(haiku_cnn, PHOTO | {"channels": 64}, needs="haiku"),
    "stax_cnn": Row(stax_cnn, PHOTO | {"channels": 64}),
}


def each_network(*names: str, large: bool = False, without: Collection[str] = ()) -> pytest.MarkDecorator:
    """A test of each network, or of those named; of one whose library is not installed, a test that is skipped.

    Args:
        names: of networks; none for all.
        large: only those that have a large size.
        without: names to leave out.
    """
    chosen = [name for name in names or NETWORKS if name not in without and (NETWORKS[name].large or not large)]
    return pytest.mark.parametrize("name", [pytest.param(name, marks=_marks(NETWORKS[name].needs)) for name in chosen])


def _marks(library: str) -> list[pytest.MarkDecorator]:
    reason = f"{library} is not installed: the extra peers has it, which CI installs for these tests"
    missing = pytest.mark.skipif(find_spec(library) is None, reason=reason)
    return [] if library == "jax" else [pytest.mark.peers, missing]


def network(name: str, *, large: bool = False, **settings: Any) -> Network:
    """One row of the table, built; `settings` override its size, `height=1024` for example."""
    row = NETWORKS[name]
    size = (row.large or {}) if large else {}
    return Network(name, *row.build(**{**size, **settings}))


@cache
def summarised(name: str) -> Summary:
    """The summary of a network at its small size, made once for all tests."""
    one = network(name)
    return jc.summary(one.fn, *one.arguments, axes={len(one.arguments) - 1: one.axes})
