"""The output of every benchmark: the machine, the versions, a table, JSON and a picture."""

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
    """A parser with the options of all benchmarks."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=positive, default=rounds, help="least number of rounds (%(default)s)")
    options.add_argument("--redo", type=int, default=10, help="most repetitions of disturbed rounds (%(default)s)")
    options.add_argument("--json", type=file, metavar="FILE", help="write all numbers to this file")
    options.add_argument(
        "--plot", type=_plot, metavar="FILE", help="draw them in this file: PNG, SVG or PDF; needs matplotlib"
    )
    return options


def machine(*peers: str) -> dict[str, Any]:
    """The device, and the versions of Python, JAX, NumPy and the installed peers (module names)."""
    versions = {"python": platform.python_version(), "jax": jax.__version__, "jaxlib": metadata.version("jaxlib")}
    versions |= {"numpy": np.__version__} | {peer: metadata.version(PACKAGES[peer]) for peer in peers if here(peer)}
    return {"device": jax.devices()[0].device_kind, "processor": _processor(), "cpus": os.cpu_count()} | versions


def here(module: str) -> bool:
    """Whether a package is installed."""
    return util.find_spec(module) is not None


def heading(found: Mapping[str, Any]) -> str:
    """A line that describes the machine.

    >>> heading({"device": "cpu", "processor": "Zen", "cpus": 2, "jax": "0.11"})
    'cpu (Zen, 2 CPUs); jax 0.11'
    """
    named = {"device", "processor", "cpus"}
    versions = ", ".join(f"{name} {value}" for name, value in found.items() if name not in named)
    return f"{found['device']} ({found['processor']}, {found['cpus']} CPUs); {versions}"


def write(path: Path | None, found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], **more: Any) -> None:
    """Write all numbers as JSON, if there is a path."""
    if path:
        path.write_text(json.dumps({"machine": found, **more, "rows": rows}, indent=1) + "\n")


def ratio_text(ratio: Mapping[str, float]) -> str:
    """The text of a median with its quartiles.

    >>> ratio_text({"median": 0.426, "low": 0.0123, "high": 12.34})
    '0.43 (0.012 - 12.3)'
    """
    digits = lambda value: f"{value:.3g}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
    return f"{digits(ratio['median'])} ({digits(ratio['low'])} - {digits(ratio['high'])})"


def rounds_text(row: Mapping[str, Any]) -> str:
    """The number of rounds that count, and of those that other processes disturbed.

    >>> rounds_text({"rounds": 12, "redone": 3, "disturbed": 0})
    '12 rounds, 3 redone'
    """
    number = row["rounds"]
    disturbed = (f"{row[name]} {name}" for name in ("redone", "disturbed") if row[name])
    return ", ".join([f"{number} round" if number == 1 else f"{number} rounds", *disturbed])


def warning(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line that states whether other processes disturbed the rows."""
    if any(row["disturbed"] is None for row in rows):
        return "Unknown whether other processes disturbed the rounds: there is no /proc/stat here."
    noisy = sum(bool(row["disturbed"]) for row in rows)
    if noisy:
        return f"NOISY: other processes disturbed {noisy} of {len(rows)} rows in every attempt. Do not quote these."
    return f"Quiet: in all counted rounds, other processes took at most 15 % of a CPU; {len(rows)} rows."


def title(what: str, found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The title of a picture: the subject, the machine, and whether other processes disturbed the rows."""
    return "\n".join([what, *heading(found).split("; "), warning(rows)])


def new_figure(width: float, height: float) -> Any:
    """An empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


@dataclass(frozen=True)
class Bar:
    """One ratio, and its panel, label and series in the picture."""

    panel: str
    label: str
    series: str
    ratio: Mapping[str, float]


def draw(path: Path | None, bars: Sequence[Bar], title: str, *, reading: str) -> None:
    """Draw horizontal bars from 1 on a logarithmic scale, with lines between the quartiles, if there is a path.

    Args:
        path: the file to write.
        bars: the ratios, from the top down.
        title: the title of the picture.
        reading: the meaning of a ratio.
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
            selected = [bar for bar in bars if (bar.panel, bar.series) == (panel, name)]
            thickness, shift = 0.8 / len(series), (number - (len(series) - 1) / 2) * 0.8 / len(series)
            if selected:
                heights = [labels.index(bar.label) + shift for bar in selected]
                legend[name] = _bars(axes, selected, heights, thickness, f"C{number}")
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


def _bars(axes: Any, bars: Sequence[Bar], heights: Sequence[float], thickness: float, colour: str) -> Any:
    """Draw one series in one panel, and return its handle for the legend."""
    low, median, high = (np.array([bar.ratio[name] for bar in bars]) for name in ("low", "median", "high"))
    handle = axes.barh(heights, median - 1, thickness, left=1, color=colour)
    axes.errorbar(
        median, heights, xerr=[list(median - low), list(high - median)], fmt="none", ecolor="black", elinewidth=0.7
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.grid(axis="x", linewidth=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize="small", labelbottom=True)
    return handle


def _scale(axes: Any, bars: Sequence[Bar]) -> None:
    """Set ticks at 1, 2, 5, 10, 20 and so on, or at powers of ten for a wide range."""
    axes.set_xscale("log")
    medians = [bar.ratio["median"] for bar in bars]
    axes.xaxis.get_major_locator().set_params(subs=(1, 2, 5) if max(medians) / min(medians) < 300 else (1,))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda *_: "")


def positive(text: str) -> int:
    """The integer of 1 or more in a command-line argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def file(text: str) -> Path:
    """A path whose folder exists, checked before anything is measured."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent} is not a folder")
    return path


def _plot(text: str) -> Path:
    if not here("matplotlib"):
        raise argparse.ArgumentTypeError("drawing needs matplotlib: pip install matplotlib")
    path = file(text)
    if path.suffix not in {".png", ".svg", ".pdf"}:
        raise argparse.ArgumentTypeError(f"{path.name} should end in .png, .svg or .pdf")
    return path


def _processor() -> str:
    """The processor's name from /proc/cpuinfo, or from `platform`."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
