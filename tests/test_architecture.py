"""The architecture: who may import whom, what `import jaxconv` loads, and that every public name is documented."""

import ast
import inspect
import subprocess
import sys
import typing
from itertools import pairwise
from pathlib import Path

import pytest

import jaxconv as jc

PACKAGE = Path(jc.__file__).parent
# From the lowest level up: a package imports from packages on lower levels and from itself, never upwards or sideways.
LEVELS = [
    {"errors"},
    {"checks"},
    {"sizes"},
    {"jaxprs", "window"},
    {"convert", "lowering", "reference", "verify"},
    {"account", "layers"},
    {"cli", "testing", "training"},
    {"__init__"},
    {"__main__"},
]
LEVEL = {package: number for number, packages in enumerate(LEVELS) for package in packages}
PUBLIC = {name: value for name, value in vars(jc).items() if not name.startswith("_") and not inspect.ismodule(value)}


def module_of(path):
    """The dotted name of a file, without the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports_of(path):
    """The jaxconv modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "jaxconv":
            below = node.module.split(".")[1:]
            names = [".".join([*below, alias.name]) for alias in node.names]
            found |= {
                name if (PACKAGE / name.replace(".", "/")).with_suffix(".py").exists() else ".".join(below)
                for name in names
            }
        elif isinstance(node, ast.Import):
            found |= {".".join(a.name.split(".")[1:]) for a in node.names if a.name.split(".")[0] == "jaxconv"}
    return found


GRAPH = {module_of(path): imports_of(path) for path in PACKAGE.rglob("*.py")}


def upward_arrows(graph):
    """Imports that do not lead to a lower level or stay in their package."""
    arrows = [(a, b, a.split(".")[0], b.split(".")[0]) for a, imports in graph.items() for b in imports]
    return [f"{a} -> {b}" for a, b, package, other in arrows if package != other and LEVEL[other] >= LEVEL[package]]


def circle(graph):
    """A circle of imports, or nothing."""

    def visit(module, path):
        if module in path:
            return [*path[path.index(module) :], module]
        return next((found for other in graph.get(module, ()) if (found := visit(other, [*path, module]))), None)

    return next((found for module in graph if (found := visit(module, []))), None)


def test_every_package_has_a_level():
    assert {module.split(".")[0] for module in GRAPH} == set(LEVEL)


def test_imports_run_downwards():
    assert upward_arrows(GRAPH) == []
    assert circle(GRAPH) is None


@pytest.mark.parametrize(
    ("module", "other"),
    [("reference.conv", "layers.conv"), ("window", "layers.conv"), ("lowering.extend", "layers.images")],
)
def test_an_upward_import_would_be_seen(module, other):
    """The broken twin."""
    assert upward_arrows(GRAPH | {module: GRAPH[module] | {other}}) == [f"{module} -> {other}"]


def test_a_circle_would_be_seen():
    broken = GRAPH | {"layers.params": GRAPH["layers.params"] | {"layers.conv"}}
    found = circle(broken)
    assert found is not None
    assert all(b in broken[a] for a, b in pairwise(found))


@pytest.mark.parametrize("package", ["window", "checks", "errors", "reference"])
def test_these_packages_know_no_jax(package):
    """In a fresh interpreter, since this one has loaded JAX already; jaxconv's own __init__ is kept from loading it."""
    program = f"""
import sys, types
parent = types.ModuleType("jaxconv"); parent.__path__ = [{str(PACKAGE)!r}]; sys.modules["jaxconv"] = parent
import jaxconv.{package}
assert "jax" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def reached(graph, modules):
    """All that modules import, and what that imports in turn."""
    found, left = set(), set(modules)
    while left:
        found |= left
        left = {other for module in left for other in graph.get(module, ())} - found
    return found


def of_meaning(modules):
    """Modules that say what a primitive does: rules, tables of primitives' traits, and what decides by them."""
    kinds = ("rules", "table", "primitives", "interpret", "rounding", "shaking", "search", "experiment", "certify")
    return sorted(module for module in modules if set(module.split(".")) & set(kinds))


def test_recheck_reads_no_trait_of_a_primitives_meaning():
    """It executes primitives: so one wrong row in a table, or one wrong rule, cannot mislead both it and `certify`."""
    modules = {module for module in GRAPH if module.startswith("verify.checker")}
    assert "verify.checker.recheck" in modules
    assert of_meaning(reached(GRAPH, modules)) == []


@pytest.mark.parametrize("other", ["verify.rules.layout", "jaxprs.primitives", "verify.rounding"])
def test_a_trait_that_recheck_reads_would_be_seen(other):
    """The broken twin, two imports away."""
    broken = GRAPH | {"verify.codec": GRAPH["verify.codec"] | {other}}
    assert other in of_meaning(reached(broken, {"verify.checker.recheck"}))


def test_importing_jaxconv_loads_no_optional_package():
    heavy = {"sklearn", "scipy.stats", "matplotlib", "hypothesis", "pytest", "tqdm", "orbax"}
    program = f"import sys, jaxconv; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_there_are_no_bare_asserts():
    """`python -O` removes them, and with them the checks."""
    bare = [
        f"{path.name}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert bare == []


def test_errors_are_raised_under_python_o():
    program = """
import jax.numpy as jnp, jaxconv as jc
assert False, "this line does nothing under -O"
try:
    jc.conv({"kernel": jnp.ones((3, 3, 1, 3))}, jnp.ones((1, 8, 8, 2)), groups=2)
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-O", "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("conv: groups is 2, but should be a divisor of the kernel's 3 output channels")


@pytest.mark.parametrize("name", sorted(n for n, value in PUBLIC.items() if inspect.isfunction(value)))
def test_public_functions_say_everything(name):
    """A line of meaning, every argument, the errors, an example that runs; annotations that resolve."""
    function = PUBLIC[name]
    doc = inspect.getdoc(function) or ""
    assert ">>> " in doc
    assert "Raises:" in doc
    assert name.startswith("init_") or "Law: " in doc
    for argument in inspect.signature(function).parameters:
        assert f"\n    {argument}: " in doc, argument
    assert "return" in typing.get_type_hints(function)
