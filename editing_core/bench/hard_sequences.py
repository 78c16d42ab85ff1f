"""Sequences that are hard on memory: the way back, contradictions, one region again and again."""

from __future__ import annotations

import random
from itertools import islice

from editing_core.bench.sequences import SequenceTurn, walked
from editing_core.portraits.world import Portrait, draws

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
