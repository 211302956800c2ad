"""The table of docs/comparison.md: every cell is what running the libraries, or looking through them, says."""

import importlib
import importlib.metadata
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

import jaxconv as jc

os.environ.setdefault("KERAS_BACKEND", "jax")  # read when it is first imported; it would look for TensorFlow
ROOT = Path(__file__).parents[1]
BY_HAND = "escnn"  # needs NumPy 1, which no JAX that we support runs on
X = jnp.arange(96.0).reshape(1, 6, 8, 2)  # [n, h, w, c]


class Library(NamedTuple):
    """How to ask a library; a call that it cannot answer raises."""

    distribution: str
    modules: tuple[str, ...]  # that are public
    paddings: dict[str, Any]  # our words -> what it calls them; zeros are what it surely has
    conv: Callable[[Any], Any]
    transposed: Callable[[Any], Any]
    dilated_maximum: Callable[[int], Any]  # the gradient, by a dilation


def ours() -> Library:
    """The same questions for us."""
    conv, back = jc.init_conv(jax.random.key(0), (3, 3), 2, 2), {"kernel": jnp.ones((3, 3, 2, 2))}
    maximum = lambda dilation: jax.grad(lambda x: jc.max_pool(x, (2, 2), dilation=dilation).sum())(X)
    return Library(
        "jaxconv",
        ("jaxconv", "jaxconv.testing"),
        {"zeros": "same", "wrap": "circular", "reflection": "reflect", "edge": "edge"},
        lambda padding: jc.conv(conv, X, padding=padding),
        lambda padding: jc.conv_transpose(back, X, padding=padding),
        maximum,
    )


def flax() -> Library:
    """Flax: linen and nnx."""
    from flax import linen, nnx

    return Library(
        "flax",
        ("flax.linen", "flax.nnx"),
        {"zeros": "SAME", "wrap": "CIRCULAR", "reflection": "REFLECT", "edge": "EDGE"},
        lambda padding: nnx.Conv(2, 2, (3, 3), padding=padding, rngs=nnx.Rngs(0))(X),
        lambda padding: nnx.ConvTranspose(2, 2, (3, 3), padding=padding, rngs=nnx.Rngs(0))(X),
        lambda dilation: linen.max_pool(X, (2, 2), **{"window_dilation": dilation} if dilation > 1 else {}),
    )


def equinox() -> Library:
    """Equinox, whose layers take one image, channels first."""
    import equinox as eqx

    x, settings = jnp.moveaxis(X[0], -1, 0), {"padding": "SAME", "key": jax.random.key(0)}
    return Library(
        "equinox",
        ("equinox", "equinox.nn"),
        {"zeros": "ZEROS", "wrap": "CIRCULAR", "reflection": "REFLECT", "edge": "REPLICATE"},
        lambda padding: eqx.nn.Conv2d(2, 2, 3, padding_mode=padding, **settings)(x),
        lambda padding: eqx.nn.ConvTranspose2d(2, 2, 3, padding_mode=padding, **settings)(x),
        lambda dilation: eqx.nn.MaxPool2d(2, **{"dilation": dilation} if dilation > 1 else {})(x),
    )


def haiku() -> Library:
    """Haiku."""
    import haiku as hk

    def run(layer: Callable[[], Any]) -> Any:
        return hk.transform(lambda: layer()(X)).init(jax.random.key(0))

    return Library(
        "dm-haiku",
        ("haiku",),
        {"zeros": "SAME", "wrap": "CIRCULAR", "reflection": "REFLECT", "edge": "EDGE"},
        lambda padding: run(lambda: hk.Conv2D(2, 3, padding=padding)),
        lambda padding: run(lambda: hk.Conv2DTranspose(2, 3, padding=padding)),
        lambda dilation: hk.max_pool(
            X, (2, 2, 1), (2, 2, 1), "VALID", **{"window_dilation": dilation} if dilation > 1 else {}
        ),
    )


def keras() -> Library:
    """Keras 3, on JAX."""
    import keras

    return Library(
        "keras",
        ("keras.layers", "keras.ops", "keras.utils"),
        {"zeros": "same", "wrap": "circular", "reflection": "reflect", "edge": "edge"},
        lambda padding: keras.layers.Conv2D(2, 3, padding=padding)(X),
        lambda padding: keras.layers.Conv2DTranspose(2, 3, padding=padding)(X),
        lambda dilation: keras.layers.MaxPooling2D(2, **{"dilation_rate": dilation} if dilation > 1 else {})(X),
    )


def pytorch() -> Library:
    """PyTorch, channels first."""
    import torch
    from torch import nn

    def gradient(dilation: int) -> Any:
        x = torch.arange(96.0).reshape(1, 2, 6, 8).requires_grad_()
        nn.functional.max_pool2d(x, 2, dilation=dilation).sum().backward()
        return x.grad

    x = torch.ones(1, 2, 6, 8)
    return Library(
        "torch",
        ("torch.nn", "torch.nn.functional", "torch.nn.utils", "torch.testing"),
        {"zeros": "zeros", "wrap": "circular", "reflection": "reflect", "edge": "replicate"},
        lambda padding: nn.Conv2d(2, 2, 3, padding=1, padding_mode=padding)(x),
        lambda padding: nn.ConvTranspose2d(2, 2, 3, padding=1, padding_mode=padding)(x),
        gradient,
    )


LIBRARIES: dict[str, Callable[[], Library]] = {
    "jaxconv": ours, "Flax": flax, "Equinox": equinox, "Haiku": haiku, "Keras": keras, "PyTorch": pytorch,
}  # fmt: skip
PEERS = {"Flax": "flax", "Equinox": "equinox", "Haiku": "haiku", "Keras": "keras", "PyTorch": "torch"}
BOUNDARIES = ("wrap", "reflection", "edge")


