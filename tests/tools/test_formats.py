"""Formats of files that people have: HEIC, JPEG XL, damaged files, things that are no files."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from agent.terminal.commands import Commands, run
from agent.terminal.file_io import open_file
from tools import provenance
from tools.formats import readable
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
