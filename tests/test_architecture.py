"""The shape of the program: who may import whom, what stays pure, how big a thing may grow, what it may be called.

Everything is read from the source with `ast`, so an import counts wherever it stands: at the top, in a function, or
under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "reconciler"

LAYERS = [
    {"__main__"},
    {"cli"},
    {"pipeline", "takeover", "schema"},
    {"site", "plan_files"},
    {"gating", "notices"},
    {"wiring", "review"},
    {"project"},
    {"embedded", "outlook"},
    {"render", "okta", "stores", "sandbox", "fleet"},
    {"acceptance", "adoption", "attribution"},
    {"apply", "drift", "access"},
    {"plan"},
    {"config", "graph", "readiness"},
    {"secrets"},
    {"ports", "diff", "patience"},
    {"keeping"},
    {"kinds"},
    {"model"},
    {"__init__"},
]
"""From the top down. A part may import parts of lower layers and itself, never a sibling. The package's own
`__init__` holds the version and imports nothing."""

_HTTP_STORE = ("stores.http", "stores.http_client")
THIRD_PARTY = {
    "click": ("cli",),
    "boto3": ("stores.kms",),
    "botocore": ("stores.kms",),
    "cryptography": ("okta", "sandbox", "stores.crypt", "stores.keys"),
    "httpcore": ("readiness.fetch",),
    "httpx": (
        "okta",
        "patience",
        "readiness.fetch",
        "review.client",
        "secrets.vault",
        "stores.http",
        "stores.http_client",
    ),
    "jsonschema": ("plan", "sandbox", "stores"),
    "jwt": ("okta", "sandbox"),
    "keyring": ("secrets.key_ring",),
    "networkx": ("graph", "plan.lowering", "model.lifecycle"),
    "obstore": ("stores.bucket", "stores.object"),
    "psycopg": ("stores.postgres_connection",),
    "pydantic": ("model", "kinds", "config", "plan", "apply", "stores"),
    "pydantic_core": ("config",),
    "starlette": ("sandbox",),
    "uvicorn": ("sandbox",),
    "yaml": ("config", "sandbox.world"),
}
"""Where each library may be imported: a part, or one module of it. A library that isn't here may not be."""

PURE = (
    "model",
    "kinds",
    "ports",
    "diff",
    "graph",
    "config",
    "plan",
    "drift",
    "access",
    "acceptance",
    "adoption",
    "attribution",
    "render",
)
IMPURE_MODULES = {
    *("asyncio", "concurrent", "getpass", "http", "logging", "multiprocessing", "os", "platform", "random"),
    *("secrets", "select", "shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile", "threading", "time"),
    *("urllib.request", "uuid", "reconciler.secrets"),
}
IMPURE_CALLS = {
    "open",
    "input",
    "print",
    "now",
    "utcnow",
    "today",
    "fromtimestamp",
    "read_text",
    "write_text",
    "getenv",
}
READERS = {"config.files"}
"""The one module of the pure parts that reads files."""

MODULE_LINES, FUNCTION_LINES, PARAMETERS = 300, 40, 6
RAISED_MODULES: dict[str, tuple[int, str]] = {}
RAISED_FUNCTIONS: dict[str, tuple[int, str]] = {}
RAISED_PARAMETERS: dict[str, tuple[int, str]] = {}
"""Raised budgets: name -> (the budget, the sentence that says why)."""

HEAVY = {"httpx", "jsonschema", "jwt", "networkx", "pydantic", "starlette", "uvicorn", "yaml"}

EMPTY_WORDS = {
    *("manager", "helper", "util", "common", "base", "misc", "process", "handle", "do", "engine", "service"),
}
"""Words that say nothing of what a thing is for."""

NAMED_BY_OTHERS = {"ServiceApp": "what Okta calls an application that authenticates as itself"}


class Import(NamedTuple):
    source: str
    target: str
    line: int


