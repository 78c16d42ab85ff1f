"""What a clause or caption says of season, weather, time of day and style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from agent.offline import lexicon

_CAPTIONS = lexicon.load("captions")


@cache
def _table(name: str) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Return rows of class, the phrase a caption gets, and the pattern that asks for it."""
    content = _CAPTIONS[name]
    return tuple(
        (group, phrase, re.compile(rf"(?<![\w-])(?:{said})(?![\w-])"))
        for group, phrases in ({name: content} if name == "style" else content).items()
        for phrase, said in phrases.items()
    )


def mentioned(clause: str) -> list[tuple[str, str, int, int]]:
    """Return what a clause says of season, weather and time: class, phrase, start and end."""
    found = [(group, phrase, *match.span()) for group, phrase, pattern in _table("scene")
             for match in pattern.finditer(clause)]  # fmt: skip
    kept: list[tuple[str, str, int, int]] = []
    for row in sorted(found, key=lambda row: row[2] - row[3]):
        if all(row[3] <= other[2] or other[3] <= row[2] for other in kept):
            kept.append(row)
    return sorted(kept, key=lambda row: row[2])


def style_of(clause: str) -> str:
    """Return the style a clause asks for: how a caption begins then, or "in the style of …"."""
    artist = re.search(rf"\b(?:{_CAPTIONS['artists']})\b", clause)
    if artist is not None:
        return f"in the style of {artist[0].title()}"
    found = [(match[0], phrase) for _, phrase, p in _table("style") if (match := p.search(clause))]
    return max(found, key=lambda row: len(row[0]))[1] if found else ""


def is_style(clause: str) -> bool:
    """Whether a clause names a style and nothing else."""
    bare = re.sub(r"^(?:an?|in|as) ", "", clause)
    return any(pattern.fullmatch(bare) for _, _, pattern in _table("style"))


def weather_words(group: str, phrase: str, said: str) -> Iterator[re.Match[str]]:
    """Yield what says something of a class, or just a phrase of it, in words of a caption."""
    for name, meant, pattern in _table("scene"):
        if name == group and phrase in ("", meant) and (match := pattern.search(said)) is not None:
            yield match
