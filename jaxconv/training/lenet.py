"""LeNet-5 as plain functions of (params, images), in a modern and in the historical form.

Both have the layers of LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998),
section II.B, with the names used there, for images of 32x32 pixels:

    C1  6 filters of 5x5      28x28x6       C3  16 filters of 5x5    10x10x16      C5  120 filters of 5x5   1x1x120
    S2  sub-sampling by 2     14x14x6       S4  sub-sampling by 2    5x5x16        F6  dense                84

and a dense layer with 10 outputs, one for each digit. All positions of a map share a filter, and no two maps do: C1's 6
filters are 6 kernels, and each filter of C3 has a separate slice for each map of S2 that it reads.

The modern form sub-samples by max pooling, has the nonlinearity ReLU, and connects each map of S2 to each map of C3.
The historical form is the paper's. Its nonlinearity is `1.7159 tanh(2x/3)`. Its sub-sampling adds up 2x2 cells,
multiplies by a trainable coefficient and adds a trainable bias, with one of each per map. Table I of the paper lists
the connections of C3. The paper's ten outputs are distances to fixed bitmaps. Here they are a dense layer, trained by
cross-entropy as in the modern form.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxconv.account.sharing import Sharing, dense_parameters, window_biases, window_weights
from jaxconv.checks import flag
from jaxconv.errors import explain, public, public_as
from jaxconv.layers.conv import conv, init_conv
from jaxconv.layers.dense import dense, init_dense
from jaxconv.layers.operands import array, random_key
from jaxconv.layers.params import LayerParams, add_bias, named, unpack
from jaxconv.layers.pool import avg_pool, max_pool
from jaxconv.window import Axis, slide

Params = dict[str, LayerParams]
Images = Float[Array, "n 32 32 1"]
Logits = Float[Array, "n 10"]

SIDE = 32
DTYPE = jnp.float32  # of the images and the parameters
WINDOW = (5, 5)
FILTERS = {"c1": (1, 6), "c3": (6, 16), "c5": (16, 120)}  # channels in and out
FEATURES = {"f6": (120, 84), "output": (84, 10)}

# Table I of the paper: the maps of S2 (rows) that are inputs of the maps of C3 (columns).
CONNECTIONS = np.array(
    [
        [int(cell == "X") for cell in row]
        for row in (
            "X...XXX..XXXX.XX",
            "XX...XXX..XXXX.X",
            "XXX...XXX..X.XXX",
            ".XXX..XXXX..X.XX",
            "..XXX..XXXX.XX.X",
            "...XXX..XXXX.XXX",
        )
    ],
    dtype=np.float32,
)


@public
def init_lenet(key: Array) -> Params:
    """Parameters of the modern form: 61,706 numbers.

    >>> params = init_lenet(jax.random.key(0))
    >>> sum(leaf.size for leaf in jax.tree.leaves(params))
    61706
    """
    key = random_key(key)
    keys = iter(jax.random.split(key, len(FILTERS) + len(FEATURES)))
    filters = {name: init_conv(next(keys), WINDOW, *channels, dtype=DTYPE) for name, channels in FILTERS.items()}
    return filters | {name: init_dense(next(keys), *features, dtype=DTYPE) for name, features in FEATURES.items()}


@public
def lenet(params: Params, images: Images) -> Logits:
    """The modern form: scores of the ten digits for images [n, 32, 32, 1]."""
    _check(params, images, (*FILTERS, *FEATURES))
    s2 = max_pool(jax.nn.relu(conv(params["c1"], images)), (2, 2))
    s4 = max_pool(jax.nn.relu(conv(params["c3"], s2)), (2, 2))
    c5 = jax.nn.relu(conv(params["c5"], s4))
    f6 = jax.nn.relu(dense(params["f6"], c5.reshape(c5.shape[0], -1)))
    return dense(params["output"], f6)


def init_lenet_1998(key: Array) -> Params:
    """Parameters of the historical form: the paper's 60,000 and the 850 of the dense output.

    C3's kernel is stored whole, [5, 5, 6, 16]. The 36 of its 96 slices that the table leaves out are zeros with zero
    gradients. The sub-sampling starts as an average.

    >>> params = init_lenet_1998(jax.random.key(0))
    >>> stored = sum(leaf.size for leaf in jax.tree.leaves(params))
    >>> stored - 25 * int((1 - CONNECTIONS).sum()) - 850
    60000
    """
    params = init_lenet(key)
    params["c3"] = _connected(params["c3"])
    for name, maps in (("s2", 6), ("s4", 16)):
        params[name] = {"kernel": jnp.full((maps,), 0.25, DTYPE), "bias": jnp.zeros((maps,), DTYPE)}
    return params


@public
def lenet_1998(params: Params, images: Images) -> Logits:
    """The historical form: scores of the ten digits for images [n, 32, 32, 1]."""
    _check(params, images, (*FILTERS, *FEATURES, "s2", "s4"))
    c1 = scaled_tanh(conv(params["c1"], images))
    s2 = scaled_tanh(_subsample(params["s2"], c1))
    c3 = scaled_tanh(conv(_connected(params["c3"]), s2))
    s4 = scaled_tanh(_subsample(params["s4"], c3))
    c5 = scaled_tanh(conv(params["c5"], s4))
    f6 = scaled_tanh(dense(params["f6"], c5.reshape(c5.shape[0], -1)))
    return dense(params["output"], f6)


def scaled_tanh(x: Array) -> Array:
    """LeCun's nonlinearity, `1.7159 tanh(2x/3)`, which maps 1 to 1 and -1 to -1 (the paper's appendix A)."""
    return 1.7159 * jnp.tanh(2 / 3 * x)


def _check(params: Params, images: Images, layers: Sequence[str]) -> None:
    """Raise an error if the layers are not the network's, or the images are not 32x32."""
    named("params", params, required=layers)
    shape = array("images", images, "an array [n, 32, 32, 1]").shape
    if len(shape) != 4 or shape[1:] != (SIDE, SIDE, 1):
        cure = "Pad or resize them: jaxconv.training.data makes 32x32 images"
        raise ValueError(explain("images", f"of shape {shape}", "an array [n, 32, 32, 1]", cure))


