"""Every public function in every JAX environment: flags, empty and smallest inputs, threads, processes, devices."""

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import environments
from support.by_numpy import pulled
from support.environments import LAYERS, difference, expected_of, forward_and_gradient, plain
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc

SUPPORT = Path(environments.__file__).parent
PLANTED = "planted"
DEVICES = ["batch split", "height split", "height split, explicit", "shard_map over the batch"]
every_layer = pytest.mark.parametrize("name", LAYERS)


def test_every_public_name_has_a_row_or_a_reason():
    rows = [*LAYERS, *environments.MADE, *environments.TOOLS, *environments.REASONS]
    assert sorted(rows) == sorted(environments.public_names())


def test_a_difference_is_seen():
    """The comparison detects a different value, a NaN, a different shape and an additional leaf."""
    tree = {"a": np.arange(3.0), "b": np.zeros(0)}
    assert difference(tree, tree) == ""
    assert "['a'] is off by 1" in difference(tree | {"a": np.array([0, 1, 3])}, tree)
    assert "['a'] is off by nan" in difference(tree | {"a": np.array([0, 1, np.nan])}, tree)
    assert "['b'] (0, 1) instead of ['b'] (0,)" in difference(tree | {"b": np.zeros((0, 1))}, tree)
    assert "['c']" in difference({"a": tree["a"], "c": tree["b"]}, tree)


@every_layer
def test_an_empty_batch_gives_an_empty_batch(name):
    """The gradient by the parameters is a sum over no examples, which is zero."""
    layer = LAYERS[name]
    params, x = layer.operands()
    if layer.of_the_batch:
        with pytest.raises(ValueError, match="1 cell or more of each channel"):
            layer.apply(params, x[:0])
        return
    compute = jax.jit if name in ("conv", "max_pool") else evaluated
    y, (dparams, dx) = compute(forward_and_gradient(layer))(params, x[:0])
    assert dx.shape == (0, *x.shape[1:])
    if layer.takes_x:
        whole = jax.eval_shape(layer.apply, params, x)
        assert [leaf.shape for leaf in jax.tree.leaves(y)] == [(0, *leaf.shape[1:]) for leaf in jax.tree.leaves(whole)]
        assert difference(dparams, jax.tree.map(np.zeros_like, params)) == ""


@pytest.fixture(scope="module")
def expected():
    """y and the gradients of each layer, computed with NumPy in this process."""
    return {name: expected_of(layer) for name, layer in LAYERS.items()}


