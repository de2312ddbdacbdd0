"""Names: a public class stands in one file, and what lives longer than a few lines is called after what it holds."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("profiles", "adapters", "auth", "gateway", "workbench")
NO_NAMES = ("found", "one")
LINES = 5
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def sources() -> Iterator[tuple[str, ast.Module]]:
    """The path of every module of ours, and its tree."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


def homes() -> Mapping[str, list[str]]:
    """The files in which each public class is defined, by its name."""
    files: dict[str, list[str]] = defaultdict(list)
    for path, tree in sources():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files[node.name].append(path)
    return files


def binds(node: ast.AST, name: str) -> bool:
    """Whether a comprehension or a function has a variable of its own of this name."""
    if isinstance(node, FUNCTIONS):
        return any(argument.arg == name for argument in (*node.args.args, *node.args.kwonlyargs))
    targets = [part.target for part in node.generators] if isinstance(node, COMPREHENSIONS) else []
    return any(isinstance(each, ast.Name) and each.id == name for target in targets for each in ast.walk(target))


def life(scope: ast.AST, name: str) -> int:
    """Over how many lines a name lives in a function; not counted what lives in a smaller scope of its own."""
    lines = [scope.lineno] if binds(scope, name) and isinstance(scope, FUNCTIONS) else []
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        if not binds(node, name):
            waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Name) and node.id == name:
            lines.append(node.lineno)
    return max(lines) - min(lines) if lines else 0


def test_no_public_class_name_stands_in_two_files() -> None:
    assert {name: files for name, files in homes().items() if len(files) > 1} == {}


def test_the_search_for_names_reads_every_package() -> None:
    known = homes()
    assert {"FhirEndpoint", "Grant", "Report", "AdapterQuery", "PgoClient"} <= known.keys()


def test_what_lives_longer_than_a_few_lines_is_called_after_what_it_holds() -> None:
    assert [
        f"{path}:{node.lineno} {name}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
        for name in NO_NAMES
        if life(node, name) > LINES
    ] == []


def test_a_long_life_is_seen() -> None:
    long = "def f():\n    found = 1\n" + "    pass\n" * LINES + "    return found\n"
    short = "def f():\n    a = [one for one in b]\n" + "    pass\n" * LINES + "    return [one for one in a]\n"
    assert life(ast.parse(long).body[0], "found") > LINES
    assert life(ast.parse(short).body[0], "one") == 0
