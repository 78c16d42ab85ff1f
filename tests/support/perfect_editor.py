"""The perfect editor: it draws the same person with the attributes of the target prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from editing_core.worlds.registry import shipped_world
from tools.edit_picture import Edited
from tools.pictures import PictureStore


def draw_the_target(
    store: PictureStore,
    *,
    head: str,
    original: str,
    step: Any,
    settings: Any,
    seed: int,
    method: str,
    on_step: Callable[[str, int, int], None] | None,
    region: str = "off",
) -> Edited:
    """Edit as the perfect editor would: draw the same person with the target's attributes."""
    for phase in ("invert", "sample"):
        for index in (1, 2):
            if on_step:
                on_step(phase, index, 2)
    world = shipped_world()
    image, _ = world.draw(world.parse(step.target_prompt))
    picture = store.put(image)
    return Edited(picture=picture, mask=None, seconds=0.1, forwards=4, columns=())