def outcomes(rows, folder, expected=None):
    """The errors of each row in each environment, from a new interpreter with 8 devices under `python -O -W error`."""
    (folder / "expected").write_bytes(pickle.dumps(expected))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SUPPORT.parents[:2])), "JAX_PLATFORMS": "cpu"}
    script = [str(SUPPORT / "environment_processes.py"), rows, str(folder / "expected")]
    command = [sys.executable, "-O", "-W", "error", *script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def actual(expected, tmp_path_factory):
    """Nightly runs compile every row in every environment; other runs trace all rows and compile some."""
    return outcomes("all" if NIGHTLY else "some", tmp_path_factory.mktemp("environments"), expected)


@pytest.mark.parametrize("environment", DEVICES)
def test_on_8_devices_as_on_one(actual, environment):
    """Forward and gradient. A row with a deliberate error of one shows that the comparison detects differences."""
    rows = dict(actual[environment])
    assert rows.pop(PLANTED) == "[0] is off by 1.0"
    assert rows == dict.fromkeys(LAYERS, "")


FLAGS = ["python -O -W error", "disable_jit", "debug_nans", "debug_infs", "x64", "transfer_guard"]
COMPILED = ["debug_nans", "debug_infs", "transfer_guard"]  # these flags affect execution, not tracing
STRICT = {"strict dtype promotion": "TypePromotionError", "rank promotion raises": "ValueError"}


@pytest.mark.parametrize("environment", FLAGS)
def test_under_a_flag_as_without(actual, environment):
    """Forward and gradient, compared with a process without flags. A row with a deliberate error of one is detected."""
    rows = dict(actual[environment])
    assert rows.pop(PLANTED) == "[0] is off by 1.0"
    assert rows == dict.fromkeys(rows, "")
    assert rows.keys() == LAYERS.keys() if NIGHTLY or environment not in COMPILED else {"conv"} <= rows.keys()


@pytest.mark.parametrize("environment", STRICT)
def test_no_dtype_and_no_rank_is_promoted(actual, environment):
    """The traced program is the same with and without the flag. A layer that promotes both is detected."""
    rows = dict(actual[environment])
    assert rows.pop(PLANTED).startswith(STRICT[environment])
    assert rows == dict.fromkeys(LAYERS, "")


@pytest.mark.parametrize("step", ["seed", "transpose", "constant"])
def test_a_gradient_executed_step_by_step_is_a_transfer_of_jaxs_own(step):
    """The reason why `transfer_guard` covers gradients only in compiled programs: the transfers come from lax."""
    x = jnp.ones((2, 6))
    steps = {
        "seed": lambda: jax.grad(lambda x: jax.lax.mul(x, x)[()])(x[0, 0]),
        "transpose": lambda: jax.vjp(lambda x: jax.lax.slice_in_dim(x, 0, 3, axis=1), x)[1](x[:, :3]),
        "constant": lambda: jax.lax.mul(x, 2.0),
    }
    with jax.transfer_guard("disallow"), pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        steps[step]()


@contextmanager
def debugged():
    """Enables all debugging flags that inspect the arrays of a run; each raises an error on a fault."""
    with jax.debug_nans(True), jax.debug_infs(True):
        yield


@contextmanager
def watched():
    """Also disallows implicit transfers to the device."""
    with debugged(), jax.transfer_guard("disallow"):
        yield


CONTEXTS = {"disable_jit": jax.disable_jit, "x64": lambda: jax.enable_x64(True), "watched": watched}
# These tools run many small programs, which is slow without jit.
STEPPED = ["check", "consistency", "adversarial_consistency", "equivariance_error", "lie_derivative_error"]
STEPPED += ["assert_gradient_is_summed_delta"]
READ = [
    (tool, context)
    for tool in environments.TOOLS
    for context in CONTEXTS
    if NIGHTLY or context != "disable_jit" or tool not in STEPPED
]


@pytest.fixture(scope="module")
def plain_tools():
    return {name: tool() for name, tool in environments.TOOLS.items()}


@pytest.mark.parametrize(("name", "environment"), READ)
def test_what_reads_a_function_says_the_same_under_a_flag(plain_tools, name, environment):
    """All tests already run under strict promotion of dtypes and ranks."""
    with CONTEXTS[environment]():
        assert environments.TOOLS[name]() == plain_tools[name]


KEY = environments.key()
OF_A_KERNEL = ["init_spectral_norm", "init_weight_norm"]  # with the dtype of the kernel that they are given
DRAWN = [name for name in environments.MADE if name.startswith("init") and name not in OF_A_KERNEL]
# The other initialisers draw with the same function as `init_dense`, which takes seconds without jit.
OWN_DRAWS = ["init_dense", "init_norm"]
MADE = [name for name in environments.MADE if NIGHTLY or name not in DRAWN or name in OWN_DRAWS]
STEPWISE = OWN_DRAWS if NIGHTLY else ["init_norm"]
STEPPED_MADE = [name for name in environments.MADE if name not in DRAWN or name in STEPWISE]


@pytest.mark.parametrize(
    ("name", "context"),
    [*((name, jax.disable_jit) for name in STEPPED_MADE), *((name, debugged) for name in MADE)],
)
def test_what_is_made_is_the_same_under_a_flag(name, context):
    """Initialised and converted parameters."""
    expected = environments.MADE[name]()
    with context():
        actual = environments.MADE[name]()
    assert difference(actual, expected) == ""


@pytest.mark.parametrize("name", environments.MADE)
def test_what_is_converted_is_not_transferred_and_what_is_drawn_is_by_jax_too(name):
    """JAX's initialisers themselves transfer numbers to the device."""
    if name in DRAWN:
        draw = jax.nn.initializers.lecun_normal()
        for made in (environments.MADE[name], lambda: jnp.ones(2) if "norm" in name else draw(KEY, (3, 2, 4))):
            with jax.transfer_guard("disallow"), pytest.raises(Exception, match="Disallowed host-to-device transfer"):
                made()
        return
    expected = environments.MADE[name]()
    with jax.transfer_guard("disallow"):
        actual = environments.MADE[name]()
    assert difference(actual, expected) == ""


@pytest.mark.parametrize("name", environments.MADE)
def test_what_is_made_under_x64_is_wide_where_it_is_drawn(name):
    """Initialised parameters are float64, converted ones keep their dtype; the shapes do not change."""
    made = partial(jax.eval_shape, environments.MADE[name]) if name in DRAWN else environments.MADE[name]
    expected = made()
    with jax.enable_x64(True):
        actual = made()
    assert jax.tree.map(np.shape, actual) == jax.tree.map(np.shape, expected)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(actual)} == {"float64" if name in DRAWN else "float32"}


