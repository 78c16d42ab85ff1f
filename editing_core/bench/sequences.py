"""Edit sequences with exact truths: held-out portraits and what is asked of them turn by turn."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from editing_core.portraits.captions import caption, kind_of
from editing_core.portraits.schema import VALUES, Portrait, draws

_ASKED = (
    "age", "hair", "hair_color", "headwear", "headwear_color", "eyewear", "eyewear_color",
    "facial_hair", "expression", "earrings", "neckwear", "neckwear_color", "clothing",
    "clothing_color", "pattern", "background",
)  # fmt: skip

AGAIN_AFTER = 6
"""So many turns later the same attribute may be asked for again."""

KINDS = ("add", "remove", "replace", "color", "attribute", "background")


@dataclass(frozen=True)
class SequenceTurn:
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
    def kind(self) -> str:
        """The kind of change, as the agent names it; one of `KINDS`."""
        return kind_of(self.before.attributes.visible(), self.changed)

    @property
    def edit_words(self) -> tuple[str, ...]:
        """The new words of the target prompt."""
        words = {word for value in self.changed.values() for word in value.split()}
        said = self.target_prompt.replace(",", "").split()
        return tuple(word for word in said if word in words and word != "none")


def sequences(count: int, turns: int = 4, seed: int = 0) -> list[list[SequenceTurn]]:
    """`count` held-out sequences of `turns` edits; of each, a shorter one is the beginning."""
    portraits = draws("eval", seed)
    return [walked(next(portraits), turns, random.Random(f"{seed} {i}")) for i in range(count)]


def balanced(count: int, turns: int, seed: int = 3) -> list[list[SequenceTurn]]:
    """`count` sequences of each kind of change that their last turn asks for."""
    portraits, found = draws("eval", seed), {kind: list[list[SequenceTurn]]() for kind in KINDS}
    for i, start in enumerate(portraits):
        sequence = walked(start, turns, random.Random(f"balanced {seed} {i}"))
        of_kind = found[sequence[-1].kind]
        if len(of_kind) < count:
            of_kind.append(sequence)
        if all(len(of_kind) == count for of_kind in found.values()):
            break
    return [sequence for of_kind in found.values() for sequence in of_kind]


def walked(
    start: Portrait,
    turns: int,
    rng: random.Random,
    names: Sequence[str] = _ASKED,
    again_after: int = AGAIN_AFTER,
) -> list[SequenceTurn]:
    """Edits of one portrait, each of one of some attributes, none again too soon."""
    done: list[SequenceTurn] = []
    asked: deque[str] = deque(maxlen=again_after)
    while len(done) < turns:
        name = rng.choice(names)
        before = done[-1].after if done else start
        turn = SequenceTurn(before, before.with_(**{name: rng.choice(VALUES[name])}))
        if name in asked or name not in turn.changed or _implausible(turn.after):
            continue
        asked.append(name)
        done.append(turn)
    return done


def _implausible(portrait: Portrait) -> bool:
    return portrait.attributes.gender == "woman" and portrait.attributes.facial_hair != "none"


OUT = 5  # turns away from a picture before the way back to it
CONTRADICTED = ("clothing_color", "headwear", "expression", "background", "clothing")
ONE_REGION = ("headwear", "headwear_color", "eyewear", "eyewear_color", "expression",
              "facial_hair", "earrings")  # fmt: skip


def returning(number: int, turns: int) -> list[SequenceTurn]:
    """Some edits, then each of them taken back by asking for what was before; and again."""
    rng, start = _begun("returning", number)
    walk: list[SequenceTurn] = []
    while len(walk) < turns:
        out = walked(start, OUT, rng)
        walk += [*out, *(SequenceTurn(turn.after, turn.before) for turn in reversed(out))]
    return walk[:turns]


def contradicting(number: int, turns: int) -> list[SequenceTurn]:
    """The same attribute of one person gets another value in every turn."""
    rng, start = _begun("contradicting", number)
    return walked(start, turns, rng, (CONTRADICTED[number % len(CONTRADICTED)],), again_after=0)


def one_region(number: int, turns: int) -> list[SequenceTurn]:
    """Many small edits, all of the head."""
    rng, start = _begun("one region", number)
    return walked(start, turns, rng, ONE_REGION, again_after=1)


def _begun(kind: str, number: int) -> tuple[random.Random, Portrait]:
    start = next(islice(draws("eval", 5), number, None))
    return random.Random(f"{kind} {number}"), start
