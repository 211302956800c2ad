"""The corpus of certificates, right ones and tampered ones, with the verdicts that the checker should give of them.

    python proofs/checker/corpus.py    # writes corpus/*.json anew; run it from the repository's root

The verdicts are written down here by hand: a right certificate's proofs are accepted, of a tampered one the tampered
claims are not. `tests/proofs/test_certificate_checker.py` holds the checker and these files against one another.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from translation import translate

import jaxconv as jc

CORPUS = Path(__file__).parent / "corpus"
ACCEPTED, REJECTED, NOTHING = "accepted", "rejected", "no proof claimed"
# What says where in a file of the user's something stands, or how a signal is called: no claim rests on it.
LEFT_OUT = {"edge", "lost", "longer", "merged", "culprit", "coarsened", "witness", "signal", "frames"}

random = np.random.default_rng(0)
weights = lambda *shape: jnp.asarray(random.normal(size=shape), jnp.float32)
KERNEL, SECOND, DEPTHWISE, WIDE = weights(3, 3, 2, 4), weights(3, 3, 4, 2), weights(3, 3, 1, 2), weights(5, 5, 2, 4)
SIGNAL, BIAS = weights(3, 2, 2), weights(4)
SCALE, TABLE = weights(2), weights(12, 2)  # shared by all places, and one of its own for each
IMAGE = jax.ShapeDtypeStruct((1, 8, 12, 2), "float32")
TALL = jax.ShapeDtypeStruct((1, 16, 12, 2), "float32")  # behind a stride and zero padding, room for a law is left
SEQUENCE = jax.ShapeDtypeStruct((1, 12, 2), "float32")


def conv(x: Any, kernel: Any = KERNEL, **settings: Any) -> Any:
    """A convolution, without a bias unless it is given."""
    bias = settings.pop("bias", None)
    return jc.conv({"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}, x, **settings)


def pooled(x: Any, kernel: Any = KERNEL, padding: Any = "circular", **settings: Any) -> Any:
    """A convolution, a bias, relu and max pooling."""
    return jc.max_pool(jax.nn.relu(conv(x, kernel, padding=padding, bias=BIAS, **settings)), (2, 2))


def residual(x: Any, padding: str) -> Any:
    """x plus two convolutions of it."""
    return x + conv(jax.nn.relu(conv(x, padding=padding)), SECOND, padding=padding)


def attention(x: Any, scale: Any = SCALE) -> Any:
    """Attention of every place to every other."""
    x = x * jax.lax.broadcast_in_dim(scale, x.shape, range(3 - scale.ndim, 3))
    scores = jnp.einsum("nac,nbc->nab", x @ SIGNAL[0], x @ SIGNAL[1])
    return jnp.einsum("nab,nbc->nac", jax.nn.softmax(scores, axis=-1), x @ SIGNAL[2])


def classifier(x: Any) -> Any:
    """A global mean, and scores."""
    return jnp.mean(jax.nn.relu(conv(x, padding="circular")), (1, 2)) @ SECOND[0, 0]


def patches(x: Any) -> Any:
    """Patches of 2x2 cells as tokens, each by itself through a matrix, and back to places."""
    tokens = x.reshape(1, 4, 2, 6, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(1, 24, 8)
    return jax.nn.gelu(tokens @ WIDE[:4, 0].reshape(8, 4)).reshape(1, 4, 6, 4)


def upsampled(x: Any) -> Any:
    """Each cell twice, and a convolution."""
    return conv(jnp.repeat(x, 2, 1), SIGNAL, padding="circular")


def kernel_gradient(x: Any) -> Any:
    """The delta of a shared kernel: summed over all places, so that it matters not where the scene begins."""
    return jax.grad(lambda kernel: jnp.sum(jnp.sin(conv(x, kernel, padding="circular"))))(KERNEL)


def windows_by_indices(x: Any) -> Any:
    """A convolution as a product with windows that are read at indices."""
    return x[:, np.arange(10)[:, None] + np.arange(3)].reshape(1, 10, 6) @ SIGNAL.reshape(6, 2)


def low_pass(x: Any) -> Any:
    """The lowest frequencies."""
    return jnp.fft.irfft(jnp.fft.rfft(x, axis=1)[:, :4], n=12, axis=1)


def around(x: Any, first: int = 11) -> Any:
    """A convolution behind a circular pad that is written out: `first` is the cell that goes in front."""
    return conv(jnp.concatenate([x[:, first : first + 1], x, x[:, :1]], 1), SIGNAL, padding="valid")


Verdicts = dict[str, str]  # by claim: "output 0, axis 1, cyclic"


def everywhere(axes: int, cyclic: str, interior: str) -> Verdicts:
    """The same verdicts for each axis of one output."""
    kinds = {"cyclic": cyclic, "interior": interior}
    return {f"output 0, axis {n}, {kind}": said for n in range(axes) for kind, said in kinds.items()}


@dataclass(frozen=True)
class Entry:
    """A network, and what is expected of its own certificate."""

    fn: Callable[[Any], Any]
    x: Any
    axes: tuple[int, ...]
    verdicts: Verdicts


RIGHT = {
    "circular_pool": Entry(pooled, TALL, (1, 2), everywhere(2, ACCEPTED, ACCEPTED)),
    "zero_padded": Entry(partial(pooled, padding="same"), TALL, (1, 2), everywhere(2, NOTHING, ACCEPTED)),
    "strided": Entry(partial(conv, stride=2, padding="circular"), IMAGE, (1,), everywhere(1, ACCEPTED, ACCEPTED)),
    "dilated": Entry(partial(conv, dilation=2, padding="circular"), IMAGE, (2,), everywhere(1, ACCEPTED, ACCEPTED)),
    "depthwise": Entry(partial(conv, kernel=DEPTHWISE, groups=2), IMAGE, (2,), everywhere(1, NOTHING, ACCEPTED)),
    "residual_circular": Entry(partial(residual, padding="circular"), IMAGE, (1,), everywhere(1, ACCEPTED, ACCEPTED)),
    "residual_zeros": Entry(partial(residual, padding="same"), IMAGE, (2,), everywhere(1, NOTHING, ACCEPTED)),
    "attention": Entry(attention, SEQUENCE, (1,), everywhere(1, ACCEPTED, NOTHING)),
    "classifier": Entry(classifier, IMAGE, (1, 2), everywhere(2, ACCEPTED, NOTHING)),
    "patches": Entry(patches, IMAGE, (1, 2), everywhere(2, ACCEPTED, ACCEPTED)),
    "upsampled": Entry(upsampled, SEQUENCE, (1,), everywhere(1, ACCEPTED, ACCEPTED)),
    "around": Entry(around, SEQUENCE, (1,), everywhere(1, ACCEPTED, ACCEPTED)),
    "windows_by_indices": Entry(windows_by_indices, SEQUENCE, (1,), everywhere(1, NOTHING, ACCEPTED)),
    "kernel_gradient": Entry(kernel_gradient, IMAGE, (1, 2), everywhere(2, ACCEPTED, NOTHING)),
    "sorted": Entry(lambda x: jnp.sort(x, 1), SEQUENCE, (1,), everywhere(1, ACCEPTED, NOTHING)),
    "reversed": Entry(lambda x: conv(x[:, ::-1], SIGNAL), SEQUENCE, (1,), everywhere(1, NOTHING, ACCEPTED)),
    "low_pass": Entry(low_pass, SEQUENCE, (1,), everywhere(1, "unknown instruction fft", NOTHING)),
}


@dataclass(frozen=True)
class Tampering:
    """What was done to a right certificate, or to the program that it should be of, and which verdicts change."""

    of: str
    about: str
    change: Callable[[dict[str, Any]], object]  # in place
    verdicts: Verdicts


def claim(file: dict[str, Any], kind: str, axis: int = 0) -> dict[str, Any]:
    """A claim about the first output."""
    return file["certificate"]["leaves"][0]["axes"][axis]["claims"][kind]


def rows(file: dict[str, Any], kind: str, axis: int = 0) -> list[dict[str, Any]]:
    """The rows of one walk."""
    return file["certificate"]["derivations"][axis][kind]


def carried(row: dict[str, Any]) -> dict[str, Any]:
    """What the one moving factor of a row's result carries."""
    state = row["outputs"][0]
    factors = [factor for axis in state["axes"] for factor in axis if factor["motion"]]
    return factors[0]["motion"]


