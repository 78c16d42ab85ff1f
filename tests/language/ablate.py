"""Switch off each function and lexicon entry of the offline reader; count the requests it loses.

python -m tests.language.ablate [NAME ...]    those whose name contains a NAME; else all
"""

import copy
import importlib
import inspect
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / place) for place in (".", "support")]

from language import score  # noqa: E402

CASES = [
    case for scope in score.SCOPES for split in score.SPLITS for case in score.cases(scope, split)
]
Switch = tuple[str, ...]
"""("function", module, name) or ("entry", lexicon file, table, entry)."""


def modules() -> list[ModuleType]:
    return [m for name, m in sorted(sys.modules.items()) if name.startswith("agent.offline.")]


def switches() -> Iterator[tuple[Switch, int]]:
    """Yield what can be switched off, and its size in lines."""
    from agent.offline import lexicon

    for module in modules():
        for name, made in vars(module).items():
            if inspect.isfunction(made) and made.__module__ == module.__name__ and stub(made):
                yield ("function", module.__name__, name), len(inspect.getsourcelines(made)[0])
    for file in sorted(Path(lexicon.__file__).parent.glob("**/*.toml")):
        for table, entries in lexicon.load(file.stem).items():
            if not isinstance(entries, dict):
                yield ("entry", file.stem, table), 1
                continue
            for entry, content in entries.items():
                if not (table == "parts" or isinstance(content, dict)):
                    yield (
                        ("entry", file.stem, table, entry),
                        len(content) if isinstance(content, list) else 1,
                    )


def stub(made: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return a function that does nothing in the place of one, if its type says what that is."""
    made = inspect.unwrap(made)
    kind = str(inspect.signature(made).return_annotation)
    first = next(iter(inspect.signature(made).parameters.values()), None)
    if kind == "bool":
        return lambda *args, **more: False
    if "None" in kind.split(" | "):
        return lambda *args, **more: None
    if kind == "str" and first is not None and first.annotation == "str":
        return lambda said, *args, **more: said
    if kind == "str":
        return lambda *args, **more: ""
    empty = next((t for t in (list, dict, set, tuple) if kind.startswith(t.__name__)), None)
    return (lambda *args, **more: empty()) if empty else None


def lost(switch: Switch) -> tuple[Switch, list[int]]:
    """Return the numbers of the requests that turn wrong (in a process of its own)."""
    asked = RIGHT
    if switch[0] == "function":
        here = sys.modules[switch[1]]
        old = getattr(here, switch[2])
        if not hasattr(old, "cache_clear"):  # called by all, or only while the reader is loaded
            asked = {n for n in RIGHT if switch[1:] in CALLED[n]} or RIGHT
        for module in modules():
            for name, held in list(vars(module).items()):
                if held is old:
                    setattr(module, name, stub(old))
        understand = reader()
    else:
        load = sys.modules["agent.offline.lexicon"].load
        held = copy.deepcopy(load(switch[1]))
        table = held if len(switch) == 3 else held[switch[2]]
        content = table.get(switch[-1])
        if isinstance(content, list | dict):
            table[switch[-1]] = (
                ["(?!)"] if content and isinstance(content, list) else type(content)()
            )
        elif "(" in switch[-1]:
            del table[switch[-1]]
        else:
            table[switch[-1]] = "(?!)"
        for module in modules():
            if module.__name__ != "agent.offline.lexicon":
                del sys.modules[module.__name__]
                delattr(sys.modules["agent.offline"], module.__name__.split(".")[-1])
        sys.modules["agent.offline.lexicon"].load = lambda name: (
            held if name == switch[1] else load(name)
        )
        for name in ("compiled", "filled"):
            getattr(
                getattr(sys.modules["agent.offline.lexicon"], name), "cache_clear", lambda: None
            )()
        try:
            understand = reader()
        except (KeyError, TypeError, ValueError, AttributeError):
            return switch, [-1]  # the reader does not start without it
    return switch, [n for n in sorted(asked) if not is_right(n, understand)]


def calls(number: int, understand: Callable[..., Any]) -> set[tuple[str, str]]:
    """Return module and name of each function that reading a request calls."""
    found = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            found.add((frame.f_globals["__name__"], frame.f_code.co_name))

    sys.setprofile(note)
    is_right(number, understand)
    sys.setprofile(None)
    return found


def reader() -> Callable[..., Any]:
    module = importlib.import_module("agent.offline.grammar")
    context = module.Context
    return lambda case: module.understand_offline(
        case.say, context.of(score.conversation(case.conversation))
    )


def is_right(number: int, understand: Callable[..., Any]) -> bool:
    try:
        return score.right(CASES[number], understand(CASES[number]))
    except Exception:  # what is switched off may be needed by other code
        return False


RIGHT: set[int] = set()
CALLED: dict[int, set[tuple[str, str]]] = {}

if __name__ == "__main__":
    known = reader()
    RIGHT |= {n for n in range(len(CASES)) if is_right(n, known)}
    CALLED |= {n: calls(n, known) for n in RIGHT}
    sizes = {
        s: lines
        for s, lines in switches()
        if not sys.argv[1:] or any(n in ".".join(s) for n in sys.argv[1:])
    }
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        found: dict[Switch, list[int]] = {}
        for switch, turned in pool.imap_unordered(lost, sizes, chunksize=1):
            found[switch] = turned
            print(len(turned), ".".join(switch[1:]), file=sys.stderr, flush=True)
    print(f"{'lines':>5} {'lost':>5}  switched off (of {len(RIGHT)} requests read as meant)")
    for switch in sorted(found, key=lambda s: (len(found[s]), -sizes[s])):
        count = "all" if found[switch] == [-1] else len(found[switch])
        print(f"{sizes[switch]:5} {count:>5}  {'.'.join(switch[1:])}")
