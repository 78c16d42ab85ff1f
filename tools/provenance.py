"""The recipe of a picture, written inside its PNG as international text (iTXt)."""

import json
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

KEY = "palimpsest"

Recipe = dict[str, Any]


def text_chunk(recipe: Recipe) -> PngImagePlugin.PngInfo:
    """Pack a recipe for ``image.save(..., pnginfo=...)``."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, json.dumps(recipe, ensure_ascii=False, sort_keys=True))
    return info


def read(path: Path) -> Recipe | None:
    """Return the recipe inside a PNG, or None where there is none that can be read."""
    try:
        with Image.open(path) as image:
            image.load()  # text may follow the pixels
            recipe = json.loads(image.info.get(KEY, "null"))
    except (OSError, ValueError, TypeError, Image.DecompressionBombError):
        return None
    return recipe if isinstance(recipe, dict) else None