class Function(NamedTuple):
    name: str
    lines: int
    parameters: int


def name_of(path: Path) -> str:
    """`plan.lowering` for reconciler/plan/lowering.py, `plan` for its `__init__`."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


@cache
def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text("utf-8"), str(path)) for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def texts() -> dict[str, str]:
    return {name_of(path): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def part_of(module: str) -> str:
    return module.partition(".")[0]


def is_within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def written_imports(module: str) -> Iterator[Import]:
    """Every import of the module, by the dotted name as it is written (`reconciler.plan.step.Step`)."""
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            yield from (Import(module, f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            constants = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            yield from (Import(module, constant, node.lineno) for constant in constants)


def own_imports(module: str) -> Iterator[Import]:
    """Those of the package's own modules, by the name of the module that is imported."""
    for found in written_imports(module):
        top, _, rest = found.target.partition(".")
        if top == "reconciler":
            while rest and rest not in trees():
                rest = rest.rpartition(".")[0]
            yield found._replace(target=rest or "__init__")


def functions(module: str) -> Iterator[Function]:
    def visit(node: ast.AST, inside: str) -> Iterator[Function]:
        for child in ast.iter_child_nodes(node):
            name = f"{inside}.{child.name}" if hasattr(child, "name") and isinstance(child.name, str) else inside
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                spec = child.args
                named = [a.arg for a in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
                count = sum(a not in ("self", "cls") for a in named)
                yield Function(name, (child.end_lineno or child.lineno) - child.lineno + 1, count)
            yield from visit(child, name)

    yield from visit(trees()[module], module)


def over(measured: dict[str, int], budget: int, raised: dict[str, tuple[int, str]]) -> list[str]:
    return [f"{name}: {n}" for name, n in measured.items() if n > raised.get(name, (budget, ""))[0]]


def test_every_module_has_its_place() -> None:
    places = set().union(*LAYERS)
    assert [module for module in trees() if part_of(module) not in places] == []


def test_imports_only_point_down() -> None:
    rank = {part: depth for depth, layer in enumerate(LAYERS) for part in layer}
    wrong = [
        f"{f.source}:{f.line} imports {f.target}"
        for module in trees()
        for f in own_imports(module)
        if part_of(f.target) != part_of(module) and rank[part_of(f.target)] <= rank[part_of(module)]
    ]
    assert wrong == []


def test_the_sandbox_shares_no_rule_with_the_planner() -> None:
    outside = [
        f"{f.source}:{f.line} imports {f.target}"
        for module in trees()
        if part_of(module) == "sandbox"
        for f in own_imports(module)
        if part_of(f.target) not in ("sandbox", "model", "__init__")
    ]
    assert outside == []


def test_there_are_no_import_cycles() -> None:
    graph = nx.DiGraph((f.source, f.target) for module in trees() for f in own_imports(module) if f.target != module)
    assert [sorted(knot) for knot in nx.strongly_connected_components(graph) if len(knot) > 1] == []


def test_libraries_are_imported_only_where_they_belong() -> None:
    wrong = []
    for module in trees():
        for found in written_imports(module):
            library = found.target.partition(".")[0]
            if library == "reconciler" or library in sys.stdlib_module_names:
                continue
            if not is_within(module, THIRD_PARTY.get(library, ())):
                wrong.append(f"{module}:{found.line} imports {library}")
    assert wrong == []


def test_deciding_and_rendering_are_pure() -> None:
    wrong = []
    for module in trees():
        if not is_within(module, PURE) or module in READERS:
            continue
        for found in written_imports(module):
            if any(found.target == name or found.target.startswith(f"{name}.") for name in IMPURE_MODULES):
                wrong.append(f"{module}:{found.line} imports {found.target}")
        for node in ast.walk(trees()[module]):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in IMPURE_CALLS:
                    wrong.append(f"{module}:{node.lineno} calls {called}")
            elif isinstance(node, ast.Attribute) and node.attr in ("environ", "stdout", "stderr", "stdin", "argv"):
                wrong.append(f"{module}:{node.lineno} reads {ast.unparse(node)}")
    assert wrong == []


def test_only_the_walker_of_an_apply_is_mutable() -> None:
    """Dataclasses outside apply/ and the adapters are frozen: values don't change under their readers."""
    loose = []
    for module in trees():
        if not is_within(module, ("model", "kinds", "ports", "diff", "graph", "config", "plan", "render")):
            continue
        for node in ast.walk(trees()[module]):
            if isinstance(node, ast.ClassDef):
                marks = [ast.unparse(mark) for mark in node.decorator_list if "dataclass" in ast.unparse(mark)]
                loose += [f"{module}.{node.name}" for mark in marks if "frozen=True" not in mark]
    assert loose == []


def test_modules_stay_small() -> None:
    assert over({name: text.count("\n") for name, text in texts().items()}, MODULE_LINES, RAISED_MODULES) == []


def test_functions_stay_small() -> None:
    measured = {f.name: f.lines for module in trees() for f in functions(module)}
    assert over(measured, FUNCTION_LINES, RAISED_FUNCTIONS) == []


def test_functions_take_few_parameters() -> None:
    measured = {f.name: f.parameters for module in trees() for f in functions(module)}
    assert over(measured, PARAMETERS, RAISED_PARAMETERS) == []


@pytest.mark.parametrize("raised", [RAISED_MODULES, RAISED_FUNCTIONS, RAISED_PARAMETERS])
def test_a_raised_budget_is_needed_and_says_why(raised: dict[str, tuple[int, str]]) -> None:
    known = {*trees(), *(f.name for module in trees() for f in functions(module))}
    for name, (_, why) in raised.items():
        assert name in known, f"{name} is gone: lower its budget again"
        assert len(why.split()) >= 5, f"{name}: say why"


def test_names_say_what_a_thing_is_for() -> None:
    empty = []
    for module, tree in trees().items():
        named = [module] + [
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for name in set(named) - NAMED_BY_OTHERS.keys():
            words = {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", name)}
            empty += [f"{module}: {name}" for word in words if {word, word.removesuffix("s")} & EMPTY_WORDS]
    assert empty == []


def test_every_module_says_in_one_sentence_what_it_is_for() -> None:
    """Or, for a verb of the command line, how it is called."""
    silent = []
    for module, tree in trees().items():
        first = (ast.get_docstring(tree) or "").partition("\n\n")[0]
        is_command = re.fullmatch(r"`(reconciler|python -m reconciler)\b[^`]*`\.?", first)
        if not is_command and (not first.endswith((".", ":")) or len(first.split()) < 3):
            silent.append(module)
    assert silent == []


def test_nothing_is_postponed_or_hidden() -> None:
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|no" + r"qa)\b|raise NotImplemented" + r"Error")
    assert [module for module, text in texts().items() if mark.search(text)] == []


def test_the_public_surface_is_the_version() -> None:
    import reconciler

    assert reconciler.__all__ == ["__version__"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", reconciler.__version__)


def test_version_is_written_once_more_only_in_the_package_metadata() -> None:
    import reconciler

    assert f'version = "{reconciler.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_the_project_stands_on_its_own() -> None:
    """No file refers to what lies outside the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\0") if listed.returncode == 0 else [str(p) for p in PACKAGE.rglob("*.py")]
    outside = re.compile(r"(?<![\w/])/?(work/)?sha" + r"red/")
    wrong = []
    for name in filter(None, names):
        path = ROOT / name
        if path.is_file() and outside.search(path.read_bytes().decode("utf-8", "replace")):
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("verb", ["--version", "--help"])
def test_nothing_heavy_is_imported_to_answer_a_simple_question(verb: str) -> None:
    code = f"""
import sys
from reconciler.cli.main import main
sys.argv = ["reconciler", {verb!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""
