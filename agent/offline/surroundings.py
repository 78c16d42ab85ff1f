"""Season, weather, time of day and style of a caption: what concerns the whole picture."""

from __future__ import annotations

import re
from functools import cache

from agent.offline import lexicon
from agent.offline.sentence import MEDIA, chain, text

Pattern = re.Pattern[str]


@cache
def _table(name: str) -> tuple[tuple[str, str, Pattern], ...]:
    """Return rows of class, the phrase a caption gets, and the pattern that asks for it."""
    content = lexicon.load("general")[name]
    grouped = {name: content} if name == "style" else content
    return tuple(
        (group, phrase, re.compile(rf"(?<![\w-])(?:{'|'.join(entry)})(?![\w-])"))
        for group, phrases in grouped.items()
        for phrase, entry in phrases.items()
    )


def mentioned(clause: str) -> list[tuple[str, str, int, int]]:
    """Return what a clause says of season, weather and time: class, phrase, start and end."""
    found = [
        (group, phrase, *match.span())
        for group, phrase, pattern in _table("scene")
        if (match := pattern.search(clause)) is not None
    ]
    longest = sorted(found, key=lambda row: row[2] - row[3])
    kept: list[tuple[str, str, int, int]] = []
    for row in longest:
        if all(row[3] <= other[2] or other[3] <= row[2] for other in kept):
            kept.append(row)
    return sorted(kept, key=lambda row: row[2])


def set_scene(caption: str, group: str, phrase: str) -> tuple[str, str]:
    """Return source and target prompt for another season, weather or time of day."""
    bare = unset(caption, group)
    if bare != caption:
        return caption, _append(bare, phrase)
    if group == "time" and phrase != "in daylight":  # an edit needs something to change
        return _append(caption, "in daylight"), _append(caption, phrase)
    return caption, _append(caption, phrase)


def unset(caption: str, group: str) -> str:
    """Return a caption without what it says of season, weather or time of day."""
    patterns = [pattern for name, _, pattern in _table("scene") if name == group]
    parts = chain(caption)
    for place, part in enumerate(parts):
        said = " ".join(part.words).lower()
        hit = next((m for p in patterns if (m := p.search(said))), None)
        if hit is None or not part.words:
            continue
        if hit.end() == len(said) and place > 0:  # "in the rain": the part is about nothing else
            return text((*parts[:place], *parts[place + 1 :]))
        left = [w for w in part.words if w.lower() != hit[0]]
        if len(left) < len(part.words):
            changed = type(part)(part.link, tuple(left))
            return text((*parts[:place], changed, *parts[place + 1 :]))
    return caption


def _append(caption: str, phrase: str) -> str:
    return f"{caption}, {phrase}" if "," in caption else f"{caption} {phrase}"


_STYLE_OF = re.compile(r"(?:in|like|with) (?:the|a) (?P<a>style of .+|[\w ]+? style)$|"
                       r"^(?:in )?(?P<b>[\w-]+(?: [\w-]+)?) style$")  # fmt: skip


def is_style(clause: str) -> bool:
    """Whether a clause is nothing but a style: "pixel art"."""
    bare = re.sub(r"^(?:an?|in|as) ", "", clause)
    return any(pattern.fullmatch(bare) for _, _, pattern in _table("style"))


def style_of(clause: str) -> str:
    """Return the style a clause asks for: how a caption begins then, or "in the style of …"."""
    artist = re.search(rf"\b(?:{lexicon.load('general')['artists']['words']})\b", clause)
    if artist is not None:
        return f"in the style of {artist[0].title()}"
    rest = re.sub(r"\bblack and white\b", "black-and-white", clause)
    found = [
        (match, phrase)
        for _, phrase, pattern in _table("style")
        if (match := pattern.search(rest)) is not None
    ]
    if found:
        return max(found, key=lambda row: row[0].end() - row[0].start())[1]
    named = _STYLE_OF.search(clause)
    if named is None:
        return ""
    said = named["a"] or f"{named['b']} style"
    return f"in the {said}"


def set_style(caption: str, style: str) -> tuple[str, str]:
    """Return source and target prompt for another style."""
    parts = chain(caption)
    if style.startswith("in the "):
        source = caption if parts and parts[0].head in MEDIA else f"a photo of {caption}"
        bare = re.sub(r",? in the (?:style of [^,]+|[\w ]+ style)$", "", source)
        return source, f"{bare}, {style}"
    if len(parts) > 1 and parts[0].head in MEDIA:
        rest = text(parts[1:])
        return caption, f"{style} {rest}"
    return f"a photo of {caption}", f"{style} of {caption}"
