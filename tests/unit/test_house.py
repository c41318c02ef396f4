"""The house rules that can be measured: function lengths, broad excepts, unsafe loading."""

import ast
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.settings import PROJECT

PACKAGES = ("app", "benchmarks", "cli", "guardrails", "ingestion", "training")
BROAD = {"app/serving/batcher.py", "app/api/asking.py", "app/api/edge.py", "app/background.py"}
"""The worker loops and the ASGI edge; judge, gate and the ingestion worker are added below."""
BROAD |= {"guardrails/judge.py", "app/gate/admission.py"}
BROAD |= {"ingestion/pipeline.py", "ingestion/worker.py"}
BROAD |= {"app/serving/watching.py"}
"""A look at the database that fails must not leave streams waiting for ever."""
BROAD |= {"app/answering/policies.py"}
"""The shadow policy never touches the answer, whatever happens to it."""
BROAD |= {"app/answering/answerer.py"}
"""A second try that crashes leaves the first draft, which is held."""
BROAD |= {"app/answering/trying.py"}
"""The shadow's worker loop: however a version fails there, that is an outcome of its trial."""
MOST_UNTYPED = 3.0
"""Lines with ``dict[str, Any]`` in a thousand."""
UNSAFE = {"pickle", "joblib", "marshal", "shelve", "dill", "cloudpickle"}


@dataclass(frozen=True)
class Module:
    """A source file; ``nodes`` are all of its tree."""

    path: Path
    tree: ast.Module
    nodes: list[ast.AST]


@cache
def modules(packages: Sequence[str] = PACKAGES) -> list[Module]:
    found = []
    for package in packages:
        for path in sorted((PROJECT / package).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            found.append(Module(path.relative_to(PROJECT), tree, list(ast.walk(tree))))
    return found


def functions() -> Iterator[tuple[str, int]]:
    for module in modules():
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 1
                yield f"{module.path}:{node.name}", lines


def test_functions_are_short() -> None:
    lengths = dict(functions())
    assert statistics.median(lengths.values()) <= 10
    assert {name: n for name, n in lengths.items() if n > 60} == {}
    over_40 = sum(n > 40 for n in lengths.values())
    assert over_40 <= len(lengths) * 0.02


def is_broad(node: ast.AST) -> bool:
    """Whether a handler swallows everything; one that raises again swallows nothing."""
    if not isinstance(node, ast.ExceptHandler) or isinstance(node.body[-1], ast.Raise):
        return False
    caught = "BaseException" if node.type is None else ast.unparse(node.type)
    return caught in ("Exception", "BaseException")


def test_broad_excepts_stand_only_where_they_must() -> None:
    found = {str(module.path) for module in modules() if any(map(is_broad, module.nodes))}
    assert found == BROAD


def imported(module: Module) -> Iterator[str]:
    """The modules of ours that a module imports, anywhere in it."""
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                as_module = PROJECT.joinpath(*node.module.split("."), f"{alias.name}.py").exists()
                yield f"{node.module}.{alias.name}" if as_module else node.module


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Some modules that import each other in a ring; empty when there are none."""
    done: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> list[str]:
        if name in above:
            return [*above[above.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := walk(other, (*above, name)):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, ()))), [])


def test_no_modules_import_each_other() -> None:
    graph = {
        ".".join(module.path.with_suffix("").parts): set(imported(module)) for module in modules()
    }
    assert circle(graph) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_values_of_the_service_have_types() -> None:
    """``dict[str, Any]`` stays at the edges: JSON in columns, files and foreign answers."""
    lines = [
        line
        for path in sorted((PROJECT / "app").rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
    ]
    untyped = sum("dict[str, Any]" in line for line in lines)
    assert untyped <= len(lines) * MOST_UNTYPED / 1000


def named(called: ast.expr) -> str:
    """What a call calls, as it is written: "" for anything that is not one name or two."""
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return f"{called.value.id}.{called.attr}"
    return called.id if isinstance(called, ast.Name) else ""


def test_nothing_can_load_code() -> None:
    for module in (*modules(), *modules(("tests",))):
        for node in module.nodes:
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & UNSAFE, module.path
            if isinstance(node, ast.ImportFrom):
                assert node.module not in UNSAFE, module.path
            if isinstance(node, ast.Call):
                loading = ("eval", "exec", "torch.load", "yaml.load")
                assert named(node.func) not in loading, module.path
                trusted = [k for k in node.keywords if k.arg == "trust_remote_code"]
                assert all(ast.unparse(k.value) == "False" for k in trusted), module.path


def test_every_module_says_what_it_is_for() -> None:
    missing = [
        str(module.path)
        for module in modules()
        if module.tree.body
        and module.path.name != "__init__.py"
        and not ast.get_docstring(module.tree)
    ]
    assert missing == []