def _connected(params: LayerParams) -> LayerParams:
    """C3's parameters, with zeros at the pairs of maps that are not connected."""
    kernel = params["kernel"]
    return {**params, "kernel": kernel * jnp.asarray(CONNECTIONS, kernel.dtype)[None, None]}


@public_as("subsample")
def _subsample(params: LayerParams, x: Array) -> Array:
    """Sums of 2x2 cells, times the map's coefficient plus the map's bias."""
    coefficient, bias = unpack(params)
    return add_bias(avg_pool(x, (2, 2), divisor=1) * coefficient.reshape(1, 1, 1, -1), bias)


@public
def sharing(*, historical: bool = False) -> list[tuple[str, str, Sharing]]:
    """For each layer its name, output shape and number of parameters (weights and biases): shared, unshared and dense.

    >>> [counts.shared for _, _, counts in sharing(historical=True)]
    [156, 12, 1516, 32, 48120, 10164, 850]
    """
    historical = flag("historical", historical)
    rows = []
    side = SIDE
    for name, (channels_in, channels_out) in FILTERS.items():
        axes = slide((side, side), WINDOW)
        weights = window_weights(axes, channels_in, channels_out)
        if historical and name == "c3":
            slices, used = CONNECTIONS.size, int(CONNECTIONS.sum())
            weights = Sharing(weights.shared // slices * used, weights.unshared // slices * used, weights.dense)
        rows.append(_row(name, axes, channels_out, weights.plus(window_biases(axes, channels_out))))
        side = axes[0].out
        if name != "c5":
            axes = slide((side, side), (2, 2), stride=2)
            side = axes[0].out
            rows.append(_row(f"s{int(name[1]) + 1}", axes, channels_out, _subsampling(axes, channels_out, historical)))
    for name, features in FEATURES.items():
        rows.append((name.upper(), f"{features[1]}", dense_parameters(*features)))
    return rows


def _row(name: str, axes: tuple[Axis, ...], channels: int, counts: Sharing) -> tuple[str, str, Sharing]:
    return name.upper(), "x".join(str(size) for size in (*(axis.out for axis in axes), channels)), counts


def _subsampling(axes: tuple[Axis, ...], maps: int, trainable: bool) -> Sharing:
    """Max pooling has no parameters. The trainable form has a coefficient and a bias for each map or each output."""
    if not trainable:
        return Sharing(0, 0, 0)
    biases = window_biases(axes, maps)
    return Sharing(biases.shared, biases.unshared, window_weights(axes, maps, maps).dense).plus(biases)
