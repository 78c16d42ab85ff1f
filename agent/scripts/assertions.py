"""What a script expects, compared with what happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agent.exit_codes import DONE
from agent.scripts import matchers
from agent.scripts.loader import Line, Place
from agent.scripts.runner import Happened, Stage
from agent.scripts.schema import (
    Bound,
    Cost,
    Expected,
    Failure,
    Seen,
    State,
    Wording,
    Words,
    meets,
)
from agent.state import Turn
from tools.edit_picture import device_of
from tools.inspection import Differences, differences, psnr
from tools.pictures import PictureError, open_picture

SAME = {"cpu": 45.0, "cuda": 30.0}
"""How many dB apart the same picture may come out on a kind of device, against a stored one."""


@dataclass(frozen=True)
class Missed:
    """One expectation that was not met."""

    line: Line | None
    """None for what is expected of the whole conversation."""
    place: Place
    """Where it stands, below ``expect``."""
    wanted: str
    found: str
    instead: Any = None
    """What the script could say instead, or the picture to store; None if only a person knows."""


@dataclass(frozen=True)
class Checked:
    """What came of comparing: what was missed, and every number that was measured."""

    missed: tuple[Missed, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)


def check(happened: Happened, stage: Stage) -> Checked:
    """Compare one turn with what is expected of it; nothing may fail that is not expected to."""
    if happened.line is None:
        checker = _Checker(happened, stage, stage.case.script.expect)
        return checker.result(checker.error(checker.expected.error))
    checker = _Checker(happened, stage, happened.line.said.expect)
    return checker.result(checker.turn())


def check_end(last: Happened, stage: Stage) -> Checked:
    """Compare the end of the conversation with what is expected of the whole."""
    whole = Happened(None, DONE, last.before, last.after)
    checker = _Checker(whole, stage, stage.case.script.expect)
    return checker.result(checker.state())


class _Checker:
    def __init__(self, happened: Happened, stage: Stage, expected: State) -> None:
        self.happened, self.stage, self.expected = happened, stage, expected
        self.measured: dict[str, float] = {}

    def result(self, missed: Iterator[Missed]) -> Checked:
        return Checked(tuple(missed), self.measured)

    @cached_property
    def head(self) -> Turn:
        return self.happened.after.turns[self.happened.after.head]

    @cached_property
    def made(self) -> list[Turn]:
        """The turns that the message made; of the whole conversation, all edits."""
        known = len(self.happened.before.turns) if self.happened.line else 0
        return [turn for turn in self.happened.after.turns[known:] if turn.step is not None]

    @cached_property
    def steps(self) -> list[dict[str, Any]]:
        plans = [event["steps"] for event in self.happened.events if event.event == "plan"]
        return [step for plan in plans for step in plan]

    @cached_property
    def differences(self) -> Differences:
        """What lies between the picture at the head and its parent's."""
        parent = self.head.id if self.head.parent is None else self.head.parent
        mask = self.stage.store.image(self.head.mask) if self.head.mask else None
        return differences(self.stage.image(parent), self.stage.image(self.head.id), mask)

    def turn(self) -> Iterator[Missed]:
        expected = self.expected
        assert isinstance(expected, Expected)
        yield from self.error(expected.error)
        if expected.steps is not None:
            yield from self.equal("steps", expected.steps, [step["step"] for step in self.steps])
        edits = [step for step in self.steps if step["step"] == "edit"]
        if expected.changes is not None:
            yield from self.equal("changes", expected.changes, [e["change"] for e in edits])
        if expected.operations is not None:
            done = [step for step in self.steps if step["step"] == "adjust"]
            named = [f"{step['operation']} {step['value']}".strip() for step in done]
            yield from self.equal("operations", expected.operations, named)
        first, last = (edits[0], edits[-1]) if edits else ({}, {})
        yield from self.text("source_prompt", expected.source_prompt, first.get("source_prompt"))
        yield from self.text("target_prompt", expected.target_prompt, last.get("target_prompt"))
        yield from self.words([word for edit in edits for word in edit["edit_words"]])
        yield from self.text("reply", expected.reply, "\n".join(self.happened.said))
        questions = [e["question"] for e in self.happened.events if e.event == "question"]
        yield from self.text("question", expected.question, " ".join(questions))
        yield from self.events(expected.events)
        if expected.passed is not None:
            passed = all(turn.check is not None and turn.check.passed for turn in self.made)
            yield from self.equal("passed", expected.passed, passed)
        yield from self.state()

    def state(self) -> Iterator[Missed]:
        expected, after = self.expected, self.happened.after
        if expected.head is not None:
            yield from self.equal("head", expected.head, after.head)
        if expected.branch_of is not None:
            yield from self.equal("branch_of", expected.branch_of, self.head.parent)
        if expected.turns is not None:
            yield from self.equal("turns", expected.turns, len(after.turns))
        yield from self.text("caption", expected.caption, self.head.caption)
        for name, there in (("remembers", True), ("forgets", False)):
            words = getattr(expected, name)
            held = tuple(word for word in words if matchers.has(self.head.caption, word) == there)
            if held != words:
                wanted = f"{'' if there else 'no '}{', '.join(w for w in words if w not in held)}"
                yield self.missed((name,), wanted, self.head.caption, list(held))
        if expected.cost is not None:
            yield from self.cost(expected.cost)
        if expected.picture is not None:
            yield from self.picture(expected.picture)

    def error(self, expected: Failure | None) -> Iterator[Missed]:
        code, told = self.happened.code, " ".join(self.happened.complaints)
        told = told or " ".join(self.happened.said)
        if expected is None:
            if code != DONE:
                instead = {"exit": code, "says": matchers.first(told)}
                yield self.missed(("error",), "no error", f"exit {code}: {told}", instead)
            return
        if code != expected.exit:
            found = f"exit {code}: {told}" if code else "no error"
            yield self.missed(("error", "exit"), f"exit {expected.exit}", found, code or None)
        if not matchers.fits(told, expected.says):
            yield self.missed(
                ("error", "says"), matchers.shown(expected.says), told, matchers.first(told)
            )

    def cost(self, expected: Cost) -> Iterator[Missed]:
        reports = [turn.report for turn in self.made]
        for name, key in (("model_calls", "forwards"), ("tries", "tries")):
            if (bound := getattr(expected, name)) is not None:
                value = sum(report.get(key, 0) for report in reports)
                yield from self.number(("cost", name), bound, value)
        if expected.seconds is not None:
            seconds = sum(report.get("seconds", 0) for report in reports)
            if isinstance(expected.seconds, str) and expected.seconds.endswith("calls"):
                seconds /= self.stage.call_seconds()
            yield from self.number(("cost", "seconds"), expected.seconds, seconds)

    def picture(self, expected: Seen) -> Iterator[Missed]:
        if not self.head.picture:
            yield self.missed(("picture",), "a picture", "it was only planned")
            return
        image = self.stage.image(self.head.id)
        if expected.size is not None:
            original = self.stage.store.image(self.head.original).size
            wanted = original if expected.size == "same" else expected.size
            yield from self.equal(("picture", "size"), wanted, image.size)
        for name in ("changed", "changed_inside", "outside_ssim", "outside_psnr", "drift", "shift"):
            if (bound := getattr(expected, name)) is not None:
                value = getattr(self.differences, name)
                yield from self.number(("picture", name), bound, value)
        if expected.same_as is not None:
            yield from self.same_as(expected.same_as)
        if expected.differs_from is not None:
            yield from self.differs_from(expected.differs_from)
        if expected.like is not None:
            yield from self.like(expected.like)
        if expected.attributes is not None:
            yield from self.attributes(expected.attributes.model_dump(exclude_none=True))
        if expected.clip is not None:
            yield from self.clip(expected.clip)

    def same_as(self, turn: int) -> Iterator[Missed]:
        turns = self.happened.after.turns
        if turn >= len(turns):
            yield self.missed(("picture", "same_as"), f"@{turn}", "there is no such turn")
        elif turns[turn].picture != self.head.picture:
            alike = [t.id for t in turns if t.picture == self.head.picture]
            yield self.missed(("picture", "same_as"), f"the picture of @{turn}", "another picture",
                              alike[0])  # fmt: skip

    def differs_from(self, turn: int) -> Iterator[Missed]:
        turns = self.happened.after.turns
        if turn < len(turns) and turns[turn].picture == self.head.picture:
            place: Place = ("picture", "differs_from")
            yield self.missed(place, f"another picture than @{turn}'s", "the same")

    def like(self, name: str) -> Iterator[Missed]:
        place: Place = ("picture", "like")
        image = self.stage.image(self.head.id)
        try:
            stored = open_picture(self.stage.case.here / name).image
        except PictureError as error:
            yield self.missed(place, name, str(error), image)
            return
        least = SAME[device_of(self.stage.studio.settings.device)]
        if stored.size != image.size or psnr(stored, image) < least:
            found = f"{psnr(stored, image):.1f} dB" if stored.size == image.size else "another size"
            yield self.missed(place, f"{name} to {least:g} dB", found, image)

    def attributes(self, wanted: dict[str, str]) -> Iterator[Missed]:
        eyes = self.stage.studio.eyes
        seen = dict(eyes.attributes(self.stage.image(self.head.id), wanted)) if eyes else {}
        if not seen:
            yield self.missed(("picture", "attributes"), str(wanted), "no portrait")
            return
        for name, value in wanted.items():
            if seen.get(name) != value:
                found = seen.get(name)
                yield self.missed(("picture", "attributes", name), value, found or "nothing", found)

    def clip(self, bound: Bound) -> Iterator[Missed]:
        from tools.clip_judge import ClipEyes

        place: Place = ("picture", "clip")
        model, step = self.stage.studio.settings.clip, self.head.step
        if model is None or step is None or self.head.parent is None:
            yield self.missed(place, str(bound), "no CLIP model is set, or nothing was edited")
            return
        before, after = self.stage.image(self.head.parent), self.stage.image(self.head.id)
        found = ClipEyes(model).likeness(before, after, step.source_prompt, step.target_prompt)
        yield from self.number(place, bound, found or 0.0)

    def words(self, found: Sequence[str]) -> Iterator[Missed]:
        expected = self.expected
        assert isinstance(expected, Expected)
        wanted = expected.edit_words
        if wanted is None:
            return
        if not isinstance(wanted, Words):
            wanted = Words(equals=wanted)
        shown = {word.lower() for word in found}
        fits = (
            (wanted.equals is None or shown == matchers.lower(wanted.equals))
            and shown >= matchers.lower(wanted.superset)
            and (wanted.subset is None or shown <= matchers.lower(wanted.subset))
        )
        if not fits:
            want = wanted.model_dump(exclude_defaults=True)
            yield self.missed(("edit_words",), matchers.listed(want), ", ".join(found), list(found))

    def events(self, wanted: Sequence[str]) -> Iterator[Missed]:
        names = [event.event for event in self.happened.events]
        left = iter(names)
        if not all(any(name == want for name in left) for want in wanted):
            found = list(dict.fromkeys(names))
            yield self.missed(("events",), ", ".join(wanted), ", ".join(found), found)

    def text(self, name: str, wanted: Wording | None, found: str | None) -> Iterator[Missed]:
        if wanted is not None and not matchers.fits(found or "", wanted):
            yield self.missed((name,), matchers.shown(wanted), found or "nothing", found)

    def equal(self, place: str | Place, wanted: Any, found: Any) -> Iterator[Missed]:
        place = (place,) if isinstance(place, str) else place
        wanted, found = (list(x) if isinstance(x, tuple) else x for x in (wanted, found))
        if wanted != found:
            yield self.missed(place, str(wanted), str(found), found)

    def number(self, place: Place, bound: str | float, found: float) -> Iterator[Missed]:
        self.measured[".".join(map(str, place))] = found
        if not meets(found, bound):
            yield self.missed(place, str(bound), f"{found:.4g}", matchers.bound_for(bound, found))

    def missed(self, place: Place, wanted: str, found: str, instead: Any = None) -> Missed:
        return Missed(self.happened.line, place, wanted, found, instead)
