"""What holds of a conversation whatever was said in it."""

from __future__ import annotations

from agent.llm.caption_edit import LONGEST_CAPTION
from agent.state import Conversation, EditStep


def sound(conversation: Conversation) -> None:
    """A conversation that can go on."""
    again = Conversation.model_validate_json(conversation.model_dump_json())
    assert again == conversation
    count = len(conversation.turns)
    assert 0 <= conversation.head < count
    assert all(0 <= n < count for n in [*conversation.past, *conversation.future])
    assert conversation.plan is None and conversation.tries == []
    for turn in conversation.turns:
        assert turn.parent is None or turn.parent < turn.id
        assert 0 < len(turn.caption) <= 2 * LONGEST_CAPTION
        assert turn.caption.isprintable()
        if isinstance(turn.step, EditStep) and turn.parent is not None:
            assert turn.step.source_prompt != turn.step.target_prompt
            assert turn.step.edit_words
