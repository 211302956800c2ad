"""A user's own table: its choices come before the rows, for exactly one geometry; and files that are none."""

import json
from dataclasses import replace

import pytest

from jaxconv.lowering import saved_table
from jaxconv.lowering.conv_spec import ConvSpec
from jaxconv.lowering.table import algorithm_for
from jaxconv.window import slide

SPEC = ConvSpec(slide((8, 9), (3, 2), (1, 2), padding=((1, 0), (0, 2)), dilation=(2, 1)), 1)


@pytest.fixture
def use(tmp_path, monkeypatch):
    """A function that writes a text to a file, and names this file in the variable."""
    monkeypatch.setattr(saved_table, "read", saved_table.read.__wrapped__)

    def write(text):
        (tmp_path / "table.json").write_text(text)
        monkeypatch.setenv("JAXCONV_TABLE", str(tmp_path / "table.json"))

    return write


def test_a_choice_comes_before_the_rows(use):
    assert algorithm_for("conv_kernel_grad", SPEC, 4, 5, 6) == "nhwc"
    assert algorithm_for("conv", SPEC, 4, 5, 6) == "lax"
    choices = [
        saved_table.choice("conv_kernel_grad", SPEC, 4, 5, 6, "row_products"),
        saved_table.choice("conv", SPEC, 4, 5, 6, "nhwc"),
        saved_table.choice("conv_input_grad", SPEC, 4, 5, 6, "lax"),
    ]
    use(saved_table.text(choices, jax="0.12"))
    operations = ("conv", "conv_input_grad", "conv_kernel_grad")
    assert [algorithm_for(operation, SPEC, 4, 5, 6) for operation in operations] == ["nhwc", "lax", "row_products"]


def changed(**settings):
    first, *others = SPEC.axes
    return replace(SPEC, axes=(replace(first, **settings), *others))


@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        (SPEC, (3, 5, 6)),
        (SPEC, (4, 6, 6)),
        (SPEC, (4, 5, 5)),
        (changed(length=9), (4, 5, 6)),
        (changed(taps=4), (4, 5, 6)),
        (changed(stride=2), (4, 5, 6)),
        (changed(dilation=1), (4, 5, 6)),
        (changed(pad=SPEC.axes[1].pad), (4, 5, 6)),
    ],
)
def test_a_choice_is_for_one_geometry(use, spec, sizes):
    use(saved_table.text([saved_table.choice("conv_kernel_grad", SPEC, 4, 5, 6, "row_products")]))
    assert algorithm_for("conv_kernel_grad", SPEC, 4, 5, 6) == "row_products"
    assert algorithm_for("conv_kernel_grad", spec, *sizes) == "nhwc"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"which cannot be read: JSONDecodeError"),
        ("[]", r"which cannot be read: TypeError"),
        ("{}", r"which cannot be read: KeyError"),
        (json.dumps({"choices": [{"operation": "conv"}]}), r"which cannot be read: KeyError"),
        (json.dumps({"choices": {}}), r"which cannot be read: TypeError"),
        (
            json.dumps({"choices": [saved_table.choice("conv", SPEC, 4, 5, 6, "lax") | {"n": "4"}]}),
            r"which cannot be read: TypeError: the size '4' is no integer",
        ),
        ("[" * 100_000, r"which cannot be read: RecursionError"),
    ],
)
def test_a_file_that_is_no_table_is_refused(use, text, message):
    use(text)
    with pytest.raises(ValueError, match=f"JAXCONV_TABLE is .*{message}.* but should be the path of a table"):
        algorithm_for("conv", SPEC, 4, 5, 6)


def test_a_missing_file_is_refused(use, monkeypatch):
    monkeypatch.setenv("JAXCONV_TABLE", "no such file")
    with pytest.raises(ValueError, match=r"'no such file', which cannot be read: FileNotFoundError"):
        algorithm_for("conv", SPEC, 4, 5, 6)


@pytest.mark.parametrize("algorithm", ["fast", "argmax_at_once"])
def test_an_algorithm_of_other_operations_is_refused(use, algorithm):
    use(saved_table.text([saved_table.choice("conv", SPEC, 4, 5, 6, algorithm)]))
    with pytest.raises(ValueError, match=f"has '{algorithm}' for conv, but should be one of lax, matmul, "):
        algorithm_for("conv", SPEC, 4, 5, 6)


def test_an_unknown_operation_is_refused(use):
    """It would be the choice of nothing, without a word."""
    use(saved_table.text([saved_table.choice("convolution", SPEC, 4, 5, 6, "lax")]))
    with pytest.raises(ValueError, match="has the operation 'convolution', but should be one of conv, conv_input_grad"):
        algorithm_for("conv", SPEC, 4, 5, 6)


def test_an_algorithm_that_does_not_fit_is_refused(use):
    use(saved_table.text([saved_table.choice("conv", SPEC, 4, 5, 6, "depthwise")]))
    with pytest.raises(ValueError, match=r"depthwise does not fit conv with c=5 and o=6, but should be a table of"):
        algorithm_for("conv", SPEC, 4, 5, 6)
