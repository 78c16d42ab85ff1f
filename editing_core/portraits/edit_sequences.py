"""Sessions: one portrait, edited turn after turn, with the exact truth of every turn."""

from __future__ import annotations

import random
from collections.abc import Iterator

from editing_core.portraits.schema import VALUES, Portrait, draws, held_out

AGAIN_AFTER = 3  # turns until the same attribute may be asked for again
STUBBORN = 0.25  # share of sessions that change only one or two attributes, again and again
_OFTEN = (*VALUES, *(name for name in VALUES if name not in ("gender", "skin")))
_ALWAYS = (
    *("headwear", "eyewear", "expression", "earrings", "neckwear"),
    *("clothing", "clothing_color", "pattern", "background"),
)
_WITH = {
    "headwear": "headwear_color",
    "eyewear": "eyewear_color",
    "neckwear": "neckwear_color",
    "clothing": "clothing_color",
    "hair": "hair_color",
}


def sessions(turns: int, seed: int = 0, split: str = "train") -> Iterator[tuple[Portrait, ...]]:
    """Endless sessions of `turns` edits: the portrait at first and after every turn.

    Those of the split "train" keep clear of the combinations that are held out.
    """
    for number, start in enumerate(draws(split, seed)):
        rng = random.Random(f"session {seed} {number}")
        chain = session(start, turns, rng)
        while split == "train" and any(held_out(later.attributes) for later in chain):
            chain = session(start, turns, rng)
        yield chain


def session(start: Portrait, turns: int, rng: random.Random) -> tuple[Portrait, ...]:
    """Edit a portrait `turns` times; what was asked for may be asked for again, or undone."""
    names, again_after = _OFTEN, AGAIN_AFTER
    if rng.random() < STUBBORN:
        names, again_after = _few(rng), 0
    portraits, asked = [start], list[str]()
    while len(portraits) <= turns:
        name = rng.choice(names)
        if again_after and name in asked[-again_after:]:
            continue
        after = portraits[-1].with_(**_change(name, portraits[-1], start, rng))
        if _fits(name, portraits[-1], after):
            portraits.append(after)
            asked.append(name)
    return tuple(portraits)


def _few(rng: random.Random) -> tuple[str, ...]:
    """One or two attributes, of which the first can change whatever else there is."""
    return rng.choice(_ALWAYS), rng.choice((*_ALWAYS, *_WITH.values()))


def _change(name: str, now: Portrait, start: Portrait, rng: random.Random) -> dict[str, str]:
    """A new value; half of what differs from the start goes back to it."""
    first = getattr(start.attributes, name)
    if getattr(now.attributes, name) != first and rng.random() < 0.5:
        return {name: first}
    changes = {name: rng.choice(VALUES[name])}
    if name in _WITH and rng.random() < 0.4:
        changes[_WITH[name]] = rng.choice(VALUES[_WITH[name]])
    return changes


def _fits(name: str, before: Portrait, after: Portrait) -> bool:
    """Whether the change shows, and on whom."""
    a = after.attributes
    if a.gender == "woman" and a.facial_hair != "none":
        return False
    shown = a.visible()
    return name in shown and before.attributes.visible().get(name) != shown[name]
