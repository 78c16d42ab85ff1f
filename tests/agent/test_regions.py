"""Edits that keep to a box: outside of it every pixel stays, and redo knows it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from perfect_chat import begin, desk_of, typed
from perfect_editor import draw_the_target
from PIL import Image
from tiny_flux import noise_picture, tiny_flux

import chat as door
from agent.offline.grammar import Context, understand_offline
from agent.options import declared
from agent.settings import AppSettings
from agent.state import Conversation, Turn
from agent.terminal.flags import parser
from editing_core.editor import Editor
from editing_core.methods.registry import METHODS
from editing_core.settings import EditSettings
from tools import provenance
from tools.arguments import InputError
from tools.edit_picture import edit_picture
from tools.pictures import PictureStore
from tools.redo import chain_of, remake
from tools.regions import region, shares

STEP = SimpleNamespace(source_prompt="a woman", target_prompt="a woman with a hat",
                       edit_words=("hat",), request="a hat")  # fmt: skip
BOX = (16, 8, 40, 24)


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path)


@pytest.mark.parametrize("keep", ["nothing", "color", "outside"])
@pytest.mark.parametrize("method", ["steady", "mtc"])
def test_every_pixel_outside_the_box_stays_and_redo_knows_it(store, tmp_path, keep, method):
    head = store.put(noise_picture(64, 48))
    bounds = shares(BOX, (64, 48))
    settings = EditSettings(steps=2, lqr_steps=1, keep=keep, bounds=bounds)
    edited = edit_picture(Editor(tiny_flux()), store, head=head, original=head, step=STEP, seed=3,
                          settings=settings, method=method)  # fmt: skip
    before, after = (np.asarray(store.image(name)) for name in (head, edited.picture))
    left, top, width, height = BOX
    inside = np.zeros((48, 64), bool)
    inside[top : top + height, left : left + width] = True
    changed = (before != after).any(axis=2)
    assert not changed[~inside].any()
    assert keep == "outside" or changed[inside].any()
    recipe = provenance.read(store.path(edited.picture))
    assert recipe["settings"]["bounds"] == list(bounds)
    again = PictureStore(tmp_path / "again")
    again.put(noise_picture(64, 48))
    assert list(remake(chain_of(recipe), again, lambda _: Editor(tiny_flux()))) == [edited.picture]


def test_every_method_that_keeps_something_reads_it():
    assert all("bounds" in spec.reads for spec in METHODS.values() if "keep" in spec.reads)


@pytest.mark.parametrize("bounds", [(0.5, 0, 0.5, 1), (0, 0, 1.2, 1), (-0.1, 0, 1, 1)])
def test_numbers_that_are_no_box_are_refused(bounds):
    with pytest.raises(ValueError, match="box inside the picture"):
        EditSettings(bounds=bounds)


def test_a_region_is_written_in_one_way():
    assert region(" 1, 2, 30, 40 ") == "1,2,30,40" and region("OFF") == "off"
    assert region(" The  man on the LEFT; a bit bigger;without the hat") == (
        "the man on the left; slightly larger; not the hat"
    )
    assert shares((0, 12, 32, 24), (64, 48)) == (0, 0.25, 0.5, 0.75)
    for wrong in ("16:9", "1,2,3", "1,2,0,4", "", "off; larger", "the hat; nicer", "@2", "a/b"):
        with pytest.raises(InputError, match="[Rr]egion is"):
            region(wrong)
    with pytest.raises(InputError, match="does not lie inside the picture, which is 64x48"):
        shares((40, 0, 32, 48), (64, 48))


def test_it_is_an_option_as_all_others(monkeypatch, capsys):
    assert declared()["region"].option.read is not None
    assert AppSettings().region == "off"
    assert AppSettings(region="1,2,30,40").region == "1,2,30,40"
    with pytest.raises(ValueError):
        AppSettings(region="16:9")
    assert parser().parse_args(["--region", "1, 2,30,40"]).region == "1,2,30,40"


def test_a_session_remembers_it_until_off(sessions):
    desk = desk_of(begin(sessions, "s"))
    assert typed(desk, "/region").startswith("region off")
    assert typed(desk, "/region 0,0,64, 64") == "From now on edits keep to 0,0,64,64.\n"
    assert desk.chat.settings.region == "0,0,64,64"
    with pytest.raises(InputError, match="A region is"):
        typed(desk, "/region 16:9")
    typed(desk, "/region 0,0,640,64")
    failure = desk.chat.conversation.messages[-1].failure
    assert "does not lie inside the picture, which is 256x256" in failure
    assert desk.chat.settings.region == "0,0,64,64"
    assert typed(desk, "/region off") == "From now on edits act everywhere.\n"
    assert "Added: hat" in typed(desk, "add a hat")


def test_a_flag_with_a_box_outside_the_picture_is_refused_before_anything_is_made(tmp_path, capsys):
    told = ["--offline", "--home", str(tmp_path), "--region", "0,0,640,64", "--say", "/tree"]
    assert door.main(told) == 2
    assert "does not lie inside the picture, which is 256x256" in capsys.readouterr().err


def test_a_box_moves_along_with_what_it_is_around_and_back(sessions):
    desk = desk_of(begin(sessions, "s"))

    def now():
        return desk.chat.settings.region

    typed(desk, "/region 0,16,64,32")
    assert "The region of edits moved along: 208,0,32,64." in typed(desk, "/rotate right")
    assert now() == "208,0,32,64"
    assert "moved along: 60,0,32,44" in typed(desk, "/crop 148,20,108,108")
    assert "lies outside of it, so edits act everywhere" in typed(desk, "/crop 0,60,40,40")
    assert now() == "off"
    typed(desk, "/undo 3")
    assert now() == "0,16,64,32"
    typed(desk, "/rotate left")
    typed(desk, "/region 1,2,30,40")
    typed(desk, "/goto 0")
    assert now() == "214,1,40,30", "chosen in the turned picture, undone"
    assert "moved" not in typed(desk, "/adjust brightness +20")


class Masked:
    """An editor that says that it acted on the left half, and writes down what it was given."""

    def __init__(self, store):
        self.store, self.calls = store, []
        mask = Image.new("L", (256, 256))
        mask.paste(255, (0, 0, 128, 256))
        self.mask = store.put(mask)

    def __call__(self, **asked):
        self.calls.append(asked)
        return replace(draw_the_target(self.store, **asked), mask=self.mask)


@pytest.fixture
def masked(sessions):
    desk = desk_of(begin(sessions, "s"))
    desk.chat.studio = replace(desk.chat.studio, edit=Masked(sessions.store))
    return desk


def test_words_are_a_region_too_and_reach_the_editor(masked):
    assert typed(masked, "/region The  Hat") == "From now on edits keep to the hat.\n"
    typed(masked, "make her older")
    turn = masked.chat.conversation.turns[-1]
    assert masked.chat.studio.edit.calls[-1]["region"] == "the hat" == turn.region
    typed(masked, "/region off")
    typed(masked, "add a hat")
    assert masked.chat.studio.edit.calls[-1]["region"] == "off"


def test_a_shown_mask_is_corrected_by_the_next_messages(masked):
    typed(masked, "add a hat")
    (first,) = masked.chat.studio.edit.calls
    assert "a bit to the left" in typed(masked, "/show mask")
    typed(masked, "a bit larger")
    second = masked.chat.studio.edit.calls[-1]
    mask = masked.chat.studio.edit.mask
    assert second["region"] == f"#{mask}; slightly larger"
    same = ("head", "original", "seed", "method")
    assert all(first[name] == second[name] for name in same)
    assert second["step"].target_prompt == first["step"].target_prompt
    turn = masked.chat.conversation.turns[-1]
    assert (turn.id, turn.parent, turn.request) == (2, 0, "add a hat, region slightly larger")
    typed(masked, "not the hair")
    assert masked.chat.studio.edit.calls[-1]["region"] == f"#{mask}; slightly larger; not the hair"
    assert "where the edit had acted; slightly larger" in typed(masked, "/why")
    typed(masked, "/show 1 mask")
    typed(masked, "smaller")
    assert masked.chat.studio.edit.calls[-1]["region"] == f"#{mask}; smaller"
    typed(masked, "undo")
    assert masked.chat.conversation.head == 3


def test_the_same_words_mean_nothing_of_the_kind_elsewhere(masked):
    typed(masked, "add a hat")
    typed(masked, "/tree")
    typed(masked, "/show mask")
    typed(masked, "describe it")
    typed(masked, "smaller")
    assert all("region" not in call or call["region"] == "off"
               for call in masked.chat.studio.edit.calls)  # fmt: skip


def test_region_is_corrected_by_a_command_and_holds_for_what_comes(masked):
    typed(masked, "/region 10,20,40,40")
    assert "keep to 10,20,40,40; larger" in typed(masked, "/region larger")
    typed(masked, "add a hat")
    typed(masked, "/region left")
    given = [call["region"] for call in masked.chat.studio.edit.calls]
    assert given == ["10,20,40,40; larger", "10,20,40,40; larger; left"]
    assert masked.chat.settings.region == "10,20,40,40; larger; left"
    typed(masked, "/region off")
    typed(masked, "/goto 0")
    typed(masked, "/region larger")
    assert "no edit here whose region" in masked.chat.conversation.messages[-1].failure


def test_a_chosen_region_is_shown_before_any_edit_and_corrected(masked):
    with pytest.raises(InputError, match="Edits act everywhere"):
        typed(masked, "/show region")
    asked = []

    def find(**given):
        asked.append(given)
        return Image.new("L", (256, 256), 255)

    masked.chat.studio = replace(masked.chat.studio, find=find)
    typed(masked, "/region the hat")
    assert "That is where edits act." in typed(masked, "/show region")
    typed(masked, "a bit larger")
    assert masked.chat.settings.region == "the hat; slightly larger"
    assert masked.chat.conversation.head == 0, "there is no edit to make again"
    typed(masked, "/show region")
    assert [given["region"] for given in asked] == ["the hat", "the hat; slightly larger"]


def test_a_turn_without_a_mask_says_so(sessions):
    desk = desk_of(begin(sessions, "s", "add a hat"))
    with pytest.raises(InputError, match="nothing says where it was made"):
        typed(desk, "/show mask")
    typed(desk, "/region smaller")
    assert "nothing says where it was made" in desk.chat.conversation.messages[-1].failure


PHOTO = "a photo of two men on a beach, blue sky"


@pytest.mark.parametrize(
    ("said", "region", "target"),
    [
        ("make only the sky pink", "the sky", "pink sky"),
        ("make the sky pink, only the sky", "the sky", "pink sky"),
        ("add a red hat, just on the man on the left", "the man on the left", "hat"),
        ("remove the man on the right", "the man on the right", ""),
    ],
)
def test_a_message_says_where(said, region, target):
    conversation = Conversation(turns=[Turn(id=0, parent=None, message=0, request="", step=None,
                                            caption=PHOTO, picture="", original="")])  # fmt: skip
    plan = understand_offline(said, Context.of(conversation), world=False)
    edits = [step for step in plan.steps if step.step == "edit"]
    assert edits and all(step.region == region for step in edits)
    assert target in edits[0].target_prompt


@pytest.mark.parametrize("said", ["add a hat", "put a hat on him", "only undo the hat",
                                  "move the man to the left", "keep only the sky"])  # fmt: skip
def test_most_messages_do_not(said):
    conversation = Conversation(turns=[Turn(id=0, parent=None, message=0, request="", step=None,
                                            caption=PHOTO, picture="", original="")])  # fmt: skip
    plan = understand_offline(said, Context.of(conversation), world=False)
    assert not any(getattr(step, "region", "") for step in plan.steps)


def test_a_persons_own_left_is_said_to_be_on_the_right(sessions):
    conversation = Conversation(turns=[Turn(id=0, parent=None, message=0, request="", step=None,
                                            caption="a woman with a red glove", picture="",
                                            original="")])  # fmt: skip
    plan = understand_offline("make her left glove blue", Context.of(conversation), world=False)
    assert plan.steps[0].region == "her left glove"
    assert "I took her left glove to be the one on the right of the picture." in plan.note
