"""A person's own pixels: 16 bits, colour profile and alpha stay through edits and operations."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from color_profiles import display_p3, swapped
from PIL import ExifTags, Image, ImageEnhance
from tiny_flux import tiny_flux

from agent.terminal.file_io import export
from editing_core.editor import Editor
from editing_core.settings import EditSettings
from tools import provenance
from tools.adjust_picture import Operation, adjust_picture
from tools.deep_files import read_deep, tiff_bytes
from tools.edit_picture import edit_picture
from tools.fast_png import png_bytes
from tools.own_pixels import OwnPixels
from tools.pictures import PictureStore, open_picture
from tools.redo import chain_of, remake, roots

STEP = SimpleNamespace(source_prompt="a woman", target_prompt="a woman with a hat",
                       edit_words=("hat",), request="a hat")  # fmt: skip


def noise(bands, dtype=np.uint16, size=(64, 48)):
    most = np.iinfo(dtype).max + 1
    return np.random.default_rng(bands).integers(0, most, (size[1], size[0], bands), dtype=dtype)


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path / "store")


def opened_from(store, path):
    """Open a file as a chat does; return its name in the store."""
    opened = open_picture(path)
    name = store.put(opened.image, own=opened.own)
    store.remember(name, opened.source)
    return name


def edit(store, head, original, seed=3):
    return edit_picture(
        Editor(tiny_flux()), store, head=head, original=original, step=STEP, seed=seed,
        settings=EditSettings(steps=2, lqr_steps=1),
    ).picture  # fmt: skip


@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("form", ["png", "tif"])
def test_sixteen_bits_are_written_and_read_whole(tmp_path, bands, form):
    pixels, path = noise(bands), tmp_path / f"a.{form}"
    path.write_bytes({"png": png_bytes, "tif": tiff_bytes}[form](pixels, display_p3()))
    assert (read_deep(path, 100) == pixels).all()
    with Image.open(path) as image:
        assert image.info["icc_profile"] == display_p3()
        assert (np.asarray(image) == pixels >> 8).all(), "Pillow reads the high bytes of it"
    if form == "tif":
        assert (tifffile.imread(path) == pixels).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packing", [None, "zlib"])
def test_tiffs_of_others_are_read_whole(tmp_path, order, packing):
    pixels = noise(3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=order, compression=packing,
                     photometric="rgb", rowsperstrip=7)  # fmt: skip
    assert (read_deep(tmp_path / "a.tif", 100) == pixels).all()


def test_a_file_of_eight_bits_is_not_deep(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "a.tif")
    assert read_deep(tmp_path / "a.png", 100) is None
    assert read_deep(tmp_path / "a.tif", 100) is None


def test_it_is_turned_upright_with_all_its_bits(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = noise(3)
    (tmp_path / "a.png").write_bytes(png_bytes(pixels, b"", exif=exif.tobytes()[6:]))
    own = open_picture(tmp_path / "a.png").own
    assert (own.samples == np.rot90(pixels, -1)).all()


def test_what_is_kept_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(png_bytes(noise(3), display_p3()))
    (note,) = open_picture(tmp_path / "a.png").notes
    assert note.startswith("its 16 bits a channel and its colours in ")
    Image.new("RGB", (20, 20), "red").save(tmp_path / "b.png")
    assert open_picture(tmp_path / "b.png").own is None
    (tmp_path / "c.png").write_bytes(png_bytes(noise(3), b"no profile"))
    assert "left out" in open_picture(tmp_path / "c.png").notes[0]


KINDS = {
    "deep.png": lambda: png_bytes(noise(3), b""),
    "deep-p3.png": lambda: png_bytes(noise(3), display_p3()),
    "deep-alpha.png": lambda: png_bytes(noise(4), swapped()),
    "deep.tif": lambda: tiff_bytes(noise(4), display_p3()),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_nothing_was_done_to_is_saved_as_it_came(store, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(KINDS[name]())
    saved = export(store.path(opened_from(store, path)), tmp_path / f"saved-{name}", name="x")
    assert (read_deep(saved, 100) == read_deep(path, 100)).all()
    with Image.open(path) as before, Image.open(saved) as after:
        profile = before.info.get("icc_profile")
        assert after.info["icc_profile"] == profile or profile is None


@pytest.mark.parametrize("name", KINDS)
def test_outside_the_mask_an_edit_leaves_every_bit(store, tmp_path, monkeypatch, name):
    """The left half is the mask's; the other keeps 16 bits, alpha and profile."""
    path = tmp_path / name
    path.write_bytes(KINDS[name]())
    first = opened_from(store, path)
    own, shown = store.own(first), store.image(first)
    drawn = shown.copy()
    drawn.paste("red", (0, 0, 32, 48))
    made = own.changed(shown, drawn)
    assert (made.samples[:, 32:] == own.samples[:, 32:]).all()
    assert (made.samples[:, :32] != own.samples[:, :32]).any()
    assert (made.samples[..., 3:] == own.samples[..., 3:]).all(), "alpha stays everywhere"
    opaque = np.asarray(own.alpha or Image.new("L", shown.size, 255))[:, :32] > 250
    gap = np.abs(np.asarray(made.shown(), int)[:, :32] - (255, 0, 0))[opaque]
    assert gap.max() <= 8 and np.median(gap) <= 2, "and inside it shows what was drawn"


