"""`TilingCertificate`: the claims about tiles of a function's input, and their derivations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from jaxconv.errors import public
from jaxconv.verify import json_codec
from jaxconv.verify.claims import Culprit
from jaxconv.verify.tiling.states import PairRow

FORMAT = 1  # version of the JSON format; every change of the written data raises it


@dataclass(frozen=True)
class TilingAxis:
    """How the tiles' outputs make up the whole's output, for tiles along one axis of the input.

    For each offset o that is a multiple of `shift`, and all j in [lo, hi) of `inner`:

        fn(x[o : o + tile])[j] == fn(x)[j + start + o * step / shift]

    along axis `output_axis` of the output. Where the tile begins with the whole (o = 0) this holds on `first`, and
    where it ends with the whole on `last`. If `output_axis` is None, the output is the same for every tile.

    Axes are tiled one after another. The claim about a later axis is about strips: x has the size of a tile along the
    axes before it. So it is about tiles of the whole if the claims about these axes are proved, too.

    Attributes:
        tiled: (argument, axis) of the inputs that are tiled; usually one pair.
        whole: number of cells of the input along the axis.
        tile: number of cells of a tile.
        output_axis, output_whole, output_tile: the output's axis, and its lengths for the whole and for a tile.
        shift: offsets are multiples of this number of input cells.
        step: number of output cells by which a tile's output moves if the tile moves by `shift`.
        start: output cell of the whole with which the first tile's output begins.
        inner, first, last: the tile's output cells [lo, hi) that equal the whole's.
        culprit: the equation because of which there is no such claim; None if it is proved.
    """

    tiled: tuple[tuple[int, int], ...]
    whole: int
    tile: int
    output_axis: int | None = None
    output_whole: int = 0
    output_tile: int = 0
    shift: int = 1
    step: int = 0
    start: int = 0
    inner: tuple[int, int] = (0, 0)
    first: tuple[int, int] = (0, 0)
    last: tuple[int, int] = (0, 0)
    culprit: Culprit | None = None

    @property
    def proved(self) -> bool:
        """Whether there is such a claim for tiles inside the whole."""
        return self.culprit is None

    @property
    def discarded(self) -> tuple[int, int]:
        """Number of output cells of an inner tile that are discarded at its start, and at its end."""
        return self.inner[0], self.output_tile - self.inner[1]

    @property
    def along(self) -> str:
        """The tiled axes, as text."""
        return " and ".join(f"axis {axis} of argument {argument}" for argument, axis in self.tiled)

    def __str__(self) -> str:
        sizes = f"{self.along}, tiles of {self.tile} of {self.whole} cells"
        if self.culprit is not None:
            where = f" at {self.culprit.source}" if self.culprit.source else ""
            because = f", because of {self.culprit.primitive}{where}" if self.culprit.primitive else ""
            cure = f"\n    Cure: {self.culprit.cure}." if self.culprit.cure else ""
            return f"{sizes}: UNDECIDED{because}: {self.culprit.reason}.{cure}"
        if self.output_axis is None:
            return f"{sizes}: PROVED: the output is the same for every tile."
        before, after = self.discarded
        return (
            f"{sizes}: PROVED: tiles begin at multiples of {self.shift}, which moves output axis {self.output_axis} by "
            f"{self.step}; discard {before} of {self.output_tile} cells at the start and {after} at the end of a tile "
            f"(first tile: {self.first[0]} at the start; last tile: {self.output_tile - self.last[1]} at the end)."
        )


@dataclass(frozen=True)
class TilingLeaf:
    """The claims about one output leaf, in order of the tiled axes."""

    path: str
    shape: tuple[int, ...]
    axes: tuple[TilingAxis, ...]


@dataclass(frozen=True)
class TilingCertificate:
    """What `certify_tiling` proved. It speaks of the two sizes that were traced, and of no other.

    Each derivation has one row per pair of equations that was followed, which holds how their results agree.
    Certificates with equal contents are equal and have the same hash. They can be pickled, and written to and read from
    JSON.
    """

    name: str
    leaves: tuple[TilingLeaf, ...]
    derivations: tuple[tuple[PairRow, ...], ...] = ()  # per tiled axis

    @property
    def proved(self) -> bool:
        """Whether every output can be computed from tiles along every axis."""
        return all(axis.proved for leaf in self.leaves for axis in leaf.axes)

    def __str__(self) -> str:
        lines = [f"tiling of {self.name}"]
        for leaf in self.leaves:
            lines.append(f"output{leaf.path} {leaf.shape}")
            lines += [f"  {axis}" for axis in leaf.axes]
        return "\n".join(lines)

    @public
    def to_json(self) -> str:
        """Return the certificate as JSON, including the derivations. `from_json` reads it.

        Fractions are strings such as "3/2". `format` is the version of the format.

        Raises:
            ValueError: a field holds a value that its annotation does not allow.
        """
        return json_codec.to_text(self, TilingCertificate, FORMAT)

    @classmethod
    @public
    def from_json(cls, text: str) -> Self:
        """Return the certificate that `to_json` wrote: an equal one.

        Args:
            text: the JSON.

        Raises:
            TypeError: `text` is not a string.
            ValueError: `text` is not JSON, has another format version, or does not encode a certificate. The message
                names the wrong field.
        """
        return json_codec.from_text(text, cls, FORMAT)
