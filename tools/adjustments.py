"""Plain operations on a picture, exact and instant: crop, rotate, brighten, and so on, by Pillow.

The same picture, operation and value always give the same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from tools.operations import AdjustmentError
from tools.pictures import MAX_MEGAPIXELS, MIN_SIDE

FULL_WARMTH = 0.3
"""How much more red, and less blue, a warmth of +100 gives."""
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601, as Pillow has it
QUARTERS = {
    90: Image.Transpose.ROTATE_270,  # Pillow counts the other way round
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}

Apply = Callable[[Image.Image, str], Image.Image]


def adjusted(
    image: Image.Image, name: str, value: str, mask: Image.Image | None = None
) -> Image.Image:
    """Return a picture after one operation.

    Args:
        image: "RGB", or an "L" mask. Where a rotation leaves corners empty, they become white in
            a picture and 0 in a mask.
        name: Of the operation.
        value: As ``operations.normal`` returns it.
        mask: "L", of the picture's shape and any size: where the operation acts; None: everywhere.

    Raises:
        AdjustmentError: The result would be too small or too large.
    """
    made = APPLY[name](image, value)
    if mask is None:
        return made
    return Image.composite(made, image, mask.convert("L").resize(image.size))


def _refuse(size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise AdjustmentError(
            f"The picture would be too small ({width}x{height}); each side needs {MIN_SIDE} pixels."
        )
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise AdjustmentError(
            f"The picture would be too large ({width}x{height}); at most {MAX_MEGAPIXELS:g} "
            "megapixels can be made."
        )


def _cropped(image: Image.Image, value: str) -> Image.Image:
    """Cut out a box, or the largest one of a ratio around the centre."""
    if ":" not in value:
        left, top, width, height = map(int, value.split(","))
        return _cut(image, left, top, (width, height))
    across, down = map(int, value.split(":"))
    width = min(image.width, round(image.height * across / down))
    height = min(image.height, round(image.width * down / across))
    return _centre(image, (width, height))


def _centre(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return _cut(image, (image.width - size[0]) // 2, (image.height - size[1]) // 2, size)


def _cut(image: Image.Image, left: int, top: int, size: tuple[int, int]) -> Image.Image:
    _refuse(size)
    right, bottom = left + size[0], top + size[1]
    if right > image.width or bottom > image.height:
        raise AdjustmentError(
            f"That box does not lie inside the picture, which is {image.width}x{image.height}."
        )
    return image.crop((left, top, right, bottom))


def _resized(image: Image.Image, value: str) -> Image.Image:
    """Resize to a share, to a width and height, or to a longer side, by Lanczos' filter."""
    width, height = image.size
    if "x" in value:
        width, height = map(int, value.split("x"))
    else:
        scale = float(value[:-1]) / 100 if value[-1] == "%" else int(value) / max(width, height)
        width, height = round(width * scale), round(height * scale)
    _refuse((width, height))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _rotated(image: Image.Image, value: str) -> Image.Image:
    """Rotate clockwise; by other than quarters the picture grows, and its corners are empty."""
    degrees = float(value) % 360
    if degrees in QUARTERS:
        return image.transpose(QUARTERS[int(degrees)])
    if not degrees:
        return image
    empty = "white" if image.mode == "RGB" else 0
    made = image.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=empty)
    _refuse(made.size)
    return made


def _straightened(image: Image.Image, value: str) -> Image.Image:
    """Rotate clockwise, and cut out the largest box of the same shape without empty corners.

    A box of sw x sh lies inside one of w x h rotated by t if s w cos t + s h sin t <= w and
    s w sin t + s h cos t <= h, so its scale is s = 1 / (cos t + sin t max(w / h, h / w)).
    """
    tilt = math.radians(abs(float(value)))
    if not tilt:
        return image
    width, height = image.size
    scale = 1 / (math.cos(tilt) + math.sin(tilt) * max(width / height, height / width))
    turned = image.rotate(-float(value), Image.Resampling.BICUBIC)
    return _centre(turned, (math.floor(width * scale), math.floor(height * scale)))


def _flipped(image: Image.Image, value: str) -> Image.Image:
    return ImageOps.mirror(image) if value == "horizontal" else ImageOps.flip(image)


def _warmed(image: Image.Image, value: str) -> Image.Image:
    gains = warmth_gains(value)
    table = [min(max(round(level * gain), 0), 255) for gain in gains for level in range(256)]
    return image.point(table)


def warmth_gains(value: str) -> tuple[float, ...]:
    """Return what red, green and blue are multiplied by: red up and blue down as much.

    They are divided by what that does to the luma of grey, which so stays as it is.
    """
    share = FULL_WARMTH * int(value) / 100
    gains = (1 + share, 1.0, 1 - share)
    luma = sum(gain * weight for gain, weight in zip(gains, LUMA, strict=True))
    return tuple(gain / luma for gain in gains)


def _gray(image: Image.Image, value: str) -> Image.Image:
    return ImageOps.grayscale(image).convert(image.mode)


def _blurred(image: Image.Image, value: str) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(float(value)))


def _enhanced(enhancer: Callable[[Image.Image], ImageEnhance._Enhance]) -> Apply:
    """Do what one of Pillow's enhancers does; its factor 1 leaves a picture as it is."""
    return lambda image, value: enhancer(image).enhance(1 + int(value) / 100)


APPLY: Mapping[str, Apply] = {
    "crop": _cropped,
    "resize": _resized,
    "rotate": _rotated,
    "straighten": _straightened,
    "flip": _flipped,
    "brightness": _enhanced(ImageEnhance.Brightness),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "saturation": _enhanced(ImageEnhance.Color),
    "warmth": _warmed,
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "grayscale": _gray,
    "blur": _blurred,
}
