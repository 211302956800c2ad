"""The architecture: who may import whom, what `import jaxconv` loads, and that every public name is documented."""

import ast
import inspect
import re
import subprocess
import sys
import typing
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import jaxconv as jc
from jaxconv.jaxprs.primitives import PRIMITIVES

PACKAGE = Path(jc.__file__).parent
# From the lowest level up: a package imports from packages on lower levels and from itself, never upwards or sideways.
LEVELS = [
    {"errors"},
    {"checks"},
    {"sizes"},
    {"jaxprs", "window"},
    {"convert", "lowering", "reference", "verify"},
    {"account", "apply", "layers"},
    {"cli", "testing", "training"},
    {"__init__"},
    {"__main__"},
]
ARCHITECTURE = (PACKAGE.parent / "docs" / "architecture.md").read_text()
LEVEL = {package: number for number, packages in enumerate(LEVELS) for package in packages}
STUB = PACKAGE / "__init__.pyi"
PUBLIC = {name: getattr(jc, name) for name in jc.__all__}


def module_of(path):
    """The dotted name of a file, without the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


@cache
def sources():
    """The text of each module of the package; of the package itself its stub, which names what is imported when used."""
    return {module_of(path): path.read_text() for path in PACKAGE.rglob("*.py")} | {"__init__": STUB.read_text()}


@cache
def tree(source):
    """Its syntax; parsed once for all tests."""
    return ast.parse(source)


def loaded(node):
    """The nodes that are executed when a module is loaded: not those in functions, nor those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).split(".")[-1] == "TYPE_CHECKING":
            yield from (one for other in child.orelse for one in (other, *loaded(other)))
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from loaded(child)


def imports_of(nodes):
    """The jaxconv modules that some of these nodes import."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "jaxconv":
            below = node.module.split(".")[1:]
            names = [".".join([*below, alias.name]) for alias in node.names]
            found |= {
                name if (PACKAGE / name.replace(".", "/")).with_suffix(".py").exists() else ".".join(below)
                for name in names
            }
        elif isinstance(node, ast.ImportFrom) and node.level == 1:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {".".join(a.name.split(".")[1:]) for a in node.names if a.name.split(".")[0] == "jaxconv"}
    return found


@cache
def every_import():
    """What each module imports, anywhere in it."""
    return {module: imports_of(ast.walk(tree(source))) for module, source in sources().items()}


def imports_when_loaded(texts):
    """What each module imports when it is loaded itself."""
    return {module: imports_of(loaded(tree(source))) for module, source in texts.items()}


def upward_arrows(graph):
    """Imports that do not lead to a lower level or stay in their package."""
    arrows = [(a, b, a.split(".")[0], b.split(".")[0]) for a, imports in graph.items() for b in imports]
    return [f"{a} -> {b}" for a, b, package, other in arrows if package != other and LEVEL[other] >= LEVEL[package]]


def circle(graph):
    """A circle of imports, or nothing."""
    through = set()  # modules that lead into no circle

    def visit(module, path):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in through:
            return None
        found = next((found for other in graph.get(module, ()) if (found := visit(other, [*path, module]))), None)
        through.add(module)
        return found

    return next((found for module in graph if (found := visit(module, []))), None)


def test_every_package_has_a_level():
    assert {module.split(".")[0] for module in sources()} == set(LEVEL)


def levels_drawn(page):
    """The levels in the diagram of a page, from the lowest up."""
    rows = re.findall(r"^level (\d+) +(.+)$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == [*range(len(rows))][::-1]
    return [set(packages.split()) for _, packages in reversed(rows)]


def test_the_page_draws_the_levels():
    assert levels_drawn(ARCHITECTURE) == LEVELS
    assert all(f"\n**`{package}`** " in ARCHITECTURE for package in LEVEL if package != "__main__")


@pytest.mark.parametrize(
    ("text", "other"),
    [("apply  layers\n", "apply\n"), ("level 2   sizes\n", "level 2   sizes  window\n")],
)
def test_a_package_drawn_on_another_level_is_found(text, other):
    """The broken twin."""
    assert text in ARCHITECTURE
    assert levels_drawn(ARCHITECTURE.replace(text, other)) != LEVELS


def test_imports_run_downwards():
    """Those for type checkers and those in functions, too; but only what is loaded in a circle fails to load."""
    assert upward_arrows(every_import()) == []
    assert circle(imports_when_loaded(sources())) is None


@pytest.mark.parametrize(
    ("module", "other"),
    [("reference.conv", "layers.conv"), ("window", "layers.conv"), ("lowering.boundary", "layers.images")],
)
def test_an_upward_import_would_be_seen(module, other):
    """The broken twin."""
    graph = every_import()
    assert upward_arrows(graph | {module: graph[module] | {other}}) == [f"{module} -> {other}"]


def with_text(module, text):
    """The package's imports, with more text at the end of a module."""
    return imports_when_loaded(sources() | {module: f"{sources()[module]}\n{text}\n"})


