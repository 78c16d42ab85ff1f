"""Masks that come from elsewhere: painted on the page, or sent by programs in OpenAI's form."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import ImageChops

from tools.alpha import unpacked
from tools.arguments import InputError
from tools.pictures import MAX_MEGAPIXELS, PictureStore, open_picture
from tools.regions import MASK


def region_of(
    store: PictureStore, content: bytes, *, max_megapixels: float = MAX_MEGAPIXELS
) -> str:
    """Store a mask, and return the region that it shows, as ``/region`` takes it.

    Args:
        store: Where pictures lie.
        content: A picture file, of the shape of the picture it is for: transparent where edits
            may act or, if nothing in it is transparent, white.
        max_megapixels: Millions of pixels allowed.

    Raises:
        InputError: It is no picture, or edits could act nowhere.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "mask"
        file.write_bytes(content)
        try:
            opened = open_picture(file, max_megapixels=max_megapixels)
        except InputError as error:
            raise InputError(str(error).replace(str(file), "The mask")) from None
    alpha = unpacked(opened.source.alpha)
    mask = opened.image.convert("L") if alpha is None else ImageChops.invert(alpha)
    if mask.getbbox() is None:
        raise InputError("The mask shows no place where edits may act.")
    return f"{MASK}{store.put(mask)}"
