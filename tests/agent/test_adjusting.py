"""Plain operations in chats: turns as all others, undone, replayed and told."""

from dataclasses import replace

import pytest
from perfect_chat import begin, desk_of, head, talk, typed
from soundness import sound

from agent.offline.grammar import Context, understand_offline
from agent.scripts.exporting import export_script
from agent.state import Adjust, Conversation, EditStep, Turn
from tools.adjustments import adjusted
from tools.arguments import InputError
from tools.edit_picture import Edited
from tools.pictures import open_picture, picture_hash

PORTRAIT = (
    "a portrait of a smiling young woman with a brown bob, light skin, a blue t-shirt, "
    "green background"
)


def conversation_of(caption=PORTRAIT, step=None):
    first = Turn(id=0, parent=None, message=0, request="", step=None, caption=caption,
                 picture="a", original="a")  # fmt: skip
    if step is None:
        return Conversation(turns=[first])
    second = first.model_copy(update={"id": 1, "parent": 0, "step": step, "request": "a red hat"})
    return Conversation(turns=[first, second], head=1)


def read(message, conversation=None):
    """The steps that a message means: operations in words, all others by name."""
    steps = understand_offline(message, Context.of(conversation or conversation_of())).steps
    return [step.words if isinstance(step, Adjust) else step.step for step in steps]


@pytest.mark.parametrize(
    ("message", "operations"),
    [
        ("crop it to a square", ["crop 1:1"]),
        ("Crop to 16:9, please!", ["crop 16:9"]),
        ("can you crop the picture to 10, 20, 300, 200", ["crop 10,20,300,200"]),
        ("rotate it left", ["rotate -90"]),
        ("rotate by 12.5 degrees counterclockwise", ["rotate -12.5"]),
        ("turn the photo upside down", ["rotate 180"]),
        ("straighten it by 2.5 degrees", ["straighten 2.5"]),
        ("flip it", ["flip horizontal"]),
        ("mirror the picture", ["flip horizontal"]),
        ("make the picture brighter", ["brightness +20"]),
        ("make the picture a bit darker", ["brightness -10"]),
        ("make it much brighter", ["brightness +40"]),
        ("more contrast", ["contrast +20"]),
        ("less saturation", ["saturation -25"]),
        ("reduce the saturation by 30%", ["saturation -30"]),
        ("make it warmer", ["warmth +25"]),
        ("make the image cooler", ["warmth -25"]),
        ("sharpen it", ["sharpness +100"]),
        ("black and white", ["grayscale"]),
        ("make it black and white", ["grayscale"]),
        ("resize it to 50%", ["resize 50%"]),
        ("crop it to a square and flip it", ["crop 1:1", "flip horizontal"]),
        ("add a hat, then crop it to a square", ["edit", "crop 1:1"]),
        ("make the picture brighter and add glasses", ["brightness +20", "edit"]),
    ],
)
def test_words_for_the_whole_picture_are_operations(message, operations):
    assert read(message) == operations


@pytest.mark.parametrize(
    "message",
    [
        "make her hair darker", "a brighter background", "make the background brighter",
        "black and white t-shirt", "make her t-shirt black and white", "turn her head",
        "turn her head left", "flip her hair", "straighten her hair", "darker skin",
        "lighter hair", "warmer clothes", "make her cooler", "a bright red hat", "add a mirror",
        "a red and black and white shirt", "add a hat and make it darker", "blur the background",
        "sharpen her chin", "crop her hair", "cropped hair", "she looks cool", "a square jaw",
    ],
)  # fmt: skip
def test_words_for_a_part_of_it_are_edits(message):
    steps = understand_offline(message, Context.of(conversation_of())).steps
    assert not any(isinstance(step, Adjust) for step in steps)


def test_it_may_be_what_was_edited_last():
    hat = EditStep(change="add", source_prompt=PORTRAIT, target_prompt=f"{PORTRAIT}, a red hat")
    edited = conversation_of(step=hat)
    assert read("make it darker", edited) != ["brightness -20"]
    assert read("make the picture darker", edited) == ["brightness -20"]
    assert read("crop it to a square", edited) == ["crop 1:1"]
    cropped = conversation_of(step=Adjust(operation="crop", value="square"))
    assert read("make it darker", cropped) == ["brightness -20"]


