"""The summary: the counts of each layer and each parameter, as data."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from jaxconv.account import render
from jaxconv.verify.claims import ReceptiveField


@dataclass(frozen=True)
class Reach:
    """The stride and the receptive field of a layer along one axis of the input, away from the border.

    Attributes:
        stride: cells of the input between neighbouring cells of the result.
        receptive_field: the receptive field of one cell of the result. It may be larger than the image.
        reason: why there is no stride or no receptive field.
    """

    stride: Fraction | None = None
    receptive_field: ReceptiveField | None = None
    reason: str = ""


@dataclass(frozen=True)
class Use:
    """Parameters of a layer that come from one leaf.

    Attributes:
        path: the path of the leaf.
        numbers: how many of its numbers the layer uses.
        tied: how many of these were counted in a layer before.
        reuse: how often each of them is used; None if unknown.
        contracted: whether they are contracted with data, as a kernel is. A bias is combined element by element.
    """

    path: str
    numbers: int
    tied: int
    reuse: int | None
    contracted: bool


@dataclass(frozen=True)
class Layer:
    """A contraction of data with parameters and the element-wise operations after it; or a pooling operation.

    Counts are for one example (see `Summary.examples`) and for all rounds of the surrounding loops (`times`). A count
    is None if it is unknown: the number of rounds of a while loop, or the computation of an unsupported primitive.
    """

    name: str  # that of its parameters' container: "blocks.0.conv" for [0]['blocks'][0]['conv']['kernel']
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
    tied: int  # those that were counted in a layer before
    unshared: int | None
    dense: int | None
    reuse: int | None  # of the kernel's weights, or of the other parameters if there is no kernel; the maximum
    multiply_adds: int | None
    times: int | None
    condition: str  # "branch 0 of 2" if it runs conditionally
    reaches: tuple[Reach, ...]  # one for each shifted axis


@dataclass(frozen=True)
class Weight:
    """One array of parameters. `layers`: the layers that use it. `idle`: how many of its numbers no layer uses."""

    path: str
    shape: tuple[int, ...]
    numbers: int
    layers: tuple[int, ...]
    idle: int


@dataclass(frozen=True)
class Summary:
    """The counts of a function's layers. `print` shows them as a table.

    Attributes:
        function: the name of the function.
        layers: its layers.
        weights: its parameters.
        constants: how many floating-point numbers the function holds that are not parameters.
        shifted: the shifted axes, one for each of a layer's `reaches`: "axis 1 of argument 0".
        examples: the number that the counts were divided by. If it is 1, the counts are for the whole call.
        whole_call: why the counts are for the whole call, if the input's first axis is longer than 1.
    """

    function: str
    layers: tuple[Layer, ...]
    weights: tuple[Weight, ...]
    constants: int
    shifted: tuple[str, ...]
    examples: int
    whole_call: str = ""

    @property
    def parameters(self) -> int:
        """How many numbers all parameters hold, each counted once."""
        return sum(weight.numbers for weight in self.weights)

    @property
    def idle(self) -> int:
        """How many of them no layer uses. `parameters` is the sum of the layers' parameters and these."""
        return sum(weight.idle for weight in self.weights)

    @property
    def unshared(self) -> int:
        """How many parameters unshared layers in place of all layers would need. Unknown counts are left out."""
        return sum(layer.unshared or 0 for layer in self.layers)

    @property
    def dense(self) -> int:
        """How many parameters dense layers in place of all layers would need. Unknown counts are left out."""
        return sum(layer.dense or 0 for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of all layers that always run. Unknown counts are left out: see `uncounted`."""
        return sum(layer.multiply_adds or 0 for at, layer in enumerate(self.layers) if at not in self.uncounted)

    @property
    def uncounted(self) -> tuple[int, ...]:
        """The numbers of the layers whose multiply-adds are not in the total."""
        return tuple(
            number
            for number, layer in enumerate(self.layers)
            if layer.multiply_adds is None or (layer.condition and layer.multiply_adds)
        )

    def __str__(self) -> str:
        return render.text(self)

    def _repr_html_(self) -> str:
        return render.as_html(str(self))

    def to_json(self) -> str:
        """The summary as JSON, with its totals. Fractions are written as "3/2"."""
        return render.as_json(self, ("parameters", "idle", "unshared", "dense", "multiply_adds", "uncounted"))
