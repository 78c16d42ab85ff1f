"""The recipe of a picture: written inside its file, or beside it where a format has no room.

A recipe is JSON: how the last edit was made, and under "steps" how all before it were. PNG carries
it as international text (iTXt), JPEG, WebP, TIFF, AVIF, HEIC and JPEG XL in XMP; any other
``x.bmp`` has a side file ``x.bmp.recipe.json``.
"""

import json
import os
import struct
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from PIL import PngImagePlugin, TiffImagePlugin

from tools.formats import jxl_xmp, open_image

KEY = "palimpsest"
NAMESPACE = "urn:palimpsest:xmp:1:"
IN_XMP = ("JPEG", "WEBP", "AVIF", "TIFF", "HEIF", "JXL")
ROOM_IN_XMP = 65_000  # bytes; a JPEG segment holds 65 535
XMP_TAG = 700  # where TIFF keeps XMP
CHUNK = struct.Struct(">I4s")  # how a chunk of a PNG begins: its length and its kind
PNG_HEAD, CHECKSUM = 8, 4  # bytes before the first chunk of a PNG, and behind each
TEXTS = (b"iTXt", b"tEXt", b"zTXt")
PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:{key}="{namespace}"><{key}:recipe>{recipe}</{key}:recipe>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""

Recipe = dict[str, Any]


def text(recipe: Recipe) -> str:
    """Return a recipe as JSON."""
    return json.dumps(recipe, ensure_ascii=False, sort_keys=True)


def opened_as(recipe: Recipe) -> str:
    """Return the hash of the picture that was opened: its original before any plain operation."""
    name = str(recipe["original"])
    for step in (recipe, *reversed(recipe.get("steps", ()))):
        if "operation" in step and step["original"] == name:
            name = str(step["base"])
    return name


def text_chunk(recipe: Recipe) -> PngImagePlugin.PngInfo:
    """Pack a recipe for ``image.save(..., pnginfo=...)``."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, text(recipe))
    return info


def packed(recipe: Recipe, form: str) -> dict[str, Any] | None:
    """Pack a recipe as arguments of ``image.save``; None where a side file has to carry it.

    Args:
        recipe: What made the picture.
        form: Pillow's name of the format.
    """
    if form == "PNG":
        return {"pnginfo": text_chunk(recipe)}
    packet = PACKET.format(key=KEY, namespace=NAMESPACE, recipe=escape(text(recipe))).encode()
    if form not in IN_XMP or len(packet) > ROOM_IN_XMP:
        return None
    if form == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[XMP_TAG] = packet
        return {"tiffinfo": tags}
    return {"xmp": packet}


def beside(picture: Path) -> Path:
    """Return where the side file of a picture lies."""
    return picture.with_name(picture.name + ".recipe.json")


def read(path: Path) -> Recipe | None:
    """Return the recipe inside a picture file or beside it; None where none can be read."""
    try:
        if not path.is_file():  # reading from a pipe would wait for ever
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken metadata
            recipe = json.loads(_inside(path) or _text(beside(path)))
            text(recipe).encode()  # what cannot be printed is no recipe
    except Exception:  # decoders raise all kinds, and a foreign file may hold anything
        return None
    return recipe if isinstance(recipe, dict) else None


def _inside(path: Path) -> str | None:
    """Return the JSON inside a file."""
    with open_image(path) as image:
        if image.format == "PNG":
            if KEY not in image.info and _tells_after_pixels(path):
                image.load()
            if words := image.info.get(KEY):
                return str(words)
        packet = image.info.get("xmp")
        if image.format == "JXL":
            with path.open("rb") as file:
                packet = jxl_xmp(file)
    return _from_xmp(packet) if isinstance(packet, bytes) else None


def _tells_after_pixels(path: Path) -> bool:
    """Say whether a PNG has text behind its pixels, which Pillow finds by decoding them."""
    seen = False
    with path.open("rb") as file:
        file.seek(PNG_HEAD)
        while len(head := file.read(CHUNK.size)) == CHUNK.size:
            size, kind = CHUNK.unpack(head)
            if seen and kind in TEXTS:
                return True
            seen |= kind == b"IDAT"
            file.seek(size + CHECKSUM, os.SEEK_CUR)
    return False


def _from_xmp(packet: bytes) -> str | None:
    """Find our entry in an XMP packet, as an element or as an attribute."""
    if b"<!" in packet:  # entities could make much out of little
        return None
    for element in ElementTree.fromstring(packet.strip(b"\0 \n\r\t")).iter():
        name = f"{{{NAMESPACE}}}recipe"
        if words := element.text if element.tag == name else element.get(name):
            return words
    return None


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else "null"
