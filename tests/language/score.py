"""Whether the offline reader makes of a request what it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from langgraph.checkpoint.memory import InMemorySaver
from studio_fakes import CAPTION, fake_studio

from agent.captions import attributes_of, changes
from agent.chat import Chat
from agent.offline.grammar import Context, understand_offline
from agent.state import Conversation, Plan, Step
from editing_core.prompt_diff import words_of
from editing_core.worlds.registry import world_of

HERE = Path(__file__).parent
SCOPES, SPLITS = ("portraits", "general"), ("tuned", "held_out")
ASIDE = "aside"  # the newest, counted but not bounded: what strangers meet
EMPTY = frozenset(
    "a an the of with in on at to by and is as from into it her his their its wearing".split()
)


@dataclass(frozen=True)
class Case:
    """One request, where it is said, and the lists of steps it may mean."""

    say: str
    conversation: str
    kind: str
    means: list[list[Any]]


class Changed(dict[str, str]):
    """The attributes that an edit of a portrait changes, and all that hold after it."""

    def __init__(self, made: dict[str, str], holds: dict[str, str]) -> None:
        super().__init__(made)
        self.holds = holds


@cache
def cases(scope: str, split: str) -> list[Case]:
    files = sorted(HERE.glob(f"{scope}_{split}*.yaml"))
    return [
        Case(case["say"], case.get("in", group["in"]), group["kind"],
             case["either"] if "either" in case else [case["means"]])
        for file in files
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))
        for case in group["cases"]
    ]  # fmt: skip


@cache
def conversation(name: str) -> Conversation:
    known = yaml.safe_load((HERE / "conversations.yaml").read_text(encoding="utf-8"))[name]
    return conversation_after(*known.get("said", ()), caption=known.get("caption", CAPTION))


@cache
def conversation_after(*messages: str, caption: str = CAPTION) -> Conversation:
    studio, _, key = fake_studio(edit=None)
    chat = Chat(studio, InMemorySaver(), "language")
    chat.open(key, caption)
    for message in messages:
        list(chat.say(message))
    return chat.conversation


def plan_of(case: Case) -> Plan:
    return understand_offline(case.say, Context.of(conversation(case.conversation)))


def right(case: Case, plan: Plan) -> bool:
    return any(_as_meant(found(plan), means) for means in case.means)


def found(plan: Plan) -> list[Any]:
    """The steps of a plan as cases write them; neighbouring edits are one."""
    steps: list[Any] = []
    for step in plan.steps:
        said = named(step)
        joins = isinstance(said, dict) and steps and isinstance(steps[-1], dict)
        steps = [*steps[:-1], _both(steps[-1], said)] if joins else [*steps, said]
    return steps


def named(step: Step) -> Any:
    if step.step == "edit":
        if world_of(step.target_prompt):
            made = changes(step.source_prompt, step.target_prompt)
            return Changed(made, attributes_of(step.target_prompt))
        before, after = (Counter(_content(p)) for p in (step.source_prompt, step.target_prompt))
        added = after - before
        again = Counter({word: added[word] for word in added if word in before})
        return {"add": added, "drop": before - after, "again": again}
    if step.step == "adjust":
        return f"adjust {step.words}"
    values = [] if step.step == "ask" else [v for k, v in step.model_dump().items() if k != "step"]
    shown = (str(v) for v in values if v not in (None, "") and v is not False)
    return " ".join([step.step, *shown])


MOVES = ("undo", "redo", "goto", "revert", "save")
JOINING = frozenset(
    "under behind beside near above over next front top inside around between along while".split()
)


def absurd(case: Case, plan: Plan) -> bool:
    """Whether a plan acts with confidence in a way that no accepted answer does.

    It asks nothing, is not what was meant, and one of its steps does what no accepted answer has:
    gives an attribute a value, adds a word to what is shown, takes one away, or moves the head.
    A plan that only leaves something out, or that asks, is wrong but not absurd.
    """
    if right(case, plan) or any(step.step == "ask" for step in plan.steps):
        return False
    shown = set(words_of(conversation(case.conversation).turns[-1].caption))
    wanted = [step for means in case.means for step in means]
    return any(_meant_by_none(step, wanted, shown) for step in found(plan))


def _meant_by_none(step: Any, wanted: list[Any], shown: set[str]) -> bool:
    if isinstance(step, str):
        return step.split()[0] in MOVES and step not in wanted
    if "*" in wanted or "edits" in wanted:
        return False
    edits = [other for other in wanted if isinstance(other, dict)]
    if "add" not in step:
        edits.append({"age": "old", "hair_color": "gray"})
        return any(not {"*", value} & {v for e in edits for v in _options(e.get(name, ""))}
                   for name, value in step.items())  # fmt: skip
    done = {"add": set(step["add"]) - set(step["again"]), "drop": set(step["drop"]) & shown}
    known = {side: {w for e in edits for w in _options(e.get(side, ""))} for side in done}
    return any("*" not in known[side] and done[side] - known[side] - JOINING for side in done)


def _options(entry: str) -> list[str]:
    return entry.replace("?", "").replace("|", " ").split()


def _content(prompt: str) -> list[str]:
    return [word for word in words_of(prompt) if word not in EMPTY]


def _both(first: Any, second: Any) -> Any:
    if "add" not in first:
        return Changed(first | second, second.holds)
    add, drop, again = (first[side] + second[side] for side in ("add", "drop", "again"))
    return {"add": add - drop, "drop": drop - add, "again": again}


def _as_meant(got: list[Any], means: list[Any]) -> bool:
    if means == ["*"]:
        return True
    wanted: list[Any] = []
    for step in means:
        joins = isinstance(step, dict) and wanted and isinstance(wanted[-1], dict)
        wanted = [*wanted[:-1], _joined(wanted[-1], step)] if joins else [*wanted, step]
    return len(got) == len(wanted) and all(map(_same, got, wanted))


def _joined(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    if not {"add", "drop"} & {*first, *second}:
        return first | second
    return {k: f"{first.get(k, '')} {second.get(k, '')}".strip() for k in ("add", "drop")}


def _same(got: Any, wanted: Any) -> bool:
    if wanted == "edits":
        return isinstance(got, dict) and any(got.values())
    if isinstance(wanted, str):
        return isinstance(got, str) and _words_fit(Counter(got.split()), wanted)
    if not isinstance(got, dict):
        return False
    if "add" in got:
        spare = {"add": set(got["again"]), "drop": {"photo"}}
        return all(_words_fit(got[k], wanted.get(k, ""), spare[k]) for k in spare)
    if wanted.get("age") == "old":
        wanted = {"hair_color": "gray?", **wanted}
    needed = {name for name, value in wanted.items()
              if not (value.endswith("?") or got.holds.get(name) in value.split("|"))}  # fmt: skip
    return needed <= set(got) <= set(wanted) and all(
        wanted[name] == "*" or value in wanted[name].rstrip("?").split("|")
        for name, value in got.items()
    )


def _words_fit(got: Counter[str], wanted: str, spare: Set[str] = frozenset()) -> bool:
    """Whether the words are those wanted, "red? ball|balls *", and others to spare."""
    rest = Counter(got)
    for entry in wanted.split():
        if entry == "*":
            return True
        options = entry.rstrip("?").split("|")
        hit = next((word for word in options if rest[word]), None)
        if hit is None and not entry.endswith("?"):
            return False
        if hit is not None:
            del rest[hit]
    return set(+rest) <= spare


def table() -> Iterator[str]:
    """Lines of a table: kinds down, scopes and splits across."""
    columns = [(scope, split) for scope in SCOPES for split in (*SPLITS, ASIDE)]
    read = {c: [(case, plan_of(case)) for case in cases(*c)] for c in columns}
    counted = {c: Counter(case.kind for case, _ in read[c]) for c in columns}
    hits = {c: Counter(case.kind for case, plan in read[c] if right(case, plan)) for c in columns}
    asked = [sum(any(s.step == "ask" for s in plan.steps) and not right(case, plan)
                 for case, plan in read[c]) for c in columns]  # fmt: skip
    absurds = [sum(absurd(case, plan) for case, plan in read[c]) for c in columns]
    yield f"{'':20}" + "".join(f"{f'{a}, {b}'.replace('_', '-'):>22}" for a, b in columns)
    kinds = list(dict.fromkeys(kind for column in columns for kind in counted[column]))
    for kind in kinds:
        parts = [f"{hits[c][kind]} of {counted[c][kind]}" for c in columns]
        yield f"{kind:20}" + "".join(f"{part:>22}" for part in parts)
    totals = [(hits[c].total(), counted[c].total()) for c in columns]
    for name, parts in (("all", [a for a, _ in totals]), ("asked", asked), ("absurd", absurds)):
        shares = [f"{a} of {b} = {a / b:.1%}" for a, (_, b) in zip(parts, totals, strict=True)]
        yield f"{name:20}" + "".join(f"{share:>22}" for share in shares)
