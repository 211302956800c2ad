"""Whole state dicts: each array gets to its place, whatever the order of keys; what could be exchanged is refused."""

import re

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.converted_networks import averages, resnet18_shapes
from support.state_dicts import filled, resnet18

import jaxconv as jc
from jaxconv.convert.layers_of import dotted, key_of

FLAT = filled(resnet18(8, 10))
SHAPES = resnet18_shapes(8, 10)
LIKE = (SHAPES, averages(SHAPES))
THEIRS = [
    (r"^stem\.conv", "conv1"), (r"^stem\.norm", "bn1"), (r"^head", "fc"), (r"norm(\d)", r"bn\1"),
    (r"shortcut\.conv", "downsample.0"), (r"shortcut\.norm", "downsample.1"),
    (r"^stages\.(\d)", lambda found: f"layer{int(found[1]) + 1}"),
    (r"kernel$|scale$", "weight"), (r"(mean|var)$", r"running_\1"),
]  # fmt: skip
axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}  # of our arrays, among PyTorch's


def by_hand(tree):
    """Each array of a ResNet where it belongs, by rules for its names."""

    def of(steps, _):
        name = dotted(tuple(map(key_of, steps)))[2:]  # without the place in the tuple
        for pattern, theirs in THEIRS:
            name = re.sub(pattern, theirs, name)
        return FLAT[name].transpose(axes[FLAT[name].ndim])

    return jax.tree_util.tree_map_with_path(of, tree)


def assert_equal(found, expected):
    """Two trees have the same structure, bits and dtypes."""
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert [a.dtype for a in jax.tree.leaves(found)] == [a.dtype for a in jax.tree.leaves(expected)]


def in_order(key):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", key)]


def turned(tree):
    """The tree with the keys of its dicts in reverse."""
    if isinstance(tree, dict):
        return {key: turned(tree[key]) for key in reversed(tree)}
    return type(tree)(map(turned, tree)) if isinstance(tree, list | tuple) else tree


@pytest.mark.parametrize("keys", ["PyTorch's order", "sorted as in a file of safetensors"])
@pytest.mark.parametrize(
    "like", [LIKE, turned(LIKE), jax.tree.map(lambda a: a, LIKE)], ids=["as is", "turned", "sorted"]
)
def test_every_array_of_a_resnet_gets_to_its_place(like, keys):
    flat = FLAT if keys.startswith("P") else {key: FLAT[key] for key in sorted(FLAT, key=in_order)}
    found = jc.from_state_dict(flat, like, library="torch")
    assert_equal(found, by_hand(LIKE))
    back = jc.to_state_dict(found, flat, library="torch")
    assert list(back) == list(flat)
    assert_equal(back, flat)


def test_dtypes_are_those_of_the_state_dict():
    flat = filled({"0.weight": (4, 3, 2), "0.bias": (4,)}, np.float16)
    like = {"kernel": np.zeros((2, 3, 4), np.float32), "bias": np.zeros(4)}
    found = jc.from_state_dict(flat, like, library="torch")
    assert {name: array.dtype for name, array in found.items()} == {"kernel": np.float16, "bias": np.float16}
    assert_equal(jc.to_state_dict(found, flat, library="torch"), flat)


def dense(i=3, o=3):
    return {"kernel": np.zeros((i, o))}


def linear(*names, i=3, o=3):
    return filled({f"{name}.weight": (o, i) for name in names})


def place(flat, like, **how):
    """The name of the state dict at each place of the tree."""
    found = jc.from_state_dict(flat, like, library="torch", **how)
    name_of = {array.flat[0]: name.rpartition(".")[0] for name, array in flat.items() if array.size}
    return {
        dotted(tuple(map(key_of, steps[:-1]))): name_of.get(array.flat[0])
        for steps, array in jax.tree_util.tree_flatten_with_path(found)[0]
    }


