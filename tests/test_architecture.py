"""The shape of the code: imports point left and down, acts are atomic and audited."""

import ast
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
APPS = ["portal", "rollout", "drills"]  # an app may import itself and those to its left
LAYERS = ["domain", "models", "services", "edges"]  # the same for layers inside an app
GROUND = {"portal.errors", "portal.clock"}  # below everything
# Settings, urls and the entry points put the parts together, so they see all of them.
COMPOSITION = {
    "portal.settings",
    "portal.urls",
    "portal.asgi",
    "portal.wsgi",
    "portal.supervisor",
}
DOMAIN_LIBRARIES = {
    "mmh3",
    "cryptography",
    "rfc8785",
    "re2",
    "semver",
    "jsonpatch",
    "jsonschema_rs",
    "markdown_it",
}
# Functions with an actor and a reason that are only ever a part of an act.
PARTS_OF_ACTS = {
    "rollout.services.configuration.write": "applying a change writes the tables",
    "portal.services.ledger.record": "it is the line in the ledger",
    "portal.services.sealer_keys.rotate": "a key is a file before it is announced",
    "rollout.services.stages.begin": "it opens a stage within the acts that may",
    "rollout.services.stages.end_attempt": "it closes one within the acts that may",
    "rollout.services.freezes.begin": "a rollback freezes too",
    "rollout.services.snapshots.publish": "acts publish what they changed",
    "rollout.services.runs.locked_or_new": "ingest makes the row that it locks",
    "rollout.services.endings.end": "acts end runs in one way",
    "rollout.services.endings.close_directives": "so do the runs' own reports",
    "rollout.services.artifacts.verify": "every portion is an act of its own",
    "drills.services.twins.close": "every part of a closing is an act of its own",
    "rollout.services.scans.scan": "it reads for long; to keep what it found is an act",
    "rollout.services.ingest.ingest_root": "every file is an act of its own",
    "drills.services.incidents.change_state": "signs and timers move incidents too",
    "drills.services.incidents.change_severity": "signs make incidents worse, too",
}
FORBIDDEN_NAMES = {
    "utils",
    "helpers",
    "common",
    "core",
    "extras",
    "manager",
    "processor",
}


@cache
def modules() -> list[tuple[str, ast.Module]]:
    found = []
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                tree = ast.parse(path.read_text())
                found.append((name.removesuffix(".__init__"), tree))
    return found


def each_module(rule: Callable[[str, ast.Module], Iterator[str]]) -> Callable[[], None]:
    """A test that applies a rule to every module and tells all that breaks it."""

    def test() -> None:
        assert [said for name, tree in modules() for said in rule(name, tree)] == []

    test.__name__, test.__doc__ = rule.__name__, rule.__doc__
    return test


def place(name: str) -> tuple[int, int] | None:
    """Where a module stands: its app and its layer; None for what is not ours."""
    parts = name.split(".")
    if parts[0] not in APPS:
        return None
    if ".".join(parts[:2]) in GROUND:
        return (0, 0)
    layer = parts[1] if len(parts) > 1 and parts[1] in LAYERS else "edges"
    return (APPS.index(parts[0]), LAYERS.index(layer))


def imports(tree: ast.Module) -> set[str]:
    """Everything that a module imports, by full name."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def acts_in(name: str, tree: ast.Module) -> list[ast.FunctionDef]:
    """The acts of a module: public functions of services with a keyword-only `by`."""
    if ".services." not in name:
        return []
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and {arg.arg for arg in node.args.kwonlyargs} >= {"by", "reason"}
    ]


@each_module
def test_imports_point_only_left_and_down(name, tree):
    if name in COMPOSITION:
        return
    app, layer = place(name)
    for target in sorted(filter(place, imports(tree))):
        target_app, target_layer = place(target)
        if target_app > app:
            yield f"{name} imports {target}: a later app"
        if target_layer > layer:
            yield f"{name} imports {target}: a higher layer"


@each_module
def test_the_domain_knows_no_framework(name, tree):
    if ".domain" not in name:
        return
    for target in sorted(imports(tree)):
        top = target.split(".")[0]
        ours = place(target) is not None
        if not (ours or top in DOMAIN_LIBRARIES or top in sys.stdlib_module_names):
            yield f"{name} imports {target}"


@each_module
def test_imports_stand_at_the_top(name, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = [
                n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)
            ]
            if inside:
                yield f"{name}.{node.name} imports inside"


def calls_of(act: ast.FunctionDef, tree: ast.Module) -> set[str]:
    """What an act calls, by itself or through private functions of its module."""
    private = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("_")
    }
    found: set[str] = set()
    waiting = [act]
    while waiting:
        for node in ast.walk(waiting.pop()):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).split(".")[-1]
                if name in private and name not in found:
                    waiting.append(private[name])
                found.add(name)
    return found


@each_module
def test_every_act_is_atomic_and_audited(name, tree):
    for act in acts_in(name, tree):
        calls = calls_of(act, tree)
        # Asking for a second person, or proposing a change, is audited there.
        asks = "record" not in calls and calls & {"request", "propose", "revise"}
        if asks or f"{name}.{act.name}" in PARTS_OF_ACTS:
            continue
        decorators = " ".join(ast.unparse(each) for each in act.decorator_list)
        if "transaction.atomic" not in decorators:
            yield f"{name}.{act.name} is not atomic"
        if "record" not in calls:
            yield f"{name}.{act.name} leaves no line in the ledger"


@each_module
def test_no_module_is_a_drawer_for_everything(name, tree):
    if FORBIDDEN_NAMES & set(name.split(".")):
        yield name


@each_module
def test_rows_are_locked_alone_and_without_their_keys(name, tree):
    """A lock of the key makes every insert that refers to the row wait for it."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "select_for_update"
        ):
            given = {keyword.arg for keyword in node.keywords}
            if "no_key" not in given:
                yield f"{name}:{node.lineno} locks the key"