@pytest.mark.parametrize(
    "text",
    [
        "from jaxconv.layers.conv import conv",
        "import jaxconv.layers.conv",
        "try:\n    from jaxconv.layers import conv\nexcept ImportError:\n    pass",
        "class Layer:\n    from jaxconv.layers.conv import conv",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from jaxconv.layers import conv",
        "if not TYPE_CHECKING:\n    from jaxconv.layers import conv",
    ],
)
def test_a_circle_would_be_seen(text):
    """The broken twin: `layers.conv` imports `layers.params`, at whose end is an import of it."""
    broken = with_text("layers.params", text)
    found = circle(broken)
    assert found is not None
    assert "layers.params" in found
    assert all(b in broken[a] for a, b in pairwise(found))


@pytest.mark.parametrize(
    "text",
    [
        "if TYPE_CHECKING:\n    from jaxconv.layers.conv import conv",
        "if typing.TYPE_CHECKING:\n    import jaxconv.layers.conv",
        "def later():\n    from jaxconv.layers.conv import conv",
        "class Layer:\n    def later(self):\n        from jaxconv.layers.conv import conv",
    ],
)
def test_what_is_not_imported_when_a_module_is_loaded_makes_no_circle(text):
    assert circle(with_text("layers.params", text)) is None


def test_these_packages_know_no_jax():
    """In a fresh interpreter, since this one has loaded JAX already."""
    program = """
import importlib, sys
for package in ("errors", "checks", "window", "reference"):
    importlib.import_module("jaxconv." + package)
    assert "jax" not in sys.modules, package
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
    kinds = (
        "rules", "rule_table", "primitives", "interpret", "tolerance", "perturbed", "refute", "experiment", "program",
        "certify", "certify_tiling", "pair_walk", "agreement"
    )  # fmt: skip
    return sorted(module for module in modules if set(module.split(".")) & set(kinds))


def test_recheck_reads_no_trait_of_a_primitives_meaning():
    """It executes primitives: so one wrong row in a table, or one wrong rule, cannot mislead both it and `certify`."""
    graph = every_import()
    modules = {module for module in graph if module.startswith("verify.recheck")}
    assert "verify.recheck.recheck" in modules
    assert of_meaning(reached(graph, modules)) == []


@pytest.mark.parametrize(
    "other", ["verify.rules.layout", "jaxprs.primitives", "verify.execution.tolerance", "verify.tiling.pair_walk"]
)
def test_a_trait_that_recheck_reads_would_be_seen(other):
    """The broken twin, two imports away."""
    broken = every_import() | {"verify.json_codec": every_import()["verify.json_codec"] | {other}}
    assert other in of_meaning(reached(broken, {"verify.recheck.recheck"}))


@pytest.fixture(scope="module")
def optimised():
    """The lines that a fresh interpreter prints under `python -O`: optional packages, which it should not load; an error."""
    heavy = {"sklearn", "scipy.stats", "matplotlib", "hypothesis", "pytest", "tqdm", "orbax"}
    program = f"""
import sys, jaxconv as jc
for name in jc.__all__:
    getattr(jc, name)
print("loaded:", *({heavy} & set(sys.modules)))
import jax.numpy as jnp
assert False, "this line does nothing under -O"
try:
    jc.conv({{"kernel": jnp.ones((3, 3, 1, 3))}}, jnp.ones((1, 8, 8, 2)), groups=2)
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-O", "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_importing_jaxconv_loads_no_optional_package(optimised):
    assert optimised[0] == "loaded:"


def test_there_are_no_bare_asserts():
    """`python -O` removes them, and with them the checks."""
    bare = [
        f"{module}:{node.lineno}"
        for module, source in sources().items()
        for node in ast.walk(tree(source))
        if isinstance(node, ast.Assert)
    ]
    assert bare == []


