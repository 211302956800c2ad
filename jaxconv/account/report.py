"""The summary: what was counted, layer by layer and parameter by parameter; only data."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from jaxconv.account import render
from jaxconv.verify.claims import ReceptiveField


@dataclass(frozen=True)
class Reach:
    """Along one axis of the input: from one cell of the result to the next, `stride` cells of the input; what one sees.

    Away from the border, where no window reaches padding; the field may be larger than the image. `reason`: why there
    is no stride, or no field.
    """

    stride: Fraction | None = None
    receptive_field: ReceptiveField | None = None
    reason: str = ""


@dataclass(frozen=True)
class Use:
    """Parameters of a layer: `numbers` of those of a leaf, of which `tied` were counted in a layer before.

    `reuse`: how often each of them is used, None if that is not known. `contracted`: with data, as a
    kernel is, rather than met position by position, as a bias is.
    """

    path: str
    numbers: int
    tied: int
    reuse: int | None
    contracted: bool


@dataclass(frozen=True)
class Layer:
    """What applies parameters to data, together with what is done position by position behind it; or slides a window.

    Counts are for one example, see `Summary.examples`, and for all rounds of the loops around: `times`. None is what
    cannot be known: how often a while loop runs, what a primitive does that is not followed.
    """

    name: str  # of its parameters: "blocks.0.conv" for [0]['blocks'][0]['conv']['kernel']
    kind: str  # "conv", "depthwise conv", "transposed conv", "local", "dense", "embedding", "max pool", ...
    primitive: str
    source: str  # "file.py:12 (function)"
    output: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    uses: tuple[Use, ...]
    parameters: int  # without those that were counted in a layer before
    tied: int  # these
    unshared: int | None
    dense: int | None
    reuse: int | None  # of the kernel's weights, or of the others if there is no kernel; the most, if they differ
    multiply_adds: int | None
    times: int | None
    condition: str  # "branch 0 of 2" if it is not always run
    reaches: tuple[Reach, ...]  # for each shifted axis


@dataclass(frozen=True)
class Weight:
    """One array of parameters: which layers use it, by number. `idle`: how many of its numbers meet no data."""

    path: str
    shape: tuple[int, ...]
    numbers: int
    layers: tuple[int, ...]
    idle: int


@dataclass(frozen=True)
class Summary:
    """What a function's layers need and do. Printed, it is a table.

    `examples`: how many the counts were divided by; where it is 1, they are for the whole call, and `whole_call` says
    why if the input's first axis is longer. `constants`: how many floating-point numbers the function holds itself.
    """

    function: str
    layers: tuple[Layer, ...]
    weights: tuple[Weight, ...]
    constants: int
    shifted: tuple[str, ...]  # "axis 1 of argument 0", for each of a layer's reaches
    examples: int
    whole_call: str = ""

    @property
    def parameters(self) -> int:
        """Numbers in all parameters, each counted once."""
        return sum(weight.numbers for weight in self.weights)

    @property
    def idle(self) -> int:
        """Those that meet no data; `parameters` is what the layers' add up to, and these."""
        return sum(weight.idle for weight in self.weights)

    @property
    def unshared(self) -> int:
        """What unshared layers in place of all of them would need, of those of which it is known."""
        return sum(layer.unshared or 0 for layer in self.layers)

    @property
    def dense(self) -> int:
        """What dense layers in place of all of them would need, of those of which it is known."""
        return sum(layer.dense or 0 for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of all layers that always run, as often as is known: see `uncounted`."""
        return sum(layer.multiply_adds or 0 for at, layer in enumerate(self.layers) if at not in self.uncounted)

    @property
    def uncounted(self) -> tuple[int, ...]:
        """The layers whose multiply-adds are not in the total, by number: it is not known how many there are."""
        return tuple(
            at
            for at, layer in enumerate(self.layers)
            if layer.multiply_adds is None or (layer.condition and layer.multiply_adds)
        )

    def __str__(self) -> str:
        return render.text(self)

    def _repr_html_(self) -> str:
        return render.as_html(str(self))

    def to_json(self) -> str:
        """The summary as JSON, totals included: fractions as "3/2"."""
        return render.as_json(self, ("parameters", "idle", "unshared", "dense", "multiply_adds", "uncounted"))
