"""The commands: each returns its exit status and the text to print."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from jaxconv.account.summary import summary
from jaxconv.cli import pictures, target
from jaxconv.cli.arguments import integer, random_inputs, seconds
from jaxconv.cli.request import Outcome, Request, shown
from jaxconv.cli.tiles import is_of_tiles, tiling_status, tiling_verdict
from jaxconv.cli.usage import HELD, PROGRAM, STATUS, UNDECIDED, VIOLATED, UsageError, worst
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.certify import certify
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.execution.actions import NAMED
from jaxconv.verify.execution.check import InsensitiveWarning, check
from jaxconv.verify.execution.falsify import ActionFalsification, Falsification, falsify
from jaxconv.verify.recheck import recheck
from jaxconv.verify.tiling.certificate import TilingCertificate


def certify_command(options: argparse.Namespace) -> Outcome:
    """Certify the function. The weaker of the requested claims determines the status."""
    limit = None if options.seconds is None else seconds(options.seconds)
    request = Request.read(options)
    search = {"search": not options.no_search, "seed": request.seed, "seconds": limit}
    certificate = request.attempt(lambda: certify(request.fn, *request.arguments, axes=request.axes, **search))
    return Outcome(_verdict(certificate, options), shown(certificate, options.json))


def check_command(options: argparse.Namespace) -> Outcome:
    """Measure the equivariance error on one random input."""
    kind, request = _kind(options), Request.read(options)
    fn, axes, action = request.fn, request.axes, options.action

    def run() -> Any:
        claims = None if action else certify(fn, *request.arguments, axes=axes, search=False)
        inputs = random_inputs(request.arguments, request.seed)
        settings = {"model": kind, "integers": options.integers, "certificate": claims, "seed": request.seed}
        settings |= {"action": action}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsensitiveWarning)  # the report has the same text
            report = check(fn, *inputs, axes=axes, **settings)
        return report, (pictures.draw(report, fn, inputs, axes) if options.pictures is not None else None)

    report, drawn = request.attempt(run)
    if drawn is not None:
        files, missing = drawn
        target.attempt(f"--pictures {options.pictures}", lambda: pictures.save(files, Path(options.pictures)))
        sys.stderr.writelines(f"{PROGRAM} check: {line}\n" for line in missing)
    return Outcome(STATUS[report.finding], shown(report, options.json))


def falsify_command(options: argparse.Namespace) -> Outcome:
    """Search for a violation. A search that finds none is not a proof."""
    kind, examples, action = _kind(options), integer(options.examples, "--examples", least=1), options.action
    shift = None if options.shift is None else integer(options.shift, "--shift")
    request = Request.read(options)
    settings = {"kind": kind, "shift": shift, "invariant": options.invariant, "examples": examples}
    settings |= {"action": action}
    run = lambda: falsify(request.fn, *request.arguments, axes=request.axes, seed=request.seed, **settings)
    search = request.attempt(run)
    return Outcome(VIOLATED if search.counterexample else UNDECIDED, _search(search) if options.json else str(search))


def recheck_command(options: argparse.Namespace) -> Outcome:
    """Execute each step of a certificate's derivations. An objection has the status of a violation."""
    loaded = None if options.certificate is None else _certificate(options)
    request = Request.read(options, axes_needed=loaded is None)

    def run() -> Any:
        checked = loaded or certify(request.fn, *request.arguments, axes=request.axes, search=False)
        return checked, recheck(checked, request.fn, *request.arguments, seed=request.seed)

    certificate, objections = request.attempt(run)
    if isinstance(certificate, TilingCertificate):
        function, verdict = certificate.name, tiling_status(certificate)
        verdicts = {"tiling": tiling_verdict(certificate)}
    else:
        function, verdict = certificate.function, _verdict(certificate, options)
        verdicts = {kind: certificate.verdict(kind) for kind in KINDS}
    if options.json:
        text = json.dumps({"function": function, "objections": objections} | verdicts, indent=2)
    else:
        count = {0: "no objections", 1: "1 objection"}.get(len(objections), f"{len(objections)} objections")
        titles = {name: kind.title for name, kind in KINDS.items()}
        head = ", ".join(f"{titles.get(name, name)} {verdict}" for name, verdict in verdicts.items())
        text = "\n  ".join([f"{function}: {head}; {count}", *objections])
    return Outcome(VIOLATED if objections else verdict, text)


def summary_command(options: argparse.Namespace) -> Outcome:
    """Count parameters and multiply-adds."""
    request = Request.read(options, axes_needed=False)
    counted = request.attempt(lambda: summary(request.fn, *request.arguments, axes=request.axes or None))
    return Outcome(HELD, shown(counted, options.json))


def _certificate(options: argparse.Namespace) -> Certificate | TilingCertificate:
    """The certificate in a file that `certify --json` or `certify-tiling --json` has written."""
    if options.axes is not None:
        expected = "left out: the certificate has the shifted axes"
        raise UsageError("--axes", "given", expected, "To recheck other axes, certify along them first")

    def read() -> Certificate | TilingCertificate:
        text = Path(options.certificate).read_text(encoding="utf-8")
        return TilingCertificate.from_json(text) if is_of_tiles(text) else Certificate.from_json(text)

    return target.attempt(f"{options.certificate} cannot be read", read)


def _verdict(certificate: Any, options: argparse.Namespace) -> int:
    asked = [kind for kind in KINDS if getattr(options, kind)] or list(KINDS)
    return worst([STATUS[certificate.verdict(kind)] for kind in asked])


def _kind(options: argparse.Namespace) -> str:
    if options.cyclic and options.interior:
        expected = "left out: one command is about one kind of shifts"
        raise UsageError("--interior", "given beside --cyclic", expected, "Run the command once for each")
    if options.action is not None:
        choice = tuple(NAMED)
        if options.action not in choice:
            expected = f"{', '.join(choice[:-1])} or {choice[-1]}"
            raise UsageError("--action", repr(options.action), expected, "Leave it out for shifts")
        for name in ("cyclic", "interior", "shift", "pictures"):
            if getattr(options, name, None):
                expected = "left out: --action replaces shifts"
                raise UsageError(f"--{name}", "given beside --action", expected, "Run the command once for each")
    return "interior" if options.interior else "cyclic"


def _search(search: Falsification | ActionFalsification) -> str:
    """A search as JSON. `from_json` of its counterexample's class reads that."""
    counterexample = None if search.counterexample is None else json.loads(search.counterexample.to_json())
    tried = "shifts" if isinstance(search, Falsification) else "elements"
    names = ("function", "examples", tried, "seconds", "responded")
    data = {name: getattr(search, name) for name in names} | {"laws": [str(law) for law in search.laws]}
    return json.dumps(data | {"counterexample": counterexample}, indent=2)
