"""The table, the notes under it, the JSON and the HTML."""

import json

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxconv as jc


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


@pytest.fixture(scope="module")
def found():
    def net(params, x):
        x = jc.max_pool(jax.nn.relu(jc.conv(params["conv"], x, stride=(2, 1), padding="same")), (2, 2))
        return jc.dense(params["head"], x.reshape(x.shape[0], -1))

    params = {
        "conv": {"kernel": shape(3, 3, 2, 4), "bias": shape(4)},
        "head": {"kernel": shape(4 * 6 * 4, 5), "bias": shape(5)},
    }
    return jc.summary(net, params, shape(3, 16, 12, 2))


def test_the_table(found):
    """Computed by hand: 8x12 positions; 72 + 4 parameters; (16*12*2 + 1) * 8*12*4 if dense; 96 * 5 in the head."""
    lines = [line[: line.rindex("  test_")] if "  test_" in line else line for line in str(found).splitlines()]
    assert lines[0] == "net: 561 parameters, 7,392 multiply-adds for each of 3 examples"
    assert [" ".join(line.split()) for line in lines[1:7]] == [
        "stride and receptive field along axis 1 of argument 1, axis 2 of argument 1",
        "layer name output parameters unshared dense reuse multiply-adds stride field line",
        "0 conv 3x3, stride 2x1 conv 3x8x12x4 76 7,296 147,840 96 6,912 2x1 3x3",
        "1 max pool 2x2, stride 2 3x4x6x4 0 0 0 - 0 4x2 5x4",
        "2 dense head 3x5 485 485 485 1 480 - -",
        "total 561 7,781 148,325 7,392",
    ]
    assert len(lines) == 8  # one note for both axes: the reshape merges them
    assert lines[7].startswith("-: first along axis 1 of argument 1 and axis 2 of argument 1 at layer 2: reshape at ")


def test_columns_are_straight(found):
    _, _, *rows = str(found).splitlines()
    title, *rows = rows[: len(found.layers) + 2]
    for word in ("parameters", "unshared", "dense", "multiply-adds"):
        end = title.index(word) + len(word)
        assert all(row[end - 1].isdigit() and row[end : end + 2].strip() == "" for row in rows), word


def test_totals_are_the_sums(found):
    for name in ("unshared", "dense", "multiply_adds"):
        assert getattr(found, name) == sum(getattr(layer, name) for layer in found.layers)
    assert found.parameters == sum(layer.parameters for layer in found.layers) == 76 + 485


def test_json_holds_everything(found):
    data = json.loads(found.to_json())
    assert data["parameters"] == 561
    assert data["multiply_adds"] == 7392
    assert data["layers"][0]["reaches"][0]["stride"] == "2"
    assert data["layers"][0]["reaches"][0]["receptive_field"] == {"rate": "2", "period": 1, "phases": [[0, 2]]}
    assert [weight["path"] for weight in data["weights"]] == [
        "[0]['conv']['bias']",
        "[0]['conv']['kernel']",
        "[0]['head']['bias']",
        "[0]['head']['kernel']",
    ]
    assert data["layers"][2]["uses"][0] == {
        "path": "[0]['head']['kernel']", "numbers": 480, "tied": 0, "reuse": 1, "contracted": True,
    }  # fmt: skip


def test_notebooks_get_the_same_table(found):
    html = found._repr_html_()
    assert html.startswith("<pre>")
    assert "561 parameters" in html


def test_without_spatial_axes_there_are_no_such_columns():
    text = str(jc.summary(jc.dense, {"kernel": shape(4, 3)}, shape(1, 4)))
    assert "stride" not in text
    assert "for one call" in text


def test_a_function_without_layers_has_an_empty_table():
    found = jc.summary(lambda x: x + 1, shape(1, 4))
    assert (found.layers, found.parameters, found.multiply_adds) == ((), 0, 0)
    assert str(found).splitlines()[-1].split() == ["total", "0", "0", "0", "0"]


def test_notes():
    """Notes on ties, unused numbers, rounds and unknown counts."""
    params = {"a": shape(4, 4), "b": shape(4, 4), "idle": shape(9)}

    def fn(p, x):
        x = lax.while_loop(lambda x: x.sum() < 9, lambda x: x @ p["b"], x)
        x = lax.scan(lambda x, _: (x @ p["a"], None), x, None, length=7)[0]
        return jnp.where(x.sum() > 0, x @ p["a"], x)

    text = str(jc.summary(fn, params, shape(1, 4)))
    assert "dense x?" in text
    assert "dense x7" in text
    assert "0 (16)" in text
    (total,) = [line.split() for line in text.splitlines() if line.split()[:1] == ["total"]]
    assert total[1] == "32"  # those that are used
    assert text.splitlines()[-4:] == [
        "(n): n of the parameters were counted in a layer above",
        "[0]['a'] is used in layers 1, 2",
        "multiply-adds not in the total, layer 0: in a while loop, whose number of rounds is unknown",
        "9 of the 9 numbers of [0]['idle'] are not used",
    ]
