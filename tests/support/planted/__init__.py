"""Functions with one guilty line each, which a comment marks: `# culprit: ` and the function's key below.

A certificate of a function should name this line as the culprit of each of its claims in `kinds`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from support.planted import control, movement, pads, peers, weights

SIGNAL = (1, 12, 2)  # [n, h, c]
BOTH, CYCLIC, INTERIOR = ("cyclic", "interior"), ("cyclic",), ("interior",)


@dataclass(frozen=True)
class Planted:
    """A function of an array of `shape`, and which of its claims along `axis` the marked line breaks."""

    fn: Callable[[Any], Any]
    kinds: tuple[str, ...] = BOTH
    shape: tuple[int, ...] = SIGNAL
    axis: int = 1
    needs: str = "jax"

    @property
    def argument(self) -> jax.ShapeDtypeStruct:
        """The abstract argument."""
        return jax.ShapeDtypeStruct(self.shape, "float32")


PLANTED: dict[str, Planted] = {
    "zero padding between circular ones": Planted(pads.zero_padded, CYCLIC),
    "zero padding before a dense layer": Planted(pads.zero_padded_then_dense, CYCLIC),
    "wrap one cell too wide": Planted(pads.wide_wrap, CYCLIC),
    "wrap too wide, then circular": Planted(pads.wide_wrap_then_circular, CYCLIC),
    "wrap one cell too narrow": Planted(pads.narrow_wrap, CYCLIC),
    "wrap too narrow, then zeros": Planted(pads.narrow_wrap_residual, CYCLIC),
    "wrap of the wrong cells": Planted(pads.wrap_of_wrong_cells, CYCLIC),
    "reflection at the ends": Planted(pads.reflected, CYCLIC),
    "edge cells repeated": Planted(pads.repeated_edge, CYCLIC),
    "crop before a circular layer": Planted(pads.cropped, CYCLIC),
    "crop, then zeros": Planted(pads.cropped_then_added, CYCLIC),
    "stride that does not divide": Planted(pads.stride_that_does_not_divide, CYCLIC),
    "pool that does not fit": Planted(pads.pool_that_does_not_fit, CYCLIC),
    "enlarged, then cropped": Planted(pads.enlarged_and_cropped, CYCLIC),
    "token in front": Planted(pads.with_class_token, CYCLIC),
    "position embedding": Planted(weights.position_embedding),
    "coordinates as a channel": Planted(weights.coordinates_as_channel),
    "dense over positions": Planted(weights.dense_over_positions),
    "flattened before a dense layer": Planted(weights.flattened),
    "mixer over positions": Planted(weights.mixed_positions),
    "locally connected": Planted(weights.local_kernels),
    "mask of positions": Planted(weights.masked, CYCLIC),
    "dropout with a fixed mask": Planted(weights.dropout_of_a_fixed_key),
    "causal mask": Planted(weights.causal_attention, CYCLIC),
    "attention bias for each pair": Planted(weights.attention_bias, CYCLIC),
    "faded by a helper": Planted(weights.window_in_a_helper),
    "embedding two calls further in": Planted(weights.embedding_in_a_helper),
    "scale of each position": Planted(weights.affine_per_position),
    "bias on every mode": Planted(weights.spectrum_with_a_bias, CYCLIC),
    "modes rolled": Planted(weights.shifted_modes, CYCLIC),
    "weighted mean": Planted(weights.weighted_mean),
    "permutation": Planted(movement.permuted),
    "half of the cells reversed": Planted(movement.half_reversed, CYCLIC),
    "sum with the mirror image": Planted(movement.mirrored_sum),
    "relative to the first cell": Planted(movement.relative_to_the_first),
    "first cell overwritten": Planted(movement.overwritten, CYCLIC),
    "last cell": Planted(movement.last_cell),
    "place of the largest cell": Planted(movement.scaled_by_a_place),
    "reshape for a transposition": Planted(movement.transposed_by_reshape, BOTH, (1, 12, 8, 2)),
    "patches that straddle rows": Planted(movement.patches_of_wrong_order, BOTH, (1, 12, 6, 2), axis=2),
    "cumulative sum": Planted(movement.cumulative),
    "cumulative sum in a jitted helper": Planted(movement.in_a_jitted_helper),
    "called by a wrapper": Planted(movement.through_a_wrapper),
    "mean over all positions": Planted(movement.standardised, INTERIOR),
    "soft argmax": Planted(movement.soft_argmax, CYCLIC),
    "recurrence along the positions": Planted(control.recurrent),
    "embedding in a loop": Planted(control.in_a_loop),
    "cumulative sum in scanned layers": Planted(control.in_a_scan),
    "branch on the first cell": Planted(control.branch_on_a_cell),
    "weights in a branch": Planted(control.in_a_branch, CYCLIC),
    "place as an argument of vmap": Planted(control.mapped_over_places),
    "weights in a checkpoint": Planted(control.in_a_checkpoint),
    "energy with weights": Planted(control.gradient_of_an_energy),
    "custom derivative": Planted(control.with_a_rule_of_its_own),
    "zero padding in a Flax block": Planted(peers.flax_zero_padding, CYCLIC, needs="flax"),
    "embedding of a Flax module": Planted(peers.flax_positions, needs="flax"),
    "dense layer of a Flax module": Planted(peers.flax_mixer, needs="flax"),
    "norm of a Flax module": Planted(peers.flax_norm, CYCLIC, needs="flax"),
    "zero padding in nnx": Planted(peers.nnx_zero_padding, CYCLIC, needs="flax"),
}


def marked_line(name: str) -> tuple[str, int]:
    """The file and the number of the line that a comment marks."""
    found = [
        (str(path), number)
        for path in Path(__file__).parent.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.endswith(f"# culprit: {name}")
    ]
    ((file, number),) = found
    return file, number
