"""Hashes: of files, by which weights and code are known, and of tensors and pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

LARGE, SAMPLES, SAMPLE = 1 << 30, 64, 1 << 20  # bytes from which only so many samples are read


def file_hash(files: Iterable[Path]) -> str:
    """First 12 hex digits of the SHA-256 of files; of large ones, of parts spread over them."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        with file.open("rb") as stream:
            if size <= LARGE:
                while chunk := stream.read(1 << 24):
                    digest.update(chunk)
            else:
                digest.update(str(size).encode())
                for place in range(SAMPLES):
                    stream.seek(place * (size - SAMPLE) // (SAMPLES - 1))
                    digest.update(stream.read(SAMPLE))
    return digest.hexdigest()[:12]


def tensor_hash(x: Tensor) -> bytes:
    """SHA-256 of a tensor's numbers in memory."""
    return hashlib.sha256(x.cpu().contiguous().numpy().tobytes()).digest()


def pixel_hash(image: Image.Image) -> bytes:
    """SHA-256 of a picture's RGB pixels."""
    return hashlib.sha256(image.convert("RGB").tobytes()).digest()
