"""Steps that keep every position where it is: element by element, across channels, within a layer, or over all of space."""

from __future__ import annotations

from support.random_programs.builder import Builder, Step

# Lines that need nothing but the value itself. {space} is its spatial axes, {c} its channels.
ANYWHERE = {
    "relu": "x = jax.nn.relu(x)",
    "maximum": "x = jnp.maximum(x, 0.25)",
    "tanh": "x = jnp.tanh(x)",
    "gelu": "x = jax.nn.gelu(x)",
    "exp": "x = jnp.exp(-jnp.abs(x))",
    "where": "x = jnp.where(x > 0.5, x, 0.25 * x)",
    "clip": "x = jnp.clip(x, -2.0, 3.0)",
    "two branches": "x = jnp.concatenate([x, jnp.tanh(x)], axis=-1)",
    "residual": "x = x + jax.nn.sigmoid(x)",
    "applied": "x = x.at[0].apply(jnp.tanh)",  # not at [:], where XLA aborts if the result is flipped
    "counted up at each position": (  # to its own value, in as many rounds as that takes
        "count = lambda v: lax.while_loop(lambda c: c < v, lambda c: jnp.minimum(c + 1.0, v), -4.0)\n"
        "x = jnp.vectorize(count)(jnp.clip(x, -4.0, 4.0))"
    ),
    "printed": "jax.jit(lambda u: jax.debug.callback(lambda _: None, u))(x[0])",
}
ACROSS = {
    "softmax over channels": "x = jax.nn.softmax(x, axis=-1)",
    "cumsum over channels": "x = jnp.cumsum(x, axis=-1)",
    "sort over channels": "x = jnp.sort(x, axis=-1)",
    "winning channel": "x = jax.nn.one_hot(jnp.argmax(x, axis=-1), {c}, dtype=x.dtype)",
    "layer norm": "x = x - jnp.mean(x, axis=-1, keepdims=True)",
}
AROUND = {
    "global mean added": "x = x + jnp.mean(x, axis={space}, keepdims=True)",
    "global max gate": "x = x * jax.nn.sigmoid(jnp.max(x, axis={space}, keepdims=True))",
    "normalise over space": (
        "x = x - jnp.mean(x, axis={space}, keepdims=True)\n"
        "x = x * lax.rsqrt(jnp.mean(jnp.square(x), axis={space}, keepdims=True) + 0.125)"
    ),
    "batch norm": (
        "x = (x - jnp.mean(x, axis=(0, *{space}), keepdims=True))"
        " * lax.rsqrt(jnp.var(x, axis=(0, *{space}), keepdims=True) + 0.125)"
    ),
}
# Layers that keep the shape, inside other functions: {E} is one of u, {kernel} its kernel, {stack} two kernels.
WRAPPED = {
    "jit": "x = jax.jit(lambda u: jnp.tanh({E}))(x)",
    "checkpoint": "x = jax.checkpoint(lambda u: jnp.tanh({E}))(x)",
    "residual conv": "x = x + (lambda u: {E})(x)",
    "concatenated conv": "x = jnp.concatenate([x, (lambda u: {E})(x)], axis=-1)",
    "fori_loop": "x = lax.fori_loop(0, 2, lambda i, u: jnp.tanh({E}), x)",
    "while_loop": "x = lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, (lambda u: {E})(s[1])), (0, x))[1]",
    "cond": "x = lax.cond({predicate}, lambda u: {E}, lambda u: jnp.tanh(u), x)",
    "grad": "x = jax.grad(lambda u: jnp.sum(jnp.square({E})))(x)",
    "jvp": "x = jax.jvp(lambda u: jnp.tanh({E}), (x,), (x,))[1]",
    "scan": (
        'x = lax.scan(lambda u, k: (jnp.tanh(jc.conv({{"kernel": k}}, u, padding="{padding}")), None), x, {stack})[0]'
    ),
    "vmap": 'x = jax.vmap(lambda u: jc.conv({{"kernel": {kernel}}}, u, padding="{padding}", batched=False))(x)',
}


def template(lines: str) -> Step:
    """A step that is nothing but its lines."""
    return lambda b: lines.format(space=b.spatial, c=b.channels)


def across(lines: str) -> Step:
    """A step over the channels, of which there are several."""

    def step(b: Builder) -> str:
        b.need(b.channels > 1)
        return template(lines)(b)

    return step


