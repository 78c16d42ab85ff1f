"""The steps of a plan so far, and where they lead: the head and the caption of the next step."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent import turn_tree
from agent.captions import replay
from agent.state import Conversation, EditStep, GoTo, Redo, Revert, Step, Undo
from agent.turn_tree import Heads, NoSuchTurn


@dataclass
class PlanBuilder:
    """A plan in the making, for the offline reader and for LLMs.

    Attributes:
        conversation: where the message was said.
        heads: where the head is after the steps so far.
        caption: what the picture shows then.
        steps: the plan's steps so far.
    """

    conversation: Conversation
    heads: Heads
    caption: str = ""
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Go to where the head is."""
        self.place(self.heads)

    def take(self, step: Step) -> None:
        """Add a step, and follow the head to where it leads."""
        self.steps.append(step)
        try:
            match step:
                case EditStep():
                    self.edited(step)
                case Undo():
                    self.place(turn_tree.undo(self.heads, step.messages))
                case Redo():
                    self.place(turn_tree.redo(self.heads, step.messages))
                case GoTo():
                    self.place(Heads(step.turn, (*self.heads.past, self.heads.head), ()))
                case Revert():
                    self._take_back(step.turn)
                case _:
                    pass  # it moves no head
        except NoSuchTurn:
            return  # said when the step is carried out

    def place(self, heads: Heads) -> None:
        """Put the head elsewhere."""
        self.heads = heads
        self.caption = self.conversation.turns[heads.head].caption

    def edited(self, step: EditStep) -> None:
        """Go on from the caption that an edit leads to."""
        self.caption = step.target_prompt

    def _take_back(self, number: int) -> None:
        replayed = turn_tree.later(self.conversation, number)
        parent = self.conversation.turns[number].parent or 0
        self.place(Heads(parent, self.heads.past, self.heads.future))
        for turn in replayed:
            shown = self.conversation.turns[turn.parent or 0].caption
            again = replay(turn.step, self.caption, shown=shown) if turn.step else None
            if isinstance(again, EditStep):
                self.edited(again)
