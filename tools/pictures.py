"""Pictures by the hash of their pixels: opened with care, stored once, never changed."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import time
import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tools.alpha import alpha_of, on_white, packed
from tools.arguments import InputError, path_of
from tools.auxiliary_images import left_out
from tools.deep_files import read_deep
from tools.fast_png import MODES, Deep, png_bytes
from tools.formats import SHALLOW, bits_in, is_signed, open_image
from tools.metadata import UPRIGHT, Source, source_of
from tools.own_pixels import OwnPixels, own_pixels, read
from tools.profiles import BROKEN, is_broken, to_srgb
from tools.provenance import Recipe, text_chunk
from tools.recent_pictures import RECENT

if TYPE_CHECKING:
    from torch import Tensor

    from editing_core.editor import Picture

MIN_SIDE = 16  # pixels; one FLUX token covers 16 x 16
MAX_MEGAPIXELS = 100.0
LARGE = 1_000_000  # pixels; larger ones are packed fast rather than small, and kept decoded
BAND = 256  # rows that are hashed at a time
LONGEST_REASON = 120  # characters of what a decoder said, or of a path that cannot be one
TRANSPARENT = "its transparent parts are shown on white, and saved transparent again"
FILES = (".own.png", ".source.json", ".safetensors", ".png")
"""How the files of one picture end; its PNG comes last, so that all is there once it is."""
KINDS_OF_FILE = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class PictureError(InputError):
    """A picture cannot be read or kept; the message is one sentence for the person."""


class StoreError(PictureError):
    """Pictures cannot be kept: the disk is full, or the folder may not be written."""


@dataclass(frozen=True)
class Opened:
    """A picture file as 8-bit RGB, and what had to be done to it in words for the person."""

    image: Image.Image
    notes: tuple[str, ...] = ()
    source: Source = Source()
    own: OwnPixels | None = None
    """Its pixels as they were, if they were more than 8-bit sRGB."""

    @property
    def name(self) -> str:
        """The hash that a store keeps it by."""
        return picture_hash(self.image, self.own)


def open_picture(path: Path | str, *, max_megapixels: float = MAX_MEGAPIXELS) -> Opened:
    """Read a picture file as upright 8-bit sRGB, without resizing it.

    Args:
        path: Any file of a format in ``formats.readable``.
        max_megapixels: Millions of pixels allowed; checked before they are decoded.

    Raises:
        InputError: It is no path.
        PictureError: The file is missing, is no picture, is damaged, or is too small or too large.
    """
    path = _regular(path_of(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes and broken metadata are judged below
            with open_image(path, max_megapixels=max_megapixels) as image:
                _refuse_size(path, image.size, max_megapixels)
                opened = _as_rgb(image, read_deep(path, max_megapixels))
                _refuse_size(path, opened.image.size, max_megapixels)  # headers may lie
                told = source_of(image, path, opened.image.size)
                notes = (*left_out(image, path), *opened.notes, *_shallow(path, image))
                source = replace(told, alpha=opened.source.alpha)
                return replace(opened, notes=notes, source=source)
    except PictureError:
        raise
    except Image.DecompressionBombError:
        message = f"{path} is too large; at most {max_megapixels:g} megapixels can be opened."
        raise PictureError(message) from None
    except PermissionError:
        raise PictureError(f"{path} may not be read (permission denied).") from None
    except UnidentifiedImageError:
        if is_signed(path):
            raise PictureError(f"{path} is damaged and cannot be read.") from None
        raise PictureError(f"{path} is not a picture that can be read (try PNG or JPEG).") from None
    except Exception as error:  # decoders raise all kinds, RuntimeError and IndexError among them
        reason = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
        raise PictureError(f"{path} is damaged and cannot be read ({reason}).") from None


def _regular(path: Path) -> Path:
    """Return the path of a regular file; what else is there is named, and never read from.

    Raises:
        PictureError: It is none, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise PictureError(f"There is no file {path}.") from None
    except PermissionError:
        raise PictureError(f"{path} may not be read (permission denied).") from None
    except OSError as error:  # such as a loop of links
        reason = error.strerror or error
        shown = f"{str(path)[:LONGEST_REASON]}…" if len(str(path)) > LONGEST_REASON else path
        raise PictureError(f"{shown} cannot be a file: {reason}.") from None
    if not stat.S_ISREG(mode):
        kind = KINDS_OF_FILE.get(stat.S_IFMT(mode), "a special file")
        raise PictureError(f"{path} is {kind}, not a picture.")
    return path


def _refuse_size(path: Path, size: tuple[int, int], max_megapixels: float) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise PictureError(
            f"{path} is too small ({width}x{height}); each side needs {MIN_SIDE} pixels or more."
        )
    if width * height > max_megapixels * 1e6:
        raise PictureError(
            f"{path} is too large ({width}x{height}); at most {max_megapixels:g} megapixels can be "
            "opened."
        )