def wrapped(lines: str) -> Step:
    """A same-shape layer inside another function; only the parameters that the lines name are made."""

    def step(b: Builder) -> str:
        window, c = (b.random.choice([2, 3]),) * len(b.spatial), b.channels
        b.need(min(b.lengths) >= 3)
        words = {"padding": "CIRCULAR" if b.world == "cyclic" else b.random.choice(["SAME", "EDGE", "REFLECT"])}
        if "{stack}" in lines:
            return lines.format(stack=b.parameter(2, *window, c, c), **words)
        words["kernel"] = b.parameter(*window, c, c)
        words["E"] = 'jc.conv({{"kernel": {kernel}}}, u, padding="{padding}")'.format(**words)
        words["predicate"] = "jnp.mean(x) > 0.0" if b.world == "cyclic" else f"jnp.sum({words['kernel']}) > 0.0"
        return lines.format(**words)

    return step


def channel_affine(b: Builder) -> str:
    """A scale and a bias for each channel."""
    scale, bias = b.parameter(b.channels), b.parameter(b.channels)
    shape = b.along(len(b.shape) - 1, b.channels)
    return f"x = x * {scale}.reshape({shape}) + {bias}.reshape({shape})"


def channel_mix(b: Builder) -> str:
    """The same matrix at every position."""
    weights = b.parameter(b.channels, b.random.randint(1, 4))
    return b.random.choice([f'x = jnp.einsum("...c,cd->...d", x, {weights})', f"x = x @ {weights}"])


def attention_map(b: Builder, axis: int) -> str:
    """An expression: how much position a attends to position b, for each position of the other axis."""
    query, key = b.parameter(b.channels, 2), b.parameter(b.channels, 2)
    letters = {1: "n{}c", 2: "n{}wc" if axis == 1 else "nh{}c"}[len(b.spatial)]
    out = {1: "nab", 2: "nwab" if axis == 1 else "nhab"}[len(b.spatial)]
    left, right = letters.format("a"), letters.format("b")
    return f'jax.nn.softmax(jnp.einsum("{left},{right}->{out}", x @ {query}, x @ {key}), axis=-1)'


def attention(b: Builder) -> str:
    """Self attention over one spatial axis, without positions."""
    axis = b.axis()
    weights = attention_map(b, axis)
    equation = {
        (1, 1): "nab,nbc->nac",
        (2, 1): "nwab,nbwc->nawc",
        (2, 2): "nhab,nhbc->nhac",
    }[len(b.spatial), axis]
    return f'a = {weights}\nx = jnp.einsum("{equation}", a, x)'


def end_global(b: Builder) -> str:
    """Pool over all of space."""
    b.moves = {track.axis: (track.shift, ()) for track in b.tracks if track}
    return b.random.choice(
        ["x = jc.global_avg_pool(x)", "x = jc.global_max_pool(x)", f"x = jnp.mean(x, axis={b.spatial})"]
    )


def end_attention_map(b: Builder) -> str:
    """Return the attention map itself, which moves along both of its axes."""
    axis = b.axis()
    ends = {1: {1: (1, 2)}, 2: {1: (2, 3), 2: (2, 3)}}[len(b.spatial)][axis]
    b.moves = {
        track.axis: (track.shift, tuple((a, track.step) for a in (ends if i + 1 == axis else (1,))))
        for i, track in enumerate(b.tracks)
        if track
    }
    return f"x = {attention_map(b, axis)}"


def end_sorted(b: Builder) -> str:
    """The cells of one axis in ascending order, which no cyclic shift changes."""
    axis = b.axis()
    track = b.tracks[axis - 1]
    b.moves = {track.axis: (track.shift, ())} if track else None
    return f"x = jnp.sort(x, axis={axis})"


EVERYWHERE: dict[str, Step] = {
    **{name: template(lines) for name, lines in ANYWHERE.items()},
    **{name: across(lines) for name, lines in ACROSS.items()},
    **{name: wrapped(lines) for name, lines in WRAPPED.items()},
    "channel affine": channel_affine,
    "channel mix": channel_mix,
}
CYCLIC: dict[str, Step] = {**{name: template(lines) for name, lines in AROUND.items()}, "attention": attention}
CYCLIC_ENDS: dict[str, Step] = {"global pool": end_global, "attention map": end_attention_map, "sort": end_sorted}
EVERYWHERE_ENDS: dict[str, Step] = {"channel argmax": across("x = jnp.argmax(x, axis=-1)")}
