"""PNG written in bands by several processors, and those of 16 bits a channel read whole."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from color_profiles import display_p3
from PIL import Image, ImageFile, PngImagePlugin
from tiny_networks import photograph

from tools import fast_png, provenance
from tools.deep_files import read_deep
from tools.fast_png import deflated, own_png, png_bytes


@pytest.fixture(params=[1000, 1 << 22], ids=["many bands", "one"])
def bands(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_png, "BLOCK", request.param)


@pytest.mark.usefixtures("bands")
@pytest.mark.parametrize("mode", fast_png.MODES)
def test_any_program_reads_it(mode: str) -> None:
    image = photograph("coffee", 90).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    held = png_bytes(image, display_p3(), provenance.text_chunk({"seed": 7}))
    with Image.open(io.BytesIO(held)) as checked:
        checked.verify()
    with Image.open(io.BytesIO(held)) as read:
        assert read.mode == mode and read.tobytes() == image.tobytes()
        assert read.info["icc_profile"] == display_p3() and "seed" in read.info[provenance.KEY]
    assert held == png_bytes(image, display_p3(), provenance.text_chunk({"seed": 7}))


def test_a_recipe_is_found_on_either_side_of_the_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no pixels are decoded to see that there is none."""
    file, bare = tmp_path / "a.png", png_bytes(photograph("coffee", 40))
    told = png_bytes(photograph("coffee", 40), told=provenance.text_chunk({"seed": 7}))
    at, end = told.index(b"iTXt") - 4, told.index(b"IDAT") - 4
    file.write_bytes(bare[:-12] + told[at:end] + bare[-12:])
    assert provenance.read(file) == {"seed": 7}
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("it was decoded"))
    for content, recipe in ((told, {"seed": 7}), (bare, None)):
        file.write_bytes(content)
        assert provenance.read(file) == recipe


@pytest.mark.usefixtures("bands")
@pytest.mark.parametrize("size", [0, 1, 999, 1000, 70_001])
def test_a_stream_of_blocks_is_what_zlib_reads(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
    assert zlib.decompress(deflated(data)) == data.tobytes()


@pytest.mark.parametrize("bands", [3, 4])
def test_a_stored_png_is_read_in_one_go_as_pillow_reads_it_in_two(
    tmp_path: Path, bands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (70, 33, bands)).astype(np.uint16)
    monkeypatch.setattr(fast_png, "BLOCK", 1000)  # many blocks, as a large picture has
    held = png_bytes(samples, display_p3())
    (tmp_path / "a.png").write_bytes(held)
    whole = own_png(held)
    assert whole is not None and whole[1] == display_p3()
    assert (whole[0] == samples).all()
    read = read_deep(tmp_path / "a.png", 1.0)
    assert read is not None and (read == samples).all()
    with Image.open(tmp_path / "a.png") as image:
        image.verify()


def test_a_png_that_was_not_written_here_is_left_to_pillow(tmp_path: Path) -> None:
    samples = np.zeros((32, 32, 3), np.uint16)
    told = PngImagePlugin.PngInfo()
    told.add_text("a", "b")
    assert own_png(png_bytes(samples, b"", told)) is None
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    assert own_png((tmp_path / "a.png").read_bytes()) is None
