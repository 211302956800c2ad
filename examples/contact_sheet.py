"""All figures of the scripts on one sheet, to look at them together.

The scripts draw into the folder first, with `--quick` by a few steps only.

    python examples/contact_sheet.py --quick        pictures/contact_sheet.png, in a few minutes
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import figures
import numpy as np
from matplotlib.image import imread
from shared import picture_options, start

SHEET = "contact_sheet.png"
SCRIPTS = sorted([*Path(__file__).parent.glob("show_*.py"), Path(__file__).parent / "count_parameters.py"])


def draw(pictures: list[Path], columns: int = 3) -> figures.Figure:
    """Draw the pictures in rows, each with its name."""
    rows = -(-len(pictures) // columns)
    figure = figures.new(6 * columns, 3.4 * rows, f"{len(pictures)} figures")
    for plot, picture in zip(figure.subplots(rows, columns, squeeze=False).flat, pictures, strict=False):
        plot.imshow(np.asarray(imread(picture)))
        plot.set_title(picture.stem, fontsize=10)
    for plot in figure.axes:
        plot.axis("off")
    return figure


def run(args: argparse.Namespace) -> None:
    """Run each script, then draw what it has drawn."""
    for script in SCRIPTS:
        print(f"{script.name} ...", flush=True)
        quick = ["--quick"] if args.quick and "quick=" in script.read_text() else []
        command = [sys.executable, str(script), "--out", str(args.out), *quick]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    pictures = sorted(path for path in args.out.glob("*.png") if path.name != SHEET)
    figures.save(draw(pictures), args.out, SHEET)


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--quick", action="store_true", help="run the scripts with --quick: minutes, not an hour")
    start(run, parser)
