"""Kinds of requests that newcomers and strangers met, each with what it must become."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from language import score
from language.score import named

from agent.offline.grammar import Context, understand_offline
from agent.offline.languages import in_english
from agent.state import Plan


def plan_of(message: str, beginning: str = "start") -> Plan:
    return understand_offline(message, Context.of(score.conversation(beginning)))


def steps_of(message: str, beginning: str = "start") -> list[object]:
    return [named(step) for step in plan_of(message, beginning).steps]


def target_of(message: str, beginning: str) -> str:
    steps = plan_of(message, beginning).steps
    assert all(step.step == "edit" for step in steps), (message, steps)
    return steps[-1].target_prompt


@pytest.mark.parametrize(
    ("message", "means", "left_out"),
    [
        ("give her a long red scarf", {"neckwear": "scarf", "neckwear_color": "red"}, "“long”"),
        ("a short black hoodie", {"clothing": "hoodie", "clothing_color": "black"}, "“short”"),
        ("an old hat", {"headwear": "hat"}, "“old”"),
        ("a curly beard", {"facial_hair": "beard"}, "“curly”"),
        ("give her a long red beard", {"facial_hair": "beard"}, "say “red hair” for both"),
        ("long red hair", {"hair": "long", "hair_color": "red"}, ""),
        ("a sad old man", {"expression": "sad", "gender": "man", "age": "old",
                           "hair_color": "gray"}, ""),
        ("blue dreadlocks on the beach", {"hair": "dreadlocks", "hair_color": "blue"}, ""),
    ],
)  # fmt: skip
def test_adjectives_before_a_thing_belong_to_that_thing_only(message, means, left_out):
    """Once a long red beard made long red hair."""
    plan = plan_of(message)
    made: dict[str, str] = {}
    for step in plan.steps:
        made |= named(step)
    assert {k: v for k, v in made.items() if k != "background"} == means
    assert left_out in plan.note and (left_out or "left out" not in plan.note)


@pytest.mark.parametrize(
    ("message", "beginning", "steps"),
    [
        ("a little darker", "start", ["adjust brightness -10"]),
        ("darker", "cat", ["adjust brightness -20"]),
        ("it's too dark", "start", ["adjust brightness +20"]),
        ("it's a bit dark", "start", ["adjust brightness +20"]),
        ("the picture is too bright", "hat", ["adjust brightness -20"]),
        ("her skin a little darker", "start", [{"skin": "tan"}]),
        ("hair a little darker", "start", [{"hair_color": "black"}]),
        ("make her darker", "start", ["ask"]),
        ("a little darker", "hat", ["ask"]),
    ],
)
def test_darker_is_the_picture_the_hair_or_the_skin_or_asked(message, beginning, steps):
    """Once "a little darker" made night."""
    assert steps_of(message, beginning) == steps


def test_what_should_be_darker_can_be_answered():
    (ask,) = plan_of("make her darker").steps
    answers = [steps_of(option) for option in ask.options]
    assert answers == [["adjust brightness -20"], [{"hair_color": "black"}], [{"skin": "tan"}]]


@pytest.mark.parametrize(
    ("message", "beginning", "steps"),
    [
        ("if she has a hat take it off otherwise add one", "start", [{"headwear": "hat"}]),
        ("if she has a hat take it off otherwise add one", "hat", [{"headwear": "none"}]),
        ("if she wears a hat, make it red, else give her one", "hat", [{"headwear_color": "red"}]),
        ("make her hair red if she is a woman", "start", [{"hair_color": "red"}]),
        ("make her smile if she isn't smiling", "start", []),
        ("add a hat unless she has one", "start", [{"headwear": "hat"}]),
        ("add a hat unless she has one", "hat", []),
        ("if she likes hats add one", "start", ["ask"]),
        ("if there is a cat, make it black, otherwise add one", "dog", ["ask"]),
    ],
)
def test_a_condition_is_decided_by_the_caption_or_asked(message, beginning, steps):
    """Once the half after "otherwise" got lost."""
    plan = plan_of(message, beginning)
    assert [named(step) for step in plan.steps] == steps
    assert bool(plan.note) == (steps != ["ask"]), "how it was decided is said"


def test_conditions_over_other_captions():
    assert "a black dog" in target_of("if there is a dog, make it black, or else add one", "dog")
    assert target_of("if it is sunset make it night", "dog").endswith("at night")
    plan = plan_of("if it is night make it day, otherwise add a red ball", "dog")
    assert plan.steps[0].target_prompt.endswith("with a red ball")
    (ask,) = plan_of("if there is a cat, make it black, otherwise add one", "dog").steps
    assert ask.options == ("make the cat black", "add a cat")


@pytest.mark.parametrize(
    ("message", "steps"),
    [
        ("add a hat. how do I undo?", [{"headwear": "hat"}, "help"]),
        ("how do I undo? and add a hat", ["help", {"headwear": "hat"}]),
        ("add a hat, what can you do?", [{"headwear": "hat"}, "help"]),
        ("is she smiling? make her sad", ["describe picture", {"expression": "sad"}]),
        ("which edits did I make? and make it blue", ["describe edits", "ask"]),
        ("can you add a hat?", [{"headwear": "hat"}]),
    ],
)
def test_a_question_does_not_swallow_the_wish_beside_it(message, steps):
    assert steps_of(message) == steps


@pytest.mark.parametrize(
    ("message", "beginning", "steps"),
    [
        ("just a moustache, no beard", "grandpa", [{"facial_hair": "moustache"}]),
        ("the glasses should be round and red", "start",
         [{"eyewear": "round glasses", "eyewear_color": "red"}]),
        ("could the background be a city at night", "start", [{"background": "city"}]),
        ("put her in a snowy forest", "start", [{"background": "forest"}]),
        ("scrap that", "long", ["undo 1"]),
        ("red cap, no glasses, smiling", "dude", [{"headwear": "cap", "headwear_color": "red"},
                                                  {"eyewear": "none"}, {"expression": "smiling"}]),
        ("hoodie off, blazer on", "dude", [{"clothing": "blazer"}]),
        ("no more hoodie, give him a suit", "dude", [{"clothing": "blazer"}]),
        ("the glasses don't suit her", "curly_chat", [{"eyewear": "none"}]),
        ("sorry, I meant the scarf", "beanie_off", ["undo 1", {"neckwear": "none"}]),
        ("less beard", "dude_chat", ["ask"]),
        ("angrier", "curly_chat", ["ask"]),
        ("sunglasses, beach, summer vibes", "start", [{"eyewear": "sunglasses"},
                                                      {"background": "beach"}]),
        ("a scarf, round her neck", "start", [{"neckwear": "scarf"}]),
        ("she looks cold, put a coat on her", "winter", [{"clothing": "blazer"}]),
        ("the original, but with the yellow hoodie", "long",
         ["goto 0", {"clothing": "hoodie", "clothing_color": "yellow"}]),
        ("dye his hair black", "grandpa", ["ask"]),
        ("make it red again", "sportscar_chat", ["revert 1"]),
        ("the rug was better before", "corgi_chat", ["revert 3"]),
        ("good boy ❤️ thank you", "corgi_chat", []),
    ],
)  # fmt: skip
def test_portraits_and_moves(message, beginning, steps):
    assert steps_of(message, beginning) == steps


def test_what_old_age_forbids_is_offered_with_youth():
    (ask,) = plan_of("dye his hair black but keep him old", "grandpa").steps
    younger, black = steps_of(ask.options[0], "grandpa")
    assert younger == {"age": "young"} and black == {"hair_color": "black"}


@pytest.mark.parametrize(
    ("message", "beginning", "target"),
    [
        # things without a verb
        ("red laces", "sneakers", "a pair of white sneakers on a grey background, with red laces"),
        ("candles on the cake", "party", "five friends at a birthday party with balloons and a "
         "cake, with candles on the cake"),
        ("steam coming off it", "ramen", "a bowl of ramen with a boiled egg on a black tray, with "
         "steam coming off the bowl"),
        ("palm trees in the background", "dog", "a brown dog running on a beach at sunset, with "
         "palm trees in the background"),
        ("matte black car", "sportscar", "a matte black sports car parked in front of a garage"),
        ("make the pizza heart shaped", "pizza", "a heart-shaped pepperoni pizza on a wooden board "
         "next to a glass of red wine"),
        # where it is
        ("put them on a basketball court", "sneakers", "a pair of white sneakers on a basketball "
         "court"),
        ("on a wooden floor", "sneakers", "a pair of white sneakers on a wooden floor"),
        ("put the cat on a chair", "cat", "a photo of a cat on a chair"),
        ("behind the castle I want mountains", "castle", "a knight on a black horse in front of an "
         "old castle, with mountains behind the castle"),
        ("transparent background", "sneakers", "a pair of white sneakers on a transparent "
         "background"),
        # how many there are
        ("just one cat", "cats", "one cat sleeping on a bed near a window"),
        ("two cats", "cat", "a photo of two cats on a sofa"),
        # what stays of it
        ("turn it into a pickup truck", "sportscar", "a red pickup truck parked in front of a "
         "garage"),
        ("remove all the people", "neon", "a busy street at night with neon signs"),
        ("get rid of the family so its just the beach", "family", "a sandy beach with a blue sky"),
        ("no desk, bigger plant", "bedroom", "a small bedroom with a white bed and a big plant"),
        ("make it sunny", "peak", "a snowy mountain above a green valley under a sunny sky"),
        ("make the sky overcast", "family", "a family of four posing on a sandy beach with an "
         "overcast sky"),
        # one word for another
        ("he should be reading, not fishing", "pier", "an old man reading from a wooden pier on a "
         "calm lake at sunrise"),
        ("blue not red", "sportscar", "a blue sports car parked in front of a garage"),
        ("swap the pepperoni for mushrooms", "pizza", "a mushroom pizza on a wooden board next to "
         "a glass of red wine"),
        ("replace the burger with a hot dog", "burger", "a hot dog with fries on a white plate"),
        ("make it sleep", "corgi", "a corgi puppy sleeping on a beige rug next to a toy bone"),
    ],
)  # fmt: skip
def test_other_captions(message, beginning, target):
    assert target_of(message, beginning) == target


FETCHED = "a dog with a ball in its mouth running on grass in front of a fence"


@pytest.mark.parametrize(
    ("message", "target"),
    [
        ("remove the ball", "a dog running on grass in front of a fence"),
        ("take the ball out of its mouth", "a dog running on grass in front of a fence"),
        ("remove the ball from the dog's mouth", "a dog running on grass in front of a fence"),
        ("remove the dog", "grass in front of a fence"),
        ("put the dog on a beach", "a dog with a ball in its mouth running on a beach in front of "
         "a fence"),
        ("the dog should be asleep", "a dog with a ball in its mouth sleeping on grass in front of "
         "a fence"),
        ("the fence is ugly, paint it white", "a dog with a ball in its mouth running on grass in "
         "front of a white fence"),
    ],
)  # fmt: skip
def test_where_somebody_has_a_thing_belongs_to_the_thing(message, target):
    steps = understand_offline(message, Context.of(score.conversation_after(caption=FETCHED))).steps
    assert [step.target_prompt for step in steps] == [target]


COUPLE = "a woman in a blue coat and a man with glasses walking under an umbrella on a rainy street"


@pytest.mark.parametrize(
    ("message", "caption", "target"),
    [
        ("put them in a park", COUPLE, COUPLE.replace("on a rainy street", "in a park")),
        ("replace the man with a dog", COUPLE, COUPLE.replace("man with glasses", "dog")),
        ("add a taxi behind them", COUPLE, f"{COUPLE}, with a taxi behind the woman"),
        ("change the cup into a glass of juice", "a cup of coffee on a table",
         "a glass of juice on a table"),
        ("make the coffee a cappuccino", "a cup of coffee on a table",
         "a cup of cappuccino on a table"),
        ("add more boats", "a lake with small boats", "a lake with many small boats"),
        ("make it stop raining", COUPLE, COUPLE.replace("rainy ", "")),
        ("instead of an umbrella they should have a parasol", COUPLE,
         COUPLE.replace("an umbrella", "a parasol")),
        ("two umbrellas instead of one", COUPLE, COUPLE.replace("an umbrella", "two umbrellas")),
        ("make them smile", COUPLE, None),
        ("change his jacket to a suit", COUPLE, None),
        ("no people in the background", COUPLE, None),
    ],
)  # fmt: skip
def test_strangers_wishes_are_never_absurd(message, caption, target):
    """None: only a question will do."""
    steps = understand_offline(message, Context.of(score.conversation_after(caption=caption))).steps
    assert [getattr(step, "target_prompt", None) for step in steps] == [target]


@pytest.mark.parametrize(
    "message", ["turn it into a black and white photo", "convert to a b&w picture", "monochrome"]
)
def test_black_and_white_is_an_operation_however_it_is_said(message):
    (step,) = plan_of(message, "cat").steps
    assert step.operation == "grayscale"


def test_a_typing_error_is_mended_alike_every_day():
    """A set of words has another order in every process."""
    script = "from agent.offline.messages import plain; print(plain(input(), 'a photo of a cat'))"
    typed = "he needs a stache and a hst, teh cot bleu, a scrf, mkae it wram"
    read = {
        subprocess.run(
            [sys.executable, "-c", script], input=typed, text=True, capture_output=True,
            check=True, env=os.environ | {"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(3)
    }  # fmt: skip
    assert len(read) == 1


@pytest.mark.parametrize(
    ("message", "beginning"),
    [
        ("one orange and one black", "cats"),
        ("change it to a wedding", "party"),
        ("put the phone on a table", "app"),
        ("crop off the status bar at the top", "app"),
        ("fewer people", "family"),
        ("yellow", "sportscar"),
        ("roses instead", "perfume"),
    ],
)
def test_what_only_the_picture_or_the_person_can_tell_is_asked(message, beginning):
    assert steps_of(message, beginning) == ["ask"]


@pytest.mark.parametrize(
    ("message", "english"),
    [
        ("quita las gafas", "remove the glasses"),
        ("mets un chapeau rouge", "add red hat"),
        ("ihre Haare sollen blond sein", "ihre Haare sollen blond sein"),
        ("mach die Haare rot", "make the hair red"),
        ("togli il cappello", "remove the hat"),
        ("coloque um cachecol azul", "add blue scarf"),
        ("убери очки", "remove the glasses"),
        ("把头发变成红色", "make the hair red"),
        ("ひげを消して", "remove the beard"),
        ("उसे उदास कर दो", "make it sad"),
        ("أضف قبعة حمراء", "add red hat"),
        ("quita el sombrero y pon gafas", "quita el sombrero y pon gafas"),
        ("ne change pas le fond", "ne change pas le fond"),
        ("add a hat", "add a hat"),
        ("आदमी को लाल टोपी पहना दो", "give the man a red hat"),
    ],
)
def test_short_wishes_in_other_languages_are_written_in_english(message, english):
    """What is not known word for word is left as it is, and asked about."""
    assert in_english(message, "a portrait of a young man with glasses") == english


@pytest.mark.parametrize(
    ("message", "beginning", "shown"),
    [
        ("night with a campfire", "horse", "field at night, with a campfire"),
        ("add 2 rabbits", "horse", "field, with two rabbits"),
        ("shave him", "cyclist", "a man riding a bicycle in the rain"),
        ("shave off his beard", "cyclist", "a man riding a bicycle in the rain"),
        ("balloons everywhere", "kids", "park, with balloons"),
        ("can he hold a newspaper", "cyclist", "in the rain, with a newspaper"),
        ("make the background blurry", "kids", "in a park, with a blurry background"),
        ("put the plate on a napkin", "breakfast", "a plate on a napkin with two fried eggs"),
    ],
)
def test_photographs_of_strangers(message, beginning, shown):
    assert shown in target_of(message, beginning)


@pytest.mark.parametrize(
    "message",
    [
        "what color is her hair now?",
        "which hair colour does she have?",
        "which hat is she wearing?",
        "what kind of hat is that?",
        "what colour is the background?",
        "how does her hair look now?",
    ],
)
def test_a_question_about_what_is_seen_changes_nothing(message):
    assert steps_of(message) == ["describe picture"]
