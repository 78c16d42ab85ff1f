"""What each rule of the offline reader is worth: switch it off, count the requests that turn wrong.

python -m tests.language.ablation [NAME ...] [--of N]    rules whose name contains a NAME, else all;
                                                         of N requests drawn by chance, else all

A rule is a function (or method) that may also do nothing, or a table of the lexicon. Only requests
are read again for which the function did something, or which have a word of the table. A rule is
left at its 40th lost request; its counts are then estimates from a random part, marked "~".
"""

import argparse
import copy
import importlib
import inspect
import multiprocessing
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / place) for place in (".", "support")]

from language import score  # noqa: E402

ENOUGH = 40  # lost requests, after which a rule is surely worth a lot
PROCESSES = 2
CASES = [
    (case, split)
    for scope in score.SCOPES
    for split in score.SPLITS
    for case in score.cases(scope, split)
]
Understand = Callable[[score.Case], Any]
NOTHING: dict[str, Callable[..., Any]] = {
    "same": lambda said, *args, **more: said,
    "None": lambda *args, **more: None,
    "bool": lambda *args, **more: False,
    "str": lambda *args, **more: "",
    "list": lambda *args, **more: [],
    "dict": lambda *args, **more: {},
    "set": lambda *args, **more: set(),
    "tuple": lambda *args, **more: (),
}
"""What functions return that do nothing, by the type that they return."""


@dataclass(frozen=True)
class Rule:
    """What can be switched off: a function of a module, or a table of a file of the lexicon."""

    kind: str  # "function" or "table"
    file: str
    name: str
    lines: int


@dataclass
class Trace:
    """What reading one request came by: functions that did something, and words that they saw."""

    acted: set[tuple[str, str]]
    words: set[str]


def modules() -> list[ModuleType]:
    return [m for name, m in sorted(sys.modules.items()) if name.startswith("agent.offline.")]


def lexicon() -> ModuleType:
    return importlib.import_module("agent.offline.lexicon")


def functions() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Yield module and name of each function and method that may do nothing."""
    for module in modules():
        for name, made in list(vars(module).items()):
            if getattr(made, "__module__", "") != module.__name__ or "lexicon" in module.__name__:
                continue
            held = vars(made).items() if inspect.isclass(made) else [("", made)]
            for method, function in held:
                free = inspect.isfunction(function) and not function.__code__.co_freevars
                if free and method[:2] != "__" and nothing(function):
                    yield module.__name__, f"{name}.{method}".strip("."), function


def rules() -> Iterator[Rule]:
    for module, name, function in functions():
        yield Rule("function", module, name, len(inspect.getsourcelines(function)[0]))
    for file in sorted(Path(str(lexicon().__file__)).parent.glob("*.toml")):
        source = file.read_text(encoding="utf-8")
        for table, content in lexicon().load(file.stem).items():
            if table != "parts":
                kept = (line for line in lexicon().strings({table: content}))
                yield Rule("table", file.stem, table, sum(source.count(line) > 0 for line in kept))


def nothing(made: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return a function that does nothing in the place of one, if its type says what that is."""
    kind = str(inspect.signature(made).return_annotation)
    first = next(iter(inspect.signature(made).parameters.values()), None)
    if kind == "str" and first is not None and first.annotation == "str":
        return NOTHING["same"]
    if "None" in kind.split(" | ")[1:]:
        return NOTHING["None"]
    return next((stub for name, stub in NOTHING.items() if kind.split("[")[0] == name), None)


def trace(number: int, understand: Understand) -> Trace:
    """Read a request and note which functions returned more than nothing, and the words seen."""
    acted, words, first = set(), set(), {}

    def note(frame: FrameType, event: str, value: object) -> None:
        if event not in ("call", "return") or frame.f_code not in STUBS:
            return
        module, name, stub = STUBS[frame.f_code]
        if event == "call":
            given = frame.f_locals.get(next(iter(frame.f_code.co_varnames), ""))
            first[frame] = given
            if isinstance(given, str):
                words.update(re.findall(r"[a-z]{3,}", given.lower()))
        else:
            given = first.pop(frame, None)
            if value != stub(given):
                acted.add((module, name))

    sys.setprofile(note)
    is_right(number, understand)
    sys.setprofile(None)
    words.update(re.findall(r"[a-z]{3,}", CASES[number][0].say.lower()))
    caption = score.conversation(CASES[number][0].conversation).turns[-1].caption
    return Trace(acted, words | set(re.findall(r"[a-z]{3,}", caption.lower())))


