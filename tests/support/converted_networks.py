"""The networks of `torch_networks` as functions of our layers, channels last, with their own structure of parameters."""

from itertools import pairwise

import jax
import jax.numpy as jnp

import jaxconv as jc

ONE = ((1, 1), (1, 1))  # zeros on each side
INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def shapes(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def conv(i, o, size, bias=False):
    return {"kernel": shapes(size, size, i, o), **({"bias": shapes(o)} if bias else {})}


def norm(c):
    return {"scale": shapes(c), "bias": shapes(c)}


def averages(params):
    """The state of a network: running averages at the paths of its normalisations."""
    if isinstance(params, dict) and "scale" in params:
        return {"mean": params["scale"], "var": params["scale"]}
    if isinstance(params, dict):
        below = {key: averages(value) for key, value in params.items() if isinstance(value, dict | list)}
        return {key: value for key, value in below.items() if value}
    return [averages(value) for value in params]


def normalised(params, state, x, epsilon=1e-5, **_):
    return jc.batch_norm(params, state, x, training=False, epsilon=epsilon)[0]


def resnet18_shapes(width=64, classes=1000):
    def block(i, o, stride):
        side = {"shortcut": {"conv": conv(i, o, 1), "norm": norm(o)}} if stride > 1 else {}
        return {"conv1": conv(i, o, 3), "norm1": norm(o), "conv2": conv(o, o, 3), "norm2": norm(o), **side}

    widths = [width, width, 2 * width, 4 * width, 8 * width]
    stages = [[block(widths[n], widths[n + 1], 1 + (n > 0)), block(widths[n + 1], widths[n + 1], 1)] for n in range(4)]
    head = {"kernel": shapes(8 * width, classes), "bias": shapes(classes)}
    return {"stem": {"conv": conv(3, width, 7), "norm": norm(width)}, "stages": stages, "head": head}


def resnet18(params, state, x, settings):
    """`settings` are those of `settings_from_modules`: the stem's epsilon is not the default."""
    x = jc.conv(params["stem"]["conv"], x, **settings["conv1"])
    x = jax.nn.relu(normalised(params["stem"]["norm"], state["stem"]["norm"], x, **settings["bn1"]))
    x = jc.max_pool(x, **settings["maxpool"])
    for number, (stage, stage_state) in enumerate(zip(params["stages"], state["stages"], strict=True), 1):
        for place, (block, averages) in enumerate(zip(stage, stage_state, strict=True)):
            at = f"layer{number}.{place}"
            y = jc.conv(block["conv1"], x, **settings[f"{at}.conv1"])
            y = jax.nn.relu(normalised(block["norm1"], averages["norm1"], y))
            y = normalised(block["norm2"], averages["norm2"], jc.conv(block["conv2"], y, **settings[f"{at}.conv2"]))
            if "shortcut" in block:
                x = jc.conv(block["shortcut"]["conv"], x, **settings[f"{at}.downsample.0"])
                x = normalised(block["shortcut"]["norm"], averages["shortcut"]["norm"], x)
            x = jax.nn.relu(x + y)
    return jc.dense(params["head"], x.mean((1, 2)))


def mobilenet_shapes(divisor=1, classes=1000):
    i, last = 32 // divisor, 1280 // divisor
    stem = {"conv": conv(3, i, 3), "norm": norm(i)}
    blocks = []
    for expand, o, count, _ in INVERTED:
        for _ in range(count):
            wide, o_narrow = i * expand, o // divisor
            expansion = {"expand": {"conv": conv(i, wide, 1), "norm": norm(wide)}} if expand > 1 else {}
            depthwise = {"conv": conv(1, wide, 3), "norm": norm(wide)}
            blocks.append(
                {
                    **expansion,
                    "depthwise": depthwise,
                    "project": {"conv": conv(wide, o_narrow, 1), "norm": norm(o_narrow)},
                }
            )
            i = o_narrow
    head = {"kernel": shapes(last, classes), "bias": shapes(classes)}
    return {"stem": stem, "blocks": blocks, "last": {"conv": conv(i, last, 1), "norm": norm(last)}, "head": head}


def mobilenet(params, state, x, _):
    def layer(name, params, state, x, activation=jax.nn.relu6, **settings):
        return activation(
            normalised(params[name]["norm"], state[name]["norm"], jc.conv(params[name]["conv"], x, **settings))
        )

    x = layer("stem", params, state, x, stride=2, padding=ONE)
    strides = [stride if n == 0 else 1 for _, _, count, stride in INVERTED for n in range(count)]
    for block, averages, stride in zip(params["blocks"], state["blocks"], strides, strict=True):
        y = layer("expand", block, averages, x) if "expand" in block else x
        y = layer("depthwise", block, averages, y, stride=stride, padding=ONE, groups=y.shape[-1])
        y = layer("project", block, averages, y, activation=lambda y: y)
        x = x + y if stride == 1 and x.shape == y.shape else y
    return jc.dense(params["head"], layer("last", params, state, x).mean((1, 2)))


def vgg11_shapes(divisor=1, classes=1000):
    widths = [3, *(o // divisor for o in (64, 128, 256, 256, 512, 512, 512, 512))]
    hidden = 4096 // divisor
    dense = lambda i, o: {"kernel": shapes(i, o), "bias": shapes(o)}
    return {
        "convs": [conv(i, o, 3, bias=True) for i, o in pairwise(widths)],
        "head": {"dense1": dense(widths[-1], hidden), "dense2": dense(hidden, hidden), "out": dense(hidden, classes)},
    }


def vgg11(params, _, x, __):
    for number, layer in enumerate(params["convs"]):
        x = jax.nn.relu(jc.conv(layer, x, padding=ONE))
        x = jc.max_pool(x, (2, 2)) if number in (0, 1, 3, 5, 7) else x
    x = x.max((1, 2))
    for name in ("dense1", "dense2"):
        x = jax.nn.relu(jc.dense(params["head"][name], x))
    return jc.dense(params["head"]["out"], x)


def unet_shapes(width=64, classes=2):
    twice = lambda i, o: [conv(i, o, 3), norm(o), conv(o, o, 3), norm(o)]
    up = lambda i, o: {"kernel": shapes(2, 2, o, i), "bias": shapes(o)}
    w = width
    return {
        "down": [twice(3, w), twice(w, 2 * w), twice(2 * w, 4 * w)],
        "up": [
            {"up": up(4 * w, 2 * w), "merge": twice(4 * w, 2 * w)}, {"up": up(2 * w, w), "merge": twice(2 * w, w)}
        ],
        "head": conv(w, classes, 1, bias=True),
    }  # fmt: skip


def unet(params, state, x, settings):
    def twice(params, state, x):
        for place in (0, 2):
            x = jax.nn.relu(normalised(params[place + 1], state[place + 1], jc.conv(params[place], x, padding=ONE)))
        return x

    skips = []
    for number, (layer, averages) in enumerate(zip(params["down"], state["down"], strict=True)):
        x = twice(layer, averages, jc.max_pool(x, (2, 2)) if number else x)
        skips.append(x)
    for number, (layer, averages) in enumerate(zip(params["up"], state["up"], strict=True), 1):
        y = jc.conv_transpose(layer["up"], x, **settings[f"up{number}"])
        x = twice(layer["merge"], averages["merge"], jnp.concatenate([skips[-1 - number], y], -1))
    return jc.conv(params["head"], x)
