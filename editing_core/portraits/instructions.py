"""Instructions as people give them: "add a red hat", "make her older", "remove the glasses".

`instruction` puts the difference between what two pictures show into words. Without a random
generator it writes one canonical sentence, with one any of many phrasings.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping

from editing_core.portraits.captions import ALSO, REMOVABLE, article, hair_words, parse

_ADD = ("add {a}", "give {whom} {a}", "put {a} on {whom}", "put on {a}", "{who} should wear {a}",
        "let {whom} wear {a}", "i want {a}", "{a}")  # fmt: skip
_GROW = ("add {a}", "give {whom} {a}", "let {whom} grow {a}", "{who} should have {a}", "{a}")
_REMOVE = ("remove the {b}", "take off the {b}", "take the {b} off", "get rid of the {b}",
           "remove {whose} {b}", "no {b}", "without the {b}", "lose the {b}")  # fmt: skip
_REPLACE = ("replace the {b} with {a}", "change the {b} to {a}", "swap the {b} for {a}",
            "{a} instead of the {b}", "add {a}", "give {whom} {a}")  # fmt: skip
_COLOR = ("make the {b} {v}", "color the {b} {v}", "change the color of the {b} to {v}",
          "turn the {b} {v}", "make {whose} {b} {v}", "the {b} should be {v}",
          "{v} {b}")  # fmt: skip
_CLOTHING = ("change the {b} to {a}", "dress {whom} in {a}", "put on {a}",
             "replace the {b} with {a}", "{who} should wear {a}", "let {whom} wear {a}",
             "{a} instead of the {b}")  # fmt: skip
_HAIR = ("change the hair to {a}", "give {whom} {a}", "{who} should have {a}", "make the hair {a}",
         "change {whose} hairstyle to {a}", "{a}")  # fmt: skip
_FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "gender": {"": ("make {whom} a {v}", "turn {whom} into a {v}", "change {whom} to a {v}")},
    "age": {
        "old": ("make {whom} old", "make {whom} older", "age {whom}", "{who} should look old",
                "make {whom} look older", "older"),
        "young": ("make {whom} young", "make {whom} younger", "{who} should look young",
                  "make {whom} look younger", "younger"),
    },
    "skin": {"": ("make the skin {v}", "give {whom} {v} skin", "change the skin to {v}",
                  "{who} should have {v} skin")},
    "expression": {
        "": ("make {whom} look {v}", "make {whom} {v}", "{who} should be {v}",
             "let {whom} look {v}", "change the expression to {v}", "{v}"),
        "smiling": ("make {whom} smile", "make {whom} smiling", "let {whom} smile", "smile",
                    "{who} should smile", "change the expression to smiling"),
        "winking": ("make {whom} wink", "make {whom} winking", "let {whom} wink", "wink",
                    "{who} should wink", "change the expression to winking"),
    },
    "pattern": {
        "plain": ("make the {b} plain", "remove the pattern from the {b}", "plain clothes"),
        "striped": ("make the {b} striped", "add stripes to the {b}", "striped clothes"),
        "dotted": ("make the {b} dotted", "add dots to the {b}", "dotted clothes"),
    },
    "background": {"": (
        "change the background to {v}", "make the background {v}", "{v} background",
        "change to {a} background", "put {whom} in front of {a} background",
    )},
}  # fmt: skip
_PRONOUNS = {"woman": ("her", "her", "she"), "man": ("him", "his", "he")}
_COLORED = ("headwear", "eyewear", "neckwear")


def instruction(
    before: Mapping[str, str],
    after: Mapping[str, str],
    rng: random.Random | None = None,
    known: Collection[str] = (),
) -> str:
    """Say what turns one picture into another; "" when they show the same.

    Args:
        before: What the picture shows: `Attributes.visible()`.
        after: What the wanted picture shows.
        rng: Where the phrasing comes from; without it the canonical one is written.
        known: Attributes the conversation has already shown: the hair under a hat need not be
            described if it was seen before the hat came.
    """
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    if not changed:
        return ""
    name = next((name for name in _ORDER if name in changed), next(iter(changed)))
    forms, words = _said(name, before, after, changed)
    whom, whose, who = _PRONOUNS[before["gender"]] if rng else ("the person", "the", "the person")
    form = rng.choice(forms) if rng else forms[0]
    text = form.format(**words, whom=whom, whose=whose, who=who)
    text += _revealed(name, after, changed, known, rng)
    return text if rng is None else _reworded(text, rng)


def wish(source: str, target: str) -> str:
    """The instruction between two captions; what a caption does not say is not worn."""
    before, after = (_UNSAID | parse(text) for text in (source, target))
    return instruction(before, after)


_UNSAID = dict.fromkeys(REMOVABLE, "none") | {"pattern": "plain"}
_ORDER = ("gender", "age", *REMOVABLE, "clothing", "hair", "skin", "expression", "pattern",
          "background")  # fmt: skip
"""Which change gives its name to the whole; what follows from it need not be said."""


def _said(
    name: str, before: Mapping[str, str], after: Mapping[str, str], changed: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The forms that fit the change, and what fills them."""
    value, old = changed[name], before.get(name, "none")
    if name in REMOVABLE:
        if value == "none":
            return _REMOVE, {"b": old}
        tint = changed.get(f"{name}_color") if name in _COLORED else None
        words = {"a": article(f"{tint} {value}" if tint else value), "b": old}
        if old != "none":
            return _REPLACE, words
        return (_GROW if name == "facial_hair" else _ADD), words
    if name == "clothing":
        look = [changed[part] for part in ("pattern", "clothing_color") if part in changed]
        return _CLOTHING, {"a": article(" ".join([*look, value])), "b": old}
    if name == "hair":
        return _HAIR, {"a": hair_words(value, changed.get("hair_color"))}
    if name.endswith("_color"):
        return _COLOR, {"b": _colored(name, after), "v": value}
    forms = _FORMS[name]
    words = {"v": value, "a": article(value), "b": after.get("clothing", "clothes")}
    return forms.get(value, forms.get("", ())), words


def _colored(name: str, after: Mapping[str, str]) -> str:
    """What bears a colour."""
    if name == "hair_color":
        beard = after.get("facial_hair", "none")
        return "hair" if beard == "none" or after.get("hair", "bald") != "bald" else beard
    return after.get(name.removesuffix("_color"), "clothes")


def _revealed(
    name: str,
    after: Mapping[str, str],
    changed: Mapping[str, str],
    known: Collection[str],
    rng: random.Random | None,
) -> str:
    """Hair that comes to light and was never seen, in words."""
    if name != "headwear" or "hair" not in changed or "hair" in known:
        return ""
    if rng is not None and rng.random() < 0.3:
        return ""
    return f", with {hair_words(after['hair'], after.get('hair_color'))}"


def _reworded(text: str, rng: random.Random) -> str:
    """Say the same with other words, now and then."""
    for word, others in ALSO.items():
        if rng.random() < 0.2:
            text = re.sub(rf"(?<![\w-]){word}(?![\w-])", rng.choice(others.split("|")), text)
    return f"please {text}" if rng.random() < 0.05 else text