COMPILED_BY_THREADS = ["conv", "max_pool", *(["batch_norm", "tie"] if NIGHTLY else [])]
ALL = [*LAYERS, *MADE, *environments.TOOLS]
SPAWNED = ALL if NIGHTLY else ["conv", "max_pool", "dropout", "init_dense", "from_library", "certify", "summary"]


def test_threads_trace_and_compile_the_same(expected):
    """Each layer runs in two of 8 threads at the same time."""
    with ThreadPoolExecutor(8) as pool:
        actual = [pool.map(plain, COMPILED_BY_THREADS) for _ in range(2)]
        for name, first, second in zip(COMPILED_BY_THREADS, *actual, strict=True):
            assert difference(first, second, bound=0) == "", name
            assert difference(first, expected[name]) == "", name


@pytest.fixture(scope="module")
def here(expected):
    return {name: expected[name][0] if name in LAYERS else environments.forward(name) for name in ALL}


@pytest.mark.parametrize("kind", ["threads", "a spawned process"])
def test_threads_and_processes_find_the_same(here, kind, monkeypatch):
    """Rows without gradients. Processes are spawned, as the workers of a data loader are, and import everything anew."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, SUPPORT.parents[:2])))
    threads = kind == "threads"
    rows = ALL if threads else SPAWNED
    with ThreadPoolExecutor(8) if threads else ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        actual = dict(zip(rows, pool.map(environments.forward, rows), strict=True))
    assert {name: difference(actual[name], here[name]) for name in rows} == dict.fromkeys(rows, "")


CELL = np.float32([3, -2]).reshape(1, 1, 1, 2)
WIDE, ONE = environments.whole(3, 3, 2, 4), environments.whole(1, 1, 2, 3)
SPREAD = environments.whole(3, 3, 1, 2)
TWOS = np.full((1, 1, 2, 3), 2, np.float32)
FIRST = {"u": np.float32([1, 0, 0]), "v": np.float32([1, 0]).reshape(1, 1, 2)}
STANDARD = (CELL - 0.5) / np.sqrt(6.25 + 1e-5)  # the two channels have mean 1/2 and variance 25/4
PLACED = np.zeros((1, 2, 2, 2), np.float32)
PLACED[:, 1, 0] = CELL[:, 0, 0]
CELLS = {  # layer and expected result, computed by hand, for an image of one cell
    "conv": (lambda x: jc.conv({"kernel": WIDE}, x, padding="same"), CELL @ WIDE[1, 1]),
    "conv, circular": (lambda x: jc.conv({"kernel": WIDE}, x, padding="circular"), CELL @ WIDE.sum((0, 1))),
    "conv_transpose": (lambda x: jc.conv_transpose({"kernel": SPREAD}, x), (SPREAD @ CELL[0, 0, 0])[None]),
    "separable_conv": (
        lambda x: jc.separable_conv({"depthwise": {"kernel": WIDE[..., :1, :2]}, "pointwise": {"kernel": ONE}}, x, padding="same"),
        (CELL * WIDE[1, 1, 0, :2]) @ ONE[0, 0],
    ),
    "partial_conv": (
        lambda x: jc.partial_conv({"kernel": WIDE}, x, np.ones((1, 1, 1, 1), bool), padding="same")[0], 9 * CELL @ WIDE[1, 1],
    ),
    "spectral_norm": (  # the kernel of twos has the entry 2 at the vectors
        lambda x: jc.conv(jc.spectral_norm({"kernel": TWOS}, FIRST, training=False)[0], x), CELL @ np.ones((2, 3), np.float32),
    ),
    "weight_norm": (
        lambda x: jc.conv(jc.weight_norm({"kernel": TWOS, "scale": np.float32([1, 2, 3])}), x),
        np.float32([[[[1, 2, 3]]]]) / np.sqrt(2),
    ),
    "unfold": (lambda x: jc.unfold(x, (2, 2), padding="circular"), np.tile(CELL, 4)),
    "fold": (lambda x: jc.fold(x, (1, 2), (1, 2)), CELL.reshape(1, 1, 2, 1)),
    "locally_connected": (lambda x: jc.locally_connected({"kernel": ONE[None, None]}, x), CELL @ ONE[0, 0]),
    "tiled_conv": (lambda x: jc.tiled_conv({"kernel": np.stack([[ONE, 2 * ONE]] * 2)}, x), CELL @ ONE[0, 0]),
    "regional_conv": (lambda x: jc.regional_conv({"kernel": ONE[None, None]}, x, regions=((1,), (1,))), CELL @ ONE[0, 0]),
    "dense": (lambda x: jc.dense({"kernel": ONE[0, 0]}, x), CELL @ ONE[0, 0]),
    "max_pool": (lambda x: jc.max_pool(x, (3, 3), padding="same"), CELL),
    "max_pool_with_indices": (lambda x: jc.max_pool_with_indices(x, (3, 3), padding="same")[0], CELL),
    "max_unpool": (lambda x: jc.max_unpool(x, np.full((1, 1, 1, 2), 2), (2, 2)), PLACED),
    "resize": (lambda x: jc.resize(x, (2, 3), method="cubic"), np.broadcast_to(CELL, (1, 2, 3, 2))),
    "min_pool": (lambda x: jc.min_pool(x, (3, 3), padding="circular"), CELL),
    "avg_pool": (lambda x: jc.avg_pool(x, (3, 3), padding="same", divisor="inside"), CELL),
    "lp_pool": (lambda x: jc.lp_pool(x, (3, 3), norm=2, padding="same"), abs(CELL)),
    "blur_pool": (lambda x: jc.blur_pool(x, (3, 3), padding="circular"), CELL),
    "polyphase_down": (lambda x: jc.polyphase_down(x, (1, 1))[0], CELL),
    "polyphase_up": (lambda x: jc.polyphase_up(x, np.int32([[1, 0]]), (2, 2)), PLACED),
    "adaptive_max_pool": (lambda x: jc.adaptive_max_pool(x, (2, 3)), np.broadcast_to(CELL, (1, 2, 3, 2))),
    "adaptive_avg_pool": (lambda x: jc.adaptive_avg_pool(x, (2, 3)), np.broadcast_to(CELL, (1, 2, 3, 2))),
    "global_max_pool": (jc.global_max_pool, CELL[:, 0, 0]),
    "global_min_pool": (jc.global_min_pool, CELL[:, 0, 0]),
    "global_avg_pool": (jc.global_avg_pool, CELL[:, 0, 0]),
    "global_lp_pool": (lambda x: jc.global_lp_pool(x, norm=2), abs(CELL[:, 0, 0])),
    "layer_norm": (lambda x: jc.layer_norm({}, x), STANDARD),
    "rms_norm": (lambda x: jc.rms_norm({}, x), CELL / np.sqrt(6.5 + 1e-5)),
    "group_norm": (lambda x: jc.group_norm({}, x, groups=1), STANDARD),
    "instance_norm": (lambda x: jc.instance_norm({}, x), 0 * CELL),
    "batch_norm": (lambda x: jc.batch_norm({}, environments.STATE, x, training=True)[0], 0 * CELL),
    "dropout": (lambda x: jc.dropout(None, x, 0.5, training=False), CELL),
    "channel_dropout": (lambda x: jc.channel_dropout(None, x, 0.5, training=False), CELL),
    "untie": (lambda x: jc.untie({"kernel": x[0]}, (1,))["kernel"], CELL),
    "tie": (lambda x: jc.tie({"kernel": x}).params["kernel"], CELL[0]),
    "tie_gradient": (lambda x: jc.tie_gradient({"kernel": x})["kernel"], CELL[0]),
}  # fmt: skip


def test_every_layer_has_an_image_of_one_cell():
    assert {row.split(",")[0] for row in CELLS} == {*LAYERS}


@pytest.mark.parametrize("row", CELLS)
def test_an_image_of_one_cell(row):
    """The value is computed by hand, the derivative by a finite difference."""
    layer, expected = CELLS[row]
    apply = evaluated(layer)
    y = apply(CELL)
    assert difference(y, expected) == ""
    way = np.float32([1, 0.5]).reshape(CELL.shape) / 64
    weight = np.cos(np.arange(y.size)).reshape(y.shape).astype(np.float32)
    slope = np.vdot(weight, apply(CELL + way) - apply(CELL - way)) / 2
    np.testing.assert_allclose(np.vdot(pulled(layer, CELL, weight)[1], way), slope, rtol=1e-2, atol=1e-4)


@pytest.mark.slow
def test_on_8_devices_as_on_one_in_every_geometry(tmp_path):
    """Except where lax is wrong: the kernel gradient for stride 3 and SAME with a height split automatically."""
    for environment, actual in outcomes("more", tmp_path).items():
        assert "is off by" in actual.pop(PLANTED), environment
        of_lax = {row.removeprefix("lax "): actual.pop(row) for row in list(actual) if row.startswith("lax ")}
        assert len(of_lax) == 4
        wrong = {row for row, message in of_lax.items() if message}
        assert {row for row, message in actual.items() if message} <= wrong, environment
