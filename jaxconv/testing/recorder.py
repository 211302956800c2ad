"""The fixture's class: it certifies functions, and fails the test if a claim is weaker than in the snapshot."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import pytest

from jaxconv.checks import shown
from jaxconv.errors import message
from jaxconv.testing import culprits, snapshot, table, tilings
from jaxconv.testing.assertions import culprit_lines
from jaxconv.testing.session import PROPERTY, Session
from jaxconv.verify import report
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.certify import SEARCHED, certify
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.claims import KindName
from jaxconv.verify.execution.falsify import falsify
from jaxconv.verify.shifted_axes import Axes
from jaxconv.verify.tiling.certificate import TilingCertificate
from jaxconv.verify.tiling.certify_tiling import certify_tiling

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
        _refuse_no_text(name)
        certificate = certify(fn, *arguments, axes=axes, values=values, search=self._thorough)
        name = self._unused(name or certificate.function)
        small = all(math.prod(leaf.shape) <= SEARCHED for leaf in jax.tree.leaves(arguments) if hasattr(leaf, "shape"))
        tried = []
        if self._thorough and small:
            settings = {"axes": axes, "values": values, "certificate": certificate}
            tried = [falsify(fn, *arguments, kind=kind, **settings) for kind in MODELS[self._model]]
        now = snapshot.entry(certificate)

        def shown(failing: bool) -> dict[str, dict[str, str]]:
            nonlocal certificate
            if failing and not self._thorough and small:
                certificate = certify(fn, *arguments, axes=axes, values=values)  # for its counterexamples
            return table.shown(certificate)

        lost = self._compared(name, now, shown)
        if lost:
            proved = any(change.now for change in lost)
            operations = culprits.Operations.of(fn, arguments, axes, values=values) if proved else None
            raise AssertionError(
                _message(name, self._session.path.name, lost, now, partial(_reasons, certificate, operations))
            )
        for search in tried:
            if search.counterexample is not None and search.counterexample.law.origin == "proved":
                raise AssertionError(f"{name}: proved, but violated; please report it\n{search}")
        return certificate

    def record_tiling(
        self, fn: Callable[..., Any], *arguments: Any, tile: int | Sequence[int], axes: Axes, name: str | None = None
    ) -> TilingCertificate:
        """Certify tiles of a function's input, and fail if a claim is weaker than in the snapshot.

        A claim is weaker if it is not proved any more, if tiles may begin at fewer places, or if more cells of a tile
        have to be discarded.

        Args:
            fn: any JAX function of arrays.
            arguments: as for `certify_tiling`: arrays, shapes, or pytrees of them.
            tile: as for `certify_tiling`.
            axes: as for `certify_tiling`.
            name: the function's name in the table and the snapshot; by default that of `fn`.

        Returns:
            The certificate, for more assertions.

        Raises:
            AssertionError: a claim of the snapshot is no longer proved, or a weaker one is.
            ValueError: the test has already used the name.
            TypeError: the name is not text.

        Law: as for `record`.
        """
        __tracebackhide__ = True
        _refuse_no_text(name)
        certificate = certify_tiling(fn, *arguments, tile=tile, axes=axes)
        name = self._unused(name or certificate.name)
        now = tilings.entry(certificate)
        lost = self._compared(name, now, lambda _: tilings.shown(certificate))
        if lost:
            every = [axis for leaf in certificate.leaves for axis in leaf.axes]
            reasons = lambda change, number: tilings.culprit_lines(every[number])
            raise AssertionError(_message(name, self._session.path.name, lost, now, reasons))
        return certificate

    def _unused(self, name: str) -> str:
        """A name of a function, which is noted. Raises ValueError if the test has already used it."""
        if name in self._names:
            raise ValueError(message("certificates", "name", repr(name), "different for each function", "Pass name="))
        self._names.add(name)
        return name

    def _compared(
        self, name: str, now: snapshot.Entry, shown: Callable[[bool], dict[str, dict[str, str]]]
    ) -> list[snapshot.Change]:
        """Add a row to the test's report, and return the changes for which the test fails.

        `shown` returns the text of each claim, given whether the test fails.
        """
        before = self._session.before.get(self._test, {}).get(name)
        changes = snapshot.changes(before, now, MODELS[self._model]) if before is not None else []
        status = ", ".join(sorted({"weaker" if change.lost else "stronger" for change in changes}))
        status = "new" if before is None else status
        lost = [] if self._session.update else [change for change in changes if change.lost]
        row = {"test": self._test, "name": name, "entry": now, "shown": shown(bool(lost)), "status": status}
        self._node.user_properties.append((PROPERTY, json.dumps(row)))
        return lost


def _refuse_no_text(name: object) -> None:
    if name is not None and not isinstance(name, str):
        cure = 'Write name="backbone", or leave it out'
        raise TypeError(message("certificates", "name", shown(name), "text", cure))


def _message(
    name: str,
    file: str,
    lost: list[snapshot.Change],
    now: snapshot.Entry,
    reasons: Callable[[snapshot.Change, int], list[str]],
) -> str:
    """The text of a failure: the lost claims, the culprit lines, and how to accept the change.

    `reasons` returns lines for a change of the output and axis of some number in the entry.
    """
    lines = [f"{name}: claims of {file} are no longer proved"]
    for change in lost:
        lines.append(f"  {change}")
        if change.where in now:
            lines += [f"    {line}" for line in reasons(change, list(now).index(change.where))]
        else:
            lines.append("    this output no longer exists")
    return "\n".join([*lines, "  If this is intended, run with --update-certificates and commit the file."])


def _reasons(
    certificate: Certificate, operations: culprits.Operations | None, change: snapshot.Change, number: int
) -> list[str]:
    """Why a claim about shifts was lost or is weaker."""
    places = [
        {"leaf": leaf, "axis": axis}
        for leaf, of_leaf in enumerate(certificate.leaves)
        for axis, _ in enumerate(of_leaf.axes)
    ]
    place = places[number]
    axis = certificate.leaves[place["leaf"]].axes[place["axis"]]
    if change.kind == "tiling":  # the entry of the snapshot is about tiles
        return ["the test no longer records tiles"]
    claim = axis.claims[change.kind]
    if operations is None or change.before is None or change.now is None:
        return culprit_lines(axis, claim)
    return culprits.weaker(change.before, change.now, operations.steps(**place, kind=change.kind)) + report.factors(
        claim
    )
