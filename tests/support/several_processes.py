"""What each of two processes does in test_several.py, which starts them by torchrun."""

import torch
from tiny_flux import noise_picture, tiny_flux

from editing_core.editor import Editor, EditRequest, Picture, draw_noise
from editing_core.errors import EditError
from editing_core.models import context_parallel
from editing_core.models.canvas import Canvas
from editing_core.settings import EditSettings

CANVASES = [Canvas(64, 64), Canvas(48, 80), Canvas(33, 17)]


def velocity(canvas: Canvas) -> torch.Tensor:
    flux = tiny_flux()
    x = draw_noise(0, canvas, flux.channels)
    return flux.velocity(x, 0.5, flux.encode_text("a woman"), guidance=1.0, canvas=canvas)


def edited(method: str) -> torch.Tensor:
    picture = Picture(noise_picture(48, 64))
    request = EditRequest(picture, picture, "a woman", "a woman with a red hat", ("hat",))
    settings = EditSettings(steps=2, keep="outside")
    return Editor(tiny_flux()).edit(request, settings=settings, method=method).latents


def lead() -> None:
    alone = [*map(velocity, CANVASES), edited("steady")]
    context_parallel.begin()
    context_parallel.share(tiny_flux())
    together = [*map(velocity, CANVASES), edited("steady")]
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(other, one, atol=1e-5, rtol=0)
    assert any(not torch.equal(*both) for both in zip(alone, together, strict=True))
    try:
        edited("mtc")
    except EditError as error:
        print(error)
    print("the same")
    context_parallel.leave(0)


if context_parallel.follower():
    context_parallel.begin()
    context_parallel.share(tiny_flux())
    context_parallel.follow(tiny_flux())
else:
    lead()
