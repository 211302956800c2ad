"""Settings of modules by their attributes. The modules are stand-ins: PyTorch's and Equinox's own run in their tests."""

from types import SimpleNamespace

import pytest

import jaxconv as jc
from jaxconv.convert import LIBRARIES


def module(name, **attributes):
    """An object of a class of that name."""
    return type(name, (SimpleNamespace,), {})(**attributes)


CONV = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 1), "groups": 2, "padding_mode": "circular"}


def test_a_network_of_pytorch():
    modules = {
        "": module("Net"),
        "conv": module("Conv2d", kernel_size=(3, 5), **CONV),
        "norm": module("GroupNorm", num_groups=4, eps=1e-3),
        "pool": module("MaxPool2d", kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False),
        "act": module("ReLU", inplace=True),
        "fc": module("Linear", in_features=4),
    }
    found = jc.settings_from_modules("torch", modules)
    assert found == {
        "conv": jc.settings_from_library("torch", "conv", (9, 9), (3, 5), **CONV),
        "norm": {"epsilon": 1e-3, "groups": 4},
        "pool": {
            "window": (3, 3),
            **jc.settings_from_library("torch", "max_pool", (9, 9), (3, 3), stride=2, padding=1),
        },
    }


@pytest.mark.parametrize(
    ("name", "attributes", "lengths"),
    [
        ("ConvTranspose2d", {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "output_padding": (0, 0), "groups": 1, "dilation": (1, 1)}, (5, 6)),
        ("MaxPool2d", {"kernel_size": 3, "stride": 2, "padding": 0, "dilation": 1, "ceil_mode": True}, (8, 9)),
    ],
)  # fmt: skip
def test_lengths_are_asked_for_where_they_matter(name, attributes, lengths):
    modules = {"up": module(name, **attributes)}
    message = f"lengths is left out, but should be given, .* The module is up, a {name}"
    with pytest.raises(ValueError, match=message):
        jc.settings_from_modules("torch", modules)
    row = {"ConvTranspose2d": "conv_transpose", "MaxPool2d": "max_pool"}[name]
    window = attributes.pop("kernel_size")
    window = (window,) * 2 if isinstance(window, int) else window
    expected = jc.settings_from_library("torch", row, lengths, window, **attributes)
    found = jc.settings_from_modules("torch", modules, lengths={"up": lengths})["up"]
    assert found == ({"window": window} if row == "max_pool" else {}) | expected


def test_same_with_a_stride_needs_lengths_and_without_one_none():
    """In Equinox. The padding of a stride of 3 depends on the length modulo 3."""
    how = {"kernel_size": (4,), "dilation": (1,), "groups": 1, "padding_mode": "ZEROS", "padding": "SAME"}
    with pytest.raises(ValueError, match="lengths is left out"):
        jc.settings_from_modules("equinox", {"a": module("Conv1d", stride=(3,), **how)})
    found = jc.settings_from_modules("equinox", {"a": module("Conv1d", stride=(1,), **how)})
    assert found["a"] == jc.settings_from_library("equinox", "conv", (9,), (4,), padding="SAME")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (module("LayerNorm", normalized_shape=(8, 8, 4), eps=1e-5), r"normalized_shape is \(8, 8, 4\), but should be the n"),
        (module("BatchNorm2d", eps=1e-5, momentum=0.1, track_running_stats=False), "track_running_stats is False, but should"),
        (module("BatchNorm2d", eps=1e-5, momentum=None, track_running_stats=True), "momentum is None, but should be a number"),
    ],
)  # fmt: skip
def test_what_our_layers_do_not_reproduce_is_refused_with_the_modules_name(made, message):
    with pytest.raises(ValueError, match=f"{message}.* The module is norm, a {type(made).__name__}"):
        jc.settings_from_modules("torch", {"norm": made})


def test_every_row_with_settings_has_a_class():
    """Equinox's pools are left out: their padding and ceil mode have attributes of other names.

    So are PyTorch's `Unfold` and `Upsample`, whose settings depend on how a network uses their results.
    """
    for library, without in (("torch", {"unfold", "resize"}), ("equinox", {"max_pool", "avg_pool"})):
        rows = LIBRARIES[library].layers
        assert {name for name, row in rows.items() if row.settings and not row.classes} == without
