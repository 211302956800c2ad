"""Every public function once, with data for it: what the tests of environments run, in this process and in others.

It is imported by fresh interpreters as well (`python -O`, spawned processes, 8 devices), so it needs no pytest, and
compares by `difference`, which `python -O` keeps.
"""

import inspect
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType

import jaxconv as jc
from jaxconv import testing
from jaxconv.testing import assert_equivariant, assert_gradient_is_summed_delta, assert_invariant
from jaxconv.verify import measures
from jaxconv.window import PADDINGS, slide
from support.numpy_evaluation import evaluated

SHAPE = (8, 16, 6, 2)  # so that 8 devices can split the batch or the height
GEOMETRY = {"stride": (2, 1), "padding": ("same", "circular"), "dilation": (1, 2)}
REGIONS = ((3, 5), (6,))


def whole(*shape: int, seed: int = 0) -> np.ndarray:
    """Whole numbers from -4 to 4 as float32."""
    return np.random.default_rng([seed, *shape]).integers(-4, 5, shape).astype(np.float32)


# No two numbers are equal, so that every maximum has one winner and a derivative; and none is 0.
X = (np.random.default_rng(1).permutation(np.prod(SHAPE)).reshape(SHAPE).astype(np.float32) + 0.5) / 256 - 3
BIAS, SCALE = whole(4), {"scale": whole(2), "bias": whole(2, seed=1)}
STATE = {"mean": whole(2, seed=2), "var": np.array([0.5, 2.0], np.float32)}
LOCAL = {"kernel": whole(8, 6, 3, 2, 2, 4), "bias": whole(8, 6, 4)}
SEPARABLE = {
    "depthwise": {"kernel": whole(3, 2, 1, 4)},
    "pointwise": {"kernel": whole(1, 1, 4, 3), "bias": BIAS[:3]},
}


@cache
def key() -> jax.Array:
    """A key, made where it is needed first, since no array exists before the devices are chosen."""
    with jax.ensure_compile_time_eval():
        return jax.random.key(7)


@cache
def phase() -> jax.Array:
    """A phase along each axis."""
    with jax.ensure_compile_time_eval():
        return jnp.asarray(np.int32([1, 2]))


