"""Formats of files that people have: HEIC, JPEG XL, damaged files, things that are no files."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import numpy as np
import pytest
from color_profiles import display_p3
from PIL import ExifTags, Image

from agent.terminal.commands import Commands, run
from agent.terminal.file_io import open_file
from tools import provenance
from tools.formats import bits_in, readable
from tools.pictures import PictureError, open_picture
from tools.saving import save_picture

AUTHOR, CAMERA = "Ada Photographer", "Nocamera X1"
ENDINGS = (
    "png",
    "jpg",
    "webp",
    "tif",
    "avif",
    "gif",
    "bmp",
    "jp2",
    "heic",
    "jxl",
    "ico",
    "tga",
    "ppm",
)


def photo_with_a_place(folder: Path, ending: str = "jpg") -> Path:
    """Write a photograph that tells who took it, where and by what."""
    image = Image.radial_gradient("L").resize((64, 48)).convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = AUTHOR
    exif[ExifTags.Base.Model] = CAMERA
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    path = folder / f"photo.{ending}"
    save_picture(image, path, exif=exif.tobytes())
    return path


@pytest.mark.parametrize("ending", ["heic", "jxl"])
def test_heic_and_jpeg_xl_open_and_save_with_recipe_and_exif(tmp_path: Path, ending: str) -> None:
    image = Image.radial_gradient("L").resize((64, 48)).convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = AUTHOR
    path = tmp_path / f"a.{ending}"
    save_picture(image, path, recipe={"target_prompt": "a moon"}, exif=exif.tobytes())
    opened = open_picture(path)
    assert opened.image.size == (64, 48)
    assert opened.source.suffix == f".{ending}"
    assert AUTHOR.encode() in opened.source.exif
    assert (provenance.read(path) or {})["target_prompt"] == "a moon"
    before, after = (np.asarray(picture.convert("L"), float) for picture in (image, opened.image))
    assert np.abs(before - after).mean() < 4


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif", "heic", "jxl"])
def test_a_clean_copy_tells_nothing_but_the_picture(
    desk: Commands, tmp_path: Path, ending: str
) -> None:
    open_file(desk.chat, desk.store, photo_with_a_place(tmp_path), "a photo of a moon")
    plain, clean = tmp_path / f"plain.{ending}", tmp_path / f"clean.{ending}"
    run(desk, f"/save {plain}")
    run(desk, f"/save --clean {clean}")
    told, bare = plain.read_bytes(), clean.read_bytes()
    assert AUTHOR.encode() in told
    assert provenance.read(clean) is None
    for secret in (AUTHOR, CAMERA, "palimpsest", "moon", "GPS"):
        assert secret.encode() not in bare, secret
    assert not provenance.beside(clean).exists()
    assert open_picture(clean).image.size == (64, 48)


def test_what_follows_save_must_be_clean_or_a_path(desk: Commands, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="/save has no --bare"):
        run(desk, "/save --bare a.png")


def test_things_that_are_no_files_are_named_and_not_read(tmp_path: Path) -> None:
    pipe, plug = tmp_path / "pipe.png", tmp_path / "plug.png"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(plug))
    for path, named in ((pipe, "named pipe"), (plug, "a socket"), (Path("/dev/null"), "a device")):
        with pytest.raises(PictureError, match=f"is {named}|is a {named}"):
            open_picture(path)
        assert provenance.read(path) is None


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "count", [8, pytest.param(500, marks=pytest.mark.slow(reason="500 files a format"))]
)
def test_a_damaged_file_is_refused_in_a_sentence_or_opened(
    tmp_path: Path, ending: str, count: int
) -> None:
    readable()
    rng = random.Random(ending)
    path = tmp_path / f"a.{ending}"
    Image.effect_noise((48, 40), 60).convert("RGB").save(path)
    whole = path.read_bytes()
    for _ in range(count):
        held = bytearray(whole)
        for _ in range(rng.randint(1, 12)):
            held[rng.randrange(len(held))] = rng.randrange(256)
        path.write_bytes(bytes(held[: rng.randint(1, len(held))] if rng.random() < 0.4 else held))
        try:
            open_picture(path)
        except PictureError as error:
            assert "\n" not in str(error) and str(path) in str(error)
        provenance.read(path)


def gradient(width: int = 96, height: int = 64) -> np.ndarray:
    """Smooth colours of 16 bits, of which 8 would be too few. Shape: (height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    levels = np.stack([x / (width - 1), y / (height - 1), (x + y) / (width + height - 2)], axis=2)
    return (0.2 * 65535 + 0.1 * 65535 * levels).astype(np.uint16)


def heic_of(path: Path, samples: np.ndarray, **options: object) -> Path:
    import pillow_heif

    height, width, _ = samples.shape
    with path.open("wb") as file:
        pillow_heif.encode("RGB;16", (width, height), samples.tobytes(), file,
                           quality=-1, chroma=444, matrix_coefficients=0, **options)  # fmt: skip
    return path


@pytest.mark.parametrize("twelve", [False, True])
def test_more_than_8_bits_of_a_heic_are_kept_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twelve: bool
) -> None:
    import pillow_heif

    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", twelve)
    bits, samples = (12, gradient()) if twelve else (10, gradient())
    opened = open_picture(heic_of(tmp_path / "a.heic", samples))
    assert opened.own is not None and opened.own.bits == 16
    assert f"its {bits} bits a channel are kept; the model sees 8" in opened.notes[0]
    step = 65535 / (2**bits - 1)
    assert np.abs(opened.own.samples.astype(float) - samples).max() <= 2 * step
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", False)
    save_picture(opened.image, tmp_path / "b.heic", own=opened.own, recipe={"seed": 1})
    again = open_picture(tmp_path / "b.heic")
    assert again.own is not None and again.own.bits == 16
    assert np.abs(again.own.samples.astype(int) - samples).mean() < 150, "0.6 of a level of 255"
    assert len(np.unique(again.own.samples[..., 0] >> 6)) > 60, "26 levels of 8 bits there"
    assert (provenance.read(tmp_path / "b.heic") or {})["seed"] == 1
    save_picture(opened.image, tmp_path / "c.png", own=opened.own)
    assert (open_picture(tmp_path / "c.png").own.samples == opened.own.samples).all()  # type: ignore[union-attr]