def answers(call: Callable[[], Any]) -> bool:
    """Whether it does, or refuses as libraries do."""
    try:
        call()
    except (ValueError, TypeError, RuntimeError, NotImplementedError, AttributeError):
        return False
    return True


def named(pattern: str) -> Callable[[Library], bool]:
    """Whether a public name says so; what a library has is found by its name."""
    return lambda library: any(re.search(pattern, name, re.IGNORECASE) for name in names(library))


def names(library: Library) -> set[str]:
    """The public names of its modules."""
    modules = [importlib.import_module(name) for name in library.modules]
    return {name for module in modules for name in dir(module) if not name.startswith("_")}


def pads_conv(library: Library) -> bool:
    """By the name that it has for each, or that it should have."""
    assert answers(lambda: library.conv(library.paddings["zeros"]))
    return all(answers(lambda name=name: library.conv(library.paddings[name])) for name in BOUNDARIES)


def pads_each_axis(library: Library) -> bool:
    """Two names that it knows, one for each axis."""
    known = [name for name in library.paddings.values() if answers(lambda name=name: library.conv(name))]
    return answers(lambda: library.conv((known[0], known[-1]) if len(known) > 1 else (known[0], "VALID")))


def pads_transposed(library: Library) -> bool:
    """Likewise of transposed convolutions."""
    assert answers(lambda: library.transposed(library.paddings["zeros"]))
    return all(answers(lambda name=name: library.transposed(library.paddings[name])) for name in BOUNDARIES)


def dilates_maxima(library: Library) -> bool:
    """With a gradient."""
    assert answers(lambda: library.dilated_maximum(1))
    return answers(lambda: library.dilated_maximum(2))


def has_pytest_plugin(library: Library) -> bool:
    """A module of its own that defines hooks of pytest's."""
    package = importlib.import_module(library.modules[0].split(".")[0])
    files = Path(package.__path__[0]).rglob("*.py")
    return any(re.search(r"^def pytest_\w+", file.read_text(errors="replace"), re.MULTILINE) for file in files)


def has_theorems(library: Library) -> bool:
    """Files of a proof assistant: Coq, Lean, Isabelle, Agda."""
    if library.distribution == "jaxconv":
        return any((ROOT / "proofs" / "coq").glob("*.v"))  # beside the package, as tests are
    files = importlib.metadata.distribution(library.distribution).files or ()
    assert files
    return any(str(file).endswith((".v", ".lean", ".thy", ".agda")) for file in files)


CHECKS: dict[str, Callable[[Library], bool]] = {
    "proofs of shift equivariance for any function, or the line that breaks it": named(r"certif|equivarian"),
    "machine-checked theorems behind these proofs": has_theorems,
    "a pytest plugin that guards what was proved": has_pytest_plugin,
    "results from tiles that are proved to equal those of the whole": named(r"^tiled$|_tiling|sliding_?window"),
    "layers with a few kernels that alternate, or one for each region": named(r"tiled_?conv|regional"),
    "a separate kind of padding for each axis": pads_each_axis,
    "transposed convolutions that pad by wrap, reflection and edge": pads_transposed,
    "down-sampling that moves with every shift (polyphase)": named("polyphase"),
    "locally connected layers": named(r"conv_?local|local\w*_?conv|locally"),
    "convolutions that pad by wrap, reflection and edge": pads_conv,
    "gradients of dilated max pooling": dilates_maxima,
    "down-sampling after a blur": named(r"blur_?pool|antialiased"),
    "filters that rotate: equivariance to rotations by construction": named(r"^gspace|steerable|r2conv"),
    "attention": named(r"attention"),
}


def table() -> tuple[list[str], dict[str, list[str]]]:
    """The page's columns, and the cells of each row."""
    lines = (ROOT / "docs" / "comparison.md").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| | jaxconv |"))
    cells = lambda line: [cell.strip() for cell in line.strip("|").split("|")]
    rows = {}
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        name, *values = cells(line)
        rows[name] = values
    return cells(lines[first])[1:], rows


def test_every_row_has_its_check_and_every_column_its_library():
    columns, rows = table()
    assert columns == [*LIBRARIES, BY_HAND]
    assert list(rows) == list(CHECKS)
    assert {cell for row in rows.values() for cell in row} == {"yes", ""}


def test_there_are_rows_in_which_others_win():
    _, rows = table()
    assert [name for name, cells in rows.items() if not cells[0]] == list(CHECKS)[-2:]


def test_the_readme_lists_the_rows_in_which_no_other_library_says_yes():
    _, rows = table()
    readme = (ROOT / "README.md").read_text().split("## Beside other libraries")[1].split("\n## ")[0]
    only_here = [name for name, cells in rows.items() if cells == ["yes", *[""] * (len(LIBRARIES))]]
    assert re.findall(r"^- (.+)$", readme, re.MULTILINE) == only_here


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    "column",
    [
        "jaxconv",
        *(pytest.param(name, marks=getattr(pytest.mark, "torch" if name == "PyTorch" else "peers")) for name in PEERS),
    ],
)
def test_each_cell_is_what_the_library_answers(column, name):
    if column in PEERS:
        pytest.importorskip(PEERS[column])
    columns, rows = table()
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        found = CHECKS[name](LIBRARIES[column]())
    assert ("yes" if found else "") == rows[name][columns.index(column)]


def test_ours_is_more_than_a_name():
    """Of others' networks, too: here one of lax's own."""
    blur = lambda x: jax.lax.reduce_window(
        jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="wrap"), 0.0, jax.lax.add, (1, 3, 1, 1), (1, 1, 1, 1), "VALID"
    )
    assert jc.certify(blur, X, axes=(1,)).cyclic.value == "PROVED"
