"""The padding and output length of other libraries' transposed convolutions, as adjoints of our convolution.

Tap u of the kernel adds cell p of the input to the output's cell `p*stride + u*dilation - lo`. Each library has a
formula for `lo` and one for the output's length. They determine the padding after the end, if such an adjoint exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxconv.errors import explain
from jaxconv.window import Pad


@dataclass(frozen=True)
class Transposed:
    """One axis. `length`: input cells. `padding`: a name, or the cells before and after as the library defines them."""

    length: int
    span: int
    stride: int
    padding: str | tuple[int, int]
    output_padding: int | None = None
    transpose_kernel: bool = False

    @property
    def reach(self) -> int:
        """Number of cells from the first one that the kernel writes to the last."""
        return (self.length - 1) * self.stride + self.span


def lax(axis: Transposed) -> tuple[int, int]:
    """`jax.lax.conv_transpose`, as used by Flax and Haiku. Numbers are the padding of the dilated input.

    CIRCULAR (Flax): the VALID result wrapped around `length * stride` cells, shifted by half of the excess.
    """
    over = max(axis.span - axis.stride, 0)
    if axis.padding == "CIRCULAR":
        return (over + axis.transpose_kernel) // 2, axis.length * axis.stride
    if axis.padding == "VALID":
        return 0, (axis.length - 1) * axis.stride + max(axis.span, axis.stride)
    if isinstance(axis.padding, str):
        return over // 2, axis.length * axis.stride
    before, after = axis.padding
    return axis.span - 1 - before, axis.reach - 2 * (axis.span - 1) + before + after


def keras(axis: Transposed) -> tuple[int, int]:
    """TensorFlow's rule, which Keras uses on its JAX backend; and another rule if there is an output padding."""
    if axis.output_padding is None:
        return lax(axis)
    if axis.padding == "VALID":
        return 0, axis.reach + axis.output_padding
    pads = axis.span + axis.span % 2 - 2 + axis.output_padding
    before = min(pads - pads // 2, axis.span - 1)
    return axis.span - 1 - before, axis.reach - 2 * (axis.span - 1) + pads


def torch(axis: Transposed) -> tuple[int, int]:
    """PyTorch. Numbers pad the convolution's input, so they crop the output. `output_padding` extends the output."""
    before, after = (0, 0) if isinstance(axis.padding, str) else axis.padding
    return before, axis.reach - before - after + (axis.output_padding or 0)


def equinox(axis: Transposed) -> tuple[int, int]:
    """PyTorch's rule. With SAME the output has `length * stride` cells, less an output padding."""
    if axis.padding == "VALID" or not isinstance(axis.padding, str):
        return torch(axis)
    extra = axis.output_padding or 0
    lo = (max(axis.span - axis.stride + extra, 0) + (axis.padding == "SAME_LOWER")) // 2
    return lo, axis.length * axis.stride - extra


PHASES: dict[str, Callable[[Transposed], tuple[int, int]]] = {
    "flax": lax,
    "haiku": lax,
    "keras": keras,
    "equinox": equinox,
    "torch": torch,
}


def adjoint(where: str, library: str, axis: Transposed, boundary: str) -> tuple[Pad, int]:
    """The padding of the convolution whose adjoint this is, and the output's length.

    >>> adjoint("example", "torch", Transposed(5, span=3, stride=2, padding=(1, 1), output_padding=1), "ZERO")
    (Pad(lo=1, hi=0, boundary='ZERO'), 10)
    """
    lo, out = PHASES[library](axis)
    most = axis.length * axis.stride + axis.span - 1 - lo  # with one more cell, one more window would fit
    if lo < 0 or not 0 < out <= most:
        actual = f"{axis.padding} (output padding {axis.output_padding})"
        wrong = f"begins {-lo} cells before the kernel's first cell" if lo < 0 else f"has {out} cells, not 1 to {most}"
        expected = f"such that the output is a valid input of the convolution; here it {wrong}"
        raise ValueError(explain(where, "padding", actual, expected, "Convert with less padding, and pad the output"))
    return Pad(lo, max(axis.reach - lo - out, 0), boundary), out


def each_axis(setting: Any, rank: int) -> list[Any]:
    """A setting for each axis. A setting that is not a sequence applies to all axes."""
    return list(setting) if isinstance(setting, list | tuple) else [setting] * rank
