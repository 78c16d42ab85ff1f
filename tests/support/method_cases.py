"""Requests, contexts and tolerances that tests of methods share."""

import torch
from tiny_flux import noise_picture, tiny_flux

from editing_core.editor import Editor, EditRequest, Picture
from editing_core.methods.registry import METHODS
from editing_core.settings import EditSettings


def processors():
    transformer = tiny_flux().transformer
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    return [block.attn.processor for block in blocks]


SOLVERS = [  # others bring their model, or need one that looks at pictures
    name for name, spec in METHODS.items() if not spec.world and "references" not in spec.needs
]


STEPS = 5


SETTINGS = EditSettings(steps=STEPS, guidance=2.5)


SOURCE, TARGET = "a young woman with a brown bob", "a young woman with a brown bob, a red hat"


def request(target=TARGET, size=(48, 32)):
    current, original = (Picture(noise_picture(*size, seed=seed)) for seed in (1, 2))
    return EditRequest(current, original, SOURCE, target, ("hat",) if "hat" in target else ())


def context(target=TARGET, settings=SETTINGS, seed=7):
    return Editor(tiny_flux())._context(request(target), settings, seed, None)


def velocity(of, x, t, text, guidance):
    return of.model.velocity(x, t, text, guidance=guidance, canvas=of.canvas)


def close(got, expected):
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def far(got, expected):
    return (got - expected).abs().max() > 1e-4


def times_of(of):
    return of.model.times(of.settings.steps, of.canvas).tolist()


def intervals(times):
    return list(zip(times[:-1], times[1:], strict=True))