class Patches:
    """An editor that paints a patch onto the picture, and writes down what it was given."""

    def __init__(self, store):
        self.store, self.calls = store, []

    def __call__(self, *, head, original, step, **_):
        self.calls.append((head, original))
        image = self.store.image(head).copy()
        image.paste("red", (len(step.edit_words[0]), 0, 100, 40))
        mask = self.store.put(image.convert("L")) if step.change == "background" else None
        return Edited(self.store.put(image), mask=mask, seconds=0.1, forwards=4, columns=())


@pytest.fixture
def desk(sessions):
    chat = begin(sessions, "s")
    chat.studio = replace(chat.studio, edit=Patches(sessions.store))
    return desk_of(chat)


def turns(desk):
    return desk.chat.conversation.turns


def failure(desk, line):
    """Why a line could not be carried out."""
    typed(desk, line)
    return desk.chat.conversation.messages[-1].failure


def replayed(desk, turn, *operations):
    """The hash of a turn's picture after operations."""
    image = desk.store.image(turns(desk)[turn].picture)
    for words in operations:
        name, _, value = words.partition(" ")
        image = adjusted(image, name, value)
    return picture_hash(image)


def test_crop_then_hat_then_undo_then_rotate(desk):
    """The anchor of each edit shows what the edited picture shows."""
    said = typed(desk, "crop it to 16:9")
    assert "Done: crop 16:9, 256x144 now (@1)." in said and "model calls" not in said
    typed(desk, "add a hat")
    assert typed(desk, "undo").endswith("Back at @1: crop it to 16:9.\n")
    typed(desk, "rotate it left")
    typed(desk, "add glasses")
    first, crop, hat, turned, glasses = turns(desk)
    assert [turn.parent for turn in turns(desk)] == [None, 0, 1, 1, 3]
    assert crop.picture == crop.original == replayed(desk, 0, "crop 16:9")
    assert turned.picture == turned.original == replayed(desk, 0, "crop 16:9", "rotate -90")
    given = desk.chat.studio.edit.calls
    assert given == [(crop.picture, crop.original), (turned.picture, turned.original)]
    assert hat.original == crop.original and glasses.original == turned.original
    assert all(turn.caption == first.caption for turn in (crop, turned))
    sound(desk.chat.conversation)


def test_an_edit_before_it_is_undone_and_the_operation_kept(desk):
    for message in ("add a hat", "crop it to 16:9", "make the picture brighter"):
        typed(desk, message)
    assert turns(desk)[3].original == replayed(desk, 0, "crop 16:9", "brightness +20")
    said = typed(desk, "undo the hat but keep the crop and the brightness")
    assert head(desk) == 5 and "hat" not in turns(desk)[5].caption
    assert turns(desk)[5].picture == replayed(desk, 0, "crop 16:9", "brightness +20")
    assert "Done: crop 16:9" in said and "Done: brightness +20 (@5)." in said
    assert len(desk.chat.studio.edit.calls) == 1


def test_the_operation_is_undone_and_the_later_edit_kept(desk):
    for message in ("crop it to 4:3", "add a hat", "undo the crop"):
        said = typed(desk, message)
    assert "Without the crop: what came later is made again." in said
    assert desk.store.image(turns(desk)[3].picture).size == (256, 256)
    assert turns(desk)[3].original == turns(desk)[0].picture


def test_nothing_to_do_is_said_without_a_turn(desk):
    """Once a square that was cropped to a square made a turn that showed nothing new."""
    stored = desk.store.path(turns(desk)[0].picture).read_bytes()
    said = typed(desk, "crop it to a square")
    assert said == "There is nothing to do for “crop 1:1”: the picture is 256x256 already.\n"
    assert len(turns(desk)) == 1
    assert desk.store.path(turns(desk)[0].picture).read_bytes() == stored, "its recipe stays"
    said = typed(desk, "crop it to a square and make the picture black and white")
    assert "nothing to do for “crop 1:1”" in said and "Done: grayscale (@1)." in said
    assert "the picture is so already" in typed(desk, "/adjust grayscale") and head(desk) == 1
    typed(desk, "from the original, crop it to a square")
    assert head(desk) == 0 and len(turns(desk)) == 2


