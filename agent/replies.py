"""What is said back: one or two plain sentences about what was done."""

from __future__ import annotations

from collections.abc import Mapping

from agent import turn_tree
from agent.captions import attributes_of, changes
from agent.state import Adjust, Choose, Conversation, Describe, EditStep, Turn
from editing_core.worlds.registry import world_of
from tools.operations import MOVING
from tools.regions import EVERYWHERE, MASK

HELP = (
    "Say what to change: “make her older, now add a red hat”, “a different colour”, “remove the "
    "glasses”, “a blue background”, “crop it to a square”, “more contrast”. Go back with “undo”, "
    "“undo the hat”, “go back to before the hat”, “from the original, add glasses”; try again with "
    "“again”, “stronger”, “a bit less”. Ask “describe it”, “which edits did I make?”, “compare "
    "with the original”, “save as FILE”."
)
_DONE = {
    "add": "Added",
    "remove": "Removed",
    "replace": "Changed to",
    "background": "New background",
}
NO_EYES = "nothing here sees pictures"
"""Why an edit is not checked where an LLM that sees, or CLIP, would have to be set up first."""
NOUNS = {"resize": "resizing", "rotate": "rotation", "straighten": "straightening"}
"""What plain operations are called whose own name is no noun."""
_PLANNED = {"add": "add ", "remove": "remove ", "replace": "change to "}


def request_of(step: EditStep | Adjust, message: str) -> str:
    """Return what a turn is called: its request, and whether it is made anew or replayed."""
    request = ", ".join(filter(None, (step.request or message, step.anew)))
    return f"{request} (again, without {step.without})" if step.without else request


def notched(notches: int) -> str:
    """Return "1 notch" or "2 notches", whichever way they go."""
    return f"{abs(notches)} notch{'es' * (abs(notches) != 1)}"


def of_choice(step: Choose) -> str:
    """Say what holds from now on."""
    if step.setting == "strength":
        notches = int(step.value)
        way = "stronger" if notches > 0 else "weaker"
        how = f"{notched(notches)} {way} than the preset" if notches else "as strong as the preset"
        return f"From now on edits are {how}."
    if step.setting == "seed":
        return f"From now on turn n is made with seed {step.value} + n."
    if step.setting == "region":
        base, *corrections = str(step.value).split("; ")
        where = "; ".join(["the mask" if base.startswith(MASK) else base, *corrections])
        how = f"keep to {where}" if where != EVERYWHERE else "act everywhere"
        return f"From now on edits {how}."
    if step.setting == "draft" and step.value == "on":
        return "From now on edits are quick drafts."
    return f"From now on: {step.setting} {step.value}."


def undone(step: EditStep | Adjust) -> str:
    """Name what is taken back with a step: "the hat", "the crop", or the request itself."""
    if isinstance(step, Adjust):
        return f"the {NOUNS.get(step.operation, step.operation)}"
    if step.change in ("add", "replace") and world_of(step.target_prompt):
        return f"the {_words(step)}"
    return f"“{step.request}”"


