"""The check of an edit: what it looks at, and what it says where nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import StringIO

import pytest
from fake_chat import begin
from PIL import Image
from studio_fakes import CAPTION

from agent import retry
from agent.state import EditStep, Try
from agent.terminal.screen import TextScreen
from agent.verify import CloseUp, called, judge

STEP = EditStep(change="add", source_prompt="a street", target_prompt="a street with a lamp",
                edit_words=("lamp",))  # fmt: skip
PORTRAIT = EditStep(change="add", source_prompt=CAPTION, target_prompt=f"{CAPTION}, a red hat",
                    edit_words=("red hat",))  # fmt: skip
LARGE = (2000, 1500)


@dataclass
class Eyes:
    """Eyes that write down which sizes they were shown."""

    known: bool | tuple[int, int] = False
    """Whether pictures are of a closed world; or the size of those that are."""
    names: Mapping[str, str] = field(default_factory=dict)
    verdict: tuple[bool, str] | None = None
    smeared: Image.Image | None = None
    shown: list[tuple[int, int]] = field(default_factory=list)

    def describe(self, image: Image.Image) -> None:
        """Leave captions to others."""

    def drawn(self, image: Image.Image) -> bool:
        return image.size == self.known if isinstance(self.known, tuple) else self.known

    def attributes(self, image: Image.Image, expected: Mapping[str, str]) -> Mapping[str, str]:
        self.shown.append(image.size)
        return self.names

    def degraded(self, image: Image.Image) -> bool:
        return image is self.smeared

    def happened(
        self, before: Image.Image, after: Image.Image, source: str, target: str
    ) -> tuple[bool, str] | None:
        self.shown += [before.size, after.size]
        return self.verdict


def pictures() -> tuple[Image.Image, Image.Image]:
    """A large picture, and the same with a change of 40 x 40 pixels."""
    before = Image.new("RGB", LARGE, "gray")
    after = before.copy()
    after.paste("yellow", (500, 400, 540, 440))
    return before, after


CLOSE = CloseUp((470, 370, 570, 470), (64, 64))


def test_a_close_up_is_judged_as_the_model_saw_it() -> None:
    before, after = pictures()
    eyes = Eyes(verdict=(True, "a lamp"))
    seen = judge(before, after, None, STEP, eyes, close_up=CLOSE)
    assert seen.passed and seen.edit_score == 1.0 and eyes.shown == [(64, 64), (64, 64)]
    far, near = (judge(before, after, None, STEP, None, close_up=c) for c in (None, CLOSE))
    assert far.edit_score == 0.0 and near.edit_score == 1.0, "too small to be seen from afar"


def test_a_mask_is_cut_out_with_it() -> None:
    before, after = pictures()
    mask = Image.new("L", LARGE)
    mask.paste(255, (500, 400, 540, 440))
    assert judge(before, after, mask, STEP, None, close_up=CLOSE).outside_ssim > 0.99


def test_pictures_of_a_closed_world_are_named_by_the_whole_of_them() -> None:
    before, after = pictures()
    eyes = Eyes(known=True, names={"headwear": "hat", "headwear_color": "red"})
    seen = judge(before, after, None, PORTRAIT, eyes, close_up=CLOSE)
    assert set(eyes.shown) == {LARGE} and seen.edit_score == 1.0


def test_a_person_in_a_group_is_named_as_the_model_saw_them() -> None:
    before, after = pictures()
    eyes = Eyes(known=(64, 64), names={"headwear": "hat", "headwear_color": "red"})
    seen = judge(before, after, None, PORTRAIT, eyes, close_up=CLOSE, world="portraits")
    assert set(eyes.shown) == {(64, 64)} and seen.passed and seen.edit_score == 1.0


def test_nothing_is_named_in_a_picture_that_was_of_no_world_before() -> None:
    before, after = pictures()
    eyes = Eyes(names={"headwear": "crown", "headwear_color": "white"})
    seen = judge(before, after, None, PORTRAIT, eyes, close_up=CLOSE, world="portraits")
    asked_if_it_happened = [(64, 64), (64, 64)]
    assert eyes.shown == asked_if_it_happened, "and for no names"
    assert seen.unchecked == "this model knows portraits only"


def test_a_picture_that_nobody_knows_is_not_called_as_asked() -> None:
    before, after = pictures()
    seen = judge(before, after, None, STEP, Eyes(), close_up=CLOSE, world="portraits")
    assert not seen.passed and seen.accepted
    assert seen.unchecked == "this model knows portraits only"
    assert retry.next_try([Try(picture="", check=seen)], retries=2) is None
    blind = judge(before, after, None, STEP, None, close_up=CLOSE, world="portraits")
    assert blind.unchecked == "nothing here sees pictures" and not blind.passed
    other = judge(before, after, None, STEP, Eyes(known=True), close_up=CLOSE, world="portraits")
    assert other.unchecked == "what was asked for cannot be read from the picture"


def test_what_can_be_measured_still_speaks_against_it() -> None:
    before, _ = pictures()
    seen = judge(before, before, None, STEP, Eyes(), world="portraits")
    assert not seen.accepted and seen.unchecked == "" and seen.edit_score == 0.0


def test_a_portrait_that_is_none_any_more_is_no_success() -> None:
    before, after = pictures()
    seen = judge(before, after, None, PORTRAIT, Eyes(known=True), world="portraits")
    assert not seen.accepted and seen.edit_score == 0.0
    assert seen.unlike == ("no such picture any more",)


@pytest.mark.parametrize(
    ("eyes", "replied"),
    [
        (Eyes(), "Not checked whether it is as asked: this model knows portraits only."),
        (None, ""),
    ],
)
def test_the_chat_says_so_too(eyes: Eyes | None, replied: str) -> None:
    chat, editor = begin(eyes=eyes)
    screen = TextScreen(out=StringIO(), preview="off")
    told: list[str] = []
    screen.note = told.append  # type: ignore[method-assign]
    events = list(chat.say("add a hat"))
    for event in events:
        screen.show(event)
    check = next(event for event in events if event.event == "check")
    assert check["passed"] is False and check["unchecked"]
    assert len(editor.calls) == 1, "nothing is tried again"
    line = next(line for line in told if "check:" in line)
    assert f"not checked, {check['unchecked']}" in line and "as asked" not in line
    reply = chat.conversation.messages[-1].reply
    assert reply.startswith("Added: hat (@1).") and reply.endswith(replied or "(@1).")


def test_a_try_remembers_the_close_up_for_the_check() -> None:
    eyes = Eyes(verdict=(True, "a hat"))
    chat, editor = begin(eyes=eyes)

    def close(**asked: object) -> object:
        return replace(editor(**asked), crop=(0, 0, 16, 16), working=(48, 48))  # type: ignore[arg-type]

    chat.studio = replace(chat.studio, edit=close)  # type: ignore[arg-type]
    list(chat.say("add a hat"))
    assert eyes.shown == [(48, 48), (48, 48)]


def test_a_portrait_that_got_smeared_is_no_success() -> None:
    before, after = pictures()
    names = {"headwear": "hat", "headwear_color": "red"}
    eyes = Eyes(known=True, names=names, smeared=after)
    seen = judge(before, after, None, PORTRAIT, eyes, world="portraits")
    assert not seen.accepted and seen.edit_score == 1.0
    assert seen.unlike == ("a smeared part",)
    same_hand = Eyes(known=True, names=names, smeared=before)
    assert judge(before, before, None, PORTRAIT, same_hand, world="portraits").unlike == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gender", "man", "a man"),
        ("headwear", "none", "no headwear"),
        ("headwear", "crown", "crown"),
        ("headwear_color", "red", "red headwear color"),
        ("expression", "sad", "sad expression"),
        ("background", "beach", "beach background"),
    ],
)
def test_what_is_seen_instead_is_named_as_people_do(name: str, value: str, said: str) -> None:
    assert called(name, value) == said
