"""The /commands that show and explain."""

import re
from dataclasses import asdict, replace

from perfect_chat import typed, with_eyes
from perfect_editor import draw_the_target
from PIL import Image, ImageChops

from tools.inspection import WorldEyes


def test_show_prints_a_path(desk):
    typed(desk, "make her older")
    assert typed(desk, "/show").strip().endswith(".png")
    assert typed(desk, "/show original") != typed(desk, "/show")


def test_why_prints_the_recipe(desk):
    typed(desk, "make her older")
    said = typed(desk, "/why")
    assert "target prompt" in said and "old" in said and "seed" in said
    assert "0.1 s, 4 model calls" in said and "notches" not in said and "passed" not in said
    assert "a portrait of" in typed(desk, "/why 0")


def test_why_names_only_numbers_that_the_method_reads(desk):
    def draw(**asked):
        edited = draw_the_target(desk.store, **asked)
        image = desk.store.image(edited.picture)
        image.putpixel((0, 0), (asked["seed"], 0, 0))  # a file of its own
        made = desk.store.put(image, recipe={"settings": asdict(asked["settings"])})
        return replace(edited, picture=made)

    desk.chat.studio = replace(desk.chat.studio, edit=draw)
    typed(desk, "add a hat")
    assert "numbers  the preset's own\n" in typed(desk, "/why")
    typed(desk, "/strength 1")
    typed(desk, "make it red")
    assert re.search("numbers  guidance 3.1. \\(not 2.5\\)\n", typed(desk, "/why"))
    typed(desk, "/method mtc")
    typed(desk, "make it blue")
    said = typed(desk, "/why")
    assert "eta 0.7 (not 0.9)" in said and "lam 0.4 (not 0.7)" in said


def test_compare_measures_and_names(desk):
    desk.chat.studio = with_eyes(desk.chat.studio)
    typed(desk, "make her older")
    typed(desk, "add a hat")
    said = typed(desk, "/compare")
    assert "headwear none → hat" in said and "age young → old" in said
    one = typed(desk, "/compare 1")
    assert "From @1 to @2" in one and "age" not in one.replace("average", "")
    assert "From @1 to @2" in typed(desk, "/compare before the hat")
    same = typed(desk, "/compare 2 2")
    assert "0 % of the picture" in same and "no attribute differs" in same


def test_the_masks_of_all_edits_between_two_turns_count(desk):
    from agent.terminal.comparison import between

    for line in ("make her older", "add a hat", "/goto 1", "give her sunglasses"):
        typed(desk, line)
    conversation = desk.chat.conversation
    ids = [t.id for t in between(conversation, conversation.turns[2], conversation.turns[3])]
    assert ids == [2, 3]
    assert between(conversation, conversation.turns[3], conversation.turns[3]) == []


def test_a_mask_is_shown_over_the_picture_before(desk):
    shown = []
    mask = Image.new("L", (256, 256))
    mask.paste(255, (0, 0, 128, 256))

    def draw(**asked):
        return replace(draw_the_target(desk.store, **asked), mask=desk.store.put(mask))

    desk.chat.studio = replace(desk.chat.studio, edit=draw)
    desk.screen.show_images = shown.extend
    typed(desk, "make the background red")
    typed(desk, "/show 1 mask")
    (_, before), (_, over), (name, after) = shown
    assert name == "@1 make the background red" and after.getpixel((2, 2)) != (0, 0, 0)
    changed = ImageChops.difference(before, over).getbbox()
    assert changed == (0, 0, 128, 256)
    assert "50 % of the picture" in typed(desk, "/why")


def test_why_tells_every_try_with_its_scores(desk):
    class Blind(WorldEyes):
        def attributes(self, image, expected):
            return super().attributes(image, expected) | {"headwear": "none"}

    desk.chat.studio = replace(desk.chat.studio, eyes=Blind())
    typed(desk, "add a hat")
    said = typed(desk, "/why")
    assert "try 1  first, seed 1: change seen: no" in said
    assert "try 2  another seed, seed 10001" in said and "try 3  much stronger" in said
