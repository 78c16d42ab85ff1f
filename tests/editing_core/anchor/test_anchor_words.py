"""Instructions say what changes, and sessions ask for what can be drawn."""

import random
from itertools import islice, pairwise

import pytest

from editing_core.portraits import edit_sequences as data
from editing_core.portraits.captions import parse
from editing_core.portraits.edit_sequences import AGAIN_AFTER, session, sessions
from editing_core.portraits.instructions import instruction
from editing_core.portraits.schema import Portrait, held_out

WOMAN = Portrait()


def asked(rng: random.Random | None = None, start: Portrait = WOMAN, **changes: str) -> str:
    after = start.with_(**changes)
    return instruction(start.attributes.visible(), after.attributes.visible(), rng)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"headwear": "hat", "headwear_color": "red"}, "add a red hat"),
        ({"age": "old"}, "make the person old"),
        ({"eyewear": "glasses"}, "add black glasses"),
        ({"clothing_color": "red"}, "make the t-shirt red"),
        ({"hair_color": "blonde"}, "make the hair blonde"),
        ({"hair": "long", "hair_color": "red"}, "change the hair to long red hair"),
        ({"background": "beach"}, "change the background to beach"),
        ({"clothing": "hoodie"}, "change the t-shirt to a hoodie"),
        ({"pattern": "striped"}, "make the t-shirt striped"),
        ({"expression": "sad"}, "make the person look sad"),
        ({"expression": "smiling"}, ""),
    ],
)
def test_the_canonical_instruction(changes: dict[str, str], words: str) -> None:
    assert asked(**changes) == words


def test_taking_off_and_swapping() -> None:
    hatted = WOMAN.with_(headwear="hat", headwear_color="blue")
    assert asked(start=hatted, headwear="none") == "remove the hat"
    assert asked(start=hatted, headwear="cap") == "replace the hat with a cap"
    assert asked(start=hatted, headwear_color="pink") == "make the hat pink"


def test_hair_that_was_never_seen_is_described() -> None:
    hidden = Portrait().with_(hair="short", hair_color="black", headwear="hat")
    before, after = (p.attributes.visible() for p in (hidden, hidden.with_(headwear="none")))
    assert instruction(before, after) == "remove the hat, with short black hair"
    assert instruction(before, after, known=("hair",)) == "remove the hat"


def test_every_phrasing_names_what_is_new() -> None:
    """What captions would call the new value is found again in most wordings of it."""
    rng, heard = random.Random(0), 0
    for _ in range(200):
        text = asked(rng, headwear="crown", headwear_color="green")
        heard += parse(text) == {"headwear": "crown", "headwear_color": "green"}
    assert heard == 200


def test_sessions_are_exact_and_repeat_only_after_a_while() -> None:
    for chain in islice(sessions(8, 3), 60):
        assert not any(held_out(person.attributes) for person in chain)
        said = [a.attributes.visible() for a in chain]
        assert all(instruction(before, after) for before, after in pairwise(said))
        assert len({chain[0].identity, *(person.identity for person in chain)}) == 1


def test_an_attribute_rests_before_it_is_asked_for_again_and_is_often_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data, "STUBBORN", 0.0)
    back, again = 0, 0
    for seed in range(100):
        chain = session(WOMAN, 12, random.Random(seed))
        for name in ("background", "headwear", "expression"):
            values = [getattr(person.attributes, name) for person in chain]
            changes = [k for k, (a, b) in enumerate(pairwise(values)) if a != b]
            assert all(later - k > AGAIN_AFTER for k, later in pairwise(changes))
            back += sum(values[k + 1] == values[0] for k in changes[1:])
            again += len(changes[1:])
    assert 0.3 < back / again < 0.8


def test_some_sessions_change_one_or_two_attributes_again_and_again() -> None:
    stubborn, at_once = 0, 0
    for seed in range(300):
        looks = [vars(person.attributes) for person in session(WOMAN, 6, random.Random(seed))]
        changes = [
            {name.removesuffix("_color") for name in now if before[name] != now[name]}
            for before, now in pairwise(looks)
        ]
        stubborn += len(set().union(*changes)) <= 2
        at_once += any(a & b for a, b in pairwise(changes))
    assert stubborn / 300 == pytest.approx(data.STUBBORN, abs=0.06)
    assert at_once > 0.9 * stubborn
