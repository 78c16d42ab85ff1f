"""A conversation by the method anchor: switched to in the middle, undone, branched, redone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.bootstrap import studio_of
from agent.chat import Chat
from agent.sessions.database import open_sessions
from agent.settings import AppSettings
from agent.state import Choose, Turn
from editing_core.anchor.engine import WEIGHTS, AnchorEngine
from editing_core.anchor.engine import engine as shipped
from tools import provenance
from tools.inspection import sample_portrait
from tools.pictures import PictureStore
from tools.redo import chain_of, loader, remake, roots, unlike

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(not (WEIGHTS / "transformer").is_dir(), reason="no anchor weights"),
]
ANCHOR = Choose(setting="method", value="anchor")


@pytest.fixture
def painter(monkeypatch: pytest.MonkeyPatch) -> AnchorEngine:
    return renewed(monkeypatch)


def renewed(monkeypatch: pytest.MonkeyPatch) -> AnchorEngine:
    """Begin as a new process does: with nothing remembered."""
    whole = shipped()
    fresh = AnchorEngine(whole.anchor, weights_hash=whole.weights_hash)
    monkeypatch.setattr("editing_core.anchor.engine.engine", lambda: fresh)
    return fresh


def chat(home: Path) -> Chat:
    """Take up the session of a home, or begin it with the sample portrait."""
    settings = AppSettings(model="portraits-128", home=home, offline=True, seed=5, retries=0)
    studio = studio_of(settings, person=False, note=lambda _: None)
    talk = Chat(studio, open_sessions(home / "sessions.sqlite"), "test")
    if not talk.conversation.turns:
        image, caption = sample_portrait(settings.model)
        talk.open(studio.pictures.put(image), caption)  # type: ignore[attr-defined]
    return talk


def say(talk: Chat, message: str) -> Turn:
    told(talk.say(message))
    return talk.conversation.turns[talk.conversation.head]


def told(events: Iterator[object]) -> None:
    assert not [event for event in events if "failed" in str(event)]


def remembered(painter: AnchorEngine) -> list[int]:
    return [frame.turn for frame in painter.latest.frames]


def test_a_conversation_that_changes_to_it_undoes_branches_and_goes_on_another_day(
    tmp_path: Path, painter: AnchorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = chat(tmp_path)
    assert say(talk, "give her a red hat").method == "steady"
    told(talk.move(ANCHOR))
    blue = say(talk, "make the background blue")
    assert blue.method == "anchor" and remembered(painter) == [0, 1]  # what steady made, too
    read = painter.forwards
    say(talk, "make her look surprised, now give her sunglasses")
    assert remembered(painter) == [0, 1, 2, 3]
    a_turn = (painter.forwards - read - 2) // 2

    say(talk, "undo that")
    read = painter.forwards
    branch = say(talk, "make the t-shirt yellow")
    assert branch.parent == blue.id and remembered(painter) == [0, 1, 2]
    assert painter.forwards - read == a_turn  # the shared past was not read again

    say(talk, "add a necklace")
    again = renewed(monkeypatch)  # another day
    other = chat(tmp_path)
    last = say(other, "make her older")
    assert last.parent == branch.id + 1 and remembered(again) == [0, 2, 3, 4]
    assert again.forwards == 1 + a_turn  # only the necklace was not read yet


def test_another_day_paints_the_same_and_reads_only_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, read = [], []
    for day in ("today", "another", "emptied"):
        home = tmp_path / day
        home.mkdir()
        painter, talk = renewed(monkeypatch), chat(home)
        told(talk.move(ANCHOR))
        say(talk, "give her a red hat, then make the background blue")
        if day != "today":
            painter, talk = renewed(monkeypatch), chat(home)
        if day == "emptied":
            for file in (home / "cache").iterdir():
                file.unlink()
        before = painter.forwards
        made.append(say(talk, "make her older").picture)
        read.append(painter.forwards - before)
    assert made[0] == made[1] == made[2]
    assert read[0] == read[1] == read[2] - 2  # the original and the hat; nobody had read the blue


def test_its_pictures_are_made_again_by_their_recipes_and_other_weights_are_told(
    tmp_path: Path, painter: AnchorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = chat(tmp_path)
    say(talk, "give her a red hat")
    told(talk.move(ANCHOR))
    last = say(talk, "make the background blue, now make the hat yellow")
    store = PictureStore(tmp_path / "pictures")
    recipe = provenance.read(store.path(last.picture))
    assert recipe is not None
    assert recipe["weights"].endswith(f"+{shipped().weights_hash}")
    chain = chain_of(recipe)
    assert [made.method for made in chain] == ["steady", "anchor", "anchor"]
    renewed(monkeypatch)
    elsewhere = PictureStore(tmp_path / "elsewhere")
    for name in roots(chain):
        elsewhere.put(store.image(name))
    again = [*remake(chain, elsewhere, loader("portraits-128", None))]
    assert again[-1] == last.picture
    now = provenance.read(elsewhere.path(again[-1]))
    assert now is not None and unlike(recipe, now) == []
    assert "weights" in unlike(recipe | {"weights": "other"}, now)[0]