AMBIGUOUS = [
    (linear("first", "second"), {"one": dense(), "other": dense()}, "both one and other of like could be first"),
    (linear("0", "1", "2"), {"a": [dense(), dense()], "b": dense()}, r"both a\.0 and b of like could be 0 "),
    (linear("alt", "main"), [dense(), dense()], "0 and 1 of like could be alt and main of flat in either order"),
    (linear("alt", "main"), {"conv1": dense(), "conv2": dense()}, "conv1 and conv2 of like could be alt and main"),
]


@pytest.mark.parametrize(("flat", "like", "message"), AMBIGUOUS)
def test_what_could_be_exchanged_is_refused_and_names_resolve_it(flat, like, message):
    with pytest.raises(ValueError, match=f"from_state_dict: flat is different from like:\n  {message}.*"):
        jc.from_state_dict(flat, like, library="torch")
    with pytest.raises(ValueError, match="to_state_dict: like is different from tree:"):
        jc.to_state_dict(like, flat, library="torch")
    paths = [dotted(tuple(map(key_of, steps[:-1]))) for steps, _ in jax.tree_util.tree_flatten_with_path(like)[0]]
    keys = [key.rpartition(".")[0] for key in flat]
    for names in (dict(zip(paths, keys, strict=True)), dict(zip(paths, reversed(keys), strict=True))):
        assert place(flat, like, names=names) == names


def test_numbers_and_lists_have_an_order():
    """In PyTorch's order, which is not sorted here, lists and numbered keys say which comes first: 2 before 10."""
    assert place(linear("main", "alt"), [dense(), dense()]) == {"0": "main", "1": "alt"}
    like = {"layer10": dense(), "layer2": dense()}
    assert place(linear("main", "alt"), like) == {"layer2": "main", "layer10": "alt"}
    assert place(linear("fc1", "fc2"), [dense(), dense()]) == {"0": "fc1", "1": "fc2"}


def test_numbers_in_the_other_order_are_refused():
    """A pyramid that is built from the top; names sorted as text, as by `jax.tree` and `safetensors.numpy.load_file`."""
    like = {f"p{level}": dense() for level in (3, 4, 5)}
    message = "p3 and p4 of like would be lateral5 and lateral4 of flat, whose numbers are in the other order"
    with pytest.raises(ValueError, match=message):
        jc.from_state_dict(linear("lateral5", "lateral4", "lateral3"), like, library="torch")
    as_text = sorted(f"net.{number}" for number in range(12))
    with pytest.raises(ValueError, match=r"convs\.3 and convs\.4 of like would be net\.11 and net\.2 of flat"):
        jc.from_state_dict(linear("head", *as_text), {"head": dense(), "convs": [dense()] * 12}, library="torch")
    # the shapes of all of them show that the numbers do not count
    flat = filled({"up2.weight": (3, 3), "up1.weight": (5, 3)})
    assert place(flat, [dense(), dense(3, 5)]) == {"0": "up2", "1": "up1"}


def test_a_layer_below_another_of_a_sorted_state_dict_is_refused():
    with pytest.raises(ValueError, match=r"0 and 1 of like could be a and a\.b of flat in either order"):
        jc.from_state_dict(linear("a", "a.b"), [dense(), dense()], library="torch")


def test_two_names_of_the_same_keys_are_refused():
    """Keys are split at dots and at slashes: one array would take the place of the other."""
    with pytest.raises(ValueError, match="the state dict is a dict with 'a/weight' and another name of the same keys"):
        jc.from_state_dict({**linear("a"), "a/weight": np.ones((3, 3))}, dense(), library="torch")


def test_equal_names_come_first():
    """Whatever their order, and below what all names begin with, such as DataParallel's `module`."""
    flat = linear("module.b", "module.a")
    assert place(flat, {"net": {"a": dense(), "b": dense()}}) == {"net.a": "module.a", "net.b": "module.b"}
    with pytest.raises(ValueError, match=r"net\.a \(kernel \(3, 4\)\) does not fit module\.a \(weight \(3, 3\)\)"):
        jc.from_state_dict(flat, {"net": {"a": dense(3, 4), "b": dense()}}, library="torch")