def lost(rule: Rule) -> tuple[Rule, list[int], int, int]:
    """Switch a rule off (in a process of its own); return what is lost of how many read again."""
    if rule.kind == "function":
        about = [n for n in RIGHT if (rule.file, rule.name) in TRACES[n].acted]
        switch_off_function(rule)
    else:
        strings = " ".join(lexicon().strings(lexicon().load(rule.file)[rule.name]))
        known = set(re.findall(r"[a-z]{3,}", strings)) | set(rule.name.split("_"))
        about = [n for n in RIGHT if known & TRACES[n].words or not strings.isascii()]
        try:
            switch_off_table(rule)
        except (KeyError, TypeError, ValueError, AttributeError):
            return rule, RIGHT, len(RIGHT), len(RIGHT)  # the reader does not start without it
    understand = reader()
    random.Random(0).shuffle(about)
    wrong: list[int] = []
    for tried, number in enumerate(about, 1):
        if not is_right(number, understand):
            wrong.append(number)
        if len(wrong) == ENOUGH:
            return rule, wrong, tried, len(about)
    return rule, wrong, len(about), len(about)


def switch_off_function(rule: Rule) -> None:
    """Put other code into a function, wherever it is held."""
    function = next(f for m, n, f in functions() if (m, n) == (rule.file, rule.name))
    stub = nothing(function)
    assert stub is not None
    function.__code__ = stub.__code__


def switch_off_table(rule: Rule) -> None:
    """Load the reader anew with a table whose entries are gone, or match nothing."""
    load = lexicon().load
    source = "".join(inspect.getsource(m) for m in modules())
    held = copy.deepcopy(load(rule.file))
    table = held[rule.name]
    if isinstance(table, dict):
        for entry, content in list(table.items()):
            if f'"{entry}"' in source or entry == "tail":
                table[entry] = without_content(content)
            else:
                del table[entry]
    else:
        held[rule.name] = without_content(table)
    for module in modules():
        if module.__name__ != "agent.offline.lexicon":
            del sys.modules[module.__name__]
            delattr(sys.modules["agent.offline"], module.__name__.split(".")[-1])
    lexicon().load = lambda name: held if name == rule.file else load(name)  # type: ignore[attr-defined]
    lexicon().compiled.cache_clear()
    reader()


def without_content(content: object) -> object:
    if isinstance(content, list):
        return ["(?!)"] if content and isinstance(content[0], str) else []
    return {} if isinstance(content, dict) else "(?!)"


def reader() -> Understand:
    module = importlib.import_module("agent.offline.grammar")
    return lambda case: module.understand_offline(
        case.say, module.Context.of(score.conversation(case.conversation))
    )


def is_right(number: int, understand: Understand) -> bool:
    case = CASES[number][0]
    try:
        return score.right(case, understand(case))
    except Exception:  # what is switched off may be needed by other code
        return False


def row(rule: Rule, wrong: list[int], tried: int, about: int) -> str:
    """Return a line of the table; what was left early is estimated from the part that was read."""
    scale = about / tried if tried else 1.0
    splits = [CASES[n][1] for n in wrong]
    counts = [f"{'~' * (scale > 1)}{round(splits.count(s) * scale)}" for s in score.SPLITS]
    file = rule.file.removeprefix("agent.offline.") + (".toml" if rule.kind == "table" else ".py")
    return f"| {rule.name} | {file} | {rule.lines} | {counts[0]} | {counts[1]} |"


RIGHT: list[int] = []
TRACES: dict[int, Trace] = {}
STUBS: dict[CodeType, tuple[str, str, Callable[..., Any]]] = {}

if __name__ == "__main__":
    known = reader()
    STUBS |= {f.__code__: (m, n, stub) for m, n, f in functions() if (stub := nothing(f))}
    asked = argparse.ArgumentParser()
    asked.add_argument("names", nargs="*")
    asked.add_argument("--of", type=int, default=len(CASES))
    told = asked.parse_args()
    drawn = sorted(random.Random(0).sample(range(len(CASES)), told.of))
    TRACES |= {n: trace(n, known) for n in drawn if is_right(n, known)}
    RIGHT += TRACES
    wanted = [r for r in rules() if not told.names or any(n in r.name for n in told.names)]
    print(f"{len(wanted)} rules, {len(RIGHT)} requests read as meant", file=sys.stderr)
    found = []
    with multiprocessing.get_context("fork").Pool(PROCESSES, maxtasksperchild=1) as pool:
        for result in pool.imap_unordered(lost, wanted, chunksize=1):
            found.append(result)
            print(row(*result), file=sys.stderr, flush=True)
    print("| rule | file | lines | tuned lost | held-out lost |\n|---|---|---|---|---|")
    for result in sorted(found, key=lambda r: (-len(r[1]) * r[3] / max(r[2], 1), r[0].lines)):
        print(row(*result))
