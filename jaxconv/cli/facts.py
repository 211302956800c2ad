"""The command `machine`: what the table of algorithms knows about the processor."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict

import jax

from jaxconv.cli import target
from jaxconv.cli.request import Outcome
from jaxconv.cli.usage import HELD
from jaxconv.lowering.machine import machine, variable
from jaxconv.lowering.saved_table import VARIABLE, read


def machine_command(options: argparse.Namespace) -> Outcome:
    """The facts, the variable that overrides each, and where each comes from."""
    facts = asdict(target.attempt("the machine's facts cannot be read", machine))
    table = os.environ.get(VARIABLE)
    if table:
        target.attempt("the table cannot be read", lambda: read(table))
    if options.json:
        return Outcome(HELD, json.dumps({"jax": jax.__version__, "table": table} | facts, indent=2))
    lines = [f"{'jax':12} {jax.__version__:>12}"]
    for name, value in facts.items():
        source = "from" if os.environ.get(variable(name)) else "override with"
        lines.append(f"{name:12} {value:>12}   {source} {variable(name)}")
    lines.append(f"{'table':12} {table or 'built in':>12}   {'from' if table else 'override with'} {VARIABLE}")
    return Outcome(HELD, "\n".join(lines))