def of_another(fn: Callable[[Any], Any], x: Any) -> Callable[[dict[str, Any]], None]:
    """The certificate of one function, put forward for another one."""

    def change(file: dict[str, Any]) -> None:
        file["program"] = translate(fn, x).as_json()

    return change


def forged(kind: str, like: str) -> Callable[[dict[str, Any]], None]:
    """A claim and its derivation put in the place of another one's, and called proved."""

    def change(file: dict[str, Any]) -> None:
        claim(file, kind).update(copy.deepcopy(claim(file, like)))
        walks = file["certificate"]["derivations"][0]
        walks[kind] = copy.deepcopy(rows(file, like))
        for row in rows(file, kind):
            for state in row["outputs"]:
                state["cycle"] = file["certificate"]["leaves"][0]["axes"][0]["length"] if kind == "cyclic" else None

    return change


first = lambda kind, said: {f"output 0, axis 0, {kind}": said}

TAMPERED = {
    "half_the_shift": Tampering(
        "strided",
        "shifts by 1 move the output by 1",
        lambda f: claim(f, "cyclic").update(shift=1),
        first("cyclic", REJECTED),
    ),
    "twice_the_move": Tampering(
        "strided",
        "shifts by 2 move by 2",
        lambda f: claim(f, "interior").update(moves=[[1, 2]]),
        first("interior", REJECTED),
    ),
    "moves_backwards": Tampering(
        "circular_pool",
        "it moves by -1",
        lambda f: claim(f, "cyclic").update(moves=[[1, -1]]),
        first("cyclic", REJECTED),
    ),
    "another_axis": Tampering(
        "circular_pool",
        "it moves along axis 2",
        lambda f: claim(f, "cyclic").update(moves=[[2, 1]]),
        first("cyclic", REJECTED),
    ),
    "invariance": Tampering(
        "circular_pool", "it does not move", lambda f: claim(f, "cyclic").update(moves=[]), first("cyclic", REJECTED)
    ),
    "the_whole_region": Tampering(
        "zero_padded",
        "the region begins at the border",
        lambda f: claim(f, "interior").update(region=[[1, 0, 4]]),
        first("interior", REJECTED),
    ),
    "a_row_with_a_larger_region": Tampering(
        "zero_padded",
        "the convolution's row says [0, 15)",
        lambda f: carried(rows(f, "interior")[0]).update(lo=0),
        first("interior", REJECTED),
    ),
    "a_row_with_another_rate": Tampering(
        "strided",
        "the convolution's row says rate 1",
        lambda f: carried(rows(f, "interior")[-1]).update(rate="1"),
        first("interior", REJECTED),
    ),
    "a_row_removed": Tampering(
        "circular_pool", "the pad has lost a row", lambda f: rows(f, "cyclic").pop(2), first("cyclic", REJECTED)
    ),
    "a_row_too_many": Tampering(
        "circular_pool",
        "the last row twice",
        lambda f: rows(f, "cyclic").append(rows(f, "cyclic")[-1]),
        first("cyclic", REJECTED),
    ),
    "a_row_of_another_primitive": Tampering(
        "circular_pool",
        "a slice is called a pad",
        lambda f: rows(f, "cyclic")[0].update(primitive="pad"),
        first("cyclic", REJECTED),
    ),
    "zeros_called_cyclic": Tampering(
        "residual_zeros", "the interior claim, called cyclic", forged("cyclic", "interior"), first("cyclic", REJECTED)
    ),
    "another_stride": Tampering(
        "strided",
        "of a network with stride 3",
        of_another(partial(conv, stride=(3, 2), padding="circular"), IMAGE),
        first("cyclic", REJECTED) | first("interior", REJECTED),
    ),
    "another_kernel": Tampering(
        "zero_padded",
        "of a network with five taps",
        of_another(partial(pooled, kernel=WIDE, padding="same"), TALL),
        everywhere(2, NOTHING, REJECTED),
    ),
    "a_scale_for_each_place": Tampering(
        "attention",
        "of a network whose scale is another one at each place",
        of_another(partial(attention, scale=TABLE), SEQUENCE),
        first("cyclic", REJECTED),
    ),
    "a_pad_of_the_wrong_cell": Tampering(
        "around",
        "of a network whose circular pad begins with the last cell but one",
        of_another(partial(around, first=10), SEQUENCE),
        first("cyclic", REJECTED),
    ),
    "an_instruction_nobody_knows": Tampering(
        "attention",
        "the first instruction has a name that the checker does not know",
        lambda f: f["program"]["instructions"][0].__setitem__(0, "mystery"),
        first("cyclic", "unknown instruction mystery"),
    ),
}


