"""Did the edit happen, and only that?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.captions import ABSENT, VALUES, changes, parse
from agent.replies import NO_EYES
from agent.state import Check, EditStep
from tools.inspection import Differences, differences

if TYPE_CHECKING:
    from PIL.Image import Image

    from agent.context import Eyes

STILL = 1.0  # pixels that the rest may have moved, where it is known what the rest is
ALIKE = 0.7  # structural similarity outside the change; a decoder alone costs some of it
NO_SUCH = "no such picture any more"
SMEARED = "a smeared part"
TOUCHED = 0.002  # share of the picture that must change where nobody can name what is seen


@dataclass(frozen=True)
class CloseUp:
    """What a model saw of a picture.

    Attributes:
        crop: Left, top, right and bottom, in pixels.
        size: Width and height that it was brought to.
    """

    crop: tuple[int, int, int, int]
    size: tuple[int, int]

    def of(self, image: Image) -> Image:
        """Return that of a picture, or of a mask of its size."""
        return image.crop(self.crop).resize(self.size)


def judge(
    before: Image,
    after: Image,
    mask: Image | None,
    step: EditStep,
    eyes: Eyes | None,
    *,
    close_up: CloseUp | None = None,
    world: str = "",
) -> Check:
    """Compare an edited picture with its parent and with what was asked.

    Args:
        before: the picture at the head.
        after: the picture that the edit made of it.
        mask: where the edit was meant to act, if the method knows.
        step: what was asked.
        eyes: they say whether it happened, or name what is seen; where there are none or they
            cannot, a change of any kind counts.
        close_up: what the model saw of it, if not all: that alone is compared. What shows a
            closed world is named by the whole of it, be it the picture or what the model saw.
        world: what the model draws, if it knows nothing else.

    Returns:
        The scores; passed if what was wanted is seen, all else is as it was, and nothing smeared.
    """
    if before.size != after.size:
        return Check(passed=False, edit_score=0.0, kept=0.0, outside_ssim=0.0, drift=255.0)
    views = [(before, after)]
    if close_up is not None:
        before, after = close_up.of(before), close_up.of(after)
        mask = mask and close_up.of(mask)
        views.append((before, after))
    found = differences(before, after, mask)
    named = next((view for view in views if eyes is not None and eyes.drawn(view[0])), None)
    drawn = named is not None
    score, kept, unlike = _seen(*(named or (before, after)), step, eyes, drawn=drawn)
    unchecked = _why_unchecked(eyes, world, drawn=drawn) if score is None else ""
    score = float(found.changed >= TOUCHED) if score is None else score
    fine = score == kept == 1.0 and not unlike and _still(found, mask)
    return Check(
        passed=fine and not unchecked,
        unchecked=unchecked if fine else "",
        edit_score=score,
        kept=kept,
        unlike=unlike,
        outside_ssim=min(max(found.outside_ssim, 0.0), 1.0),
        drift=found.drift,
        shift=found.shift,
    )


def _still(found: Differences, mask: Image | None) -> bool:
    """Say whether the rest is alike, and has not moved."""
    return found.outside_ssim >= ALIKE and (mask is None or found.shift <= STILL)


def _why_unchecked(eyes: Eyes | None, world: str, *, drawn: bool) -> str:
    """Say why nobody can tell whether an edit is as asked."""
    if eyes is None:
        return NO_EYES
    if world and not drawn:
        return f"this model knows {world} only"
    return "what was asked for cannot be read from the picture"


def _seen(
    before: Image, after: Image, step: EditStep, eyes: Eyes | None, *, drawn: bool
) -> tuple[float | None, float, tuple[str, ...]]:
    """Return how much of the change the eyes see, None if they cannot tell, and of the rest.

    What they see otherwise than it should be comes last, in words.
    """
    if eyes is None:
        return None, 1.0, ()
    verdict = eyes.happened(before, after, step.source_prompt, step.target_prompt)
    if verdict is not None:
        return float(verdict[0]), 1.0, ()
    wanted, expected = changes(step.source_prompt, step.target_prompt), parse(step.target_prompt)
    if not (wanted and drawn):
        return None, 1.0, ()
    whole = ABSENT | expected
    seen = eyes.attributes(after, whole)
    if not seen:
        return 0.0, 0.0, (NO_SUCH,)
    rest = {name: value for name, value in whole.items() if name not in wanted}
    as_before = eyes.attributes(before, rest)
    lost = [n for n, v in rest.items() if n in seen and seen[n] not in (v, as_before.get(n))]
    shown = [name for name in rest if name in seen]
    missed = [n for n, v in wanted.items() if n in seen and seen[n] != v]
    unlike = tuple(called(name, seen[name]) for name in missed + lost)
    if eyes.degraded(after) and not eyes.degraded(before):
        unlike += (SMEARED,)
    return _share(wanted, seen), 1 - len(lost) / len(shown) if shown else 1.0, unlike


def called(name: str, value: str) -> str:
    """Say what is seen: "no headwear", "a man", "sunglasses", "sad expression"."""
    if name == "gender":
        return f"a {value}"
    if value != "none" and "none" in VALUES[name]:
        return value  # a thing that not everybody has names itself
    return f"{'no' if value == 'none' else value} {name.replace('_', ' ')}"


def _share(wanted: Mapping[str, str], seen: Mapping[str, str]) -> float:
    """Return the share of the wanted values that are seen; what cannot show does not count."""
    shown = [name for name in wanted if name in seen]
    return sum(seen[name] == wanted[name] for name in shown) / len(shown) if shown else 1.0