def test_more_or_less_of_it(desk):
    typed(desk, "make the picture brighter")
    assert "Done: brightness +10, a bit less (@2)." in typed(desk, "a bit less")
    assert turns(desk)[2].parent == 0 and turns(desk)[2].picture == replayed(
        desk, 0, "brightness +10"
    )
    typed(desk, "/crop 1,2,64,64")
    assert "“crop 1,2,64,64” comes out the same every time" in failure(desk, "again")


def test_commands_do_operations(desk):
    assert "Done: brightness +20 (@1)." in typed(desk, "/adjust bright 20")
    assert "Done: crop 16:9, 256x144 now (@2)." in typed(desk, "/crop 16:9")
    assert "Done: rotate -90, 144x256 now (@3)." in typed(desk, "/rotate left")
    assert desk.chat.conversation.messages[-1].text == "/adjust rotate -90"
    for wrong, why in {
        "/adjust flop": "did you mean flip",
        "/crop big": "crop takes a ratio",
        "/adjust": "Use it as",
        "/adjust warmth": "takes a number",
    }.items():
        with pytest.raises(InputError, match=why):
            typed(desk, wrong)
    assert "That cannot be done: The picture would be too small" in failure(desk, "/crop 1,1,9,90")
    assert head(desk) == 3


def test_the_background_is_blurred_where_an_edit_showed_it_else_it_is_said(desk):
    assert "nothing here tells the background from the rest" in failure(desk, "/adjust blur 3")
    typed(desk, "a blue background")
    typed(desk, "flip it")
    assert "Done: blur 8 (@3)." in typed(desk, "blur the background")
    assert turns(desk)[3].picture != turns(desk)[2].picture


def test_why_tree_and_pages_tell_it(desk, tmp_path):
    typed(desk, "crop it to 16:9 and make the picture brighter")
    why = typed(desk, "/why")
    assert "operation  brightness +20" in why and "exact, no model" in why
    assert "@2 make the picture brighter" in typed(desk, "/tree")
    compared = typed(desk, "compare with the original")
    assert compared == "From the original to @2: crop 16:9, brightness +20.\n"
    typed(desk, "/rotate left")
    assert "“/adjust rotate -90” (rotate -90)" in typed(desk, "what did the last edit do")
    typed(desk, f"/export html {tmp_path / 'story.html'}")
    assert "brightness +20" in (tmp_path / "story.html").read_text()
    script = export_script(desk.chat, desk.store, tmp_path / "story").read_text()
    assert "operations" in script and "brightness +20" in script and "changes" not in script


def test_events_and_files_of_a_run(capsys, tmp_path):
    events, _ = talk(capsys, "--say", "crop it to 16:9", "--out", tmp_path / "out",
                     "--home", tmp_path / "home")  # fmt: skip
    plan = next(event for event in events if event["event"] == "plan")
    assert plan["steps"] == [{"step": "adjust", "operation": "crop", "value": "16:9",
                              "request": "crop it to 16:9", "anew": "", "without": ""}]  # fmt: skip
    done = next(event for event in events if event["event"] == "turn.completed")
    assert done["forwards"] == 0 and "check" not in {event["event"] for event in events}
    saved = tmp_path / "out" / "01-crop-it-to-16-9.png"
    assert open_picture(saved).image.size == (256, 144)


def test_it_is_only_planned_where_nothing_is_made(capsys, tmp_path):
    events, _ = talk(capsys, "--plan-only", "--say", "crop it to 16:9", "--home", tmp_path)
    done = next(event for event in events if event["event"] == "turn.completed")
    assert done["picture"] is None
    assert events[-2]["text"] == "Planned: crop 16:9 (@1)."
