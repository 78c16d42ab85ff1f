"""Fakes for conversations without a model: an editor that tints, eyes that read the tint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from agent.captions import attributes_of
from agent.context import ChatContext
from agent.settings import AppSettings
from tools.adjust_picture import Adjusted, Operation
from tools.adjustments import adjusted

CAPTION = (
    "a portrait of a smiling young woman with a brown bob, light skin, a blue t-shirt, "
    "green background"
)


@dataclass(frozen=True)
class FakeStrength:
    notches: int = 0

    def stronger(self) -> FakeStrength:
        return FakeStrength(self.notches + 1)

    def weaker(self) -> FakeStrength:
        return FakeStrength(self.notches - 1)

    def fitted(self, change: str, turns: int) -> FakeStrength:
        return self

    def rung(self, name: str) -> FakeStrength:
        return FakeStrength(
            self.notches + {"stronger": 1, "much stronger": 2, "weaker": -1}.get(name, 0)
        )

    def keeping(self, what: str) -> FakeStrength:
        return self


@dataclass
class FakePictures:
    """Pictures in memory, and in a folder if one is given, with what each one truly shows."""

    folder: Path | None = None

    images: dict[str, Image.Image] = field(default_factory=dict)
    shows: dict[str, str] = field(default_factory=dict)

    def put(self, image: Image.Image, shows: str) -> str:
        key = hashlib.sha256(image.tobytes()).hexdigest()
        self.images[key], self.shows[key] = image, shows
        if self.folder is not None:
            image.save(self.folder / f"{key}.png")
            (self.folder / f"{key}.txt").write_text(shows)
        return key

    def image(self, key: str) -> Image.Image:
        return self.images[key]

    def size(self, key: str) -> tuple[int, int]:
        return self.images[key].size

    def load(self) -> None:
        """Take up what an earlier process left in the folder."""
        assert self.folder is not None
        for file in self.folder.glob("*.txt"):
            with Image.open(file.with_suffix(".png")) as image:
                self.images[file.stem] = image.copy()
            self.shows[file.stem] = file.read_text()

    def path(self, key: str) -> Path:
        return Path("pictures") / f"{key[:8]}.png"


@dataclass(frozen=True)
class FakeEdited:
    picture: str
    mask: str | None = None
    seconds: float = 0.1
    forwards: int = 18
    crop: tuple[int, int, int, int] | None = None
    working: tuple[int, int] | None = None


@dataclass
class FakeEditor:
    """Tints a corner by the target prompt and seed; records every call."""

    pictures: FakePictures
    calls: list[dict[str, Any]] = field(default_factory=list)
    needs: dict[str, int] = field(default_factory=dict)
    """Word of the target prompt to the notches from which the edit works at all."""
    fails: str = ""
    stop_at: tuple[int, BaseException] | None = None
    """Raise this in the middle of that call (from 1)."""

    def __call__(
        self, *, head, original, step, settings, seed, method, on_step, region="off"
    ) -> FakeEdited:
        self.calls.append({"head": head, "original": original, "step": step, "seed": seed,
                           "settings": settings, "method": method, "region": region})  # fmt: skip
        for i in range(1, 4):
            on_step("sample", i, 3)
            if self.stop_at and self.stop_at[0] == len(self.calls) and i == 2:
                raise self.stop_at[1]
        if self.fails and self.fails in step.target_prompt:
            raise RuntimeError("the solver went\n astray")
        weak = any(w in step.edit_words and settings.notches < n for w, n in self.needs.items())
        shows = step.source_prompt if weak else step.target_prompt
        image = self.pictures.images[head].copy()
        tint = hashlib.sha256(f"{shows}{seed}{settings}".encode()).digest()
        image.paste(tuple(tint[:3]), (0, 0, 8, 8))
        return FakeEdited(self.pictures.put(image, shows))


@dataclass
class FakeEyes:
    """Sees what the fake pictures truly show."""

    pictures: FakePictures

    def describe(self, image: Image.Image) -> str | None:
        return self.pictures.shows[hashlib.sha256(image.tobytes()).hexdigest()]

    def drawn(self, image: Image.Image) -> bool:
        return True

    def attributes(self, image: Image.Image, expected: Mapping[str, str]) -> dict[str, str]:
        return attributes_of(str(self.describe(image)))

    def degraded(self, image: Image.Image) -> bool:
        return False

    def happened(self, before: Any, after: Any, source: str, target: str) -> None:
        """Leave it to the attributes."""


def operator(pictures: FakePictures) -> Any:
    """Return what does plain operations to pictures in memory."""

    def adjust(*, head: str, original: str, operation: Operation, **asked: Any) -> Adjusted:
        def done(key: str) -> str:
            image = adjusted(pictures.image(key), operation.name, operation.value)
            return pictures.put(image, pictures.shows[key])

        return Adjusted(done(head), done(original))

    return adjust


def fake_studio(folder: Path | None = None, **changes: Any) -> tuple[ChatContext, FakeEditor, str]:
    """Return a studio of fakes, its editor, and the hash of the sample picture."""
    pictures = FakePictures(folder=folder)
    editor = FakeEditor(pictures)
    key = pictures.put(Image.new("RGB", (32, 32), "#7fbf7f"), CAPTION)
    settings = AppSettings(seed=7)
    given = {"edit": editor, "adjust": operator(pictures), "pictures": pictures,
             "eyes": FakeEyes(pictures), "presets": {"steady": FakeStrength()},
             "settings": settings}  # fmt: skip
    return ChatContext(**(given | changes)), editor, key
