"""The protocol: one `Library` states everything that a converter needs, and every setting in it is read."""

import ast
from pathlib import Path

import numpy as np
import pytest
from support.converted_layers import assert_door, assert_same, integers

import jaxconv as jc
from jaxconv import convert
from jaxconv.convert import LIBRARIES
from jaxconv.convert.axes import axes_of
from jaxconv.convert.library import GIVEN, OURS, SAME_OR_VALID, Layer, Library, Stored, padded_input

FOLDER = Path(convert.__file__).parent
SHARED = {
    "__init__", "axes", "checkpoints", "equinox_state", "files", "layers_of", "library", "matching", "modules", "order",
    "params", "settings",
}  # fmt: skip
SETTINGS = [
    (library, layer, setting)
    for library, its in LIBRARIES.items()
    for layer, row in its.layers.items()
    for setting in row.settings
]
MADE_UP = Library(  # Flax's names and PyTorch's layouts
    words={"strides": "stride", "kernel_dilation": "dilation", "feature_group_count": "groups"},
    transposed=padded_input,
    layers={
        "conv": Layer(
            arrays={"kernel": Stored("kernel", "(g o) i *w"), "bias": Stored("bias", "(g o)")},
            settings={"strides": 1, "padding": "SAME", "kernel_dilation": 1, "feature_group_count": 1},
            paddings=SAME_OR_VALID,
        ),
        "batch_norm": Layer(settings={"momentum": 0.99, "epsilon": GIVEN}, fixed={"running_variance": "unbiased"}),
    },
)


def given(library, layer):
    """Settings without a default, with a value that is accepted."""
    values = {"axis": -1, "groups": 2, "num_groups": 2, "decay_rate": 0.5, "strides": 1, "padding": "VALID"}
    settings = LIBRARIES[library].layers[layer].settings
    return {name: values[name] for name, default in settings.items() if default is GIVEN}


@pytest.mark.parametrize(("library", "layer", "setting"), SETTINGS)
def test_every_setting_is_read(library, layer, setting):
    """A value without a meaning is refused under their name of the setting, so no setting is passed over."""
    settings, its = given(library, layer), LIBRARIES[library]
    geometry = ((8,), (3,)) if "padding" in its.layers[layer].settings else ()
    assert jc.settings_from_library(library, layer, *geometry, **settings)
    with pytest.raises((TypeError, ValueError), match=f"settings_from_library: {setting} is"):
        jc.settings_from_library(library, layer, *geometry, **settings | {setting: object()})


@pytest.mark.parametrize("library", LIBRARIES)
def test_words_and_axes_are_those_of_settings(library):
    """No entry is left over, and only names that differ are translated."""
    its = LIBRARIES[library]
    settings = {name for layer in its.layers.values() for name in layer.settings}
    assert its.words.keys() <= settings
    assert all(theirs != ours for theirs, ours in its.words.items())
    assert set(its.axes) == settings & {"axis", "reduction_axes", "feature_axes"}


@pytest.mark.parametrize(
    ("library", "layer"), [(library, layer) for library, its in LIBRARIES.items() for layer in its.layers]
)
def test_stored_arrays_have_the_axes_of_ours(library, layer):
    arrays, ours = LIBRARIES[library].layers[layer].arrays, OURS.get(layer.split(",")[0], {})
    atoms = lambda layout: sorted(atom for axis in axes_of(layout, 2) for atom in axis)
    assert not arrays or arrays.keys() == ours.keys()
    assert all(atoms(array.layout) == atoms(ours[name]) for name, array in arrays.items())


def test_each_library_has_a_file_which_no_other_file_names():
    """Facts of a library in a shared file, or in another library's, would have to be kept in step."""
    sources = {path.stem: path.read_text() for path in FOLDER.glob("*.py")}
    assert sources.keys() == SHARED | LIBRARIES.keys()
    for stem, source in sources.items():
        found = names_in_code(source) & LIBRARIES.keys()
        assert found <= (LIBRARIES.keys() if stem == "__init__" else set()), stem


def names_in_code(source):
    """The strings of one word in a file, and the modules that it imports."""
    nodes = list(ast.walk(ast.parse(source)))
    modules = {node.module.split(".")[-1] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return modules | {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("line", ['if library == "torch": pass', "from jaxconv.convert.flax import LIBRARY"])
def test_a_library_named_in_a_shared_file_would_be_seen(line):
    """The broken twin."""
    assert names_in_code((FOLDER / "settings.py").read_text() + line) & LIBRARIES.keys()


def test_a_library_is_added_by_its_facts_alone(monkeypatch):
    """Parameters, settings and messages of a library that is made up."""
    monkeypatch.setitem(LIBRARIES, "made_up", MADE_UP)
    x, theirs = integers(2, 7, 6, 4), {"kernel": integers(6, 2, 3, 2), "bias": integers(6)}
    settings = jc.settings_from_library("made_up", "conv", (7, 6), (3, 2), strides=2, feature_group_count=2)
    as_pytorchs = {"weight": theirs["kernel"], "bias": theirs["bias"]}
    y = jc.conv(jc.from_library("torch", "conv", as_pytorchs, groups=2), x, stride=2, padding="SAME", groups=2)
    assert_door("made_up", "conv", theirs, x, np.asarray(y), settings=settings, groups=2)
    assert_same(jc.to_library("made_up", "conv", jc.from_library("made_up", "conv", theirs)), theirs)
    assert jc.settings_from_library("made_up", "batch_norm", epsilon=0.5) == {
        "epsilon": 0.5, "momentum": 0.99, "running_variance": "unbiased",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"library is 'made', but should be one of flax, .*, made_up"):
        jc.from_library("made", "conv", theirs)
    with pytest.raises(ValueError, match=r"layer is 'batch_norm', but should be one of made_up's conv\."):
        jc.from_library("made_up", "batch_norm", theirs)
