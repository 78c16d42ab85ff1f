"""What a method that remembers is told of a chat: pictures and wishes, from the store alone."""

from pathlib import Path

import pytest
from PIL import Image
from tiny_flux import noise_picture

from editing_core.methods.registry import METHODS
from tools.edit_history import recalled
from tools.pictures import PictureStore

ANCHOR = METHODS["anchor"]
BOB = "a portrait of a smiling young woman with a brown bob, blue t-shirt"
HAT = "a portrait of a smiling young woman with a brown bob, a red hat, blue t-shirt"
BLUE = "a portrait of a smiling young woman with a brown bob, a blue hat, blue t-shirt"


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path)


def made(store: PictureStore, seed: int, parent: str, source: str, target: str) -> str:
    from torch import zeros

    recipe = {"parent": parent, "source_prompt": source, "target_prompt": target}
    return store.put(noise_picture(32, 32, seed), zeros(1, 4, 64) + seed, recipe)


def wishes(store: PictureStore, original: str, head: str) -> list[str]:
    return [wish for _, wish in recalled(store, original, head, ANCHOR)]


def test_a_chat_is_its_pictures_and_what_was_asked(store: PictureStore) -> None:
    first = store.put(noise_picture(32, 32, 0))
    hat = made(store, 1, first, BOB, HAT)
    blue = made(store, 2, hat, HAT, BLUE)
    bare = made(store, 3, hat, HAT, BOB)
    assert wishes(store, first, first) == [""]
    assert wishes(store, first, blue) == ["", "add a red hat", "make the hat blue"]
    assert wishes(store, first, bare) == ["", "add a red hat", "remove the hat"]
    last, _ = recalled(store, first, blue, ANCHOR)[-1]
    assert last.latents is not None and last.latents.max() == 2


def test_what_was_opened_has_no_wish_and_nothing_before_it(store: PictureStore) -> None:
    first, opened = (store.put(noise_picture(32, 32, seed)) for seed in (0, 1))
    assert wishes(store, first, opened) == ["", ""]


def test_an_edit_that_changed_no_pixel_does_not_lead_in_circles(store: PictureStore) -> None:
    first = store.put(noise_picture(32, 32, 0))
    same = made(store, 1, store.put(noise_picture(32, 32, 1)), BOB, HAT)
    assert wishes(store, first, same) == ["", "add a red hat"]
    assert isinstance(recalled(store, first, same, ANCHOR)[-1][0].image, Image.Image)