def test_white_of_10_bits_is_white_of_16(tmp_path: Path) -> None:
    white = np.full((32, 32, 3), 65535, np.uint16)
    opened = open_picture(heic_of(tmp_path / "white.heic", white))
    assert opened.own is not None and (opened.own.samples == 65535).all()


@pytest.mark.parametrize("ending", ["heic", "avif"])
def test_a_phones_colours_come_back_in_its_profile(tmp_path: Path, ending: str) -> None:
    image = Image.new("RGB", (64, 48), (200, 40, 40))
    profile = display_p3()
    image.save(tmp_path / f"a.{ending}", icc_profile=profile, quality=95)
    opened = open_picture(tmp_path / f"a.{ending}")
    assert opened.own is not None and opened.own.profile == profile
    save_picture(opened.image, tmp_path / f"b.{ending}", own=opened.own)
    with Image.open(tmp_path / f"b.{ending}") as saved:
        assert saved.info["icc_profile"] == profile
        shown = np.asarray(saved.convert("RGB"), int)
    assert np.abs(shown - (200, 40, 40)).max() <= 4


def test_what_a_decoder_does_not_give_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable()  # which lets Pillow write JPEG XL
    levels = gradient()[..., 0]
    Image.fromarray(levels).save(tmp_path / "grey.jxl", lossless=True)
    said = open_picture(tmp_path / "grey.jxl").notes
    assert said[0] == "its deep grey levels were reduced to 8 bits" and "16" not in said[1]
    assert bits_in(tmp_path / "grey.jxl", "JXL") == 16
    image = Image.radial_gradient("L").resize((64, 48)).convert("RGB")
    for ending in ("avif", "jxl"):
        save_picture(image, tmp_path / f"a.{ending}")
        assert bits_in(tmp_path / f"a.{ending}", ending.upper()) == 8
        assert open_picture(tmp_path / f"a.{ending}").notes == ()
    monkeypatch.setattr("tools.pictures.bits_in", lambda *_: 10)
    said = open_picture(tmp_path / "a.avif").notes
    assert said == ("of its 10 bits a channel 8 are kept, since its decoder here gives no more",)
