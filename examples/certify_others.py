"""Certify a network that you did not write: one in Flax, one in Equinox, one in Haiku, each with two paddings.

The certifier reads the jaxpr, so it needs nothing from the library of the network. With circular padding both laws are
proved. With zero padding the interior law is proved, and the output names the line of this file that breaks the cyclic
law. Libraries that are not installed are named and skipped.

    python examples/certify_others.py        a table, and pictures/others.png
    pip install -e '.[peers]'                the libraries
"""

from __future__ import annotations

import argparse
import importlib.util
import linecache
from collections.abc import Callable
from typing import Any, NamedTuple

import figures
import jax
import jax.numpy as jnp
from shared import picture_options, start, table

import jaxconv as jc
from jaxconv.verify.certificate import Claim, Verdict

IMAGE = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)


def flax(padding: str) -> tuple[Callable[..., Any], Any, tuple[int, int]]:
    """The function, its parameters' shapes and the image's two axes: a stem and a residual block in Flax linen."""
    from flax import linen  # pyright: ignore[reportMissingImports]  an optional package

    class ResidualBlock(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = linen.relu(linen.Conv(8, (3, 3), strides=2, padding=padding)(x))
            return x + linen.Conv(8, (3, 3), padding=padding)(linen.relu(x))

    return ResidualBlock().apply, jax.eval_shape(ResidualBlock().init, jax.random.key(0), IMAGE), (1, 2)


def equinox(padding: str) -> tuple[Callable[..., Any], Any, tuple[int, int]]:
    """The same for Equinox, channels first: two convolutions around a pooling."""
    import equinox as eqx  # pyright: ignore[reportMissingImports]  an optional package

    mode = {"CIRCULAR": "CIRCULAR", "SAME": "ZEROS"}[padding]

    def build(key: jax.Array) -> Any:
        convs = [eqx.nn.Conv2d(c, 8, 3, padding="SAME", padding_mode=mode, key=key) for c in (3, 8)]
        return eqx.nn.Sequential([convs[0], eqx.nn.MaxPool2d(2, 2), convs[1]])

    model = eqx.filter_eval_shape(build, jax.random.key(0))
    params, static = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    network = lambda params, x: jax.vmap(eqx.combine(params, static))(x)  # Equinox's models take one image
    return network, params, (2, 3)


def haiku(padding: str) -> tuple[Callable[..., Any], Any, tuple[int, int]]:
    """The same for Haiku: two dilated convolutions. Haiku pads with zeros, so circular padding is a `jnp.pad` here."""
    import haiku as hk  # pyright: ignore[reportMissingImports]  an optional package

    def forward(x: jax.Array) -> jax.Array:
        for rate in (1, 2):
            if padding == "CIRCULAR":
                x = jnp.pad(x, [(0, 0), (rate, rate), (rate, rate), (0, 0)], mode="wrap")
            x = hk.Conv2D(8, 3, rate=rate, padding="VALID" if padding == "CIRCULAR" else "SAME")(jax.nn.relu(x))
        return x

    model = hk.without_apply_rng(hk.transform(forward))
    return model.apply, jax.eval_shape(model.init, jax.random.key(0), IMAGE), (1, 2)


class Found(NamedTuple):
    """A certificate's claims for shifts along the image's height."""

    name: str
    cyclic: Claim
    interior: Claim
    length: int  # of the output

    @property
    def region(self) -> tuple[int, int]:
        """The rows of the output for which the interior law is proved; (0, 0) if it is not."""
        return self.interior.region[0][1:] if self.interior.region else (0, 0)

    @property
    def culprit(self) -> str:
        """The line that breaks the cyclic law, with its text in this file."""
        if self.cyclic.culprit is None:
            return ""
        file, line = self.cyclic.culprit.source.split(" ")[0].rsplit(":", 1)
        return f"line {line}: {linecache.getline(file, int(line)).split('  #')[0].strip()}"


def certified(library: Callable[..., Any], padding: str) -> Found:
    """The certificate's claims about one network. Nothing is executed."""
    fn, params, axes = library(padding)
    spatial = IMAGE.shape[1:3]
    image = jax.ShapeDtypeStruct((1, 3, *spatial) if axes == (2, 3) else IMAGE.shape, IMAGE.dtype)
    leaf = jc.certify(fn, params, image, axes={1: axes[:1]}, search=False).leaves[0]
    return Found(f"{library.__name__}, {padding}", leaf.axes[0].cyclic, leaf.axes[0].interior, leaf.shape[axes[0]])


def draw(networks: list[Found]) -> figures.Figure:
    """Draw, for each network, the output rows with a proved interior law, and whether the cyclic law is proved."""
    interiors, cyclic = (sum(claim.verdict == Verdict.PROVED for claim in claims) for claims in (
        [network.interior for network in networks], [network.cyclic for network in networks]))  # fmt: skip
    finding = f"Proved for {len(networks)} networks: {interiors} interior laws and {cyclic} cyclic laws"
    figure = figures.new(10, 1.6 + 0.5 * len(networks), finding)
    plot = figure.add_subplot(xlabel="row of the output, as a fraction of its height", xlim=(0, 1.42))
    for row, network in enumerate(networks):
        lo, hi = network.region
        plot.barh(row, 1, color="#e0e0e0")
        plot.barh(row, (hi - lo) / network.length, left=lo / network.length, color=figures.BLUE)
        label = f"interior law proved on [{lo}, {hi}) of {network.length}" if hi else "interior law not proved"
        plot.text(0.5, row, label, color="white" if hi else figures.VERMILION, ha="center", va="center")
        proved = network.cyclic.verdict == Verdict.PROVED
        plot.text(1.02, row, "cyclic law PROVED" if proved else "cyclic law not proved", va="center",
                  color=figures.GREEN if proved else figures.VERMILION, fontweight="bold")  # fmt: skip
    plot.set_yticks(range(len(networks)), [network.name for network in networks])
    plot.set_xticks([0, 0.5, 1])
    plot.invert_yaxis()
    plot.spines[["top", "right", "left"]].set_visible(False)
    return figure


def run(args: argparse.Namespace) -> None:
    """Certify the networks of the installed libraries, print and draw."""
    networks: list[Found] = []
    for library in (flax, equinox, haiku):
        if importlib.util.find_spec(library.__name__) is None:
            print(f"{library.__name__} is not installed: skipped (pip install -e '.[peers]')")
        else:
            networks += [certified(library, padding) for padding in ("CIRCULAR", "SAME")]
    if not networks:
        return
    rows: list[tuple[str, ...]] = [("network", "cyclic", "interior", "rows", "shift", "field")]
    for network in networks:
        (lo, hi), claim, field = network.region, network.interior, network.interior.receptive_field
        law = (f"[{lo}, {hi})", f"{claim.shift} -> {claim.moves[0][1]}") if hi else ("-", "-")
        rows.append((network.name, network.cyclic.verdict, claim.verdict, *law, str(field.size) if field else "-"))
    print(
        "Shifts along the height, all inputs, all parameter values. Without a search, an unproved law is UNDECIDED.\n"
    )
    print(table(rows, words=3))
    print("\nLines of this file that break the cyclic law:\n")
    print("\n".join(f"{network.name}: {network.culprit}" for network in networks if network.culprit) + "\n")
    figures.save(draw(networks), args.out, "others.png")


if __name__ == "__main__":
    start(run, picture_options(__doc__))
