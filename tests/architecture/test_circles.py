"""No file imports, by whatever way round, a file that imports it."""

from collections.abc import Collection, Iterator, Mapping

import grimp

PACKAGES = ("workbench", "gateway", "auth", "adapters", "profiles")


def circles(imports: Mapping[str, Collection[str]]) -> list[set[str]]:
    """The strongly connected components with more than one member (Tarjan's algorithm, without recursion)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[set[str]] = []
    for start in imports:
        work: list[tuple[str, Iterator[str]]] = [] if start in number else [(start, iter(imports[start]))]
        while work:
            one, rest = work[-1]
            if one not in number:
                number[one] = lowest[one] = len(number)
                path.append(one)
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[one])
                if lowest[one] == number[one]:
                    at = path.index(one)
                    found.append(set(path[at:]))
                    del path[at:]
            elif following not in number:
                work.append((following, iter(imports.get(following, ()))))
            elif following in path:
                lowest[one] = min(lowest[one], number[following])
    return [one for one in found if len(one) > 1]


def test_circles_are_found() -> None:
    knot = {"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": ["e"], "e": ["f"], "f": ["d", "g"], "g": [], "h": ["a", "h"]}
    assert sorted(map(sorted, circles(knot))) == [["b", "c"], ["d", "e", "f"]]
    assert circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_no_circle_of_files_is_left() -> None:
    """Imports for type checking only count too: who reads one file of a circle has to read them all."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    imports = {name: sorted(graph.find_modules_directly_imported_by(name)) for name in sorted(graph.modules)}
    assert len(imports) > 300
    assert circles(imports) == []
