"""What a chat has shown so far: for methods that remember every turn, not only two of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tools import provenance
from tools.pictures import PictureStore

if TYPE_CHECKING:
    from editing_core.editor import Picture

REMEMBERING = ("anchor",)
"""Methods that make use of all pictures since the original."""
KEPT = 256  # pictures; the portraits' are 64 KB with their latents


def recalled(store: PictureStore, original: str, head: str) -> tuple[tuple[Picture, str], ...]:
    """Return the pictures from the original to the head, each with the wish that made it.

    All of it lies in the store: latents beside every picture, wishes in its recipe. So a session
    needs no other memory, whichever method made its turns, and no branch of it has to be kept.
    Where it is not known how a picture came to be, it stands there without a wish.
    """
    later: dict[str, tuple[Picture, str]] = {}
    name: str | None = head
    while name is not None and name != original and name not in later:
        picture, wish, parent = _made(store, name)
        later[name] = (picture, wish)
        name = parent
    return ((store.get(original), ""), *reversed(later.values()))


@lru_cache(KEPT)
def _made(store: PictureStore, name: str) -> tuple[Picture, str, str | None]:
    """A picture, the wish that made it, and what it was made from, as far as that is known."""
    from editing_core.portraits.instructions import wish

    recipe = provenance.read(store.path(name)) if store.has_latents(name) else None
    if recipe is None:
        return store.get(name), "", None
    asked = wish(recipe["source_prompt"], recipe["target_prompt"])
    return store.get(name), asked, recipe["parent"]
