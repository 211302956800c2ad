"""The tables of architectures on the pages: what is proved of each, and the culprit if it is not.

Nothing is computed: the networks of `zoo/` are traced and certified. Seconds are those of the processor.

    python benchmarks/architecture_tables.py            print the tables
    python benchmarks/architecture_tables.py --write    write them into docs/
"""

from __future__ import annotations

import argparse
import linecache
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
from zoo import ARCHITECTURES, Architecture

import jaxconv as jc
from jaxconv.apply.claims import UnprovedError
from jaxconv.verify.claims import AxisReport, Culprit
from jaxconv.verify.tiling.certificate import TilingAxis

DOCS = Path(__file__).parents[1] / "docs"
DEVICES = 2
AXES = {1: (1,)}  # rows of the input, which is argument 1


@dataclass(frozen=True)
class Row:
    """What can be done with an architecture. Nothing is certified before it is asked for."""

    architecture: Architecture

    @cached_property
    def timed(self) -> tuple[AxisReport, float]:
        """What is proved of shifts of the rows, and the seconds of the processor that it took."""
        own, start = self.architecture, time.process_time()
        certificate = jc.certify(own.apply, own.params, own.image, axes=AXES, search=False)
        return certificate.leaves[0].axes[0], time.process_time() - start

    @cached_property
    def claim(self) -> TilingAxis:
        """The claim about tiles."""
        own = self.architecture
        return jc.certify_tiling(own.apply, own.params, own.whole, tile=own.tile, axes=AXES).leaves[0].axes[0]

    @property
    def margins(self) -> tuple[int, int]:
        """Input rows that a tile discards at its start and at its end."""
        before, after = (-(-cells * self.claim.shift // self.claim.step) for cells in self.claim.discarded)
        return before, after

    @cached_property
    def sharded(self) -> bool:
        """Whether the rows can be split over devices."""
        own, mesh = self.architecture, jax.make_mesh((DEVICES,), ("rows",), devices=jax.devices()[:DEVICES])
        return _proved(
            lambda: jax.eval_shape(jc.sharded(own.apply, mesh, axes=AXES, over="rows"), own.params, own.whole)
        )

    @cached_property
    def latency(self) -> int | None:
        """Rows by which a stream's outputs are late; None if the rows cannot be streamed."""
        own, found = self.architecture, list[int]()
        make = lambda: found.append(jc.streamed(own.apply, own.params, own.whole, axes=AXES, chunk=own.chunk).latency)
        return found[0] if _proved(make) else None


def _proved(make: Callable[[], object]) -> bool:
    """Whether a function is made; False if it is refused since there is no proof."""
    try:
        make()
    except UnprovedError:
        return False
    return True


def blamed(culprit: Culprit) -> str:
    """The primitive and the line of the network that stop the proof.

    >>> blamed(Culprit(3, "fft", "there is no rule", "", "", ()))
    '`fft`'
    """
    place = culprit.source.split(" ")[0].rsplit(":", 1)
    code = linecache.getline(place[0], int(place[1])).strip() if len(place) == 2 else ""
    return f"`{culprit.primitive}` in `{code}`" if code else f"`{culprit.primitive}`"


TILED = (  # the architectures of the page on tiles
    "U-Net, two steps",
    "U-Net, two steps, with group norm",
    "Dilated context module",
    "ResNet-18",
    "MobileNetV1",
    "ConvNeXt-T",
    "ViT-B/16",
    "ESPCN",
    "FNO",
    "WaveNet, one block",
)


def tiling(rows: Iterable[Row]) -> list[Sequence[str]]:
    """The table of the page on tiles."""
    table: list[Sequence[str]] = [
        ("architecture", "tiles begin at", "rows discarded", "sharded", "streamed", "culprit")
    ]
    for row in rows:
        if row.architecture.name not in TILED:
            continue
        claim, name = row.claim, f"{row.architecture.name} ({row.architecture.source})"
        late = "no" if row.latency is None else f"{row.latency} rows late"
        sharded = "yes" if row.sharded else "no"
        if claim.culprit is not None:
            table.append((name, "no tiles", "", sharded, late, blamed(claim.culprit)))
            continue
        begin = "any row" if claim.shift == 1 else f"multiples of {claim.shift}"
        table.append((name, begin, "{} and {}".format(*row.margins), sharded, late, ""))
    return table


SECONDS = "seconds"  # the only column that differs from run to run
ZOO = ("architecture", "rows", "lattice", "interior", "field", "published", "tiles discard", SECONDS, "culprit")


def zoo(rows: Iterable[Row]) -> list[Sequence[str]]:
    """The table of all architectures."""
    return [ZOO, *map(zoo_cells, rows)]


def zoo_cells(row: Row) -> Sequence[str]:
    """A row of the table of all architectures."""
    own, (report, seconds), tiles = row.architecture, row.timed, row.claim
    interior, published = report.interior, own.published
    tile = "{} and {}".format(*row.margins) if tiles.culprit is None else f"no: {tiles.culprit.reason}"
    proved = ["", "not proved", "none"]
    if interior.culprit is None:
        ((_, step),), ((axis, lo, hi),), field = interior.moves, interior.region, interior.receptive_field
        rows = jax.eval_shape(own.apply, own.params, own.image).shape[axis]
        proved = [f"{interior.shift} → {step}", f"{lo} to {hi} of {rows}", str(field.size) if field else "none"]
    elif report.cyclic.culprit is None:
        proved[0] = f"circular: {report.cyclic.shift} → {report.cyclic.moves[0][1]}"
    return (
        f"{own.name} ({own.source})",
        str(own.shape[1]),
        *proved,
        f"{published.cells} ({published.source})" if published else "",
        tile,
        f"{seconds:.2f}",
        blamed(interior.culprit) if interior.culprit else "",
    )


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table as Markdown.

    >>> print(markdown([("a", "b"), ("1", "")]))
    | a | b |
    | --- | --- |
    | 1 |  |
    """
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join([lines[0], f"| {' | '.join(['---'] * len(table[0]))} |", *lines[1:]])


TABLES = {"tutorials/tiling.md": tiling, "zoo.md": zoo}  # page -> what makes its table from all rows
BEGIN, END = "<!-- python benchmarks/architecture_tables.py --write -->\n\n", "\n\n<!-- end of the table -->"


def written(page: str, table: str) -> str:
    """A page with its table replaced.

    >>> written(f"before {BEGIN}old{END} after", "new") == f"before {BEGIN}new{END} after"
    True
    """
    before, rest = page.split(BEGIN)
    return before + BEGIN + table + END + rest.split(END)[1]


def main() -> None:
    """Print the tables, or write them into the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/")
    options = parser.parse_args()
    rows = list(map(Row, ARCHITECTURES.values()))
    for name, make in TABLES.items():
        table, path = markdown(make(rows)), DOCS / name
        if options.write:
            path.write_text(written(path.read_text(), table))
            print(f"table: {path}")
        else:
            print(f"{name}:\n\n{table}\n", flush=True)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", DEVICES)
    main()
