"""A plan that the offline reader makes: its steps, its question, and what the reply must say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent import replies, turn_tree
from agent.captions import ABSENT, attributes_of, changes, edit_step, replay
from agent.offline import lexicon
from agent.offline.caption_clauses import CaptionContext
from agent.offline.captions import main_noun
from agent.offline.intents import last_thing
from agent.offline.messages import is_english
from agent.offline.portrait_clauses import GROUPS
from agent.offline.portrait_words import Changes, PortraitContext, mentions, strangers
from agent.plan_builder import PlanBuilder
from agent.state import Ask, Conversation, EditStep, GoTo, Plan, Retry, Step
from agent.turn_tree import Heads
from editing_core.prompt_diff import edit_words
from editing_core.worlds.registry import world_of

CLEARER = "Say “more” to make it clearer."
MOST_SUGGESTED = 3
_TALK = lexicon.load("talk")
_WISH = re.compile(
    r"(?:give|add|put|draw|paint|have|get|(?:make|let|dress) (?:her|him|them|it|the \w+))\b.*"
)
_PLURAL = ("glasses", "sunglasses", "overalls", "earrings", "dreadlocks", "clothes")
_PRONOUNS = {"woman": ("She", "Her"), "man": ("He", "His")}
_KNOWN = (
    "add, remove, replace and recolour what is there, and change weather, time of day and style"
)
_KNOWN_OF_PORTRAITS = (
    "change portraits: age, hair, what is worn, expression, clothes, colours and background"
)


@dataclass
class Draft(PlanBuilder):
    """The plan so far, with what its clauses are read against.

    Attributes:
        portrait: what a clause over a portrait is read against.
        captioned: what a clause over any other caption is read against.
        notes: how things were read, for the reply.
        already: attribute to what is said of it where it is so already and nothing changes it.
        unread: the parts nobody understood.
        ask: the question, if one must be asked.
        asking: the attribute that it is about.
        removing: whether a clause without a verb goes on with what an earlier one removes.
        kept: whether it is said that something stays as it is.
        world: whether only what the world of portraits can show can be drawn.
        said: the message as it was typed.
    """

    portrait: PortraitContext = field(default_factory=lambda: PortraitContext({}))
    captioned: CaptionContext = field(default_factory=lambda: CaptionContext(""))
    notes: list[str] = field(default_factory=list)
    already: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    ask: Ask | None = None
    asking: str = ""
    removing: bool = False
    kept: bool = False
    world: bool = True
    said: str = ""

    @classmethod
    def of(cls, conversation: Conversation, *, world: bool, said: str = "") -> Draft:
        """Begin a plan at the head of a conversation."""
        return cls(conversation, turn_tree.heads(conversation), world=world, said=said)

    def place(self, heads: Heads) -> None:
        """Put the head elsewhere."""
        super().place(heads)
        self.portrait = PortraitContext.of(self.conversation, heads.head)
        line = turn_tree.path(self.conversation, heads.head)
        self.captioned = CaptionContext(self.caption.strip(" ."), last_thing(line))

    def edited(self, step: EditStep) -> None:
        """Go on from the caption that an edit leads to."""
        made = changes(self.caption, step.target_prompt)
        self.caption = self.captioned.caption = step.target_prompt
        self.portrait = self.portrait.after(made) if made else self.portrait

    def take(self, step: Step) -> None:
        """Add a step, and follow the head to where it leads."""
        tried = [made for made in self.steps if isinstance(made, Retry)]
        if tried and isinstance(step, Retry) and (step in tried or step.how == "other"):
            return  # "that did not work, try again"
        if isinstance(step, Ask):
            self.ask = self.ask or step
        else:
            super().take(step)

    def drop(self, gone: set[int]) -> None:
        """Take back several edits of the path: from before them, make the others again."""
        line = [t for t in turn_tree.path(self.conversation, self.heads.head) if t.step]
        first = next((place for place, t in enumerate(line) if t.id in gone), None)
        if first is None:
            self.notes.append("There is nothing else to undo.")
            return
        without = replies.listed([replies.undone(t.step) for t in line if t.step and t.id in gone])
        self.take(GoTo(turn=line[first].parent or 0))
        for turn in line[first:]:
            shown = self.conversation.turns[turn.parent or 0].caption
            kept = turn.step if turn.id not in gone else None
            again = replay(kept, self.caption, shown=shown) if kept else None
            if again is not None:
                self.take(again.model_copy(update={"without": without}))

    def edit(self, wanted: Changes, part: str, *, joined: bool = False) -> None:
        """Add an edit of a portrait, or join it to the last one where both are about one thing.

        Args:
            wanted: attributes to their new values.
            part: the words that asked for it.
            joined: whether the words go on with those of the last edit.
        """
        wanted = {**self._remembered(wanted), **wanted}
        last = self.steps[-1] if self.steps else None
        if isinstance(last, EditStep):
            before = changes(last.source_prompt, last.target_prompt)
            if (joined and _one_thing(before, wanted)) or _replaced(before, wanted):
                self.steps.pop()
                self.caption, part = last.source_prompt, f"{last.request} and {part}"
                wanted = before | wanted
        step = edit_step(self.caption, wanted, part)
        hue = wanted.get("hair_color", "gray")
        if step is None and self.portrait.now.get("age") == "old" and hue != "gray":
            young = f"make {_whom(self.portrait)} young, and {hue} hair"
            self.ask = self.ask or Ask(
                question="Old people have gray hair here. Shall I make this one younger, too?",
                options=(young,),
            )
        elif step is None:
            self.already[next(iter(wanted))] = self._already(wanted)
        else:
            self.take(step)
        self.portrait = self.portrait.after(wanted)
        if self.asking in wanted:  # "no hoodie, give him a suit"
            self.ask, self.asking = None, ""

    def made(self) -> Changes:
        """Return what the steps so far change in a portrait."""
        edits = (step for step in self.steps if isinstance(step, EditStep))
        pairs = (changes(step.source_prompt, step.target_prompt).items() for step in edits)
        return {name: value for pair in pairs for name, value in pair}

    def is_place(self, part: str) -> bool:
        """Whether a clause only names the place of what the last edit put there."""
        found = mentions(part)
        only = found[0] if len(found) == 1 else None
        return only is not None and only.kind == "thing" and only.attribute == self.portrait.last \
            and only.end - only.start == len(part)  # fmt: skip

    def shows(self, part: str) -> bool:
        """Whether what a clause names is there, so that it can go."""
        if not world_of(self.caption):
            return True
        values = [m for m in mentions(part) if m.kind == "value"]
        return not values or any(
            self.portrait.now.get(m.attribute, "none") not in ("none", *ABSENT.values())
            if m.attribute in ABSENT
            else self.portrait.now.get(m.attribute) == m.value
            for m in values
        )

    def has_made(self, qualities: Iterable[str]) -> bool:
        """Whether the last edit of a caption that is no portrait made some of these qualities."""
        step = self.conversation.turns[self.heads.head].step
        made = {w for name in step.edit_words for w in name.split()} if step else set()
        return not self.steps and bool(made & set(qualities))

    def maker(self, wanted: Sequence[Changes]) -> int | None:
        """Return the edit that made all of this, which is so still: more of it may be meant."""
        if not wanted or any(not one.items() <= self.portrait.now.items() for one in wanted):
            return None
        for turn in reversed(turn_tree.path(self.conversation, self.heads.head)):
            made = changes(turn.step.source_prompt, turn.step.target_prompt) if turn.step else {}
            if all(one.items() <= made.items() for one in wanted):
                return turn.id
        return None

    def _remembered(self, wanted: Changes) -> Changes:
        """Return the hair colour from before old age or baldness, when those are taken back."""
        now = self.portrait.now
        young_again = wanted.get("age") == "young" and now.get("age") == "old"
        if young_again or now.get("hair") == "bald" != wanted.get("hair", "bald"):
            for turn in reversed(turn_tree.path(self.conversation, self.heads.head)):
                shown = attributes_of(turn.caption)
                if "hair_color" in shown and shown.get("age") != "old":
                    return {"hair_color": shown["hair_color"]}
        return {}

    def _already(self, wanted: Changes) -> str:
        name, value = next(iter(wanted.items()))
        called = name.replace("_", " ")
        if value == "none":
            there = "are" if called.endswith("s") else "is"
            return f"There {there} no {called} to remove."
        return f"{already(wanted, self.portrait.now)} {CLEARER}"

    def rewrite(self, part: str) -> None:
        """Add the changes that a clause gathered: edits of a caption that is no portrait."""
        for made in self.captioned.rewrites:
            words = edit_words(made.source, made.target)
            step = EditStep(change=made.change, source_prompt=made.source, edit_words=words,
                            target_prompt=made.target, request=part)  # fmt: skip
            self.steps.append(step)
            self.caption = made.target
            self.notes += [made.note] if made.note else []
        if self.captioned.already:
            self.already[""] = "The picture shows that already. Say “more” to make it clearer."
        self.ask = self.ask or self.captioned.ask
        self.captioned.already, self.captioned.ask, self.captioned.rewrites = False, None, []

    def plan(self) -> Plan:
        """Return the plan; nothing understood makes it one question with suggestions."""
        steps = list(self.steps)
        pairs = [(s.source_prompt, s.target_prompt) for s in steps if isinstance(s, EditStep)]
        changed = {name for pair in pairs for name in changes(*pair)}
        notes = self.notes + [said for name, said in self.already.items() if name not in changed]
        if self.ask is not None:
            steps.append(self.ask)
        if self.kept and not (steps or notes or self.unread):
            notes.append("I leave that as it is.")
        if self.unread and (steps or notes):
            notes += self._unread()
        elif not steps and not notes:
            steps.append(self._lost())
        return Plan(steps=tuple(steps), note=" ".join(notes))

    def _unread(self) -> list[str]:
        """Say which parts nobody understood, and which name what cannot be drawn."""
        strange = {part: self._undrawn(part) for part in self.unread}
        unread = [part for part, thing in strange.items() if not thing]
        notes = [f"I cannot draw “{t}” in these portraits." for t in strange.values() if t]
        return notes + (
            ["I did not understand “" + "” and “".join(unread) + "”."] if unread else []
        )

    def _undrawn(self, part: str) -> str:
        return undrawn(part, self.said) if self.world and world_of(self.caption) else ""

    def _lost(self) -> Ask:
        strange = [thing for part in self.unread if (thing := self._undrawn(part))]
        one = len(strange) == len(self.unread) == 1
        return instead_of(strange[0], self.caption) if one else lost(self.caption)


def _one_thing(before: Changes, wanted: Changes) -> bool:
    """Whether both change one thing in different ways: "long" and "blonde" are one hair."""
    together = {*before, *wanted}
    return any(together <= group for group in GROUPS) and not set(before) & set(wanted)


def _replaced(before: Changes, wanted: Changes) -> bool:
    """Whether what was just taken off is now put on: "take off the hat and put on a beanie"."""
    return any(before[name] == "none" != wanted.get(name, "none") for name in before)


def already(wanted: Changes, now: Mapping[str, str]) -> str:
    """Say that what is wanted is so: "She already wears a hat".

    Args:
        wanted: attributes to the values they have already.
        now: all attributes of the picture.
    """
    forms: dict[str, str] = _TALK["already"]
    name, value = next(iter(wanted.items()))
    thing = "clothing" if name == "pattern" else name.removesuffix("_color")
    worn = now.get(thing, "clothes")
    who, whose = _PRONOUNS.get(now.get("gender", ""), ("The person", "The"))
    said = forms.get(value) or forms.get(name) or "{who} is already {value}."
    one = _one(f"{wanted.get(f'{name}_color', '')} {value}".strip())
    are = "are" if worn.endswith(_PLURAL) else "is"
    return said.format(who=who, whose=whose, value=value, one=one, worn=worn, are=are)


def _one(noun: str) -> str:
    article = "an" if noun[0] in "aeiou" else "a"
    return noun if noun.endswith(_PLURAL) else f"{article} {noun}"


def _whom(portrait: PortraitContext) -> str:
    return "him" if portrait.now.get("gender") == "man" else "her"


def undrawn(part: str, said: str) -> str:
    """Return what a wish names that no portrait here can show, or an empty string.

    Args:
        part: the wish, with its typing errors mended.
        said: the message as it was typed: what a mended word meant is not certain.
    """
    for pattern in _TALK["undrawn"]:
        if (found := re.search(rf"\b(?:{pattern})\b", part)) is not None:
            return found[0]
    unknown = strangers(part) if _WISH.fullmatch(part) else []
    if not unknown or not all(is_english(word) and word in said for word in unknown):
        return ""
    together = " ".join(unknown)
    return together if together in part else unknown[0]


def instead_of(thing: str, caption: str) -> Ask:
    """Say that something cannot be drawn, with what can be instead."""
    table: dict[str, list[str]] = _TALK["undrawn"]
    options = next((o for p, o in table.items() if re.fullmatch(p, thing)), _TALK["usual"]["said"])
    said = _new(options, attributes_of(caption))
    return Ask(
        question=f"I cannot draw “{thing}” in these portraits. I can, for example: "
        f"{'; '.join(said)}. What shall I do?",
        options=said,
    )


def lost(caption: str) -> Ask:
    """Say that nothing was understood, what can be, and what would change this picture."""
    known = _KNOWN_OF_PORTRAITS if world_of(caption) else _KNOWN
    question = f"I did not understand that. I can {known}. What shall I do?"
    return Ask(question=question, options=suggestions(caption))


def suggestions(caption: str) -> tuple[str, ...]:
    """Return some requests that would change this picture."""
    if world_of(caption):
        return _new(_TALK["usual"]["said"], attributes_of(caption))
    noun = main_noun(caption)
    wishes = {f"make the {noun} red": "red", "add a hat": "hat", "make it winter": "winter"}
    wishes |= {"make it night": "night", "make it a watercolor": "watercolor"}
    fresh = [wish for wish, word in wishes.items() if word not in caption.lower().split()]
    return tuple(fresh[:MOST_SUGGESTED])


def _new(options: Iterable[str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return the first requests that would change a portrait, said of her or of him."""
    her, his = ("him", "his") if now.get("gender") == "man" else ("her", "her")
    fresh = [
        option.format(her=her, his=his)
        for option in options
        if all(now.get(m.attribute) != m.value for m in mentions(option) if m.value)
    ]
    return tuple(fresh[:MOST_SUGGESTED])
