"""A tiny anchor model, and pictures and wishes for it."""

from functools import cache

import torch
from tiny_flux import TINY, WORDS
from torch import Tensor

from editing_core.anchor.model import Anchor, InstructionEmbeddings
from editing_core.anchor.sampler import FOUR_STEP_TIMES, ClassifierFreeGuidance
from editing_core.models.canvas import Canvas
from editing_core.portraits.model import build

T = 5


SMALL = Canvas(80, 48)


TEXTS = [["", "a hat", "blue hat", "smiling", ""], ["", "young", "a bob", "red", "t-shirt"]]


@cache
def anchor() -> Anchor:
    torch.manual_seed(1)
    model = Anchor(build(TINY, captions=WORDS)).eval().requires_grad_(False)
    for weight in model.transformer.parameters():  # so that gates are open and text matters
        weight.add_(0.05 * torch.randn_like(weight))
    return model


def frames(turns: int = T, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, InstructionEmbeddings]:
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(2, turns, SMALL.tokens, 64, generator=chance)
    texts = [[row[k % T] for k in range(turns)] for row in TEXTS]
    places = torch.arange(turns).expand(2, turns)
    return x, torch.zeros(2, turns), places, anchor().encode(texts)


def frame_of(said: InstructionEmbeddings, k: int) -> InstructionEmbeddings:
    return InstructionEmbeddings(said.embeds[:, k : k + 1], said.pooled[:, k : k + 1])


STEPS = sum(
    1 + ClassifierFreeGuidance(anchor().encode([[""]])).is_guided(t) for t in FOUR_STEP_TIMES
)


"""Model calls of a turn: a step that compares with doing nothing has two."""