def _as_rgb(image: Image.Image, deep: Deep | None) -> Opened:
    notes = []
    if getattr(image, "n_frames", 1) > 1 and image.format != "HEIF":
        image.seek(0)  # a HEIC is opened at its main picture
    upright, turned = _upright(image) if deep is None else (image, _is_turned(image))
    if turned:
        notes.append("it was turned upright, as its camera noted")
    profile = image.info.get("icc_profile") or b""
    own = own_pixels(upright, profile, deep)
    if own is not None:
        return _with_own(own, profile, notes, image.info.get("bit_depth", own.bits))
    if upright.mode.startswith("I") or upright.mode == "F":
        upright = _eight_bits(upright)
        notes.append("its deep grey levels were reduced to 8 bits")
    elif (bits := image.info.get("bit_depth", 8)) > 8:
        notes.append(f"its colours of {bits} bits were reduced to 8 bits")
    if upright.mode == "RGBa":  # colours multiplied by alpha
        upright = upright.convert("RGBA")
    upright, converted = to_srgb(upright, profile)
    if converted:
        notes.append(converted)
    elif upright.mode == "CMYK":
        notes.append("its CMYK colours were converted to RGB, roughly: it has no colour profile")
    if alpha := alpha_of(upright):
        upright = on_white(upright, alpha)
        notes.append(TRANSPARENT)
    return Opened(upright.convert("RGB"), tuple(notes), Source(alpha=packed(alpha)))


def _shallow(path: Path, image: Image.Image) -> list[str]:
    """Say of a file of more than 8 bits that its decoder gives no more."""
    bits = bits_in(path, image.format or "")
    if bits <= SHALLOW or image.mode.startswith("I"):  # of which all is given
        return []
    return [f"of its {bits} bits a channel 8 are kept, since its decoder here gives no more"]


def _with_own(own: OwnPixels, profile: bytes, notes: list[str], bits: int) -> Opened:
    """Return a picture that has own pixels, of so many bits in its file, as a model sees it."""
    if profile and is_broken(profile):
        notes.append(BROKEN)
    if kept := own.told(bits):
        notes.append(f"{kept} are kept; the model sees 8 bits of sRGB")
    if alpha := own.alpha:
        notes.append(TRANSPARENT)
    return Opened(own.shown(), tuple(notes), Source(alpha=packed(alpha)), own)


def _upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """Turn a picture as its EXIF says, unless its decoder did; say whether it was turned."""
    if image.format == "HEIF":
        image.load()
        return image, _is_turned(image)
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return image, False  # what EXIF says is to be ignored, ISO/IEC 18181-2
    return ImageOps.exif_transpose(image), _is_turned(image)