def test_errors_are_raised_under_python_o(optimised):
    assert optimised[1].startswith("conv: groups is 2, but should be a divisor of the kernel's 3 output channels")


# How often the modules of a folder may name `Any`, the folder's subfolders apart. These numbers may only become smaller.
MOST_ANY = {"jaxprs": 6, "verify": 6, "verify.execution": 0, "verify.recheck": 2, "verify.rules": 0}


def uses_of_any(texts, folder):
    """How often the modules of a folder name `Any`, those of its subfolders apart."""
    modules = [module for module in texts if module == folder or module.rpartition(".")[0] == folder]
    return sum(len(re.findall(r"\bAny\b", texts[module])) for module in modules)


@pytest.mark.parametrize("folder", MOST_ANY)
def test_types_are_stated(folder):
    """`Any` switches the type checker off. An alias with a reason, in one place, is better than many uses."""
    assert uses_of_any(sources(), folder) <= MOST_ANY[folder]


def test_a_further_use_of_any_would_be_seen():
    """The broken twin."""
    broken = sources() | {"verify.rules.layout": sources()["verify.rules.layout"] + "\ndef rule(eqn: Any): ...\n"}
    assert uses_of_any(broken, "verify.rules") == uses_of_any(sources(), "verify.rules") + 1


def registered(node):
    """The nodes within decorators that are called, and within calls of what was called: `table("add")(function)`."""
    called = [one for one in getattr(node, "decorator_list", []) if isinstance(one, ast.Call)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Call):
        called.append(node.func)
    return {id(one) for call in called for one in ast.walk(call)}


def primitives_named(tree):
    """The primitives that a module writes down elsewhere than where it registers a function for them."""
    registrations = set().union(*map(registered, ast.walk(tree)))
    nodes = [node for node in ast.walk(tree) if id(node) not in registrations]
    texts = lambda found: [one.value for one in found if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    compared = [node for node in nodes if isinstance(node, ast.Compare) and ".name" in ast.unparse(node)]
    listed = [node for node in nodes if isinstance(node, ast.Set | ast.List | ast.Tuple) and len(texts(node.elts)) > 1]
    keyed = [node for node in nodes if isinstance(node, ast.Dict) and len(texts(node.keys)) > 1]
    groups = [texts(one.elts) for one in listed] + [texts(one.keys) for one in keyed]
    return {
        *(name for name in texts(nodes) if name in PRIMITIVES and ("_" in name or "-" in name)),
        *(name for one in compared for name in texts(ast.walk(one)) if name in PRIMITIVES),
        *(name for group in groups if set(group) <= set(PRIMITIVES) for name in group),
    }


def test_a_primitive_is_named_in_its_row_and_where_a_function_is_registered_for_it():
    """A table of names elsewhere would drift apart from the rows."""
    readers = {"account", "testing", "verify"}  # of jaxprs
    found = {module: tree(source) for module, source in sources().items() if module.split(".")[0] in readers}
    named = {module: primitives_named(syntax) for module, syntax in found.items()}
    assert {module: names for module, names in named.items() if names} == {}


@pytest.mark.parametrize("source", [
    'if equation.primitive.name == "scan": pass', 'SUMS = {"add", "sub"}', 'if name in ("dot_general", "mul"): pass',
    'NEEDS = {"add": 1, "mul": 2}', 'name.replace("conv_general_dilated", "conv")',
])  # fmt: skip
def test_names_of_primitives_are_seen_wherever_they_stand(source):
    assert primitives_named(ast.parse(source))
    assert not primitives_named(ast.parse('@rule("scan", "dot_general")\ndef scan(): return "max"\nrule("mul")(scan)'))


def test_examples_write_public_names_as_users_do():
    """As `jc.check`: pytest, asked for the one file, takes `from jaxconv.verify.measures import check` for a module."""
    imports = re.compile(r">>> from (jaxconv\.[\w.]+) import (.+)")
    found = [(m[1], name) for text in sources().values() for m in imports.finditer(text) for name in m[2].split(", ")]
    assert ("jaxconv.window", "Pad") in found
    assert [(module, name) for module, name in found if inspect.isfunction(PUBLIC.get(name))] == []


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
