"""Regions by name: what words mean, and where they are found, by CLIPSeg and without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from tiny_flux import tiny_flux
from tiny_networks import SIDE_SEEN, save_clipseg
from torch import Tensor

from agent.bootstrap import Refusal, clipseg_of
from agent.settings import AppSettings
from editing_core.clip import ClipSeg, pixel_values
from editing_core.editor import Editor
from editing_core.models.load import load
from editing_core.settings import PRESETS
from editing_core.word_regions import without
from editing_core.worlds.registry import shipped_world
from tools import provenance, redo
from tools.arguments import InputError
from tools.edit_picture import edit_picture
from tools.find_region import Finder, NotFound, named
from tools.pictures import PictureStore
from tools.region_masks import RegionMask

SIZE = (480, 320)
BALLS = ((120, 160, 40), (360, 150, 40))
CAPTION = "two red balls on a table"


class SeesColors:
    """A CLIPSeg with known answers: a ball is what is red, the sky what is blue."""

    COLORS = {"ball": (255, 0, 0), "balls": (255, 0, 0), "sky": (0, 0, 255), "dot": (0, 160, 0)}

    def heat(self, image: Image.Image, words: str) -> Tensor:
        color = self.COLORS.get(words)
        pixels = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.NEAREST))
        found = np.zeros((64, 64)) if color is None else (pixels == color).all(axis=2)
        return torch.from_numpy(found.astype(np.float32))


def scene(size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0], 60), fill=(0, 0, 255))
    for x, y, radius in BALLS:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 0, 0))
    return image


def no_editor() -> Editor:
    raise AssertionError("no model is needed")


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path)


def found(store: PictureStore, value: str, image: Image.Image | None = None) -> RegionMask:
    finder = Finder(store, SeesColors())  # type: ignore[arg-type]
    return finder.find(no_editor, store.put(image or scene()), value, caption=CAPTION)


def overlap(region: RegionMask, wanted: np.ndarray) -> float:
    """What a region and the truth have in common, of what either has."""
    seen = np.asarray(region.laid_over((wanted.shape[1], wanted.shape[0]))) >= 128
    return float((seen & wanted).sum() / (seen | wanted).sum())


def ball(number: int) -> np.ndarray:
    x, y, radius = BALLS[number]
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


@pytest.mark.parametrize(
    ("words", "thing", "side", "own"),
    [
        ("the sky", "sky", "", False),
        ("the man on the left", "man", "left", False),
        ("the woman at the far right of the picture", "woman", "right", False),
        ("her left hand", "hand", "right", True),
        ("the left hand", "hand", "left", False),
        ("the leftmost tree", "tree", "left", False),
        ("the left half", "", "left", False),
        ("the top of the picture", "", "top", False),
        ("the upper part", "", "top", False),
        ("his beard", "beard", "", False),
    ],
)
def test_what_words_mean(words: str, thing: str, side: str, own: bool) -> None:
    assert (named(words).thing, named(words).side, named(words).own) == (thing, side, own)


def test_a_thing_is_found_with_all_its_parts(store: PictureStore) -> None:
    assert overlap(found(store, "the balls"), ball(0) | ball(1)) > 0.85


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("the ball on the left", 0),
        ("the ball on the right", 1),
        ("the right ball", 1),
        ("the ball on the left; other", 1),
    ],
)
def test_of_several_the_one_on_a_side_is_chosen(
    store: PictureStore, words: str, number: int
) -> None:
    region = found(store, words)
    assert overlap(region, ball(number)) > 0.85
    assert region.words == words and region.by == "clipseg"


def test_half_of_the_picture_needs_no_model(store: PictureStore) -> None:
    half = Finder(store).find(no_editor, store.put(scene()), "the left half", caption=CAPTION)
    assert half.bounds == (0.0, 0.0, 0.5, 1.0) and not half.whole


def test_a_correction_takes_away_or_adds_what_it_names(store: PictureStore) -> None:
    half = np.zeros(SIZE[::-1], bool)
    half[:, :240] = True
    assert overlap(found(store, "the left half; not the ball"), half & ~ball(0)) > 0.95
    both = found(store, "the ball on the left; and the sky")
    sky = np.zeros(SIZE[::-1], bool)
    sky[:61] = True
    assert overlap(both, ball(0) | sky) > 0.9 and both.whole


def test_what_is_added_to_a_thing_may_stand_out(store: PictureStore) -> None:
    finder, head = Finder(store, SeesColors()), store.put(scene())  # type: ignore[arg-type]
    plain, added = (
        finder.find(no_editor, head, "the right ball", caption=CAPTION, change=change)
        for change in ("color", "add")
    )
    assert added.bounds[1] < plain.bounds[1] - 0.04 and not added.whole


def test_a_mask_is_a_region_of_pictures_of_its_shape(store: PictureStore) -> None:
    mask = store.put(Image.fromarray(np.where(ball(0), 255, 0).astype(np.uint8)))
    region = found(store, f"#{mask}; larger")
    assert region.whole and ball(0)[np.asarray(region.laid_over(SIZE)) >= 128].sum() > 4900
    with pytest.raises(NotFound, match="does not fit this picture"):
        found(store, f"#{mask}", scene().rotate(90, expand=True))


def test_a_small_thing_is_looked_at_from_near(store: PictureStore) -> None:
    large = Image.new("RGB", (4000, 3000), "white")
    ImageDraw.Draw(large).ellipse((2900, 1400, 3100, 1600), fill=(0, 160, 0))
    region = found(store, "the dot", large)
    rows, columns = np.mgrid[:3000, :4000]
    dot = (columns - 3000) ** 2 + (rows - 1500) ** 2 <= 100**2
    assert overlap(region, dot) > 0.9, "a first look at 64 x 64 alone comes to less than 0.8"
    assert region.bounds == pytest.approx((0.725, 0.4667, 0.775, 0.5333), abs=0.004)


def test_what_is_not_there_is_said_with_what_to_do(store: PictureStore) -> None:
    with pytest.raises(NotFound, match=r"where “the lamp” is .* /region LEFT,TOP.*CLIPSEG"):
        found(store, "the lamp")
    with pytest.raises(NotFound, match="where “the lamp” is"):
        Finder(store).find(no_editor, store.put(scene()), "the lamp", caption=CAPTION)
    with pytest.raises(InputError, match="does not lie inside the picture, which is 480x320"):
        found(store, "400,0,100,100")


def test_a_place_is_looked_for_once(store: PictureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    heat = SeesColors.heat
    monkeypatch.setattr(
        SeesColors,
        "heat",
        lambda self, image, words: (looks.append(words), heat(self, image, words))[1],
    )
    finder, head = Finder(store, SeesColors()), store.put(scene())  # type: ignore[arg-type]
    first = finder.find(no_editor, head, "the sky", caption=CAPTION)
    assert finder.find(no_editor, head, "the sky", caption=CAPTION) is first
    assert looks == ["sky"]


@pytest.mark.parametrize(
    ("caption", "thing", "rest"),
    [
        ("a woman in a gray coat with a dog, a street", "dog", "a woman in a gray coat, a street"),
        ("a woman in a gray coat with a dog, a street", "coat", "a woman with a dog, a street"),
        ("two men in a park", "man", "in a park"),
        ("a photo of a house, blue sky", "sky", "a photo of a house"),
        ("a photo of a house, blue sky", "lamp", None),
    ],
)
def test_a_caption_without_a_thing(caption: str, thing: str, rest: str | None) -> None:
    assert without(caption, thing) == rest


def test_a_closed_world_knows_kinds_of_things() -> None:
    caption = "a portrait of a young woman with a brown bob, light skin, a blue t-shirt"
    assert without(caption, "hair") == "a portrait of a young woman, light skin, a blue t-shirt"
    assert without(caption, "shirt") == "a portrait of a young woman with a brown bob, light skin"


@pytest.mark.weights
def test_without_clipseg_the_model_that_edits_tells_where_a_word_is(store: PictureStore) -> None:
    world = shipped_world()
    wears, caption = world.draw({"headwear": "hat", "headwear_color": "red"})
    bare, _ = world.draw({})
    gap = np.abs(np.asarray(wears, int) - np.asarray(bare, int)).max(axis=2) > 16
    editor = Editor(load("portraits"))
    region = Finder(store).find(lambda: editor, store.put(wears), "the hat", caption=caption)
    assert region.by == "prompts" and overlap(region, gap) > 0.5


@pytest.fixture(scope="module")
def tiny_clipseg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clipseg(tmp_path_factory.mktemp("clipseg"))


def test_clipseg_is_asked_as_transformers_does(tiny_clipseg: Path) -> None:
    from transformers import AutoTokenizer, CLIPSegForImageSegmentation

    heat = ClipSeg(str(tiny_clipseg)).heat(scene(), "the sky")
    assert heat.shape == (SIDE_SEEN, SIDE_SEEN) and 0 < heat.min() <= heat.max() < 1
    model = CLIPSegForImageSegmentation.from_pretrained(tiny_clipseg).eval()
    told = AutoTokenizer.from_pretrained(tiny_clipseg)("the sky", return_tensors="pt")
    ours = ([0.485] * 3, [0.229] * 3, Image.Resampling.BILINEAR)
    seen = pixel_values(scene(), SIDE_SEEN, *ours)  # type: ignore[arg-type]
    with torch.no_grad():
        theirs = model(**told, pixel_values=seen).logits.sigmoid()
    torch.testing.assert_close(heat, theirs.reshape(heat.shape))
    assert not torch.equal(heat, ClipSeg(str(tiny_clipseg)).heat(scene(), "a ball"))


def test_a_clipseg_that_is_not_there_is_refused_clearly(tiny_clipseg: Path, tmp_path: Path) -> None:
    assert clipseg_of(AppSettings(home=tmp_path)) is None
    assert isinstance(clipseg_of(AppSettings(home=tmp_path, clipseg=str(tiny_clipseg))), ClipSeg)
    with pytest.raises(Refusal, match="CLIPSeg model .* cannot be loaded"):
        clipseg_of(AppSettings(home=tmp_path, clipseg=str(tmp_path / "nowhere")))


def test_a_named_region_is_edited_as_a_close_up_and_made_again_bit_for_bit(
    store: PictureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flux = tiny_flux()
    monkeypatch.setattr(flux, "spec", replace(flux.spec, sizes=(32, 64)))
    first = store.put(scene())
    step = SimpleNamespace(source_prompt=CAPTION, target_prompt="two blue balls on a table",
                           edit_words=("blue",), request="make the left ball blue")  # fmt: skip
    finder = Finder(store, SeesColors())  # type: ignore[arg-type]
    region = finder.find(no_editor, first, "the ball on the left; larger", caption=CAPTION)
    made = edit_picture(Editor(flux), store, head=first, original=first, step=step, seed=7,
                        settings=PRESETS["steady"], method="steady", region=region)  # fmt: skip
    recipe = provenance.read(store.path(made.picture)) or {}
    assert recipe["crop"] == list(made.crop or ()) and made.crop is not None
    assert made.crop[2] < 240 and recipe["region"]["words"] == "the ball on the left; larger"
    before, after = (np.asarray(store.image(n).convert("RGB")) for n in (first, made.picture))
    changed = (before != after).any(axis=2)
    allowed = np.asarray(region.laid_over(SIZE)) > 0
    assert changed.any() and not (changed & ~allowed).any()
    assert (changed & ball(0)).sum() > 0.9 * ball(0).sum(), "a corrected region changes as a whole"
    fresh = PictureStore(tmp_path / "fresh")
    fresh.put(store.image(first))
    (again,) = redo.remake(redo.chain_of(recipe), fresh, lambda made: Editor(flux))
    assert again == made.picture