def test_the_nesting_of_names_decides_among_orders():
    """Without the prefix `side`, the second and the third layer could be those below `x`, and the fourth beside it."""
    like = {"a": dense(), "c": dense(), "x": {"p": dense(3, 4), "q": dense()}}
    shapes = {"b1": (3, 3), "b2": (3, 3), "side.0": (4, 3), "side.1": (3, 3)}
    flat = filled({f"{name}.weight": shape for name, shape in shapes.items()})
    names = {"a": "b1", "c": "b2"}
    assert place(flat, like, names=names) == {**names, "x.p": "side.0", "x.q": "side.1"}
    with pytest.raises(ValueError, match="both a and c of like could be b1"):
        jc.from_state_dict(flat, like, library="torch")


def test_every_mismatch_is_listed():
    flat = {**FLAT, "fc.weight": np.zeros((11, 64), np.float32), "fc.bias": np.zeros(11, np.float32)}
    flat["extra.alpha"] = np.zeros((2, 2, 2), np.float32)
    del flat["conv1.weight"]
    lines = [
        "0.head (bias (10,), kernel (64, 10)) of like has no entry of its shapes",
        "0.stem.conv (kernel (7, 7, 3, 8)) of like has no entry of its shapes",
        "fc (weight (11, 64), bias (11,)) of flat has no layer of its shapes",
        "extra (alpha (2, 2, 2)) of flat has no layer of its shapes; the arrays of torch that are converted are "
        "bias, running_mean, running_var, weight",
    ]
    with pytest.raises(ValueError, match="flat is different from like:") as found:
        jc.from_state_dict(flat, LIKE, library="torch")
    assert sorted(str(found.value).partition("\n, but")[0].split("\n  ")[1:]) == sorted(lines)


def test_an_array_too_few_or_too_many_is_a_mismatch():
    """A bias that one side does not have, and running averages without a place."""
    like = {"kernel": np.zeros((3, 2))}
    with pytest.raises(ValueError, match="of like has no entry of its shapes"):
        jc.from_state_dict(filled({"fc.weight": (2, 3), "fc.bias": (2,)}), like, library="torch")
    flat = filled({f"bn.{name}": (4,) for name in ("weight", "bias", "running_mean", "running_var")})
    norm = {"scale": np.zeros(4), "bias": np.zeros(4)}
    with pytest.raises(ValueError, match=r"bn \(running_mean \(4,\), running_var \(4,\)\) of flat has no layer"):
        jc.from_state_dict(flat, norm, library="torch")


def test_parts_are_named_kept_and_ignored():
    """Transfer: a new head of another size. The old one is in the state dict, and stays there on the way back."""
    head = {"kernel": np.full((64, 3), 7.0, np.float32), "bias": np.full(3, 7.0, np.float32)}
    like = ({**SHAPES, "head": head}, averages(SHAPES))
    how = {"library": "torch", "names": {"head": None, "stages.1": "layer2"}, "ignore": ("fc",)}
    found = jc.from_state_dict(FLAT, like, **how)
    expected = by_hand(LIKE)
    assert_equal(found, ({**expected[0], "head": head}, expected[1]))
    twice = jax.tree.map(lambda a: 2 * a, found)
    back = jc.to_state_dict(twice, FLAT, **how)
    same = {"fc.weight", "fc.bias", *(name for name in FLAT if name.endswith("num_batches_tracked"))}
    assert_equal(back, {name: array if name in same else 2 * array for name, array in FLAT.items()})


def norms(width):
    flat = filled(
        {f"{bn}.{name}": (width,) for bn in ("x", "y") for name in ("weight", "bias", "running_mean", "running_var")}
    )
    params = lambda: {"scale": np.zeros(width), "bias": np.zeros(width)}
    state = lambda: {"mean": np.zeros(width), "var": np.zeros(width)}
    return flat, params, state


