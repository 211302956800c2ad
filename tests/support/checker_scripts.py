"""The scripts of proofs/checker as modules."""

import importlib.util
import sys
from pathlib import Path

CHECKER = Path(__file__).parents[2] / "proofs" / "checker"


def loaded(name):
    """A script of proofs/checker as a module."""
    spec = importlib.util.spec_from_file_location(f"checker_{name}", CHECKER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


corpus = loaded("corpus")
