"""A user's file with types, as mypy and pyright see it. They need what `pip install -e '.[lint]'` brings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="the types that users see are tested where mypy is: pip install -e '.[lint]'")
pytest.importorskip("pyright", reason="the types that users see are tested where pyright is: pip install -e '.[lint]'")

ROOT = Path(__file__).parents[1]
TEXT = """
import jax
import jax.numpy as jnp

import jaxconv as jc


def network(params: jc.LayerParams, image: jax.Array) -> jax.Array:
    features = jax.nn.relu(jc.conv(params, image, stride=2, padding="same"))
    return jc.max_pool(features, (2, 2))


params: jc.LayerParams = jc.init_conv(jax.random.key(0), window=(3, 3), channels_in=3, channels_out=8)
image = jnp.zeros((1, 64, 96, 3))
report: str = str(jc.certify(network, params, image, axes={1: (1, 2)}))
scores: jax.Array = jc.accelerate(network)(params, image)
tiles = jc.tiled(lambda image: network(params, image), tile=(32, 32), axes=(1, 2))
"""
WRONG = {  # the line that a user may get wrong, and what the checkers should say of it
    "stride=2": 'stride="2"',
    "(2, 2))": "None)",
    "report: str = str(": "report: int = (",
    "channels_in=3": "channels_input=3",
}
CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--disallow-untyped-defs", "--warn-unreachable"],
    "pyright": [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
}


def checked(checker, folder, *texts):
    """The lines in which a checker finds an error, for each text."""
    files = [folder / f"user_{number}.py" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    environment = os.environ | {"MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)}
    command = [*CHECKERS[checker], *map(str, files)]
    found = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True).stdout
    errors = [line for line in found.splitlines() if "error:" in line or " - error" in line]
    return [[line for line in errors if file.name in line] for file in files]


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_users_file_has_no_type_error_and_each_mistake_in_it_has_one(checker, tmp_path):
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    wrong = [TEXT.replace(right, mistake) for right, mistake in WRONG.items()]
    right, *mistaken = checked(checker, tmp_path, TEXT, *wrong)
    assert right == []
    assert dict(zip(WRONG, map(bool, mistaken), strict=True)) == dict.fromkeys(WRONG, True)
