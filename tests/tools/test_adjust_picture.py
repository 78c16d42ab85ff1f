"""A plain operation on a stored picture: its original, transparency, EXIF and recipe go along."""

from types import SimpleNamespace

import pytest
from PIL import ExifTags, Image, ImageEnhance
from tiny_flux import noise_picture, tiny_flux

from editing_core.editor import Editor
from editing_core.methods.registry import METHODS
from editing_core.settings import EditSettings
from tools import provenance
from tools.adjust_picture import Operation, Region, adjust_picture
from tools.adjustments import adjusted
from tools.alpha import packed, unpacked
from tools.edit_history import recalled
from tools.edit_picture import edit_picture
from tools.metadata import Source
from tools.pictures import PictureStore, picture_hash
from tools.redo import RecipeError, chain_of, remake, roots

WORDS = {"source_prompt": "a woman", "target_prompt": "a woman with a hat", "edit_words": ("hat",),
         "request": "a hat"}  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path / "store")


def edit(store, head, original, seed=3):
    return edit_picture(
        Editor(tiny_flux()), store, head=head, original=original, step=SimpleNamespace(**WORDS),
        settings=EditSettings(steps=2, lqr_steps=1), seed=seed,
    )  # fmt: skip


def adjust(store, head, original, words, region=None):
    name, _, value = words.partition(" ")
    return adjust_picture(
        store, head=head, original=original, operation=Operation(name, value, region)
    )


def test_the_picture_and_its_original_get_the_same_geometry(store):
    """Crop, hat, undo, rotate: every picture and its anchor show the same part of the scene."""
    first = store.put(noise_picture(64, 48))
    cropped = adjust(store, first, first, "crop 1:1")
    assert cropped.picture == cropped.original, "nothing was edited yet, so they are one"
    assert cropped.picture == picture_hash(store.image(first).crop((8, 0, 56, 48)))

    hat = edit(store, cropped.picture, cropped.original)
    assert store.get(hat.picture).latents is not None
    after_hat = adjust(store, hat.picture, cropped.original, "flip horizontal")
    assert after_hat.picture == picture_hash(
        adjusted(store.image(hat.picture), "flip", "horizontal")
    )
    anchor = adjusted(store.image(cropped.original), "flip", "horizontal")
    assert after_hat.original == picture_hash(anchor)

    undone = adjust(store, cropped.picture, cropped.original, "rotate 90")
    assert undone.picture == undone.original, "undo brought the anchor of the crop back"
    again = edit(store, after_hat.picture, after_hat.original)
    recipe = provenance.read(store.path(again.picture))
    assert recipe["original"] == after_hat.original and recipe["parent"] == after_hat.picture


def test_an_operated_picture_has_no_latents_so_the_next_edit_encodes_its_pixels(store):
    first = store.put(noise_picture(48, 48))
    hat = edit(store, first, first)
    brighter = adjust(store, hat.picture, first, "brightness +20")
    assert store.get(brighter.picture).latents is None
    assert store.get(brighter.original).latents is None
    wanted = ImageEnhance.Brightness(store.image(first)).enhance(1.2)
    assert brighter.original == picture_hash(wanted)


def test_for_a_method_that_remembers_the_chain_begins_anew(store):
    first = store.put(noise_picture(48, 48))
    hat = edit(store, first, first)
    turned = adjust(store, hat.picture, first, "rotate 90")
    told = recalled(store, turned.original, turned.picture, METHODS["anchor"])
    assert [wish for _, wish in told] == ["", ""]


def transparent(store, size=(64, 48)):
    """A picture whose left half is transparent, opened from a JPEG XL with EXIF."""
    alpha = Image.new("L", size, 255)
    alpha.paste(0, (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = size[0]
    name = store.put(Image.composite(noise_picture(*size), Image.new("RGB", size, "white"), alpha))
    store.remember(name, Source(".jxl", exif.tobytes(), packed(alpha)))
    return name, alpha


def test_transparency_and_exif_go_along(store):
    name, alpha = transparent(store)
    made = adjust(store, name, name, "crop 16,0,48,48")
    source = store.source(made.original)
    assert unpacked(source.alpha) == alpha.crop((16, 0, 64, 48)) and source.suffix == ".jxl"
    exif = Image.Exif()
    exif.load(source.exif)
    assert exif[ExifTags.Base.Artist] == "Ada"
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 48


def test_a_tone_changes_colours_and_not_the_white_behind_them(store):
    name, alpha = transparent(store)
    made = adjust(store, name, name, "brightness -50")
    assert unpacked(store.source(made.original).alpha) == alpha
    assert store.image(made.picture).crop((0, 0, 32, 48)).getextrema() == ((255, 255),) * 3


def test_corners_that_a_rotation_leaves_empty_are_transparent(store):
    first = store.put(noise_picture(64, 48))
    made = adjust(store, first, first, "rotate 20")
    alpha = unpacked(store.source(made.original).alpha)
    assert (
        alpha.getpixel((0, 0)) == 0 and alpha.getpixel((alpha.width // 2, alpha.height // 2)) == 255
    )
    assert not store.source(adjust(store, first, first, "rotate 90").original).alpha


def test_the_background_is_what_an_edit_of_it_changed(store):
    before = noise_picture(64, 48)
    after = before.copy()
    after.paste("red", (0, 0, 32, 48))
    names = [store.put(picture) for picture in (before, after)]
    mask = store.put(Image.new("L", (8, 6), 255))
    region = Region(mask, *names, through=(("flip", "horizontal"),))
    flipped = adjust(store, names[1], names[0], "flip horizontal")
    blurred = adjust(store, flipped.picture, flipped.original, "blur 4", region)
    was, now = store.image(flipped.picture), store.image(blurred.picture)
    kept, blurry = (0, 0, 32, 48), (32, 0, 64, 48)
    assert now.crop(kept).tobytes() == was.crop(kept).tobytes()
    assert now.crop(blurry).tobytes() != was.crop(blurry).tobytes()


def test_a_chain_of_edits_and_operations_is_made_again_bit_for_bit(store, tmp_path):
    first = store.put(noise_picture(64, 48))
    head = original = first
    for words in ("crop 1:1", "", "rotate 90", "brightness +20", "", "flip horizontal"):
        if words:
            made = adjust(store, head, original, words)
            head, original = made.picture, made.original
        else:
            head = edit(store, head, original).picture
    chain = chain_of(provenance.read(store.path(head)))
    assert len(chain) == 6 and roots(chain) == (first,)
    assert provenance.opened_as(provenance.read(store.path(head))) == first != original
    again = PictureStore(tmp_path / "again")
    again.put(store.image(first))
    made = list(remake(chain, again, lambda _: Editor(tiny_flux())))
    assert made == [step.picture for step in chain] and made[-1] == head
    assert provenance.read(again.path(head))["original"] == original


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "explode"},
        {"value": "2:0"},
        {"value": "square"},
        {"region": {"mask": "../../secret", "before": "a" * 64, "after": "b" * 64}},
    ],
)
def test_recipes_of_others_are_not_believed(store, wrong):
    first = store.put(noise_picture(64, 48))
    made = adjust(store, first, first, "crop 1:1")
    recipe = provenance.read(store.path(made.picture))
    assert chain_of(recipe)
    with pytest.raises(RecipeError):
        chain_of(recipe | wrong)
