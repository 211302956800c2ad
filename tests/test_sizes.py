"""Sizes that cannot be meant are refused at once, by every public function that takes some, before anything is built."""

import inspect
import time

import jax
import numpy as np
import pytest

import jaxconv as jc
from jaxconv.sizes import LARGEST, UPSAMPLED, WIDENED

KEY = jax.random.key(0)
X = np.arange(28 * 28, dtype=np.float32).reshape(1, 28, 28, 1)
K = {"kernel": np.ones((3, 3, 1, 1), np.float32)}
EACH = {"kernel": np.ones((1, 1, 3, 3, 1, 1), np.float32)}  # of one position, period or region
PAIR = {"depthwise": K, "pointwise": {"kernel": np.ones((1, 1, 1, 1), np.float32)}}
WINDOWED = {
    "conv": lambda **settings: jc.conv(K, X, **settings),
    "partial_conv": lambda **settings: jc.partial_conv(K, X, X, **settings),
    "conv_transpose": lambda **settings: jc.conv_transpose(K, X, **settings),
    "separable_conv": lambda **settings: jc.separable_conv(PAIR, X, **settings),
    "locally_connected": lambda **settings: jc.locally_connected(EACH, X, **settings),
    "tiled_conv": lambda **settings: jc.tiled_conv(EACH, X, **settings),
    "regional_conv": lambda **settings: jc.regional_conv(EACH, X, regions=((26,), (26,)), **settings),
    "max_pool": lambda **settings: jc.max_pool(X, (3, 3), **settings),
    "min_pool": lambda **settings: jc.min_pool(X, (3, 3), **settings),
    "max_pool_with_indices": lambda **settings: jc.max_pool_with_indices(X, (3, 3), **settings),
    "unfold": lambda **settings: jc.unfold(X, (3, 3), **settings),
    "fold": lambda **settings: jc.fold(X, (3, 3), (30, 30), **settings),
    "avg_pool": lambda **settings: jc.avg_pool(X, (3, 3), divisor="window", **settings),
    "lp_pool": lambda **settings: jc.lp_pool(X, (3, 3), norm=2, **settings),
    "blur_pool": lambda **settings: jc.blur_pool(X, (3, 3), **settings),
    "init_locally_connected": lambda **settings: jc.init_locally_connected(KEY, (28, 28), (3, 3), 1, 1, **settings),
}
HUGE = 2**31
number = rf"{HUGE}, but should be at most {LARGEST}"
padded = (
    rf"x with its padding is \(.*\), but should be of at most {WIDENED.cells} cells. Use less padding, or a smaller"
)
SETTINGS = {  # id -> (settings, message), {where} being the function's name
    "stride": ({"stride": HUGE}, f"stride is {number}"),
    "stride, one axis": ({"stride": (1, HUGE)}, f"stride is {number}"),
    "dilation": ({"dilation": HUGE, "padding": "circular"}, f"dilation is {number}"),
    "dilation that fits 31 bits": ({"dilation": HUGE - 1, "padding": "circular"}, padded),
    "dilation of a million": ({"dilation": 10**6, "padding": "edge"}, padded),
    "dilation and zeros": ({"dilation": 10**6, "padding": "same"}, padded),
    "padding": ({"padding": ((HUGE, 0), (0, 0))}, f"padding is {number}"),
    "padding that fits 31 bits": ({"padding": ((HUGE - 1, 0), (0, 0))}, padded),
    "padding, both axes": ({"padding": ((600, 600), (600, 600))}, padded),
}
UNREACHABLE = ("padding that fits 31 bits", "padding, both axes")  # no input of conv's would have so few positions
REST = {  # id -> (call, message)
    "Pad": (lambda: jc.Pad(0, HUGE), f"Pad: hi is {number}"),
    "max_pool, window": (lambda: jc.max_pool(X, (HUGE, 2)), f"max_pool: window is {number}"),
    "min_pool, window": (lambda: jc.min_pool(X, (2, HUGE)), f"min_pool: window is {number}"),
    "avg_pool, window": (lambda: jc.avg_pool(X, (HUGE - 1, 2), padding="edge"), f"avg_pool: {padded}"),
    "lp_pool, window": (lambda: jc.lp_pool(X, (10**6, 2), norm=2, padding="circular"), f"lp_pool: {padded}"),
    "blur_pool, window": (
        lambda: jc.blur_pool(X, (10**6, 2), padding="edge"),
        r"blur_pool: window is \(1000000, 2\), but should be at most 1024 taps along each axis. Blur more than once",
    ),
    "conv_transpose, result": (
        lambda: jc.conv_transpose(K, X, stride=10**5, padding="circular", output_shape=(2_800_000, 2_800_000)),
        rf"conv_transpose: the result is \(2800000, 2800000\), but should be of at most {UPSAMPLED.cells} cells",
    ),
    "conv_transpose, output_shape": (
        lambda: jc.conv_transpose(K, X, output_shape=(HUGE, 30)), f"conv_transpose: output_shape is {number}"
    ),
    "adaptive_max_pool": (
        lambda: jc.adaptive_max_pool(X, (10**6, 10**6)),
        rf"adaptive_max_pool: output_shape is \(1000000, 1000000\), but should be of at most {WIDENED.cells} cells",
    ),
    "adaptive_avg_pool": (lambda: jc.adaptive_avg_pool(X, (HUGE, 1)), f"adaptive_avg_pool: output_shape is {number}"),
    "unfold, window": (
        lambda: jc.unfold(np.ones((1, 5000, 1), np.float32), (4097,)),
        r"unfold: window is \(4097,\), but should be at most 4096 taps along each axis",
    ),
    "unfold, result": (
        lambda: jc.unfold(np.ones((1, 100, 100, 1), np.float32), (99, 99), padding="same"),
        r"unfold: x unfolded is \(9900, 9900\), but should be of at most 16777216 cells. Use a larger stride",
    ),
    "fold, output_shape": (lambda: jc.fold(X, (3, 3), (HUGE, 30)), f"fold: output_shape is {number}"),
    "resize": (
        lambda: jc.resize(X, (10**5, 10**5)),
        rf"resize: output_shape is \(100000, 100000\), but should be of at most {UPSAMPLED.cells} cells",
    ),
    "max_unpool": (
        lambda: jc.max_unpool(X, X.astype(np.int32), (10**5, 10**5)),
        rf"max_unpool: output_shape is \(100000, 100000\), but should be of at most {UPSAMPLED.cells} cells",
    ),
    "polyphase_down": (lambda: jc.polyphase_down(X, (HUGE, 1)), f"polyphase_down: stride is {number}"),
    "polyphase_up": (
        lambda: jc.polyphase_up(X, np.zeros((1, 2), np.int32), (2**11, 1)),
        r"polyphase_up: stride is \(2048, 1\), but should be at most 1024 along each axis",
    ),
    "polyphase_up, result": (
        lambda: jc.polyphase_up(X, np.zeros((1, 2), np.int32), (2**10, 2**10)),
        rf"polyphase_up: the result is \(28672, 28672\), but should be of at most {UPSAMPLED.cells} cells",
    ),
    "regional_conv, regions": (
        lambda: jc.regional_conv(EACH, X, regions=((HUGE,), (26,))), f"regional_conv: regions along axis h is {number}"
    ),
    "group_norm": (lambda: jc.group_norm({}, X, groups=HUGE), f"group_norm: groups is {number}"),
    "untie": (
        lambda: jc.untie(K, (10**5, 10**5)),
        rf"untie: the untied kernel is \(100000, 100000, 3, 3, 1, 1\), but should be of at most {LARGEST} numbers",
    ),
    "tie": (lambda: jc.tie(EACH, period=HUGE), f"tie: period is {number}"),
    "tie_gradient": (lambda: jc.tie_gradient(EACH, period=HUGE), f"tie_gradient: period is {number}"),
    "init_conv": (lambda: jc.init_conv(KEY, (10**5, 10**5), 1, 1), "init_conv: the kernel is .* at most .* numbers"),
    "init_conv_transpose": (lambda: jc.init_conv_transpose(KEY, (3,), 1, HUGE), f"channels_out is {number}"),
    "init_separable_conv": (lambda: jc.init_separable_conv(KEY, (3,), 1, 1, multiplier=HUGE), f"multiplier is {number}"),
    "init_dense": (lambda: jc.init_dense(KEY, 10**5, 10**5), r"init_dense: the kernel is \(100000, 100000\), .* numbers"),
    "init_tiled_conv": (lambda: jc.init_tiled_conv(KEY, 10**5, (3, 3), 1, 1), "init_tiled_conv: the kernel is .*numbers"),
    "init_regional_conv": (lambda: jc.init_regional_conv(KEY, ((HUGE,),), (3,), 1, 1), f"axis w is {number}"),
    "init_locally_connected": (
        lambda: jc.init_locally_connected(KEY, (10**5, 10**5), (3, 3), 1, 1), "the kernel is .* numbers"
    ),
    "settings_from_library": (
        lambda: jc.settings_from_library("flax", "conv", (28, 28), (3, 3), kernel_dilation=10**6),
        f"settings_from_library: {padded}",
    ),
    "settings_from_library, padding": (
        lambda: jc.settings_from_library("torch", "conv", (28, 28), (3, 3), padding=HUGE), f"settings_from_library: padding is {number}"
    ),
    "init_norm": (lambda: jc.init_norm(HUGE), f"init_norm: channels is {number}"),
    "init_batch_norm": (lambda: jc.init_batch_norm(HUGE), f"init_batch_norm: channels is {number}"),
}  # fmt: skip