def bare(part: Any) -> Any:
    """A certificate without what no claim rests on."""
    if isinstance(part, dict):
        return {name: None if name in LEFT_OUT else bare(value) for name, value in part.items()}
    return [bare(value) for value in part] if isinstance(part, list) else part


def right(name: str) -> dict[str, Any]:
    """A network's certificate, as `jc.certify` writes it today, with the network's program."""
    entry = RIGHT[name]
    certificate = jc.certify(entry.fn, entry.x, axes=entry.axes, search=False)
    program = translate(entry.fn, entry.x).as_json()
    written = bare(json.loads(certificate.to_json()))
    written["function"] = name
    return {"about": name, "program": program, "certificate": written, "verdicts": entry.verdicts}


def files() -> dict[str, dict[str, Any]]:
    """All files of the corpus by their names."""
    found = {name: right(name) for name in RIGHT}
    for name, tampering in TAMPERED.items():
        file = copy.deepcopy(found[tampering.of])
        file["about"] = f"{tampering.of}, tampered with: {tampering.about}"
        tampering.change(file)
        file["verdicts"] = file["verdicts"] | tampering.verdicts
        found[f"{tampering.of}--{name}"] = file
    return found


def as_text(file: dict[str, Any]) -> str:
    """A file's text: a line for each instruction, equation and row."""
    one = lambda value: json.dumps(value, separators=(",", ":"))
    many = lambda values: "[\n" + ",\n".join(map(one, values)) + "\n]" if values else "[]"
    program, certificate = file["program"], file["certificate"]
    walks = [
        "{" + ",".join(f"{one(kind)}:{many(rows)}" for kind, rows in walks.items()) + "}"
        for walks in certificate["derivations"]
    ]
    parts = {
        "about": one(file["about"]),
        "verdicts": one(file["verdicts"]),
        "program": "{" + ",\n".join(f"{one(key)}:{many(value)}" for key, value in program.items()) + "}",
        "certificate": "{" + ",\n".join(
            f"{one(key)}:" + (f"[{','.join(walks)}]" if key == "derivations" else one(value))
            for key, value in certificate.items()
        ) + "}",
    }  # fmt: skip
    return "{" + ",\n".join(f"{one(key)}:{value}" for key, value in parts.items()) + "}\n"


def main() -> None:
    """Write the corpus anew."""
    CORPUS.mkdir(exist_ok=True)
    for old in CORPUS.glob("*.json"):
        old.unlink()
    for name, file in files().items():
        (CORPUS / f"{name}.json").write_text(as_text(file))


if __name__ == "__main__":
    main()
