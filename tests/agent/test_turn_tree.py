import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import turn_tree
from agent.offline.grammar import Context, understand_offline
from agent.state import Conversation, GoTo, Turn
from agent.turn_tree import Heads, NoSuchTurn

HAT = "make her older, now add a hat"


def grown(parents: list[int]) -> Conversation:
    """A tree in which turn i + 1 was edited from turn ``parents[i] % (i + 1)``."""
    turns = [Turn(id=0, parent=None, message=0, request="", step=None, caption="a woman",
                  picture="0", original="0")]  # fmt: skip
    for i, parent in enumerate(parents):
        turns.append(turns[0].model_copy(update={"id": i + 1, "parent": parent % (i + 1)}))
    return Conversation(turns=turns, head=len(turns) - 1)


trees = st.lists(st.integers(0, 20), max_size=12).map(grown)
walks = st.lists(st.integers(0, 9), max_size=20)


@given(trees)
def test_every_path_leads_from_the_original_to_its_turn(tree):
    for turn in tree.turns:
        line = turn_tree.path(tree, turn.id)
        assert line[0].id == 0
        assert line[-1] == turn
        assert all(
            b in turn_tree.children(tree, a.id) for a, b in zip(line, line[1:], strict=False)
        )


@given(trees)
def test_the_tips_of_the_branches_cover_the_tree(tree):
    covered = {t.id for tip in turn_tree.branches(tree) for t in turn_tree.path(tree, tip.id)}
    assert covered == {t.id for t in tree.turns}


@given(walks, st.integers(1, 25))
def test_redo_takes_back_exactly_what_undo_did(walk, count):
    at = Heads(0, (), ())
    for place in walk:
        at = Heads(place, (*at.past, at.head), ())
    if not walk:
        with pytest.raises(NoSuchTurn):
            turn_tree.undo(at, count)
        return
    back = turn_tree.undo(at, count)
    assert turn_tree.redo(back, count) == at
    assert back.head == [0, *walk][-1 - min(count, len(walk))]


def talked(*messages: str) -> Conversation:
    """The sample portrait after some messages, without pictures."""
    from language.score import conversation_after

    return conversation_after(*messages)


@pytest.mark.parametrize(
    ("phrase", "turn"),
    [("@1", 1), ("the original", 0), ("before the hat", 1), ("the hat", 2), ("@hat", 2),
     ("the second one", 2), ("@last", 2), ("turn 1", 1), ("@9", None), ("the piano", None)],
)  # fmt: skip
def test_turns_have_names(phrase, turn):
    found = turn_tree.find(talked(HAT), phrase)
    assert (found and found.id) == turn


@pytest.mark.parametrize(
    ("phrase", "goes_to"),
    [("go back to before the hat", 1), ("back to before the green hat", 2),
     ("undo that, then go back to before the hat", 1)],
)  # fmt: skip
def test_before_a_thing_is_before_it_was_added_whatever_its_colour_became(phrase, goes_to):
    chat = talked(HAT, "make the hat green")
    assert chat.head == 3
    steps = understand_offline(phrase, Context.of(chat)).steps
    assert steps[-1] == GoTo(turn=goes_to)


def test_a_turn_that_is_not_there_is_refused_in_words():
    with pytest.raises(NoSuchTurn, match="the turns are 0 to 2"):
        turn_tree.turn(talked(HAT), 7)


@given(st.text(max_size=80))
def test_the_reader_survives_any_text(text):
    plan = understand_offline(text, Context.of(talked(HAT)))
    assert plan.steps or plan.note


@given(st.lists(st.sampled_from(
    "make it the hat her blue undo before red not without and , then glasses instead of more "
    "hair long a different colour back original keep no remove to 2 @1 same as".split()
), max_size=12))  # fmt: skip
def test_the_reader_survives_any_order_of_its_own_words(words):
    plan = understand_offline(" ".join(words), Context.of(talked(HAT)))
    assert plan.steps or plan.note
