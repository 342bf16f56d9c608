"""Changes one operator, number or decorator at a time, and says which changes no test notices.

`make mutants` runs it; `make mutants PARTS=pacing` runs one part. Cosmic Ray makes the mutants and
runs the tests; it would mutate the tree itself, one after another, and number them, so that a list
of survivors would not outlast the next line of code. Here each is tried on a copy and has a name.
`mutants.toml` says what is mutated, and `survivors.toml` why a mutant may live: a survivor that is
not there fails the run, and so does a mutant there that lives no longer.
"""

from __future__ import annotations

import ast
import difflib
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import TestOutcome

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTEST = "-m pytest -x -q -p no:cacheprovider -p no:anyio -p no:hypothesispytest"


@dataclass(frozen=True)
class Mutant:
    """A module with one change: `name` says which: where, which words, and the how manieth so."""

    module: str
    code: str
    name: str


def main(chosen: list[str]) -> int:
    plan = read("mutants.toml")
    operators = "|".join(entry.get("operators", "") for entry in plan["left_out"])
    changes = "|".join(entry["change"] for entry in plan["left_out"] if "change" in entry)
    listed = [name for entry in read("survivors.toml")["survivors"] for name in entry["mutants"]]
    with tempfile.TemporaryDirectory() as scratch, pool(scratch) as workers:
        good = [
            is_good(workers, plan, name, list(mutants_of(part, operators, changes)), listed)
            for name, part in plan["parts"].items()
            if name in chosen or not chosen
        ]
    return 0 if all(good) else 1


def is_good(
    workers: ProcessPoolExecutor, plan: Any, name: str, mutants: list[Mutant], listed: list[str]
) -> bool:
    """Try every mutant of a part, print what became of them; whether that will do."""
    tests, most_seconds = plan["parts"][name]["tests"], plan["timeout_seconds"]
    if not workers.submit(lives, None, tests, most_seconds).result():
        print(f"{name}: its tests fail without any mutant")
        return False
    living = list(workers.map(lives, mutants, repeat(tests), repeat(most_seconds)))
    survivors = [mutant.name for mutant, lived in zip(mutants, living, strict=True) if lived]
    return is_enough(plan, name, len(mutants), survivors, listed)


def is_enough(plan: Any, name: str, total: int, survivors: list[str], listed: list[str]) -> bool:
    killed = total - len(survivors)
    modules = tuple(f"{module} " for module in plan["parts"][name]["modules"])
    unlisted = [survivor for survivor in survivors if survivor not in listed]
    gone = [name for name in listed if name.startswith(modules) and name not in survivors]
    print(f"{name}: {killed} of {total} killed ({killed / total:.1%}), {len(survivors)} survive")
    for survivor in unlisted:
        print(f"  not in survivors.toml: {survivor}")
    for survivor in gone:
        print(f"  in survivors.toml, but it survives no longer: {survivor}")
    sys.stdout.flush()
    return not unlisted and not gone and 100 * killed >= plan["least_percent_killed"] * total


def mutants_of(part: Any, operators: str, changes: str) -> Iterator[Mutant]:
    """Yield each mutant once, without those that some `left_out` names."""
    for module in part["modules"]:
        source = (ROOT / module).read_text(encoding="utf-8")
        seen, named = {meaning_of(source), None}, Counter[str]()
        for code in mutations_of(source, operators):
            if (meaning := meaning_of(code)) not in seen:
                seen.add(meaning)
                line, was, becomes = change_of(source, code)
                name = f"{module} {definition_at(source, line)}: {words(was, becomes)}"
                named[name] += 1
                if not re.search(f"({changes})$", becomes):
                    yield Mutant(module, code, f"{name}, {named[name]}")


def mutations_of(source: str, left_out: str) -> Iterator[str]:
    tree = get_ast(source)
    for name in operator_names():
        if re.fullmatch(f"core/({left_out})", name) or get_operator(name).arguments():
            continue
        operator = get_operator(name)()
        places = sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(tree))
        for place in range(places):
            yield mutate_code(source, operator, place)


def meaning_of(code: str) -> str | None:
    """Return what Python makes of the code, None where that is nothing.

    Annotations, and the marks in a list of parameters, are set aside: mypy holds them.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        for name in {"annotation", "returns"} & set(node._fields):
            setattr(node, name, ast.Constant(None))
        if isinstance(node, ast.arguments):
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults = [*node.defaults, *filter(None, node.kw_defaults)]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
    return ast.dump(tree)


def change_of(source: str, code: str) -> tuple[int, str, str]:
    """Return the first line that differs, what it was and what it becomes."""
    before, after = source.splitlines(), code.splitlines()
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    first, last, to_first, to_last = next(
        (a, b, c, d) for tag, a, b, c, d in changes if tag != "equal"
    )
    return first + 1, joined(before[first:last]), joined(after[to_first:to_last])


def words(was: str, becomes: str) -> str:
    """Return only the words that differ: a list of survivors quotes no lines."""
    old, new = re.findall(r"\w+|[^\w\s]+", was), re.findall(r"\w+|[^\w\s]+", becomes)
    changes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    differing = [(old[a:b], new[c:d]) for tag, a, b, c, d in changes if tag != "equal"]
    gone = " ".join(word for olds, _ in differing for word in olds)
    come = " ".join(word for _, news in differing for word in news)
    return f"{gone[:40]} -> {come[:40]}"


def joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def definition_at(source: str, line: int) -> str:
    kinds = (ast.ClassDef, ast.FunctionDef)
    around = [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, kinds) and first_line(node) <= line <= (node.end_lineno or 0)
    ]
    return ".".join(around) or "module"


def first_line(node: ast.ClassDef | ast.FunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def pool(scratch: str) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(os.cpu_count(), initializer=settle_in, initargs=(scratch,))


def settle_in(scratch: str) -> None:
    """Make a tree for this worker alone."""
    own = Path(scratch) / str(os.getpid())
    for folder in ("batch", "sample_data", "tests"):
        shutil.copytree(ROOT / folder, own / folder)
    shutil.copy2(ROOT / "pyproject.toml", own)
    os.chdir(own)
    os.environ["CI"] = "true"  # Hypothesis then tries the same examples every time


def lives(mutant: Mutant | None, tests: list[str], most_seconds: float) -> bool:
    """Whether all tests pass, on the worker's own tree, with that mutant in place."""
    if mutant is None:
        return all(passes(file, most_seconds) for file in tests)
    module = Path(mutant.module)
    original = module.read_text(encoding="utf-8")
    module.write_text(mutant.code, encoding="utf-8")
    try:
        return all(passes(file, most_seconds) for file in tests)
    finally:
        module.write_text(original, encoding="utf-8")


def passes(file: str, most_seconds: float) -> bool:
    outcome, _ = run_tests(f"{sys.executable} {PYTEST} {file}", most_seconds)
    return outcome is TestOutcome.SURVIVED


def read(name: str) -> Any:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
