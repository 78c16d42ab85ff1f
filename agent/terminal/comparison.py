"""What lies between two pictures of a session, in numbers: what /compare says."""

from __future__ import annotations

from PIL import Image, ImageChops

from agent import turn_tree
from agent.captions import parse
from agent.context import Eyes
from agent.state import Conversation, Turn
from agent.terminal.why import Line, percent
from editing_core.worlds.registry import world_of
from tools.inspection import differences
from tools.pictures import PictureStore

TINT = (235, 30, 120)  # of a mask that is laid over a picture
OPACITY = 0.55
LARGEST = 2048  # pixels of the longer side of a picture with a mask over it


def measured(
    conversation: Conversation, a: Turn, b: Turn, store: PictureStore, eyes: Eyes | None
) -> list[Line]:
    """Measure how two turns' pictures differ, outside the masks of all edits between them."""
    before, after = store.image(a.picture), store.image(b.picture)
    if before.size != after.size:
        sizes = " and ".join(f"{image.width} x {image.height}" for image in (before, after))
        return [("sizes", f"{sizes}: not to be measured against each other")]
    mask = _masks(between(conversation, a, b), store, before.size)
    found = differences(before, after, mask)
    outside = "outside the edits' masks" if mask else "outside what changed"
    lines: list[Line] = [
        ("changed", f"{percent(found.changed)} of the picture, clearly"),
        ("on average", f"{found.mean:.1f} of 255"),
        ("alike", f"{found.outside_ssim:.3f} {outside} (SSIM; 1 is identical)"),
        ("colour", f"{found.drift:.1f} of 255 off, {outside}"),
        ("shift", f"{found.shift:.0f} pixels"),
    ]
    if eyes is not None and world_of(a.caption) and world_of(b.caption):
        lines.append(("seen", _seen(before, after, a, b, eyes)))
    return lines


def between(conversation: Conversation, a: Turn, b: Turn) -> list[Turn]:
    """Return the edits that lie between two turns: those of one's path that the other's lacks."""
    paths = [{t.id for t in turn_tree.path(conversation, turn.id)} for turn in (a, b)]
    return [conversation.turns[i] for i in sorted(paths[0] ^ paths[1])]


def _masks(edits: list[Turn], store: PictureStore, size: tuple[int, int]) -> Image.Image | None:
    """Unite the masks of edits; None if one of them has none, or there are none."""
    if not edits or any(not turn.mask or turn.mask not in store for turn in edits):
        return None
    whole = Image.new("L", size)
    for turn in edits:
        assert turn.mask is not None
        whole = ImageChops.lighter(whole, store.image(turn.mask).convert("L").resize(size))
    return whole


def _seen(before: Image.Image, after: Image.Image, a: Turn, b: Turn, eyes: Eyes) -> str:
    """Name the attributes that two portraits are seen to differ in."""
    old = eyes.attributes(before, parse(a.caption))
    new = eyes.attributes(after, parse(b.caption))
    changed = []
    for name, value in new.items():
        if old.get(name) != value:
            said = name.replace("_", " ").replace("color", "colour")
            changed.append(f"{said} {old[name]} → {value}" if name in old else f"{said} {value}")
    return ", ".join(changed) or "no attribute differs"


def overlaid(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Tint a picture where a mask is white; a large one is made smaller."""
    image = image.convert("RGB")
    image.thumbnail((LARGEST, LARGEST))
    mask = mask.convert("L").resize(image.size)
    tinted = Image.blend(image, Image.new("RGB", image.size, TINT), OPACITY)
    return Image.composite(tinted, image, mask)
