"""The fixture's object: certifies what a test gives it, and fails the test if less is proved than in the snapshot."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import jax
import pytest

from jaxconv.checks import shown
from jaxconv.errors import explain
from jaxconv.testing import culprits, snapshot, table
from jaxconv.testing.assertions import broken_lines
from jaxconv.testing.session import PROPERTY, Session
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.certify import SEARCHED, certify
from jaxconv.verify.execution.candidate_laws import Kind
from jaxconv.verify.execution.falsify import falsify
from jaxconv.verify.shifted_axes import Axes

MODELS: dict[str, tuple[Kind, ...]] = {"cyclic": ("cyclic",), "interior": ("interior",), "both": ("cyclic", "interior")}


class Recorder:
    """The certificates of one test."""

    def __init__(self, node: pytest.Item, session: Session):
        config, marker = node.config, node.get_closest_marker("equivariance")
        options = dict(marker.kwargs) if marker else {}
        self._model = options.pop("shift_model", config.getoption("--shift-model"))
        self._thorough = options.pop("thorough", config.getoption("certificates_thorough"))
        known = self._model in MODELS and isinstance(self._thorough, bool)
        if options or (marker and marker.args) or not known:
            found = f"{marker.args if marker else ()} {marker.kwargs if marker else {}}"
            expected = f"shift_model={' or '.join(map(repr, sorted(MODELS)))} and thorough=True or False"
            cure = "Write @pytest.mark.equivariance(thorough=True)"
            raise ValueError(explain("equivariance", "the marker's arguments", found, expected, cure))
        self._node, self._session, self._test = node, session, session.collected.name(node.nodeid)
        self._names: set[str] = set()

    def record(
        self, fn: Callable[..., Any], *arguments: Any, axes: Axes, name: str | None = None, values: bool = False
    ) -> Certificate:
        """Certify a function, and fail if less is proved of it than the snapshot says.

        Args:
            fn: any JAX function of arrays.
            arguments: as for `certify`: arrays, shapes, or pytrees of them.
            axes: as for `certify`.
            name: under which it stands in the table and the snapshot; by default the function's own.
            values: as for `certify`.

        Returns:
            The certificate, for more assertions.

        Raises:
            AssertionError: a claim that was proved before is not, or of fewer shifts, or on a smaller region.
            ValueError: a name that this test has used before.
            TypeError: a name that is no text.

        Law: a test that passed when the snapshot was written passes until some claim in it is proved no more.
        """
        __tracebackhide__ = True
        if name is not None and not isinstance(name, str):
            raise TypeError(
                explain("certificates", "name", shown(name), "text", 'Write name="backbone", or leave it out')
            )
        certificate = certify(fn, *arguments, axes=axes, values=values, search=self._thorough)
        name = name or certificate.function
        if name in self._names:
            raise ValueError(explain("certificates", "name", repr(name), "another one for each", "Pass name="))
        self._names.add(name)
        small = all(math.prod(leaf.shape) <= SEARCHED for leaf in jax.tree.leaves(arguments) if hasattr(leaf, "shape"))
        tried = []
        if self._thorough and small:
            settings = {"axes": axes, "values": values, "certificate": certificate}
            tried = [falsify(fn, *arguments, kind=kind, **settings) for kind in MODELS[self._model]]
        now, before = snapshot.entry(certificate), self._session.before.get(self._test, {}).get(name)
        found = snapshot.changes(before, now, MODELS[self._model]) if before is not None else []
        status = "new" if before is None else ", ".join(sorted({"weaker" if one.lost else "stronger" for one in found}))
        lost = [one for one in found if one.lost]
        failing = bool(lost) and not self._session.update
        if failing and not self._thorough and small:
            certificate = certify(fn, *arguments, axes=axes, values=values)  # for its counterexamples
        row = {"test": self._test, "name": name, "entry": now, "shown": table.shown(certificate), "status": status}
        self._node.user_properties.append((PROPERTY, json.dumps(row)))
        if failing:
            proved = any(one.now for one in lost)
            operations = culprits.Operations.of(fn, arguments, axes, values=values) if proved else None
            raise AssertionError(_message(name, self._session.path.name, lost, certificate, operations))
        for one in tried:
            if one.counterexample is not None and one.counterexample.law.origin == "proved":
                raise AssertionError(f"{name}: proved, and yet violated; please report it\n{one}")
        return certificate


def _message(
    name: str,
    file: str,
    lost: list[snapshot.Change],
    certificate: Certificate,
    operations: culprits.Operations | None,
) -> str:
    """What was lost, the lines of the user's that broke it or made it weaker, and the way out."""
    lines = [f"{name} has lost what {file} says was proved of it"]
    places = [
        {"leaf": leaf, "axis": axis}
        for leaf, report in enumerate(certificate.leaves)
        for axis, _ in enumerate(report.axes)
    ]
    known = dict(zip(snapshot.entry(certificate), places, strict=True))
    for one in lost:
        lines.append(f"  {one}")
        if one.where not in known:
            lines.append("    this output is gone")
            continue
        place = known[one.where]
        if operations is not None and one.before is not None and one.now is not None:
            reasons = culprits.weaker(one.before, one.now, operations.steps(**place, kind=one.kind))
        else:
            report = certificate.leaves[place["leaf"]].axes[place["axis"]]
            reasons = broken_lines(report, report.cyclic if one.kind == "cyclic" else report.interior)
        lines += [f"    {line}" for line in reasons]
    return "\n".join([*lines, "  If it is meant to be so, run with --update-certificates and commit the file."])
