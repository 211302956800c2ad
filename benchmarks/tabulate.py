"""The tables of architectures on the pages: what of each can be tiled, sharded or streamed, and the culprit if not.

Nothing is computed: the networks of `zoo/` are traced and certified.

    python benchmarks/tabulate.py            print the tables
    python benchmarks/tabulate.py --write    write them into docs/
"""

from __future__ import annotations

import argparse
import linecache
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
from zoo import ARCHITECTURES, Architecture

import jaxconv as jc
from jaxconv.apply.claims import UnprovedError
from jaxconv.verify.claims import Culprit
from jaxconv.verify.tiling.certificate import TilingAxis

DOCS = Path(__file__).parents[1] / "docs"
DEVICES = 2
AXES = {1: (1,)}  # rows of the input, which is argument 1


@dataclass(frozen=True)
class Row:
    """What can be done with an architecture. Nothing is certified before it is asked for."""

    architecture: Architecture

    @cached_property
    def claim(self) -> TilingAxis:
        """The claim about tiles."""
        own = self.architecture
        return jc.certify_tiling(own.apply, own.params, own.image, tile=own.tile, axes=AXES).leaves[0].axes[0]

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
            lambda: jax.eval_shape(jc.sharded(own.apply, mesh, axes=AXES, over="rows"), own.params, own.image)
        )

    @cached_property
    def latency(self) -> int | None:
        """Rows by which a stream's outputs are late; None if the rows cannot be streamed."""
        own, found = self.architecture, list[int]()
        make = lambda: found.append(jc.streamed(own.apply, own.params, own.image, axes=AXES, chunk=own.chunk).latency)
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


def tiling(rows: Iterable[Row]) -> list[Sequence[str]]:
    """The table of the page on tiles."""
    table: list[Sequence[str]] = [
        ("architecture", "tiles begin at", "rows discarded", "sharded", "streamed", "culprit")
    ]
    for row in rows:
        claim, name = row.claim, f"{row.architecture.name} ({row.architecture.source})"
        late = "no" if row.latency is None else f"{row.latency} rows late"
        sharded = "yes" if row.sharded else "no"
        if claim.culprit is not None:
            table.append((name, "no tiles", "", sharded, late, blamed(claim.culprit)))
            continue
        begin = "any row" if claim.shift == 1 else f"multiples of {claim.shift}"
        table.append((name, begin, "{} and {}".format(*row.margins), sharded, late, ""))
    return table


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table as Markdown.

    >>> print(markdown([("a", "b"), ("1", "")]))
    | a | b |
    | --- | --- |
    | 1 |  |
    """
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join([lines[0], f"| {' | '.join(['---'] * len(table[0]))} |", *lines[1:]])


TABLES = {"tutorials/tiling.md": tiling}  # page -> what makes its table from all rows
BEGIN, END = "<!-- python benchmarks/tabulate.py --write -->\n\n", "\n\n<!-- end of the table -->"


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
            print(f"{name}:\n\n{table}\n")


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", DEVICES)
    main()
