"""Plain operations give what Pillow gives, on photographs that scikit-image ships."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from tools.adjustments import adjusted
from tools.operations import NAMES, AdjustmentError, normal

LANCZOS, BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC


@cache
def photo(name: str) -> Image.Image:
    return Image.open(Path(skimage.__file__).parent / "data" / f"{name}.png").convert("RGB")


KNOWN = {
    "crop 1:1": lambda p: p.crop(((p.width - 300) // 2, 0, (p.width - 300) // 2 + 300, 300)),
    "crop 16:9": lambda p: p.crop((0, 23, 451, 277)),
    "crop 10,20,300,200": lambda p: p.crop((10, 20, 310, 220)),
    "resize 50%": lambda p: p.resize((226, 150), LANCZOS),
    "resize 640x480": lambda p: p.resize((640, 480), LANCZOS),
    "resize 902": lambda p: p.resize((902, 600), LANCZOS),
    "rotate 90": lambda p: p.transpose(Image.Transpose.ROTATE_270),
    "rotate -90": lambda p: p.transpose(Image.Transpose.ROTATE_90),
    "rotate 180": lambda p: p.transpose(Image.Transpose.ROTATE_180),
    "rotate 12.5": lambda p: p.rotate(-12.5, BICUBIC, expand=True, fillcolor="white"),
    "flip horizontal": ImageOps.mirror,
    "flip vertical": ImageOps.flip,
    "brightness +20": lambda p: ImageEnhance.Brightness(p).enhance(1.2),
    "contrast -30": lambda p: ImageEnhance.Contrast(p).enhance(0.7),
    "saturation +50": lambda p: ImageEnhance.Color(p).enhance(1.5),
    "sharpness +100": lambda p: ImageEnhance.Sharpness(p).enhance(2),
    "grayscale": lambda p: ImageOps.grayscale(p).convert("RGB"),
    "blur 3": lambda p: p.filter(ImageFilter.GaussianBlur(3)),
}


@pytest.mark.parametrize("words", KNOWN)
def test_it_is_what_pillow_makes(words):
    name, _, value = words.partition(" ")
    chelsea = photo("chelsea")
    made = adjusted(chelsea, name, normal(name, value))
    wanted = KNOWN[words](chelsea)
    assert made.size == wanted.size and made.tobytes() == wanted.tobytes()


def test_every_operation_is_known_here():
    assert {words.partition(" ")[0] for words in KNOWN} | {"straighten", "warmth"} == set(NAMES)


@pytest.mark.parametrize(
    ("size", "angle"), [((600, 400), "3"), ((400, 600), "-7.5"), ((90, 90), "45")]
)
def test_straightening_leaves_no_empty_corner_and_keeps_the_shape(size, angle):
    made = adjusted(Image.new("RGB", size, "white"), "straighten", angle)
    assert made.getextrema() == ((255, 255),) * 3
    assert abs(made.width / made.height - size[0] / size[1]) < 0.02
    turned = photo("coffee").rotate(-3, BICUBIC)
    made = adjusted(photo("coffee"), "straighten", "3")
    left, top = (600 - made.width) // 2, (400 - made.height) // 2
    assert (
        made.tobytes() == turned.crop((left, top, left + made.width, top + made.height)).tobytes()
    )
    assert made.width > 500


def test_warmth_moves_red_and_blue_and_keeps_the_luma_of_grey():
    grey = Image.new("RGB", (16, 16), (120, 120, 120))
    for value, warmer in (("+50", 1), ("-50", -1)):
        red, green, blue = adjusted(grey, "warmth", value).getpixel((0, 0))
        assert (red - blue) * warmer > 20 and blue * warmer < green * warmer < red * warmer
        assert abs(0.299 * red + 0.587 * green + 0.114 * blue - 120) < 1
    coffee = photo("coffee")
    assert adjusted(coffee, "warmth", "+0").tobytes() == coffee.tobytes()


def test_four_quarters_and_two_flips_are_nothing():
    cat = photo("chelsea")
    for name, value, times in (("rotate", "90", 4), ("flip", "vertical", 2)):
        made = cat
        for _ in range(times):
            made = adjusted(made, name, value)
        assert made.tobytes() == cat.tobytes()


def test_a_mask_says_where_it_acts():
    cat = photo("chelsea")
    mask = Image.new("L", (2, 2), 0)
    mask.putpixel((1, 0), 255)
    mask.putpixel((1, 1), 255)
    made = adjusted(cat, "blur", "5", mask.resize(cat.size, Image.Resampling.NEAREST))
    left, right = (0, 0, 225, 300), (226, 0, 451, 300)
    assert made.crop(left).tobytes() == cat.crop(left).tobytes()
    blurred = cat.filter(ImageFilter.GaussianBlur(5))
    assert ImageChops.difference(made.crop(right), blurred.crop(right)).getbbox() is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("crop square", "1:1"), ("crop 16/9", "16:9"), ("crop 4 to 3", "4:3"),
        ("crop 1, 2, 30, 40", "1,2,30,40"), ("resize 50 %", "50%"), ("resize 800 x 600", "800x600"),
        ("rotate left", "-90"), ("rotate 12.5°", "12.5"), ("rotate \N{MINUS SIGN}3", "-3"),
        ("flip", "horizontal"), ("flip vertically", "vertical"), ("brightness 20", "+20"),
        ("warmth -15%", "-15"), ("blur", "8"), ("blur 2 px", "2"), ("grayscale", ""),
    ],
)  # fmt: skip
def test_values_are_written_in_one_way(said, meant):
    name, _, value = said.partition(" ")
    assert normal(name, value) == meant == normal(name, meant)


@pytest.mark.parametrize(
    "said",
    [
        "crop", "crop 0:1", "crop big", "crop 1,2,3", "resize 5 apples", "resize", "rotate nan",
        "rotate inf", "rotate 500", "straighten 60", "flip diagonally", "brightness +300",
        "brightness -101", "brightness 1.5", "grayscale 3", "blur 0", "blur 1000", "explode 3",
        "crop 1:1:1", "resize 99999999999999999999x3",
    ],
)  # fmt: skip
def test_other_values_are_refused_in_one_sentence(said):
    name, _, value = said.partition(" ")
    with pytest.raises(AdjustmentError, match=r"takes|There is no operation"):
        normal(name, value)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("crop 440,0,50,50", "inside the picture, which is 451x300"),
        ("crop 0,0,10,200", "too small"),
        ("crop 9999:1", "too small"),
        ("resize 1%", "too small"),
        ("resize 20000x20000", "too large"),
    ],
)
def test_results_that_cannot_be_are_refused(said, why):
    name, _, value = said.partition(" ")
    with pytest.raises(AdjustmentError, match=why):
        adjusted(photo("chelsea"), name, normal(name, value))


def test_pixels_are_the_same_whenever_it_is_done():
    made = [np.asarray(adjusted(photo("coffee"), "rotate", "7")) for _ in range(2)]
    assert (made[0] == made[1]).all()
