"""How a picture came to be, in lines of a name and a value: what /why says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import ImageStat

from agent.replies import notched, of_operation
from agent.state import Adjust, Check, Conversation, Try, Turn, Usage
from tools import provenance
from tools.edit_picture import differing, settings_read
from tools.pictures import PictureStore
from tools.regions import MASK, box_of

Line = tuple[str, object]


def explained(
    conversation: Conversation, turn: Turn, store: PictureStore, presets: Mapping[str, Any]
) -> list[Line]:
    """Return all that is known of the making of a turn's picture."""
    stored = bool(turn.picture) and turn.picture in store
    recipe = (provenance.read(store.path(turn.picture)) or {}) if stored else {}
    lines: list[Line] = [("turn", f"@{turn.id}"), ("caption", turn.caption)]
    if turn.step is None:
        lines += _base(conversation, turn, recipe)
    elif isinstance(turn.step, Adjust):
        lines += _operated(turn, turn.step)
    else:
        lines += _asked(turn, recipe) + _numbers(turn, recipe, presets)
        lines += _where(turn, store, recipe) + _work(turn) + _read(conversation, turn)
    return [*lines, ("picture", store.path(turn.picture) if turn.picture else "only planned")]


def _base(conversation: Conversation, turn: Turn, recipe: Mapping[str, Any]) -> list[Line]:
    """Say where an original came from, if it was made here."""
    earlier = (t for t in conversation.turns[: turn.id] if t.picture and t.picture == turn.picture)
    if (same := next(earlier, None)) is not None:
        return [("base", f"the picture of @{same.id}, made an original by /base")]
    if recipe.get("source_prompt") == "" and "target_prompt" in recipe:
        return [("drawn from", f"{recipe['target_prompt']} (seed {recipe.get('seed')})")]
    return []


def _asked(turn: Turn, recipe: Mapping[str, Any]) -> list[Line]:
    """Say what was asked for and in which words it was done."""
    step = turn.step
    assert step is not None
    words = ", ".join(step.edit_words) or "none"
    if columns := recipe.get("columns"):
        words += f" (tokens {_listed(columns)})"
    return [
        ("from", f"@{turn.parent}"),
        ("request", step.request or turn.request),
        ("change", step.change),
        ("source prompt", step.source_prompt),
        ("target prompt", step.target_prompt),
        ("edit words", words),
    ]


def _operated(turn: Turn, step: Adjust) -> list[Line]:
    """Say which plain operation was done."""
    return [
        ("from", f"@{turn.parent}"),
        ("request", step.request or turn.request),
        ("operation", of_operation(step)),
        ("work", f"{turn.report.get('seconds', 0):.1f} s, exact, no model"),
    ]


def _numbers(turn: Turn, recipe: Mapping[str, Any], presets: Mapping[str, Any]) -> list[Line]:
    """Say which of the numbers that the method reads are not the preset's own."""
    lines: list[Line] = [("method", f"{turn.method}, preset {turn.preset}, seed {turn.seed}")]
    used, plain = recipe.get("settings"), presets.get(turn.preset)
    if isinstance(used, Mapping) and plain is not None:
        names = [name for name in settings_read(turn.method) if name != "bounds"]
        read = {name: value for name, value in used.items() if name in names}
        lines.append(("numbers", differing(read, plain) or "the preset's own"))
    if region := [*_asked_region(turn), *_box(used)]:
        lines.append(("region", ": ".join(region)))
    if notches := int(turn.report.get("notches", 0)):
        word = "stronger" if notches > 0 else "weaker"
        lines.append(("strength", f"{notched(notches)} {word} than the preset"))
    return lines


def _asked_region(turn: Turn) -> list[str]:
    """Return the words that a region was asked for by; none of a mere box."""
    base, *corrections = turn.region.split("; ")
    if base.startswith(MASK):
        base = "where the edit had acted"
    if not base or (box_of(turn.region) and not corrections):
        return []
    return ["; ".join([base, *corrections])]


def _box(used: object) -> list[str]:
    """Return the box that the settings of an edit kept to, if any."""
    bounds = used.get("bounds") if isinstance(used, Mapping) else None
    if not bounds:
        return []
    left, top, right, bottom = map(percent, bounds)
    return [f"{left} to {right} of the width, {top} to {bottom} of the height"]


def _where(turn: Turn, store: PictureStore, recipe: Mapping[str, Any]) -> list[Line]:
    """Say where the edit acted, and which layers told where its words look."""
    lines: list[Line] = []
    if turn.mask and turn.mask in store:
        share = ImageStat.Stat(store.image(turn.mask).convert("L")).mean[0] / 255
        lines.append(("mask", f"{percent(share)} of the picture; /show mask shows it"))
    if crop := recipe.get("crop"):
        left, top, right, bottom = crop
        lines.append(("close-up", f"{right - left} x {bottom - top} pixels at {left}, {top}"))
    if blocks := recipe.get("blocks"):
        lines.append(("layers", f"double blocks {_listed(blocks)} told where the words look"))
    return lines


def _work(turn: Turn) -> list[Line]:
    """Say what an edit cost, what each try was worth, and what the check saw."""
    report = turn.report
    if not report:
        return []
    work = f"{report.get('seconds', 0):.1f} s, {int(report.get('forwards', 0))} model calls"
    lines: list[Line] = [("work", work)]
    if turn.check is not None:
        count = int(report.get("tries", 1))
        lines.append(("tries", f"{count}, kept: {turn.check.rung}" if count > 1 else "1"))
        if len(turn.tries) > 1:
            lines += [(f"try {i}", _tried(t)) for i, t in enumerate(turn.tries, start=1)]
        lines.append(("check", scores(turn.check)))
    return lines


def _read(conversation: Conversation, turn: Turn) -> list[Line]:
    """Say what the LLM did for the message, as its server counts it; nothing where it did none."""
    number = turn.message
    usage = next((m.usage for m in conversation.messages if m.id == number), Usage())
    if not usage.calls:
        return []
    calls = f"{usage.calls} call{'s' * (usage.calls != 1)}"
    if usage.prompt or usage.completion:
        tokens = f"{usage.prompt} tokens read, {usage.completion} written"
    else:
        tokens = "tokens not counted"
    return [("LLM", f"{calls} for the whole message, {tokens}")]


def _tried(attempt: Try) -> str:
    said = scores(attempt.check) if attempt.check else "not looked at"
    return f"{attempt.rung}, seed {attempt.seed}: {said}"


def scores(check: Check) -> str:
    """Say what a check saw."""
    seen = "yes" if check.edit_score == 1.0 else "in part" if check.edit_score else "no"
    seen = f"not checked, {check.unchecked}" if check.unchecked else seen
    alike = f"{check.outside_ssim:.2f} alike outside the change"
    unlike = f"; I see: {', '.join(check.unlike)}" if check.unlike else ""
    return f"change seen: {seen}; rest kept {percent(check.kept)}; {alike}{unlike}"


def label(turn: Turn) -> str:
    """Name a turn for people: "@2 add a hat"."""
    original = "another original" if turn.id else "the original"
    return f"@{turn.id} {turn.request or original}"


def percent(share: float) -> str:
    """Return "12 %"."""
    return f"{100 * share:.0f} %"


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
