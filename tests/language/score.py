"""Whether the offline reader makes of a request what it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from langgraph.checkpoint.memory import InMemorySaver
from studio_fakes import CAPTION, fake_studio

from agent.captions import changes, is_portrait
from agent.chat import Chat
from agent.offline.grammar import Context, understand_offline
from agent.state import Conversation, Plan, Step
from editing_core.prompt_diff import words_of

HERE = Path(__file__).parent
SCOPES, SPLITS = ("portraits", "general"), ("tuned", "held_out")
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


@cache
def cases(scope: str, split: str) -> list[Case]:
    groups = yaml.safe_load((HERE / f"{scope}_{split}.yaml").read_text(encoding="utf-8"))
    return [
        Case(case["say"], case.get("in", group["in"]), group["kind"],
             case["either"] if "either" in case else [case["means"]])
        for group in groups
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
        if is_portrait(step.target_prompt):
            return changes(step.source_prompt, step.target_prompt)
        before, after = (Counter(_content(p)) for p in (step.source_prompt, step.target_prompt))
        return {"add": after - before, "drop": before - after}
    values = [] if step.step == "ask" else [v for k, v in step.model_dump().items() if k != "step"]
    return " ".join([step.step, *(str(v) for v in values if v not in (None, ""))])


def _content(prompt: str) -> list[str]:
    return [word for word in words_of(prompt) if word not in EMPTY]


def _both(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    if "add" not in first:
        return first | second
    add, drop = first["add"] + second["add"], first["drop"] + second["drop"]
    return {"add": add - drop, "drop": drop - add}


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
        return all(_words_fit(got[k], wanted.get(k, "")) for k in ("add", "drop"))
    if wanted.get("age") == "old":
        wanted = {"hair_color": "gray?", **wanted}
    needed = {name for name, value in wanted.items() if not value.endswith("?")}
    return needed <= set(got) <= set(wanted) and all(
        wanted[name] == "*" or value in wanted[name].rstrip("?").split("|")
        for name, value in got.items()
    )


def _words_fit(got: Counter[str], wanted: str) -> bool:
    """Whether the words are those wanted: "red? ball|balls *"."""
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
    return not +rest


def table() -> Iterator[str]:
    """Lines of a table: kinds down, scopes and splits across."""
    columns = [(scope, split) for scope in SCOPES for split in SPLITS]
    counted: dict[tuple[str, str], Counter[str]] = {}
    hits: dict[tuple[str, str], Counter[str]] = {}
    for column in columns:
        counted[column] = Counter(case.kind for case in cases(*column))
        hits[column] = Counter(case.kind for case in cases(*column) if right(case, plan_of(case)))
    yield f"{'':20}" + "".join(f"{f'{a}, {b}'.replace('_', '-'):>22}" for a, b in columns)
    kinds = list(dict.fromkeys(kind for column in columns for kind in counted[column]))
    for kind in kinds:
        parts = [f"{hits[c][kind]} of {counted[c][kind]}" for c in columns]
        yield f"{kind:20}" + "".join(f"{part:>22}" for part in parts)
    totals = [(hits[c].total(), counted[c].total()) for c in columns]
    yield f"{'all':20}" + "".join(f"{f'{a} of {b} = {a / b:.1%}':>22}" for a, b in totals)
