"""Edit sequences with exact truths: held-out portraits and what is asked of them turn by turn."""

from __future__ import annotations

import random
from dataclasses import dataclass

from editing_core.portraits.captions import caption
from editing_core.portraits.world import VALUES, Portrait, draws

_ASKED = (
    "age", "hair", "hair_color", "headwear", "headwear_color", "eyewear", "eyewear_color",
    "facial_hair", "expression", "earrings", "neckwear", "neckwear_color", "clothing",
    "clothing_color", "pattern", "background",
)  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """One edit: the portrait before and after; only attributes differ, never the identity."""

    before: Portrait
    after: Portrait

    @property
    def source_prompt(self) -> str:
        """The complete canonical caption before."""
        return caption(self.before.attributes.visible())

    @property
    def target_prompt(self) -> str:
        """The complete canonical caption after."""
        return caption(self.after.attributes.visible())

    @property
    def changed(self) -> dict[str, str]:
        """The attributes that are to look different, with their new values."""
        old, new = self.before.attributes.visible(), self.after.attributes.visible()
        return {name: value for name, value in new.items() if old.get(name) != value}

    @property
    def edit_words(self) -> tuple[str, ...]:
        """The new words of the target prompt."""
        words = {word for value in self.changed.values() for word in value.split()}
        said = self.target_prompt.replace(",", "").split()
        return tuple(word for word in said if word in words and word != "none")


def sequences(count: int, turns: int = 4, seed: int = 0) -> list[list[Turn]]:
    """`count` held-out sequences of `turns` edits, each of another attribute."""
    portraits = draws("eval", seed)
    return [_sequence(next(portraits), turns, random.Random(f"{seed} {i}")) for i in range(count)]


def _sequence(start: Portrait, turns: int, rng: random.Random) -> list[Turn]:
    done: list[Turn] = []
    asked: set[str] = set()
    while len(done) < turns:
        name = rng.choice(_ASKED)
        before = done[-1].after if done else start
        turn = Turn(before, before.with_(**{name: rng.choice(VALUES[name])}))
        if name in asked or name not in turn.changed or _implausible(turn.after):
            continue
        asked.add(name)
        done.append(turn)
    return done


def _implausible(portrait: Portrait) -> bool:
    return portrait.attributes.gender == "woman" and portrait.attributes.facial_hair != "none"
