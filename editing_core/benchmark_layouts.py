"""Photographs with prompts, as benchmarks lay them out.

PIE-Bench (Ju et al. 2024, arXiv 2310.01506): one edit a picture, with a mask. The sequences of
Multi-turn Consistent Image Editing (arXiv 2505.04320) over its pictures: several edits, no masks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML

from editing_core.yaml_files import load_yaml

SIDE = 512  # pixels; of PIE-Bench's pictures, and so of its masks
SMALLEST = 32  # pixels; less is no picture to the networks that measure
KINDS = (
    "random", "replace", "add", "remove", "attribute", "pose", "color", "attribute", "background",
    "style",
)  # fmt: skip
"""What PIE-Bench's types of edits, 0 to 9, are called here; 4 is content, 7 is material."""

Mask = NDArray[np.bool_]


class LayoutError(Exception):
    """A benchmark cannot be read; the message is one sentence that names the file."""


@dataclass(frozen=True)
class EditSequence:
    """A photograph and the edits that are asked of it, one after the other.

    Attributes:
        name: Unique in its benchmark, and fit to be a file's name.
        picture: Where the photograph lies.
        source_prompt: What it shows.
        target_prompts: What it should show after each turn, complete.
        kinds: What is asked of each turn; of `KINDS`.
        runs: Where the edit belongs, as PIE-Bench's run lengths; None is everywhere.
    """

    name: str
    picture: Path
    source_prompt: str
    target_prompts: tuple[str, ...]
    kinds: tuple[str, ...]
    runs: tuple[int, ...] | None = None

    def mask(self, width: int, height: int) -> Mask | None:
        """Where the edit belongs in a picture of that size. Shape: (height, width)."""
        if self.runs is None:
            return None
        whole = Image.fromarray(decoded(self.runs))
        return np.asarray(whole.resize((width, height), Image.Resampling.NEAREST), dtype=bool)


def decoded(runs: tuple[int, ...]) -> Mask:
    """Return the mask that PIE-Bench's run lengths stand for, True where the edit belongs.

    Args:
        runs: Start and length of each run, row by row; one that leaves the picture is cut off.

    Returns:
        The mask; its border is True always, as in PIE-Bench's evaluation, whose annotations are
        not exact there. Shape: (512, 512).
    """
    flat = np.zeros(SIDE * SIDE, dtype=bool)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        flat[start : start + length] = True
    mask = flat.reshape(SIDE, SIDE)
    mask[[0, -1], :] = mask[:, [0, -1]] = True
    return mask


def pie(folder: Path) -> list[EditSequence]:
    """Read PIE-Bench: `mapping_file.json`, and pictures below `annotation_images`.

    Raises:
        LayoutError: Something is missing or not as it should be.
    """
    file = folder / "mapping_file.json"
    items = _checked(file, lambda: _MAPPING.validate_json(_text(file)))
    return [
        EditSequence(
            name=name,
            picture=_picture(folder, item.image_path, file, square=item.mask is not None),
            source_prompt=item.original_prompt,
            target_prompts=(item.editing_prompt,),
            kinds=(KINDS[item.editing_type_id],),
            runs=item.mask,
        )
        for name, item in items.items()
    ]


def mtc(folder: Path) -> list[EditSequence]:
    """Read `MTC_prompts/<id>/<id>.yaml`, sequences of complete captions of the wanted pictures.

    Raises:
        LayoutError: Something is missing or not as it should be.
    """
    files = sorted(folder.rglob("MTC_prompts/*/*.yaml"))
    if not files:
        raise LayoutError(f"There is no MTC_prompts/*/*.yaml in {folder}.")
    return [_sequence(folder, file) for file in files]


LAYOUTS: dict[str, Callable[[Path], list[EditSequence]]] = {"pie": pie, "mtc": mtc}


def _runs(runs: tuple[int, ...]) -> tuple[int, ...]:
    if len(runs) % 2:
        raise ValueError(f"run lengths come in pairs of start and length, not {len(runs)} numbers")
    if any(start >= SIDE * SIDE for start in runs[::2]):
        raise ValueError(f"a run starts beyond the {SIDE} x {SIDE} pixels")
    return runs


_Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
_Prompt = Annotated[str, AfterValidator(lambda said: said.replace("[", "").replace("]", ""))]
_Type = Annotated[int, Field(ge=0, lt=len(KINDS))]
_Runs = Annotated[tuple[Annotated[int, Field(ge=0)], ...], AfterValidator(_runs)]


class _Edit(BaseModel):
    image_path: str
    original_prompt: _Prompt
    editing_prompt: _Prompt
    editing_type_id: _Type = 0
    mask: _Runs | None = None


_MAPPING = TypeAdapter(Annotated[dict[_Name, _Edit], Field(min_length=1)])


class _Round(BaseModel):
    editing_instruction: _Prompt
    editing_type_id: _Type = 0


class _Rounds(BaseModel):
    image_path: str
    original_prompt: _Prompt
    instructions: Annotated[list[dict[str, _Round]], Field(min_length=1)]


def _sequence(folder: Path, file: Path) -> EditSequence:
    loaded = load_yaml(file, YAML(typ="safe"), LayoutError)
    held = _checked(file, lambda: _Rounds.model_validate(loaded))
    rounds = [turn for named in held.instructions for turn in named.values()]
    return EditSequence(
        name=file.stem,
        picture=_picture(folder, held.image_path, file),
        source_prompt=held.original_prompt,
        target_prompts=tuple(turn.editing_instruction for turn in rounds),
        kinds=tuple(KINDS[turn.editing_type_id] for turn in rounds),
    )


Loaded = TypeVar("Loaded")


def _checked(file: Path, load: Callable[[], Loaded]) -> Loaded:
    """Load something, and say in one sentence in which file and where it is not as expected."""
    try:
        return load()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "as a whole"
        reason = first["msg"].removeprefix("Value error, ")
        raise LayoutError(f"{file} is not laid out as expected: {place}: {reason}.") from None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LayoutError(f"{file} cannot be read: {error}.") from None


def _picture(folder: Path, path: str, named_in: Path, *, square: bool = False) -> Path:
    """Return where a picture lies, below `annotation_images` or not, once its size is fine."""
    places = (folder / "annotation_images" / path, folder / path)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise LayoutError(f"The picture {path} of {named_in} is not there: no file {places[0]}.")
    try:
        with Image.open(found) as image:
            width, height = image.size
    except OSError:
        raise LayoutError(f"{found} is no picture that can be read.") from None
    if min(width, height) < SMALLEST:
        raise LayoutError(
            f"{found} is too small, {width} x {height} pixels; {SMALLEST} are needed a side."
        )
    if square and width != height:
        raise LayoutError(
            f"{found} is {width} x {height} pixels, but the masks of PIE-Bench are for squares."
        )
    return found
