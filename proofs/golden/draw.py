"""Draws the cases of the golden files and has the verified reference answer them: the text of each file, by its name.

`proofs/prove.py` calls it with the program that it has built from `proofs/coq`. Nothing here computes a window or a
convolution: even the lengths of the outputs are the program's.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterable, Iterator
from itertools import chain, product
from math import prod
from pathlib import Path
from typing import Any

NAMED = ["VALID", "SAME", "SAME_LOWER", "CAUSAL", "CIRCULAR", "REFLECT", "SYMMETRIC", "EDGE"]
BOUNDARIES = ["ZERO", "CIRCULAR", "REFLECT", "SYMMETRIC", "EDGE"]
MOST_PRODUCTS = 3000  # of a case: the reference looks everything up in lists

Padding = str | list[int | str]  # a name, or [lo, hi, boundary]
Sizes = tuple[int, ...]  # length, taps, stride, dilation


def golden(reference: Path) -> dict[str, str]:
    """The golden files, name to text; `reference` is the program of `main.ml`."""
    return {"windows.json": _lines(windows(reference)), "conv.json": _lines(convolutions(reference))}


def windows(reference: Path) -> list[list[Any]]:
    """All small windows under every padding, and some larger: `[*sizes, padding, [lo, hi, boundary], reads]`."""
    asked = [*_small_windows(), *_larger_windows(random.Random(1998), 60)]
    answers = _ask(reference, ([0, *_axis(sizes, padding)] for sizes, padding in asked))
    return [[*sizes, padding, *answer] for (sizes, padding), answer in zip(asked, answers, strict=True)]


def _small_windows() -> Iterator[tuple[Sizes, Padding]]:
    borders = [[lo, hi, boundary] for lo, hi in ((2, 1), (4, 7)) for boundary in BOUNDARIES]
    for length, taps, stride, dilation in product(range(1, 6), range(1, 4), range(1, 4), range(1, 3)):
        if taps > 1 or dilation == 1:
            for padding in (*NAMED, *borders):
                yield (length, taps, stride, dilation), padding


def _larger_windows(rng: random.Random, count: int) -> Iterator[tuple[Sizes, Padding]]:
    for _ in range(count):
        yield (rng.randint(6, 30), rng.randint(1, 7), rng.randint(1, 6), rng.randint(1, 4)), _padding(rng, 9)


def convolutions(reference: Path) -> list[dict[str, Any]]:
    """Convolutions of rank 1 to 3 on integers from -4 to 4, with their outputs and their three deltas.

    Layouts are row-major, channels first: kernel [o, c, *window], bias [o], x [c, *lengths], y and dy [o, *out].
    """
    rng = random.Random(1989)
    cases = [case for rank in (1, 1, 2, 2, 3) for case in _cases(rng, reference, rank, 8)]
    asked = []
    for case in cases:
        axes = [*map(_axis, case["sizes"], case["paddings"])]
        tensors = (case["kernel"], case["bias"], case["x"], case["dy"])
        asked.append([1, len(axes), *chain(*axes), *case["channels"], *(v for t in tensors for v in (len(t), *t))])
    names = ("y", "kernel_deltas", "bias_deltas", "x_deltas")
    answers = _ask(reference, asked)
    return [case | dict(zip(names, answer, strict=True)) for case, answer in zip(cases, answers, strict=True)]


def _cases(rng: random.Random, reference: Path, rank: int, count: int) -> Iterator[dict[str, Any]]:
    """The first `count` drawn whose windows fit and that are not too large."""
    while count:
        sizes = [tuple(rng.randint(1, most) for most in (7 - rank, 3, 3, 2)) for _ in range(rank)]
        paddings = [_padding(rng, 2) for _ in range(rank)]
        c, o = rng.randint(1, 3), rng.randint(1, 3)
        answers = _ask(reference, ([0, *_axis(*axis)] for axis in zip(sizes, paddings, strict=True)))
        positions = prod(len(reads) for _, reads in answers)
        cells, taps = (prod(axis[which] for axis in sizes) for which in (0, 1))
        if 0 < positions * taps * c * o <= MOST_PRODUCTS:
            integers = lambda n: [rng.randint(-4, 4) for _ in range(n)]
            kernel, bias, x, dy = map(integers, (o * c * taps, o, c * cells, o * positions))
            yield {
                "sizes": sizes, "paddings": paddings, "channels": [c, o], "out": [len(reads) for _, reads in answers],
                "kernel": kernel, "bias": bias, "x": x, "dy": dy,
            }  # fmt: skip
            count -= 1


def _padding(rng: random.Random, most: int) -> Padding:
    named = rng.random() < 0.5
    return rng.choice(NAMED) if named else [rng.randint(0, most), rng.randint(0, most), rng.choice(BOUNDARIES)]


def _axis(sizes: Sizes, padding: Padding) -> list[int]:
    """An axis as `main.ml` reads it."""
    if isinstance(padding, str):
        return [0, NAMED.index(padding), *sizes]
    lo, hi, boundary = padding
    return [1, BOUNDARIES.index(str(boundary)), int(lo), int(hi), *sizes]


def _ask(reference: Path, requests: Iterable[list[int]]) -> list[list]:
    text = "".join(" ".join(map(str, request)) + "\n" for request in requests)
    done = subprocess.run([reference], input=text, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _lines(rows: Iterable[object]) -> str:
    """A JSON list, one row a line, so that a difference is one line of a diff."""
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
