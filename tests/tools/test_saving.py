"""Saved files: format, EXIF and colours as they came, the recipe inside or beside, never half."""

import numpy as np
import pytest
from color_profiles import srgb, swapped
from PIL import ExifTags, Image

from agent.terminal.file_io import export
from tools import provenance
from tools.pictures import PictureError, PictureStore, open_picture, picture_hash

RECIPE = {"seed": 7, "target_prompt": "eine Frau mit Brille & <Hut> – été", "numbers": [0.1, None]}
CAMERA = ExifTags.IFD.Exif
PLACE = ExifTags.IFD.GPSInfo


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path / "pictures")


@pytest.fixture
def image():
    """Colours that differ from pixel to pixel, as 4:2:0 would show."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, ::2] = (255, 0, 0)
    pixels[:, 1::2] = (0, 0, 255)
    return Image.fromarray(pixels)


def photo(path, image, **options):
    """A photo as a phone writes it: lying on its side, with camera, place and preview."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Canon", 6
    exif.get_ifd(CAMERA).update(
        {ExifTags.Base.ISOSpeedRatings: 400, ExifTags.Base.ColorSpace: 65535}
    )
    exif.get_ifd(CAMERA)[ExifTags.Base.MakerNote] = b"a preview of the face that was there"
    exif.get_ifd(PLACE)[ExifTags.GPS.GPSLatitudeRef] = "N"
    image.save(path, exif=exif, **options)
    return path


def opened_and_edited(store, path):
    """Open a file and store an edit of it."""
    opened = open_picture(path)
    original = store.put(opened.image)
    store.remember(original, opened.source)
    edited = opened.image.copy()
    edited.putpixel((0, 0), (1, 2, 3))
    return store.path(store.put(edited, recipe=RECIPE | {"original": original}))


@pytest.mark.parametrize("suffix", "png jpg jpeg webp tif avif bmp gif jp2".split())
def test_every_format_gives_its_recipe_back(store, image, tmp_path, suffix):
    stored = store.path(store.put(image, recipe=RECIPE))
    saved = export(stored, tmp_path / f"a.{suffix}", name="x.png")
    assert provenance.read(saved) == RECIPE
    assert open_picture(saved).image.size == image.size
    beside = (tmp_path / f"a.{suffix}.recipe.json").exists()
    assert beside == (suffix in ("bmp", "gif", "jp2"))


def test_a_recipe_that_is_too_long_for_a_jpeg_lies_beside_it(store, image, tmp_path):
    long = RECIPE | {"steps": ["x" * 70_000]}
    saved = export(store.path(store.put(image, recipe=long)), tmp_path / "a.jpg", name="x.png")
    assert provenance.read(saved) == long
    assert (tmp_path / "a.jpg.recipe.json").exists()


def test_xmp_as_other_programs_write_it_again(tmp_path, image):
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf'
        '-syntax-ns#"><r:Description xmlns:ns1="urn:palimpsest:xmp:1:" '
        'ns1:recipe="{&quot;seed&quot;: 3}"/></r:RDF></x:xmpmeta>'
    )
    image.save(tmp_path / "a.jpg", xmp=packet.encode())
    assert provenance.read(tmp_path / "a.jpg") == {"seed": 3}
    image.save(tmp_path / "b.jpg", xmp=b"<!DOCTYPE x><x/>")
    image.save(tmp_path / "c.jpg", xmp=b"not xml")
    assert provenance.read(tmp_path / "b.jpg") is provenance.read(tmp_path / "c.jpg") is None


def test_jpeg_keeps_every_pixels_colour(store, image, tmp_path):
    saved = export(store.path(store.put(image)), tmp_path / "a.jpg", name="x.png")
    pixels = np.asarray(open_picture(saved).image).astype(int)
    assert np.abs(pixels - np.asarray(image)).max() < 40  # 4:2:0 would make it all violet