def places(examples: int) -> jax.Array:
    """Different cells of a larger image for the cells of each example and channel of X."""
    cells = jax.lax.iota(jnp.int32, 16 * 6).reshape(1, 16, 6, 1)
    return jax.lax.broadcast_in_dim(cells * np.int32(5) // np.int32(2), (examples, *SHAPE[1:]), (0, 1, 2, 3))


@dataclass(frozen=True, eq=False)
class Layer:
    """`apply(params, x)` gives floats, and has a derivative by both."""

    apply: Callable[[Any, Any], Any]
    params: Any = field(default_factory=dict)
    x: np.ndarray = field(default_factory=lambda: X)
    of_the_batch: bool = False  # y knows all examples, and needs one at least
    takes_x: bool = True
    of_the_key: bool = False  # the draws for an example depend on its place in the batch

    def operands(self, dtype: Any = np.float32) -> tuple[Any, np.ndarray]:
        """The parameters and x, as NumPy arrays."""
        return jax.tree.map(lambda leaf: leaf.astype(dtype), (self.params, self.x))


# One geometry for each layer.
LAYERS = {
    "conv": Layer(partial(jc.conv, **GEOMETRY), {"kernel": whole(3, 2, 2, 4), "bias": BIAS}),
    "conv_transpose": Layer(
        partial(jc.conv_transpose, stride=(2, 1), padding=("same", "circular"), output_shape=(32, 6)),
        {"kernel": whole(3, 2, 3, 2), "bias": whole(3)},
    ),
    "separable_conv": Layer(partial(jc.separable_conv, **GEOMETRY), SEPARABLE),
    "partial_conv": Layer(
        lambda params, x: jc.partial_conv(params, x, jnp.abs(x) > np.float32(0.5), **GEOMETRY)[0],
        {"kernel": whole(3, 2, 2, 4), "bias": BIAS},
    ),
    "spectral_norm": Layer(
        lambda params, x: jc.conv(jc.spectral_norm(params["layer"], params["state"], training=True)[0], x),
        {"layer": {"kernel": whole(3, 2, 2, 4), "bias": BIAS}, "state": {"u": whole(4) / 8, "v": whole(3, 2, 2) / 8}},
    ),
    "weight_norm": Layer(
        lambda params, x: jc.conv(jc.weight_norm(params), x),
        {"kernel": whole(3, 2, 2, 4), "scale": whole(4, seed=3), "bias": BIAS},
    ),
    "locally_connected": Layer(partial(jc.locally_connected, **GEOMETRY), LOCAL),
    "tiled_conv": Layer(
        partial(jc.tiled_conv, **GEOMETRY), {"kernel": whole(2, 1, 3, 2, 2, 4), "bias": whole(2, 1, 4)}
    ),
    "regional_conv": Layer(
        partial(jc.regional_conv, regions=REGIONS, **GEOMETRY),
        {"kernel": whole(2, 1, 3, 2, 2, 4), "bias": whole(2, 1, 4)},
    ),
    "dense": Layer(jc.dense, {"kernel": whole(2, 3), "bias": whole(3)}),
    "max_pool": Layer(lambda _, x: jc.max_pool(x, (3, 2), stride=2, padding="same")),
    "min_pool": Layer(lambda _, x: jc.min_pool(x, (2, 3), stride=(2, 1), ceil_mode=True)),
    "avg_pool": Layer(lambda _, x: jc.avg_pool(x, (3, 4), stride=(2, 3), padding="same", divisor="inside")),
    "lp_pool": Layer(lambda _, x: jc.lp_pool(x, (2, 2), norm=3)),
    "blur_pool": Layer(lambda _, x: jc.blur_pool(x, (3, 4), padding=("same", "reflect"))),
    "unfold": Layer(lambda _, x: jc.unfold(x, (3, 2), **GEOMETRY)),
    "fold": Layer(lambda _, x: jc.fold(x, (2, 1), (32, 6), stride=(2, 1), padding=("same", "circular"))),
    "max_pool_with_indices": Layer(lambda _, x: jc.max_pool_with_indices(x, (3, 2), stride=2, padding="same")[0]),
    "max_unpool": Layer(lambda _, x: jc.max_unpool(x, places(len(x)), (12, 20))),
    "polyphase_down": Layer(lambda _, x: jc.polyphase_down(x, (2, 3))[0]),
    "polyphase_up": Layer(lambda _, x: jc.polyphase_up(x, jax.lax.broadcast(phase(), (len(x),)), (2, 3))),
    "resize": Layer(lambda _, x: jc.resize(x, (8, 9), method="cubic", antialias=True)),
    "adaptive_max_pool": Layer(lambda _, x: jc.adaptive_max_pool(x, (4, 4))),
    "adaptive_avg_pool": Layer(lambda _, x: jc.adaptive_avg_pool(x, (8, 4))),
    "global_max_pool": Layer(lambda _, x: jc.global_max_pool(x)),
    "global_min_pool": Layer(lambda _, x: jc.global_min_pool(x)),
    "global_lp_pool": Layer(lambda _, x: jc.global_lp_pool(x, norm=2)),
    "global_avg_pool": Layer(lambda _, x: jc.global_avg_pool(x)),
    "layer_norm": Layer(jc.layer_norm, SCALE),
    "rms_norm": Layer(jc.rms_norm, SCALE),
    "group_norm": Layer(partial(jc.group_norm, groups=1), SCALE),
    "instance_norm": Layer(jc.instance_norm, SCALE),
    "batch_norm": Layer(
        lambda params, x, **axis: jc.batch_norm(params["norm"], params["state"], x, training=True, **axis),
        {"norm": SCALE, "state": STATE},
        of_the_batch=True,
    ),
    "dropout": Layer(lambda _, x: jc.dropout(key(), x, 0.5, training=True), of_the_key=True),
    "channel_dropout": Layer(lambda _, x: jc.channel_dropout(key(), x, 0.5, training=True), of_the_key=True),
    "untie": Layer(
        lambda params, _: jc.untie(params, (8, 6)), {"kernel": whole(3, 2, 2, 4), "bias": BIAS}, takes_x=False
    ),
    "tie": Layer(lambda params, _: jc.tie(params), LOCAL, takes_x=False),
    "tie_gradient": Layer(lambda params, _: jc.tie_gradient(params, period=(2, 3)), LOCAL, takes_x=False),
}


def by_lax(params: Any, x: Any, stride: int, pads: Any, groups: int = 1) -> jax.Array:
    """The same convolution, by lax alone."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, params["kernel"], (stride,) * 2, pads, dimension_numbers=layout, feature_group_count=groups
    )


def more() -> dict[str, Layer]:
    """Every padding of an axis with strides and dilations, for the layers whose windows slide.

    Where lax itself is known to be wrong on several devices, its own convolution stands beside ours.
    """
    kernel, one_group, back = whole(3, 2, 2, 4), whole(3, 2, 1, 4), whole(3, 2, 2, 2)
    found = {}
    for name in (*(name.lower() for name in PADDINGS), "pad"):
        for stride, dilation in ((1, 1), (2, 1), (3, 1), (1, 2)):
            padding = (jc.Pad(2, 3, "circular") if name == "pad" else name, "same")
            settings = {"stride": stride, "padding": padding, "dilation": dilation}
            axes = slide(SHAPE[1:-1], (3, 2), **settings)
            out = [axis.out for axis in axes]
            rows = {
                "conv": Layer(partial(jc.conv, **settings), {"kernel": kernel}),
                "depthwise": Layer(partial(jc.conv, groups=2, **settings), {"kernel": one_group}),
                "max_pool": Layer(lambda _, x, settings=settings: jc.max_pool(x, (3, 2), **settings)),
                "avg_pool": Layer(lambda _, x, settings=settings: jc.avg_pool(x, (3, 2), divisor="window", **settings)),
                "conv_transpose": Layer(
                    partial(jc.conv_transpose, output_shape=SHAPE[1:-1], **settings),
                    {"kernel": back},
                    whole(SHAPE[0], *out, 2),
                ),
            }
            if name in ("same", "same_lower") and stride == 3:
                pads = [(axis.pad.lo, axis.pad.hi) for axis in axes]
                rows |= {
                    "lax conv": Layer(partial(by_lax, stride=stride, pads=pads), {"kernel": kernel}),
                    "lax depthwise": Layer(partial(by_lax, stride=stride, pads=pads, groups=2), {"kernel": one_group}),
                }
            if out[0] % 8:  # 8 devices cannot have equal parts of such a y
                del rows["conv_transpose"]
            found |= {f"{layer} {name} {stride} {dilation}": row for layer, row in rows.items()}
    return found


# What draws or makes parameters: no operands.
STATE_DICT = {"fc.weight": whole(3, 2)}
MADE = {
    "init_conv": lambda: jc.init_conv(key(), (3, 2), 2, 4),
    "init_conv_transpose": lambda: jc.init_conv_transpose(key(), (3, 2), 2, 4),
    "init_separable_conv": lambda: jc.init_separable_conv(key(), (3, 2), 2, 4),
    "init_locally_connected": lambda: jc.init_locally_connected(key(), (4, 4), (3, 2), 2, 4),
    "init_regional_conv": lambda: jc.init_regional_conv(key(), REGIONS, (3, 2), 2, 4),
    "init_tiled_conv": lambda: jc.init_tiled_conv(key(), 2, (3, 2), 2, 4),
    "init_dense": lambda: jc.init_dense(key(), 2, 3),
    "init_norm": lambda: jc.init_norm(2),
    "init_batch_norm": lambda: jc.init_batch_norm(2),
    "init_spectral_norm": lambda: jc.init_spectral_norm(key(), jax.device_put({"kernel": whole(3, 2, 2, 4)})),
    "init_weight_norm": lambda: jc.init_weight_norm(jax.device_put({"kernel": whole(3, 2, 2, 4)})),
    "from_library": lambda: jc.from_library("torch", "conv", {"weight": whole(4, 2, 3, 2), "bias": BIAS}),
    "from_state_dict": lambda: jc.from_state_dict(STATE_DICT, {"head": {"kernel": whole(2, 3)}}, library="torch"),
    "to_state_dict": lambda: jc.to_state_dict({"head": {"kernel": whole(2, 3)}}, STATE_DICT, library="torch"),
    "to_library": lambda: jc.to_library("torch", "conv", {"kernel": whole(3, 2, 2, 4), "bias": BIAS}),
}
# What reads or runs a function: of no operands, returns a tree of numbers.
SMALL = {"kernel": whole(3, 1, 1)}
network = lambda x: jc.conv(SMALL, x, padding="circular")
two = lambda params, x: jc.conv(params, x, padding="circular")  # whose parameters may be put on the device
conv_of_lax = lambda kernel, x: jax.lax.conv_general_dilated(
    x, kernel, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
)
causal = lambda params, x: jc.conv(params, x, padding="causal")
one_device = lambda: jax.make_mesh((1,), ("rows",), devices=jax.devices()[:1])
SIGNAL = whole(1, 8, 1)


class BatchNorm2d:
    """Has the attributes of PyTorch's class."""

    eps, momentum = 1e-5, 0.25


def read_state_dict():
    """An npz file written and read."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/net.npz", **jax.device_get(STATE_DICT))
        return {name: array.tolist() for name, array in jc.load_state_dict(f"{folder}/net.npz").items()}


TOOLS = {
    "certify": lambda: str(jc.certify(network, SIGNAL, axes=(1,))),
    "certify_tiling": lambda: str(jc.certify_tiling(network, SIGNAL, tile=5, axes=(1,))),
    "tiled": lambda: jc.tiled(two, tile=5, axes={1: (1,)})(jax.device_put(SMALL), SIGNAL).tolist(),
    "sharded": lambda: jax.device_get(
        jc.sharded(two, one_device(), axes={1: (1,)}, over="rows")(*jax.device_put((SMALL, SIGNAL)))
    ).tolist(),
    "streamed": lambda: jax.device_get(
        jc.streamed(causal, *jax.device_put((SMALL, SIGNAL)), axes={1: (1,)}, chunk=4).run(jax.device_put(SIGNAL))
    ).tolist(),
    "recheck": lambda: str(jc.recheck(jc.certify(network, SIGNAL, axes=(1,)), network, SIGNAL)),
    "falsify": lambda: str(jc.falsify(lambda x: x[:, ::2] * 1.0, SIGNAL, axes=(1,))).split("(")[0],
    "check": lambda: jc.check(network, SIGNAL, axes=(1,)).finding.value,
    "summary": lambda: str(jc.summary(network, SIGNAL)),
    "accelerate": lambda: jax.device_get(
        jax.jit(jc.accelerate(conv_of_lax))(*jax.device_put((SMALL["kernel"], SIGNAL)))
    ).tolist(),
    "assert_equivariant": lambda: assert_equivariant(network, SIGNAL, axes=(1,)).cyclic.value,
    "assert_invariant": lambda: assert_invariant(lambda x: network(x).max(1), SIGNAL, axes=(1,)).cyclic.value,
    "assert_gradient_is_summed_delta": lambda: assert_gradient_is_summed_delta(jc.conv, SMALL, SIGNAL),
    "consistency": lambda: measures.consistency(network, SIGNAL, axes=(1,)),
    "adversarial_consistency": lambda: measures.adversarial_consistency(network, SIGNAL, axes=(1,)),
    "equivariance_error": lambda: measures.equivariance_error(network, SIGNAL, axes=(1,)).worst < 1e-5,
    "lie_derivative_error": lambda: float(measures.lie_derivative_error(network, SIGNAL, axes=(1,))[0]) < 1e-3,
    "layerwise": lambda: [layer.primitive for layer in measures.layerwise(network, SIGNAL, axes=(1,))],
    "settings_from_modules": lambda: str(jc.settings_from_modules("torch", {"norm": BatchNorm2d()})),
    "load_state_dict": read_state_dict,
    "settings_from_library": lambda: str(jc.settings_from_library("torch", "conv", (8,), (3,), padding=1)),
}


def difference(found: Any, expected: Any, bound: float = 1e-5) -> str:
    """Where two trees differ by more than rounding, relative to the largest number of a leaf; "" if nowhere."""
    pairs = zip(jax.tree.leaves_with_path(found), jax.tree.leaves_with_path(expected), strict=True)
    for (path, a), (there, b) in pairs:
        name = jax.tree_util.keystr(path)
        if isinstance(a, str) or isinstance(b, str):
            if (path, a) != (there, b):
                return f"{name} {a} instead of {b}"
            continue
        a, b = np.asarray(a), np.asarray(b)
        if path != there or a.shape != b.shape:
            return f"{name} {a.shape} instead of {jax.tree_util.keystr(there)} {b.shape}"
        off = np.abs(a.astype(np.float64) - b).max(initial=0)
        if not off <= bound * max(1.0, np.abs(b).max(initial=0)):
            return f"{name} is off by {off}"
    return ""


def weights(y: jax.Array) -> jax.Array:
    """A number for each output, split over devices as its type says that y is."""
    found = jnp.cos(jax.lax.iota(y.dtype, y.size)).reshape(y.shape)
    sharding = jax.typeof(y).sharding
    return jax.sharding.reshard(found, sharding) if AxisType.Explicit in sharding.mesh.axis_types else found


def forward_and_gradient(layer: Layer) -> Callable[[Any, Any], Any]:
    """(params, x) -> y and the gradients of both, of a cotangent that weighs every output in its own way."""

    def run(params: Any, x: Any) -> Any:
        y, pull = jax.vjp(layer.apply, params, x)
        return y, pull(jax.tree.map(weights, y))

    return run


# Public names without a row, and why they need none.
TYPES = "a type of dicts or tuples: it computes nothing"
REASONS = {
    "BatchNormState": TYPES,
    "LayerParams": TYPES,
    "NormParams": TYPES,
    "SeparableParams": TYPES,
    "SpectralNormState": TYPES,
    "WeightNormParams": TYPES,
    "Tied": "what tie returns, whose row shows it",
    "Pad": "two integers and a name, in plain Python",
    "position_map": "a picture of NumPy arrays that check has returned",
    "shift_map": "a picture of NumPy arrays that check has returned",
    "layer_bars": "a picture of numbers that layerwise has returned",
    "Check": "what check returns",
    "Finding": "what check returns",
    "InsensitiveWarning": "a warning",
    "UndecidedWarning": "a warning",
}


def public_names() -> set[str]:
    """All public names of `jaxconv`, of its assertions and of its measures; not the modules."""
    named = {**{name: getattr(jc, name) for name in jc.__all__}, **vars(testing), **vars(measures)}
    return {name for name, value in named.items() if not name.startswith("_") and not inspect.ismodule(value)}


def forward(name: str) -> Any:
    """What one row gives, without a gradient, as NumPy arrays: for other threads and processes.

    Layers are traced, and evaluated by NumPy; `plain` compiles them.
    """
    if name in LAYERS:
        layer = LAYERS[name]
        return evaluated(layer.apply)(*layer.operands())
    found = {**MADE, **TOOLS}[name]()
    return jax.tree.map(lambda leaf: leaf if isinstance(leaf, str) else np.asarray(leaf), found)


def plain(name: str) -> Any:
    """y and the gradients of one layer, compiled, as NumPy arrays: for other threads."""
    layer = LAYERS[name]
    return jax.tree.map(np.asarray, jax.jit(forward_and_gradient(layer))(*layer.operands()))


def expected_of(layer: Layer) -> Any:
    """y and the gradients of one layer, evaluated by NumPy: what others are compared with."""
    return evaluated(forward_and_gradient(layer))(*layer.operands())
