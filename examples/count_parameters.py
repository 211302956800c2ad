"""Parameter efficiency: count the weights of a layer with shared weights, with unshared weights, and as a dense layer.

Prints the counts in slides and answers about weight sharing, those of jaxconv, and how the three counts grow with the
image. Draws the growth, and one number that is wrong in the slides.

    python examples/count_parameters.py                two tables, and pictures/parameters.png
    python examples/count_parameters.py --window 5     the growth for a 5x5 filter
"""

from __future__ import annotations

import argparse

import figures
from shared import picture_options, positive, start, table

from jaxconv.account.sharing import Sharing, window_weights
from jaxconv.errors import explain, public
from jaxconv.window import slide

SIDES = (8, 16, 32, 64, 128, 224, 512, 1024)
KINDS = {"dense": figures.VERMILION, "unshared": figures.ORANGE, "shared": figures.BLUE}
SLIDES = 3 * 222 * 222  # "about 148,000", where their own formula is 3 * 3 * 222 * 222


def weights(side: int, window: int, filters: int = 1, padding: str = "VALID") -> Sharing:
    """The counts for square filters on a square grey image, without biases."""
    return window_weights(slide((side, side), (window, window), padding=padding), 1, filters)


def claims() -> list[tuple[str, str, str]]:
    """Rows with a layer, the number in the slides, and the counted number."""
    small, slide32, slide224 = weights(3, 2), weights(32, 3, filters=8), weights(224, 3)
    units = weights(32, 32, filters=64).shared  # 64 filters as large as the image: a dense layer
    local, same = weights(100, 10, padding="SAME"), weights(100, 3, padding="SAME")
    return [
        ("layer", "said", "counted"),
        ("2x2 kernel over a 3x3 input, shared", "4", f"{small.shared:,}"),
        ("the same, a kernel for each position", "16", f"{small.unshared:,}"),
        ("the same, dense", "36", f"{small.dense:,}"),
        ("32x32 image to 64 units, dense", "65,536", f"{units:,}"),
        ("32x32 image, eight 3x3 filters", "72", f"{slide32.shared:,}"),
        ("the dense layer has more, by a factor of", "910x", f"{units / slide32.shared:.0f}x"),
        ("224x224 image, one 3x3 filter, shared", "9", f"{slide224.shared:,}"),
        ("the same, a kernel for each position", "about 148,000", f"{slide224.unshared:,}"),
        ("100x100 image, map of its size, dense", "10^8", f"{same.dense:,}"),
        ("the same, 10x10 kernel for each position", "10^6", f"{local.unshared:,}"),
    ]


@public
def growth(window: int) -> dict[int, Sharing]:
    """The counts of one filter, for the image sides that it fits into. There are at least two."""
    if window > SIDES[-2]:
        expected = f"{SIDES[-2]} or less, so that it fits into two images"
        raise ValueError(explain("window", window, expected, "Write 3 for a window of 3x3"))
    return {side: weights(side, window) for side in SIDES if side >= window}


def draw(counts: dict[int, Sharing], window: int) -> figures.Figure:
    """Draw the three counts over the image's side, both axes logarithmic."""
    once = window * window
    figure = figures.new(8, 5.2, f"One {window}x{window} filter: {once} shared weights, however large the image")
    plot = figure.add_subplot(xlabel="side of the image (pixels)", ylabel="weights")
    plot.set(xscale="log", yscale="log", xlim=(min(counts) * 0.85, max(counts) * 4), ylim=(1, 1e13))
    for kind, colour in KINDS.items():
        values = [getattr(count, kind) for count in counts.values()]
        plot.plot(list(counts), values, "o-", color=colour, linewidth=2.5)
        order = {"dense": "side to the 4th", "unshared": "side squared", "shared": "constant"}[kind]
        plot.annotate(f"{kind}\n{order}", (max(counts), values[-1]), (10, 0), textcoords="offset points",
                      color=colour, fontsize=11, va="center")  # fmt: skip
    if window == 3:
        right = counts[224].unshared
        arrow = {"arrowstyle": "-", "color": figures.GREY}
        plot.plot(224, SLIDES, "x", color="black", markersize=10, markeredgewidth=2.5)
        note = lambda text, weights, offset: plot.annotate(
            text, (224, weights), offset, textcoords="offset points", arrowprops=arrow
        )
        note(f"{right:,} = 3·3·222·222", right, (-60, 40))
        note(f"a slide's “about 148,000”\nis 3·222·222 = {SLIDES:,}:\na factor 3 is missing", SLIDES, (10, -62))
    plot.set_xticks(list(counts), [str(side) for side in counts])
    plot.minorticks_off()
    plot.grid(color="#e0e0e0")
    plot.spines[["top", "right"]].set_visible(False)
    return figure


def run(args: argparse.Namespace) -> None:
    """Count weights, print and draw."""
    print("Weights, biases not counted:\n")
    print(table(claims()))
    print(f"\nThe formula in the slides, 3*3*222*222, is 443,556; 3*222*222 = {SLIDES:,} has lost a factor 3.\n")
    print(f"One {args.window}x{args.window} filter on a grey image:\n")
    counts = growth(args.window)
    print(table([("side", *Sharing._fields), *((n, *(f"{number:,}" for number in c)) for n, c in counts.items())]))
    print()
    figures.save(draw(counts, args.window), args.out, "parameters.png")


if __name__ == "__main__":
    parser = picture_options(__doc__)
    parser.add_argument("--window", type=positive, default=3, help="taps of the filter along each axis")
    start(run, parser)