def test_small_changes_keep_the_finer_levels():
    own = OwnPixels(noise(3) // 2 + 8000)
    shown = own.shown()
    made = own.changed(shown, Image.eval(shown, lambda level: level + 2))
    assert (made.samples == own.samples + 2 * 257).all()


def test_the_whole_way_through_an_edit_and_back(store, tmp_path):
    (tmp_path / "a.png").write_bytes(png_bytes(noise(4), display_p3()))
    first = opened_from(store, tmp_path / "a.png")
    head = edit(store, first, first)
    turned = adjust_picture(store, head=head, original=first, operation=Operation("rotate", "90"))
    head = edit(store, turned.picture, turned.original)
    own = store.own(head)
    assert own.bits == 16 and own.profile == display_p3()
    assert own.samples.shape == (64, 48, 4)
    assert store.image(head).tobytes() == own.shown().tobytes()
    for name in ("out.png", "out.tif"):
        saved = export(store.path(head), tmp_path / name, name="x")
        again = open_picture(saved)
        assert (again.own.samples == own.samples).all() and again.own.profile == own.profile
        assert again.name == head, "what is saved is what the recipe tells of"
        assert provenance.read(saved)["picture"] == head
    saved = export(store.path(head), tmp_path / "out.jpg", name="x")
    with Image.open(saved) as image:
        assert image.info["icc_profile"] == display_p3()
    chain = chain_of(provenance.read(store.path(head)))
    assert roots(chain) == (first,)
    other = PictureStore(tmp_path / "other")
    opened = open_picture(tmp_path / "a.png")
    other.put(opened.image, own=opened.own)
    assert list(remake(chain, other, lambda _: Editor(tiny_flux())))[-1] == head
    assert (other.own(head).samples == own.samples).all()


def test_a_clean_file_tells_no_profile(store, tmp_path):
    (tmp_path / "a.png").write_bytes(png_bytes(noise(3), display_p3()))
    first = opened_from(store, tmp_path / "a.png")
    saved = export(store.path(first), tmp_path / "clean.png", name="x", clean=True)
    assert open_picture(saved).own is None


OPERATIONS = ["crop 1:1", "resize 50%", "rotate 90", "rotate 180", "straighten 5",
              "flip horizontal", "flip vertical", "brightness +20", "contrast -30",
              "saturation +40", "warmth +30", "sharpness +50", "grayscale"]  # fmt: skip


@pytest.mark.parametrize("words", OPERATIONS)
def test_operations_in_sixteen_bits_are_those_of_eight(store, words):
    """A picture of 8 bits, told in 16, comes out as it does in 8, to rounding."""
    smooth = Image.radial_gradient("L").resize((64, 48)).convert("RGB")
    image = ImageEnhance.Brightness(
        Image.merge("RGB", [smooth.getchannel(0), *smooth.rotate(90).split()[1:]])
    )
    image = image.enhance(0.7)
    own = OwnPixels(np.asarray(image).astype(np.uint16) * 257)
    name, _, value = words.partition(" ")
    plain, deep = store.put(image), store.put(own.shown(), own=own)
    made = [
        adjust_picture(store, head=head, original=head, operation=Operation(name, value)).picture
        for head in (plain, deep)
    ]
    eight = np.asarray(store.image(made[0]), np.float64)
    sixteen = store.own(made[1]).samples / 257
    assert sixteen.shape == eight.shape and np.abs(sixteen - eight).max() <= 1.5


@pytest.mark.parametrize(
    ("words", "moved"),
    [
        ("crop 3,5,20,30", lambda held: held[5:35, 3:23]),
        ("flip horizontal", lambda held: held[:, ::-1]),
        ("rotate 90", lambda held: np.rot90(held, -1)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_only_moves_pixels_keeps_every_bit_of_them(store, words, moved, dtype):
    own = OwnPixels(noise(4, dtype))
    name, _, value = words.partition(" ")
    head = store.put(own.shown(), own=own)
    made = adjust_picture(store, head=head, original=head, operation=Operation(name, value))
    assert (store.own(made.picture).samples == moved(own.samples)).all()


def test_a_rotation_leaves_transparent_corners_in_sixteen_bits(store):
    own = OwnPixels(noise(3))
    head = store.put(own.shown(), own=own)
    made = adjust_picture(store, head=head, original=head, operation=Operation("rotate", "30"))
    samples = store.own(made.picture).samples
    assert samples.shape[2] == 4 and samples[0, 0, 3] == 0
    assert samples[samples.shape[0] // 2, samples.shape[1] // 2, 3] == 65535


def test_a_profile_of_eight_bits_stays_too(store, tmp_path):
    pixels = noise(3, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=display_p3())
    first = opened_from(store, tmp_path / "a.png")
    saved = export(store.path(first), tmp_path / "b.png", name="x")
    with Image.open(saved) as image:
        assert (np.asarray(image) == pixels).all() and image.info["icc_profile"] == display_p3()


def test_exif_tells_that_colours_are_the_profile_s(store, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.jpg", exif=exif, icc_profile=display_p3())
    saved = export(store.path(opened_from(store, tmp_path / "a.jpg")), tmp_path / "b.jpg", name="x")
    with Image.open(saved) as image:
        told = image.getexif()
        assert told[ExifTags.Base.Artist] == "Ada"
        assert told.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] == 0xFFFF