def _is_turned(image: Image.Image) -> bool:
    """Say whether a picture's EXIF says that it is not upright."""
    if image.format == "HEIF":
        return image.info.get("original_orientation", UPRIGHT) not in (None, UPRIGHT)
    return bool(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) != UPRIGHT)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit or float grey levels to 8 bits; Pillow alone would clip them."""
    levels = np.asarray(image).astype(np.float64)
    full = 65535.0 if levels.max(initial=0) > 255 else 255.0 if levels.max(initial=0) > 1 else 1.0
    if image.mode.startswith("I;16"):
        full = 65535.0
    scaled = np.clip(levels / full, 0, 1) * 255
    return Image.fromarray(scaled.round().astype(np.uint8), "L")


def picture_hash(image: Image.Image, own: OwnPixels | None = None) -> str:
    """Return the name of a picture: SHA-256 of its mode, size and pixels, and of its own ones."""
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height}\n".encode())
    for top in range(0, image.height, BAND):
        rows = image.crop((0, top, image.width, min(top + BAND, image.height)))
        digest.update(rows.tobytes())
    digest.update(own.digest if own else b"")
    return digest.hexdigest()


@dataclass(frozen=True)
class PictureStore:
    """A folder of pictures that only grows.

    ``ab/abcdef….png``, beside it its latents, its own pixels as ``….own.png`` if they are more than
    8-bit sRGB, and, if it was opened, ``….source.json``.
    """

    folder: Path

    def path(self, name: str) -> Path:
        """Return where the PNG of a picture lies."""
        return self.folder / name[:2] / f"{name}.png"

    def __contains__(self, name: str) -> bool:
        """Say whether a picture is stored."""
        return self.path(name).is_file()

    def put(
        self,
        image: Image.Image,
        latents: Tensor | None = None,
        recipe: Recipe | None = None,
        own: OwnPixels | None = None,
        name: str = "",
    ) -> str:
        """Store a picture once and return its hash.

        Args:
            image: RGB picture, or "L" mask; not to be changed afterwards.
            latents: Packed float latents (1, tokens, 64) to keep beside it as float32.
            recipe: What made the picture; written inside the PNG.
            own: Its own pixels, of which the image is what a model sees.
            name: Its hash, if that was taken already, since it takes long for large pictures.
        """
        name = name or picture_hash(image, own)
        target = self.path(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_suffix(".safetensors")
            grown = latents is not None and not _touched(beside)
            if own is not None and not _touched(self._own(name)):
                write_whole(self._own(name), own.png())
            if latents is not None and grown:
                write_whole(beside, _latents_bytes(latents))
            if not _touched(target) or (grown and recipe):  # the PNG comes last: all is there
                write_whole(target, _png_bytes(image, recipe))
            if _is_large(image):
                RECENT.keep(target, image)
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(
                f"Cannot keep pictures in {self.folder}: {reason}; make room there, or choose "
                "another folder with --home."
            ) from None
        return name

    def take(self, other: PictureStore, name: str) -> None:
        """Copy a picture and all that lies beside it from another store, byte by byte.

        Raises:
            StoreError: It cannot be kept here.
        """
        source, target = other.path(name), self.folder / name[:2] / f"{name}.png"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for ending in FILES:
                if (file := source.with_suffix(ending)).is_file():
                    write_whole(target.with_suffix(ending), file.read_bytes())
        except OSError as error:
            raise StoreError(
                f"Cannot keep pictures in {self.folder}: {error.strerror or error}."
            ) from None

    def own(self, name: str) -> OwnPixels | None:
        """Return a picture's own pixels, if they are more than 8-bit sRGB."""
        path = self._own(name)
        return read(path) if path.is_file() else None

    def _own(self, name: str) -> Path:
        return self.path(name).with_suffix(".own.png")

    def has_latents(self, name: str) -> bool:
        """Say whether a picture's float latents are stored."""
        return self.path(name).with_suffix(".safetensors").is_file()

    def remember(self, name: str, source: Source) -> None:
        """Note which file a picture was opened from; of several, the last."""
        try:
            write_whole(self._source(name), source.text().encode())
        except OSError as error:
            raise StoreError(f"Cannot keep notes in {self.folder}: {error.strerror}.") from None

    def source(self, name: str) -> Source:
        """Return which file a picture was opened from, as far as known."""
        return Source.read(self._source(name))

    def _source(self, name: str) -> Path:
        return self.path(name).with_suffix(".source.json")

    def loose(self, kept: Collection[str], *, older_than: float) -> list[Path]:
        """Return the files of pictures other than those kept, stored so many seconds ago.

        Files that a kill left half written are among them.
        """
        latest = time.time() - older_than
        return [
            file
            for file in sorted(self.folder.glob("??/*"))
            if picture_of(file) not in kept and file.stat().st_mtime < latest
        ]

    def drop(self, file: Path, *, older_than: float) -> bool:
        """Delete a file unless it was stored again meanwhile; say whether it is gone.

        It is moved aside before its age is looked at, so a `put` in another process either makes
        it young in time or finds it gone and writes it anew.
        """
        aside = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            os.replace(file, aside)
            if aside.stat().st_mtime > time.time() - older_than:
                os.replace(aside, file)
                return False
            aside.unlink()
        except OSError:
            return False
        return True

    def image(self, name: str) -> Image.Image:
        """Return the stored pixels."""
        try:
            path = self.path(name)
            if (recent := RECENT.get(path)) is not None:
                return recent
            with Image.open(path) as file:
                image = file.copy()
            if _is_large(image):
                RECENT.keep(path, image)
                return image.copy()
            return image
        except Exception:  # decoders raise all kinds
            raise PictureError(f"The picture {name[:12]} is missing from {self.folder}.") from None

    def size(self, name: str) -> tuple[int, int]:
        """Return width and height of a stored picture in pixels, of which nothing is decoded."""
        try:
            with Image.open(self.path(name)) as image:
                return image.size
        except Exception:  # decoders raise all kinds
            raise PictureError(f"The picture {name[:12]} is missing from {self.folder}.") from None

    def get(self, name: str) -> Picture:
        """Return a picture with its float latents, where they were kept."""
        from editing_core.editor import Picture

        beside = self.path(name).with_suffix(".safetensors")
        latents = None
        if beside.exists():
            from safetensors.torch import load_file

            latents = load_file(beside)["latents"]
        return Picture(image=self.image(name), latents=latents)


def picture_of(file: Path) -> str:
    """Return the hash of the picture that a file of a store belongs to: PNG, latents or source."""
    return file.name.partition(".")[0]


def _touched(file: Path) -> bool:
    """Make a file young, so that nobody clears it away, and say whether it is there."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    return file.exists()  # a `drop` may have moved it aside while it was being touched


def _is_large(image: Image.Image) -> bool:
    return image.width * image.height > LARGE


def _png_bytes(image: Image.Image, recipe: Recipe | None) -> bytes:
    told = text_chunk(recipe) if recipe else None
    if _is_large(image) and image.mode in MODES:
        return png_bytes(image, told=told)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=told)
    return buffer.getvalue()


def _latents_bytes(latents: Tensor) -> bytes:
    from safetensors.torch import save

    content: bytes = save({"latents": latents.detach().float().cpu().contiguous()})
    return content


def write_whole(target: Path, content: bytes) -> None:
    """Write a whole file or none: under a passing name, onto the disk, then into place.

    It reaches the disk before a checkpoint names it, so a power cut leaves no turn without picture.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=target.suffix)
    passing = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(passing, target)
    finally:
        passing.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)  # the new name, too
        os.close(folder)
