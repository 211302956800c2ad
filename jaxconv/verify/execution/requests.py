"""Validation shared by all functions that run a function on shifted inputs: arguments, batch, certificate, outputs."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from jaxconv.checks import integer, shown
from jaxconv.errors import explain, public_name
from jaxconv.jaxprs.typing import PyTree
from jaxconv.verify.arguments import check_cells
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.shifted_axes import Along


def check_request(
    arguments: Sequence[PyTree],
    along: Sequence[Along],
    *,
    batch: object = None,
    certificate: object = None,
    drawn: bool = False,
) -> None:
    """Raise for an empty input, an invalid batch or certificate, and for shapes unless arrays are `drawn` for them."""
    if batch is not None:
        integer("batch", batch, least=1, cure="Leave it out for as many as fit")
    check_certificate(certificate)
    check_cells(arguments, [number for number, _ in along[0].arguments])
    if not drawn and any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(arguments)):
        cure = "Pass arrays, or integers=True, which draws them" if public_name() == "check" else "Pass arrays"
        raise TypeError(
            explain("an argument", "a jax.ShapeDtypeStruct", "an array, because the function is executed", cure)
        )


def check_certificate(certificate: object) -> None:
    """Raise TypeError for anything but a certificate or None."""
    if certificate is not None and not isinstance(certificate, Certificate):
        cure = "Pass what certify returns, or leave it out"
        raise TypeError(explain("certificate", shown(certificate), "a Certificate", cure))


def check_outputs(function: Program) -> None:
    """Raise ValueError for a function whose output cannot be compared: one without arrays, or with random keys."""
    if not function.outputs or any(is_kind(leaf, jax.dtypes.prng_key) for _, leaf in function.outputs):
        cure = "Return the result: a def needs a return statement; keys are compared as jax.random.key_data"
        expected = "a tree of one array of numbers or more"
        raise ValueError(explain("the output", function.outputs, expected, cure))