@pytest.mark.parametrize("suffix", "jpg webp png tif avif".split())
def test_camera_and_place_are_kept_and_what_is_no_longer_true_is_not(
    store, image, tmp_path, suffix
):
    stored = opened_and_edited(store, photo(tmp_path / "photo.jpg", image, quality=95))
    saved = export(stored, tmp_path / f"a.{suffix}", name="x.png")
    with Image.open(saved) as file:
        exif = file.getexif()
        camera, place = dict(exif.get_ifd(CAMERA)), dict(exif.get_ifd(PLACE))
        assert file.size == (32, 48)  # it was turned upright
    assert exif[ExifTags.Base.Make] == "Canon" and exif.get(ExifTags.Base.Orientation, 1) == 1
    assert camera[ExifTags.Base.ISOSpeedRatings] == 400 and camera[ExifTags.Base.ColorSpace] == 1
    assert camera[ExifTags.Base.ExifImageWidth] == 32
    assert place[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert b"a preview of the face" not in saved.read_bytes()
    assert provenance.read(saved)["seed"] == 7


@pytest.mark.parametrize(
    ("opened", "saved"),
    [("a.jpg", "x.jpg"), ("a.JPEG", "x.jpeg"), ("a.webp", "x.webp"), ("a.gif", "x.png"),
     ("a.tiff", "x.tiff"), ("jpeg-named.png", "x.jpg")],
)  # fmt: skip
def test_without_a_name_it_is_saved_in_the_format_it_came_in(store, image, tmp_path, opened, saved):
    image.save(tmp_path / opened, "JPEG" if opened == "jpeg-named.png" else None)
    stored = opened_and_edited(store, tmp_path / opened)
    (tmp_path / "out").mkdir()
    assert export(stored, tmp_path / "out", name="x.png").name == saved
    assert export(stored, tmp_path / "out" / "own", name="x.png").suffix == "." + saved[2:]


def test_broken_exif_is_no_reason_to_refuse_a_picture(tmp_path, image):
    image.save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x7f" * 40)
    assert open_picture(tmp_path / "a.jpg").image.size == image.size


class TestProfiles:
    def test_other_colours_become_srgb(self, tmp_path):
        red = Image.new("RGB", (20, 20), (255, 0, 0))
        red.save(tmp_path / "a.png", icc_profile=swapped())
        opened = open_picture(tmp_path / "a.png")
        assert np.abs(np.subtract(opened.image.getpixel((3, 3)), (0, 255, 0))).max() <= 2
        assert opened.notes == (
            "its colours in sRGB built-in are kept; the model sees 8 bits of sRGB",
        )

    def test_transparency_survives_the_conversion(self, tmp_path):
        clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
        clear.save(tmp_path / "a.png", icc_profile=swapped())
        assert open_picture(tmp_path / "a.png").image.getpixel((3, 3)) == (255, 255, 255)

    def test_srgb_stays_as_it_is_without_a_word(self, tmp_path, image):
        image.save(tmp_path / "a.png", icc_profile=srgb())
        opened = open_picture(tmp_path / "a.png")
        assert opened.notes == () and picture_hash(opened.image) == picture_hash(image)

    @pytest.mark.parametrize("held", [b"no profile", b"\0" * 200, swapped()[:150]])
    def test_a_broken_profile_is_left_out(self, tmp_path, image, held):
        image.save(tmp_path / "a.png", icc_profile=held)
        opened = open_picture(tmp_path / "a.png")
        assert opened.notes == ("its colour profile cannot be used and was left out",)
        assert picture_hash(opened.image) == picture_hash(image)


class TestNothingHalf:
    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
    def test_a_full_disk_leaves_nothing(self, store, image, tmp_path, monkeypatch, name):
        stored = store.path(store.put(image, recipe=RECIPE))
        (tmp_path / "out").mkdir()

        def half(self, path, *_args, **_options):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Image.Image, "save", half)
        with pytest.raises(PictureError, match="No space left"):
            export(stored, tmp_path / "out" / name, name="x.png")
        assert list((tmp_path / "out").iterdir()) == []

    def test_what_was_there_stays_if_replacing_it_fails(self, store, image, tmp_path, monkeypatch):
        stored = store.path(store.put(image, recipe=RECIPE))
        saved = export(stored, tmp_path / "a.png", name="x.png")
        before = saved.read_bytes()
        monkeypatch.setattr("os.replace", _fails)
        with pytest.raises(PictureError):
            export(stored, saved, name="x.png", overwrite=True)
        assert saved.read_bytes() == before and len(list(tmp_path.glob(".*"))) == 0

    def test_a_side_file_in_the_way_is_not_overwritten(self, store, image, tmp_path):
        (tmp_path / "a.bmp.recipe.json").write_text("{}")
        with pytest.raises(PictureError, match=r"a\.bmp\.recipe\.json exists already"):
            export(store.path(store.put(image)), tmp_path / "a.bmp", name="x.png")


def _fails(*_args):
    raise OSError(5, "Input/output error")
