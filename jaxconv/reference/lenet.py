"""Forward and backward passes of both forms of LeNet-5: each layer's input deltas are the dy of the layer below.

The caller defines the loss: `logit_deltas` maps the ten logits of each image to the derivative of the loss with respect
to them. With `cross_entropy_deltas` the results are the gradients that train the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from jaxconv.reference.conv import conv, conv_deltas
from jaxconv.reference.dense import (
    dense,
    dense_deltas,
    relu,
    relu_deltas,
    scaled_tanh,
    scaled_tanh_deltas,
)
from jaxconv.reference.pool import avg_pool, avg_pool_deltas, max_pool, max_pool_deltas

Params = Mapping[str, Mapping[str, np.ndarray]]
LogitDeltas = Callable[[np.ndarray], np.ndarray]  # logits [n, 10] -> their deltas [n, 10]
LogitsAndDeltas = tuple[np.ndarray, dict[str, dict[str, np.ndarray]], np.ndarray]  # logits; parameter and image deltas


def lenet_deltas(params: Params, images: np.ndarray, logit_deltas: LogitDeltas) -> LogitsAndDeltas:
    """Runs the modern form (ReLU, max pooling) on images [n, 32, 32, 1]: logits, parameter deltas and image deltas."""
    p = params
    c1 = conv(p["c1"]["kernel"], p["c1"]["bias"], images)
    s2 = max_pool(relu(c1), (2, 2))
    c3 = conv(p["c3"]["kernel"], p["c3"]["bias"], s2)
    s4 = max_pool(relu(c3), (2, 2))
    c5 = conv(p["c5"]["kernel"], p["c5"]["bias"], s4)
    flat = relu(c5).reshape(len(images), -1)
    f6 = dense(p["f6"]["kernel"], p["f6"]["bias"], flat)
    logits = dense(p["output"]["kernel"], p["output"]["bias"], relu(f6))

    output = dense_deltas(p["output"]["kernel"], relu(f6), logit_deltas(logits))
    f6_deltas = dense_deltas(p["f6"]["kernel"], flat, relu_deltas(f6, output.x))
    c5_deltas = conv_deltas(p["c5"]["kernel"], s4, relu_deltas(c5, f6_deltas.x.reshape(c5.shape)))
    c3_deltas = conv_deltas(p["c3"]["kernel"], s2, relu_deltas(c3, max_pool_deltas(relu(c3), c5_deltas.x, (2, 2))))
    c1_deltas = conv_deltas(p["c1"]["kernel"], images, relu_deltas(c1, max_pool_deltas(relu(c1), c3_deltas.x, (2, 2))))

    layers = {"c1": c1_deltas, "c3": c3_deltas, "c5": c5_deltas, "f6": f6_deltas, "output": output}
    by_params = {name: {"kernel": deltas.kernel, "bias": deltas.bias} for name, deltas in layers.items()}
    return logits, by_params, c1_deltas.x


def lenet_1998_deltas(
    params: Params, images: np.ndarray, logit_deltas: LogitDeltas, connections: np.ndarray
) -> LogitsAndDeltas:
    """Runs the historical form (scaled tanh, trainable sub-sampling, C3 connected by a table); results as above.

    `connections` [6, 16] is 1 if a map of S2 feeds a map of C3, else 0. The delta of a missing weight is 0.
    """
    p = params
    c1 = conv(p["c1"]["kernel"], p["c1"]["bias"], images)
    sum2 = avg_pool(scaled_tanh(c1), (2, 2), divisor=1)
    s2 = sum2 * p["s2"]["kernel"] + p["s2"]["bias"]
    c3 = conv(p["c3"]["kernel"] * connections, p["c3"]["bias"], scaled_tanh(s2))
    sum4 = avg_pool(scaled_tanh(c3), (2, 2), divisor=1)
    s4 = sum4 * p["s4"]["kernel"] + p["s4"]["bias"]
    c5 = conv(p["c5"]["kernel"], p["c5"]["bias"], scaled_tanh(s4))
    flat = scaled_tanh(c5).reshape(len(images), -1)
    f6 = dense(p["f6"]["kernel"], p["f6"]["bias"], flat)
    logits = dense(p["output"]["kernel"], p["output"]["bias"], scaled_tanh(f6))

    output = dense_deltas(p["output"]["kernel"], scaled_tanh(f6), logit_deltas(logits))
    f6_deltas = dense_deltas(p["f6"]["kernel"], flat, scaled_tanh_deltas(f6, output.x))
    c5_deltas = conv_deltas(p["c5"]["kernel"], scaled_tanh(s4), scaled_tanh_deltas(c5, f6_deltas.x.reshape(c5.shape)))
    ds4 = scaled_tanh_deltas(s4, c5_deltas.x)
    dc3 = avg_pool_deltas(c3, ds4 * p["s4"]["kernel"], (2, 2), divisor=1)
    c3_deltas = conv_deltas(p["c3"]["kernel"] * connections, scaled_tanh(s2), scaled_tanh_deltas(c3, dc3))
    ds2 = scaled_tanh_deltas(s2, c3_deltas.x)
    dc1 = avg_pool_deltas(c1, ds2 * p["s2"]["kernel"], (2, 2), divisor=1)
    c1_deltas = conv_deltas(p["c1"]["kernel"], images, scaled_tanh_deltas(c1, dc1))

    layers = {"c1": c1_deltas, "c3": c3_deltas, "c5": c5_deltas, "f6": f6_deltas, "output": output}
    by_params = {name: {"kernel": deltas.kernel, "bias": deltas.bias} for name, deltas in layers.items()}
    by_params["c3"]["kernel"] = by_params["c3"]["kernel"] * connections
    positions = (0, 1, 2)  # each map has one shared coefficient and one shared bias, so their deltas are sums as well
    by_params["s2"] = {"kernel": (ds2 * sum2).sum(axis=positions), "bias": ds2.sum(axis=positions)}
    by_params["s4"] = {"kernel": (ds4 * sum4).sum(axis=positions), "bias": ds4.sum(axis=positions)}
    return logits, by_params, c1_deltas.x
