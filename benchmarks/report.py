"""What every benchmark says: on which machine, by which versions, as a table, as JSON and as a picture."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

import jax
import numpy as np

PACKAGES = {"flax": "flax", "equinox": "equinox", "haiku": "dm-haiku", "torch": "torch"}  # module -> distribution


def parser(description: str | None, *, rounds: int = 11) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--rounds", type=positive, default=rounds, help="how many at least (%(default)s)")
    found.add_argument("--redo", type=int, default=10, help="how often disturbed rounds are redone (%(default)s)")
    found.add_argument("--json", type=_file, metavar="FILE", help="where to write all numbers")
    found.add_argument("--plot", type=_plot, metavar="FILE", help="where to draw them: PNG, SVG or PDF; by matplotlib")
    return found


def machine(*peers: str) -> dict[str, Any]:
    """The device, and the versions of what runs on it; of peers (module names) those that are installed."""
    versions = {"python": platform.python_version(), "jax": jax.__version__, "jaxlib": metadata.version("jaxlib")}
    versions |= {"numpy": np.__version__} | {peer: metadata.version(PACKAGES[peer]) for peer in peers if here(peer)}
    return {"device": jax.devices()[0].device_kind, "processor": _processor(), "cpus": os.cpu_count()} | versions


def here(module: str) -> bool:
    """Whether a package is installed."""
    return util.find_spec(module) is not None


def heading(found: Mapping[str, Any]) -> str:
    """The machine in one line.

    >>> heading({"device": "cpu", "processor": "Zen", "cpus": 2, "jax": "0.11"})
    'cpu (Zen, 2 CPUs); jax 0.11'
    """
    named = {"device", "processor", "cpus"}
    versions = ", ".join(f"{name} {value}" for name, value in found.items() if name not in named)
    return f"{found['device']} ({found['processor']}, {found['cpus']} CPUs); {versions}"


def write(path: Path | None, found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], **more: Any) -> None:
    """All numbers as JSON, if asked to."""
    if path:
        path.write_text(json.dumps({"machine": found, **more, "rows": rows}, indent=1) + "\n")


def ratio_text(ratio: Mapping[str, float]) -> str:
    """A median with its quartiles.

    >>> ratio_text({"median": 0.426, "low": 0.0123, "high": 12.34})
    '0.43 (0.012 - 12.3)'
    """
    digits = lambda value: f"{value:.3g}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
    return f"{digits(ratio['median'])} ({digits(ratio['low'])} - {digits(ratio['high'])})"


def rounds_text(row: Mapping[str, Any]) -> str:
    """How many rounds count, and what became of those that other processes disturbed.

    >>> rounds_text({"rounds": 12, "redone": 3, "disturbed": 0})
    '12 rounds, 3 redone'
    """
    number = row["rounds"]
    disturbed = (f"{row[name]} {name}" for name in ("redone", "disturbed") if row[name])
    return ", ".join([f"{number} round" if number == 1 else f"{number} rounds", *disturbed])


def warning(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the reader has to know about other processes."""
    if any(row["disturbed"] is None for row in rows):
        return "Whether other processes disturbed the rounds cannot be told: there is no /proc/stat here."
    noisy = sum(bool(row["disturbed"]) for row in rows)
    if noisy:
        return f"NOISY: other processes disturbed {noisy} of {len(rows)} rows to the end. Do not quote these."
    return f"Quiet: no round counts during which other processes took more than 15 % of a CPU; {len(rows)} rows."


def title(what: str, found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """For a picture: what was measured, where, and whether it can be relied on."""
    return "\n".join([what, *heading(found).split("; "), warning(rows)])


def new_figure(width: float, height: float) -> Any:
    """An empty figure, of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


@dataclass(frozen=True)
class Bar:
    """One ratio, and where it is drawn: in which panel, beside which label, in the colour of which series."""

    panel: str
    label: str
    series: str
    ratio: Mapping[str, float]


def draw(path: Path | None, bars: Sequence[Bar], title: str, *, reading: str) -> None:
    """Horizontal bars from 1, on a logarithmic scale, with lines from quartile to quartile; if asked to.

    Args:
        path: where to.
        bars: in the order in which they are read, downwards.
        title: what was measured, and where.
        reading: what a ratio means.
    """
    if not path or not bars:
        return
    panels, labels, series = (list(dict.fromkeys(getattr(bar, name) for bar in bars)) for name in _PLACES)
    columns = len(panels) if len(panels) <= 4 else 3
    rows = -(-len(panels) // columns)
    height = 0.6 + len(labels) * max(0.28, 0.13 * len(series))
    figure = new_figure(max(7.5, 3 + 3 * columns), 1.6 + rows * height)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    legend = {}
    for panel, axes in zip(panels, grid, strict=False):
        axes.set_title(panel, fontsize="medium")
        for number, name in enumerate(series):
            mine = [bar for bar in bars if (bar.panel, bar.series) == (panel, name)]
            thick, shift = 0.8 / len(series), (number - (len(series) - 1) / 2) * 0.8 / len(series)
            if mine:
                heights = [labels.index(bar.label) + shift for bar in mine]
                legend[name] = _bars(axes, mine, heights, thick, f"C{number}")
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    _scale(grid[0], bars)
    grid[0].set_yticks(range(len(labels)), labels)
    grid[0].set_ylim(len(labels) - 0.4, -0.6)
    if len(series) > 1:
        handles = [legend[name] for name in series]
        figure.legend(handles, series, loc="outside lower center", ncols=min(len(series), 4), fontsize="small")
    figure.suptitle(f"{title}\n{reading}", fontsize="medium")
    figure.savefig(path, dpi=130)


_PLACES = ("panel", "label", "series")


def _bars(axes: Any, bars: Sequence[Bar], heights: Sequence[float], thick: float, colour: str) -> Any:
    """One series in one panel; what its legend shows."""
    low, median, high = (np.array([bar.ratio[name] for bar in bars]) for name in ("low", "median", "high"))
    drawn = axes.barh(heights, median - 1, thick, left=1, color=colour)
    axes.errorbar(
        median, heights, xerr=[list(median - low), list(high - median)], fmt="none", ecolor="black", elinewidth=0.7
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.grid(axis="x", linewidth=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize="small", labelbottom=True)
    return drawn


def _scale(axes: Any, bars: Sequence[Bar]) -> None:
    """1, 2, 5, 10, 20 and so on; powers of ten if they are many."""
    axes.set_xscale("log")
    medians = [bar.ratio["median"] for bar in bars]
    axes.xaxis.get_major_locator().set_params(subs=(1, 2, 5) if max(medians) / min(medians) < 300 else (1,))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda *_: "")


def positive(text: str) -> int:
    """A number of 1 or more, of the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _file(text: str) -> Path:
    """A path that can be written, found out before anything is measured."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent} is not a folder")
    return path


def _plot(text: str) -> Path:
    if not here("matplotlib"):
        raise argparse.ArgumentTypeError("drawing needs matplotlib: pip install 'jaxconv[pictures]'")
    path = _file(text)
    if path.suffix not in {".png", ".svg", ".pdf"}:
        raise argparse.ArgumentTypeError(f"{path.name} should end in .png, .svg or .pdf")
    return path


def _processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