def takes_sizes(name):
    sizes = {"stride", "window", "output_shape", "groups", "period", "regions", "out", "channels", "features_in"}
    return bool(sizes & {*inspect.signature(getattr(jc, name)).parameters})


def test_every_function_that_takes_sizes_has_a_row():
    functions = {name for name in jc.__all__ if inspect.isfunction(getattr(jc, name)) and takes_sizes(name)}
    rows = {*WINDOWED, *(row.split(",")[0] for row in REST)}
    # The window and groups of conversions are those of arrays, and `out` of `tiled` is an array.
    assert functions - rows == {"from_library", "to_library", "tiled"}


def at_once(call, message):
    """In less than a second: nothing is built."""
    started = time.process_time()
    with pytest.raises(ValueError, match=message):
        call()
    assert time.process_time() - started < 1


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", WINDOWED)
def test_settings_of_a_window(name, setting):
    settings, message = SETTINGS[setting]
    if "dilation" in settings and name == "blur_pool":
        with pytest.raises(TypeError, match="unexpected keyword argument 'dilation'"):
            WINDOWED[name](**settings)
        return
    if setting in UNREACHABLE and name == "conv_transpose":
        message = "y along axis h is 28 positions long, but should be the number of positions of a window of 3 taps for some input"
    at_once(lambda: WINDOWED[name](**settings), f"{name}: {message}")


@pytest.mark.parametrize("row", REST)
def test_other_sizes(row):
    at_once(*REST[row])
