"""The fixture's class: it certifies functions, and fails the test if a claim is weaker than in the snapshot."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import jax
import pytest

from jaxconv.checks import shown
from jaxconv.errors import message
from jaxconv.testing import culprits, snapshot, table
from jaxconv.testing.assertions import culprit_lines
from jaxconv.testing.session import PROPERTY, Session
from jaxconv.verify import report
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.certify import SEARCHED, certify
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import KindName
from jaxconv.verify.execution.falsify import falsify
from jaxconv.verify.shifted_axes import Axes

MODELS: dict[str, tuple[KindName, ...]] = {**{kind: (kind,) for kind in KINDS}, "both": tuple(KINDS)}


class Recorder:
    """The certificates of one test."""

    def __init__(self, node: pytest.Item, session: Session):
        config, marker = node.config, node.get_closest_marker("equivariance")
        options = dict(marker.kwargs) if marker else {}
        self._model = options.pop("shift_model", config.getoption("--shift-model"))
        self._thorough = options.pop("thorough", config.getoption("certificates_thorough"))
        known = self._model in MODELS and isinstance(self._thorough, bool)
        if options or (marker and marker.args) or not known:
            actual = f"{marker.args if marker else ()} {marker.kwargs if marker else {}}"
            expected = f"shift_model={' or '.join(map(repr, sorted(MODELS)))} and thorough=True or False"
            cure = "Write @pytest.mark.equivariance(thorough=True)"
            raise ValueError(message("equivariance", "the marker's arguments", actual, expected, cure))
        self._node, self._session, self._test = node, session, session.collected.name(node.nodeid)
        self._names: set[str] = set()

    def record(
        self, fn: Callable[..., Any], *arguments: Any, axes: Axes, name: str | None = None, values: bool = False
    ) -> Certificate:
        """Certify a function, and fail if a claim is weaker than in the snapshot.

        Args:
            fn: any JAX function of arrays.
            arguments: as for `certify`: arrays, shapes, or pytrees of them.
            axes: as for `certify`.
            name: the function's name in the table and the snapshot; by default that of `fn`.
            values: as for `certify`.

        Returns:
            The certificate, for more assertions.

        Raises:
            AssertionError: a claim of the snapshot is no longer proved, or only for fewer shifts or a smaller region.
            ValueError: the test has already used the name.
            TypeError: the name is not text.

        Law: a test that passed when the snapshot was written passes until one of its claims is no longer proved.
        """
        __tracebackhide__ = True
        if name is not None and not isinstance(name, str):
            raise TypeError(
                message("certificates", "name", shown(name), "text", 'Write name="backbone", or leave it out')
            )
        certificate = certify(fn, *arguments, axes=axes, values=values, search=self._thorough)
        name = name or certificate.function
        if name in self._names:
            raise ValueError(message("certificates", "name", repr(name), "different for each function", "Pass name="))
        self._names.add(name)
        small = all(math.prod(leaf.shape) <= SEARCHED for leaf in jax.tree.leaves(arguments) if hasattr(leaf, "shape"))
        tried = []
        if self._thorough and small:
            settings = {"axes": axes, "values": values, "certificate": certificate}
            tried = [falsify(fn, *arguments, kind=kind, **settings) for kind in MODELS[self._model]]
        now, before = snapshot.entry(certificate), self._session.before.get(self._test, {}).get(name)
        changes = snapshot.changes(before, now, MODELS[self._model]) if before is not None else []
        status = ", ".join(sorted({"weaker" if change.lost else "stronger" for change in changes}))
        status = "new" if before is None else status
        lost = [change for change in changes if change.lost]
        failing = bool(lost) and not self._session.update
        if failing and not self._thorough and small:
            certificate = certify(fn, *arguments, axes=axes, values=values)  # for its counterexamples
        row = {"test": self._test, "name": name, "entry": now, "shown": table.shown(certificate), "status": status}
        self._node.user_properties.append((PROPERTY, json.dumps(row)))
        if failing:
            proved = any(change.now for change in lost)
            operations = culprits.Operations.of(fn, arguments, axes, values=values) if proved else None
            raise AssertionError(_message(name, self._session.path.name, lost, certificate, operations))
        for search in tried:
            if search.counterexample is not None and search.counterexample.law.origin == "proved":
                raise AssertionError(f"{name}: proved, but violated; please report it\n{search}")
        return certificate


def _message(
    name: str,
    file: str,
    lost: list[snapshot.Change],
    certificate: Certificate,
    operations: culprits.Operations | None,
) -> str:
    """The text of a failure: the lost claims, the culprit lines, and how to accept the change."""
    lines = [f"{name}: claims of {file} are no longer proved"]
    places = [
        {"leaf": leaf, "axis": axis}
        for leaf, of_leaf in enumerate(certificate.leaves)
        for axis, _ in enumerate(of_leaf.axes)
    ]
    known = dict(zip(snapshot.entry(certificate), places, strict=True))
    for change in lost:
        lines.append(f"  {change}")
        if change.where not in known:
            lines.append("    this output no longer exists")
            continue
        place = known[change.where]
        axis = certificate.leaves[place["leaf"]].axes[place["axis"]]
        if operations is not None and change.before is not None and change.now is not None:
            reasons = culprits.weaker(change.before, change.now, operations.steps(**place, kind=change.kind))
            reasons += report.factors(axis.claims[change.kind])
        else:
            reasons = culprit_lines(axis, axis.claims[change.kind])
        lines += [f"    {line}" for line in reasons]
    return "\n".join([*lines, "  If this is intended, run with --update-certificates and commit the file."])