@pytest.mark.parametrize("structure", ["beside", "below", "in one"])
def test_running_averages_follow_their_normalisation(structure):
    """The names say which scale is whose. The averages are beside it, below the same key, or in the same dict."""
    flat, params, state = norms(4)
    like = {
        "beside": {"params": {"a": params(), "b": params()}, "batch_stats": {"a": state(), "b": state()}},
        "below": {"a": (params(), state()), "b": (params(), state())},
        "in one": {"a": {**params(), **state()}, "b": {**params(), **state()}},
    }[structure]
    names = {"a": "y", "b": "x"} if structure != "below" else {"a.0": "y", "b.0": "x"}
    found = place(flat, like, names=names)
    assert {name: {path for path in found if found[path] == name} for name in ("x", "y")} == {
        name: {path for path in found if key in path.split(".")} for name, key in (("x", "b"), ("y", "a"))
    }


trees = st.recursive(
    st.none(), lambda below: st.one_of(st.lists(below, min_size=1, max_size=3), st.dictionaries(st.sampled_from("abcd"), below, min_size=1, max_size=3)), max_leaves=8
)  # fmt: skip


@given(trees, st.randoms(use_true_random=False))
def test_layers_of_different_shapes_are_found_in_any_tree(tree, random):
    """The state dict has the order in which the user wrote the tree; its names say nothing."""
    sizes = iter(range(1, 100))
    like = jax.tree.map(lambda _: dense(next(sizes), 2), tree, is_leaf=lambda node: node is None)
    kernels = jax.tree.leaves(like)
    order = {a.shape[0]: n for n, a in enumerate(kernels)}
    flat = filled({f"m{n}.weight": (2, size) for size, n in order.items()})
    found = jc.from_state_dict(flat, like, library="torch")
    for a in jax.tree.leaves(found):
        np.testing.assert_array_equal(a.T, flat[f"m{order[a.shape[0]]}.weight"])


def test_transposed_convolutions_of_groups():
    """Kernels have c output channels for each group; the bias has them of all groups."""
    flat = filled({"up.weight": (6, 2, 3, 5), "up.bias": (4,)})
    like = {"kernel": np.zeros((3, 5, 2, 6)), "bias": np.zeros(4)}
    found = jc.from_state_dict(flat, like, library="torch")
    assert_equal(found, jc.from_library("torch", "conv_transpose", {k[3:]: a for k, a in flat.items()}, groups=2))
    assert_equal(jc.to_state_dict(found, flat, library="torch"), flat)


def test_transposed_convolutions_of_flax_are_named():
    """Their kernels are flipped, which no shape shows. Linen names its modules after their classes."""
    flat = filled({"up.weight": (4, 4, 3, 5), "up.bias": (4,)})
    expected = jc.to_library("flax", "conv_transpose", jc.from_library("torch", "conv_transpose", {"weight": flat["up.weight"], "bias": flat["up.bias"]}))  # fmt: skip
    like = {"kernel": np.zeros((3, 5, 4, 4)), "bias": np.zeros(4)}
    how = {"library": "torch", "into": "flax"}
    named = jc.from_state_dict(flat, {"up": like}, layers={"up": "conv_transpose"}, **how)
    assert_equal(named, {"up": expected})
    assert_equal(jc.from_state_dict(flat, {"ConvTranspose_0": like}, **how), {"ConvTranspose_0": expected})
    assert_equal(jc.to_state_dict(named, flat, layers={"up": "conv_transpose"}, **how), flat)


def test_more_orders_than_can_be_tried_are_refused():
    like = {chr(97 + n): {"p": dense(), "q": dense(3, 4)} for n in range(20)}
    flat = filled({f"m{n}.weight": (4 if n % 2 else 3, 3) for n in range(39)} | {"m39.weight": (3, 4)})
    with pytest.raises(ValueError, match="has no entry of its shapes"):
        jc.from_state_dict(flat, like, library="torch")


def test_a_longer_name_wins():
    like = {"net": {"a": dense(), "b": dense(), "c": dense(3, 4)}}
    flat = filled({"x.p.weight": (3, 3), "x.q.weight": (3, 3), "y.weight": (4, 3)})
    assert place(flat, like, names={"net": "x", "net.c": "y", "net.a": "x.q"}) == {
        "net.a": "x.q", "net.b": "x.p", "net.c": "y",
    }  # fmt: skip