def listed(names: list[str]) -> str:
    """Join names: "the hat, the scarf and the cap"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def of_turn(turn: Turn) -> str:
    """Say what an edit did, and how sure one can be of it; or what it would do, if only planned."""
    assert turn.step is not None
    if isinstance(turn.step, Adjust):
        way = "Planned" if not turn.picture else "Done"
        size = ""
        if turn.picture and turn.step.operation in MOVING:
            size = f", {turn.report['width']:.0f}x{turn.report['height']:.0f} now"
        return f"{way}: {of_operation(turn.step)}{size} (@{turn.id})."
    if not turn.picture:
        way = _PLANNED.get(turn.step.change, "")
        return f"Planned: {way}{_words(turn.step)} (@{turn.id})."
    return f"{done(turn)} {outcome(turn)}".strip()


def done(turn: Turn) -> str:
    """Say what an edit did."""
    assert turn.step is not None
    what = ", ".join(filter(None, (_words(turn.step), turn.step.anew)))
    return f"{_DONE.get(turn.step.change, 'Changed')}: {what} (@{turn.id})."


def verdict_of(*, passed: bool, unchecked: str) -> str:
    """Say in a few words what a check came to."""
    if unchecked:
        return f"not checked, {unchecked}"
    return "as asked" if passed else "not quite as asked"


def outcome(turn: Turn) -> str:
    """Say what was seen of an edit, where there is more to say than that it is as asked."""
    check = turn.check
    if check is None or check.accepted:
        again = check is not None and check.rung != "first"
        said = f"It took another try ({check.rung})." if again and check else ""
        open_ = check is not None and check.unchecked not in ("", NO_EYES)
        seen = f"Not checked whether it is as asked: {check.unchecked}." if open_ and check else ""
        return f"{said} {seen}".strip()
    seen = f" (I see: {', '.join(check.unlike)})" if check.unlike else ""
    if check.edit_score < 1.0:
        return f"I cannot see all of it{seen}; “stronger” or “again” tries once more."
    if check.kept == 1.0 and check.unlike:
        return f"It came out with {check.unlike[0]}; “again” tries once more."
    return f"More changed than should have{seen}; “a bit less” or “undo” helps."


def of_operation(step: Adjust) -> str:
    """Name a plain operation: "brightness +10, a bit less"."""
    return ", ".join(filter(None, (step.words, step.anew)))


def nothing_done(step: Adjust, size: tuple[int, int]) -> str:
    """Say that a plain operation changes nothing."""
    is_so = f"is {size[0]}x{size[1]}" if step.operation in MOVING else "is so"
    return f"There is nothing to do for “{of_operation(step)}”: the picture {is_so} already."


def _words(step: EditStep | Adjust) -> str:
    if isinstance(step, Adjust):
        return step.words
    changed = changes(step.source_prompt, step.target_prompt)
    if not changed or not world_of(step.target_prompt):
        return ", ".join(step.edit_words) or step.request or step.target_prompt
    shown = attributes_of(step.target_prompt)
    if changed.get("age") == "old" and changed.get("hair_color") == "gray":
        changed = {name: value for name, value in changed.items() if name != "hair_color"}
        whose = "his" if shown.get("gender") == "man" else "her"
        shown["age"] = f"older, which makes {whose} hair gray"
        changed["age"] = changed.pop("age")  # said last
    named = [_named(name, shown) for name, value in changed.items() if value != "none"]
    before = attributes_of(step.source_prompt)
    gone = [before.get(name, name.replace("_", " ")) for name in changed]
    whole = (words for words in named if not any(words != w and words in w for w in named))
    return ", ".join(dict.fromkeys(whole)) or ", ".join(gone)


def _named(name: str, shown: Mapping[str, str]) -> str:
    """Name a value so that it stands alone: "blue hat" for a colour, "gray background"."""
    if name in ("skin", "background"):
        return f"{shown[name]} {name}"
    thing = name.removesuffix("_color")
    if thing == name:
        return shown[name]
    noun = "hair" if thing == "hair" else shown.get(thing, thing)
    return f"{shown[name]} {noun}"


def of_place(turn: Turn) -> str:
    """Say which turn the head went to."""
    return f"Back at @{turn.id}: {turn.request or 'the original'}."


def described(conversation: Conversation, step: Describe) -> str:
    """Answer a question about the picture, the edits or one turn."""
    if step.what == "edits":
        line = [t for t in turn_tree.path(conversation) if t.step]
        aside = [t for t in conversation.turns if t.step and t not in line]
        here = f"The edits that led here: {_edits(line)}." if line else ""
        if not aside:
            return here or "Nothing was edited yet."
        here = here or f"No edit led here, to @{conversation.head}."
        return f"{here} On other branches: {_edits(aside)}."
    at = turn_tree.turn(conversation, conversation.head if step.turn is None else step.turn)
    if step.what == "turn" and at.step is not None:
        said = at.step.request or at.request
        return f"@{at.id} came from @{at.parent}: “{said}” ({_words(at.step)})."
    shown = f"@{at.id} shows {at.caption}."
    if at.id == conversation.head:
        return shown
    there = f"“go back to @{at.id}” goes there, /show {at.id} shows it"
    return f"{shown} You are still at @{conversation.head}; {there}."


def _edits(turns: list[Turn]) -> str:
    return "; ".join(f"@{t.id} {t.step.request or t.request}" for t in turns if t.step)


def compared(conversation: Conversation, a: int, b: int) -> str:
    """Say what differs between two turns, by their captions."""
    first, second = turn_tree.turn(conversation, a), turn_tree.turn(conversation, b)
    changed = changes(first.caption, second.caption)
    way = f"From {_place(first)} to {_place(second)}"
    line = turn_tree.path(conversation, b)
    since = line[line.index(first) + 1 :] if first in line else []
    done = [of_operation(turn.step) for turn in since if isinstance(turn.step, Adjust)]
    if not changed and done:
        return f"{way}: {', '.join(done)}."
    if not changed:
        same = first.caption == second.caption
        text = "no difference that has a name" if same else f"now {second.caption}"
        return f"{way}: {text}."
    old = attributes_of(first.caption)
    listed = (
        f"{name.replace('_', ' ').replace('color', 'colour')} "
        + (f"{old[name]} → {value}" if name in old else f"→ {value}")
        for name, value in changed.items()
    )
    return f"{way}: {', '.join([*listed, *done])}."


def _place(turn: Turn) -> str:
    if turn.parent is not None:
        return f"@{turn.id}"
    return "the original" if turn.id == 0 else f"the original @{turn.id}"
