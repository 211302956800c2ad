"""The style of the scripts' figures: colours that colour-blind readers can distinguish, and a finding as the title."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

# Okabe and Ito, Color universal design, 2008.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
GREY = "#7f7f7f"
SIGNED = "PuOr_r"  # negative purple, zero white, positive orange


def new(width: float, height: float, finding: str) -> Figure:
    """An empty figure of this size in inches, with the finding as its title."""
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    entitle(figure, finding)
    return figure


def entitle(figure: Figure, finding: str) -> None:
    """Set the title of a figure to its finding."""
    figure.suptitle(finding, fontsize=12, fontweight="bold")


def cells(plot: Axes, values: np.ndarray, title: str = "", **settings: Any) -> Any:
    """Draw an array [h, w] as square cells without ticks, black on white unless the settings override this."""
    style: dict[str, Any] = {"cmap": "Greys", "interpolation": "nearest"}
    image = plot.imshow(values, **style | settings)
    plot.set_title(title, fontsize=10)
    plot.set(xticks=[], yticks=[])
    return image


def frame(plot: Axes, top: float, left: float, height: float, width: float, colour: str, **settings: Any) -> None:
    """Draw an outline around cells that `cells` has drawn, from (top, left)."""
    style: dict[str, Any] = {"fill": False, "edgecolor": colour, "linewidth": 2.5}
    plot.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, **style | settings))


def curve(plot: Axes, x: Any, values: np.ndarray, colour: str, label: str, **settings: Any) -> None:
    """Draw the mean over seeds of values [seed, x], with bars of one standard deviation."""
    style: dict[str, Any] = {"color": colour, "linewidth": 2, "markersize": 5, "capsize": 3, "fmt": "o-"}
    plot.errorbar(x, values.mean(0), values.std(0), label=label, **style | settings)
    plot.grid(color="#e0e0e0")
    plot.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, folder: Path, name: str, colours: int | None = None) -> None:
    """Write folder/name and print its path. The same figure gives the same file.

    With a number of colours, of which a picture of noise needs no more than 256, the file is half as large.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / name, metadata={"Software": None})
    if colours:
        with Image.open(folder / name) as image:
            few = image.convert("RGB").quantize(colours)
        few.save(folder / name, optimize=True)
    print(f"figure: {folder / name}")
