"""Where another library's transposed convolution begins and ends, in terms of the convolution whose adjoint it is.

Cell p of the input lays its tap u down at the output's cell `p*stride + u*dilation - lo`. A library is one formula for
`lo` and one for the output's length; what is to be padded after follows, if that is an adjoint at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxconv.errors import explain
from jaxconv.window import Pad


@dataclass(frozen=True)
class Transposed:
    """One axis: `length` cells come in. `padding` is a name, or cells before and after, in the library's meaning."""

    length: int
    span: int
    stride: int
    padding: str | tuple[int, int]
    output_padding: int | None = None
    transpose_kernel: bool = False

    @property
    def reach(self) -> int:
        """Cells from the first that is laid down to the last, both included."""
        return (self.length - 1) * self.stride + self.span


def lax(axis: Transposed) -> tuple[int, int]:
    """`jax.lax.conv_transpose`, so Flax and Haiku: numbers pad the input after it was spread out.

    CIRCULAR (Flax): what VALID gives, wrapped around `length * stride` cells, moved by half of what is too much.
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
    """TensorFlow's, which Keras has on its JAX backend; with an output padding, one more rule."""
    if axis.output_padding is None:
        return lax(axis)
    if axis.padding == "VALID":
        return 0, axis.reach + axis.output_padding
    pads = axis.span + axis.span % 2 - 2 + axis.output_padding
    before = min(pads - pads // 2, axis.span - 1)
    return axis.span - 1 - before, axis.reach - 2 * (axis.span - 1) + pads


def torch(axis: Transposed) -> tuple[int, int]:
    """Numbers pad the output, as they would pad a convolution's input; `output_padding` makes it longer at its end."""
    before, after = (0, 0) if isinstance(axis.padding, str) else axis.padding
    return before, axis.reach - before - after + (axis.output_padding or 0)


def equinox(axis: Transposed) -> tuple[int, int]:
    """PyTorch's; SAME chooses the numbers such that the output is `length * stride` long, less an output padding."""
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
    most = axis.length * axis.stride + axis.span - 1 - lo  # one more, and a window more would fit
    if lo < 0 or not 0 < out <= most:
        found = f"{axis.padding} (output padding {axis.output_padding})"
        wrong = f"begins {-lo} cells before what the kernel reaches" if lo < 0 else f"has {out} cells, not 1 to {most}"
        expected = f"such that the output could be a convolution's input; here it {wrong}"
        raise ValueError(explain(where, "padding", found, expected, "Convert with less of it, and pad the output"))
    return Pad(lo, max(axis.reach - lo - out, 0), boundary), out


def each_axis(setting: Any, rank: int) -> list[Any]:
    """A setting for each axis; one that is not a sequence is all axes'."""
    return list(setting) if isinstance(setting, list | tuple) else [setting] * rank
