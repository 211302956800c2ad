"""State dicts in files: the arrays that were saved, and one line about a file that cannot be read."""

import jax.numpy as jnp
import numpy as np
import pytest
from support.state_dicts import filled, resnet18

import jaxconv as jc

FLAT = filled(resnet18(4, 3))


def assert_same(found, saved):
    assert set(found) == set(saved)
    for name, array in saved.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_npz(tmp_path):
    np.savez(tmp_path / "net.npz", **FLAT)
    found = jc.load_state_dict(tmp_path / "net.npz")
    assert list(found) == list(FLAT)
    assert_same(found, FLAT)


def test_safetensors_in_natural_order(tmp_path):
    """Its files are sorted by dtype and name. Half precision keeps its dtype."""
    numpy = pytest.importorskip("safetensors.numpy")
    halves = {"layer10.w": np.asarray(jnp.ones((2, 3), jnp.bfloat16)), "layer2.w": np.ones(3, np.float16)}
    numpy.save_file({**FLAT, **halves}, tmp_path / "net.safetensors")
    found = jc.load_state_dict(str(tmp_path / "net.safetensors"))
    assert_same(found, {**FLAT, **halves})
    names = [name for name in found if name.startswith("layer1")]
    assert [name for name in found if name.endswith(".w")] == ["layer2.w", "layer10.w"]
    assert names[0] == "layer1.0.bn1.bias"


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_damaged_file_is_named(tmp_path, suffix):
    pytest.importorskip("safetensors")
    file = tmp_path / f"net{suffix}"
    for content in (b"", b"PK\x03\x04 no archive", b"\x08" + 20 * b"\x00"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"load_state_dict: path is '.*net\.\w+': .*, but should be a file that "):
            jc.load_state_dict(file)


def test_pickles_are_not_read(tmp_path):
    np.savez(tmp_path / "objects.npz", a=np.array([{}], object))
    with pytest.raises(ValueError, match=r"load_state_dict: path is .* but should be a file that numpy.savez wrote"):
        jc.load_state_dict(tmp_path / "objects.npz")
    with pytest.raises(ValueError, match=r"which hold no code. Convert it: safetensors.torch.save_file"):
        jc.load_state_dict(tmp_path / "net.pth")


def test_8_bit_floats_are_refused(tmp_path):
    flax = pytest.importorskip("safetensors.flax")
    flax.save_file({"a": jnp.ones(2, jnp.float8_e4m3fn)}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"float8_e4m3fn.*, but should be arrays of NumPy's dtypes"):
        jc.load_state_dict(tmp_path / "net.safetensors")


def test_without_safetensors_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "net.safetensors").touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"Run pip install 'jaxconv\[safetensors\]'"):
        jc.load_state_dict(tmp_path / "net.safetensors")
