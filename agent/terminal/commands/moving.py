"""The /commands that move about among the turns."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from agent.state import GoTo, Redo, Undo
from agent.terminal.commands.desk import Desk, number


class Moving(Desk):
    """Move about among the turns."""

    title = "Back and forth"

    def undo(self, count: str = "1") -> int:
        """Take back the last message that changed something, or the last COUNT."""
        return self._do(Undo(messages=number(count)))

    def redo(self, count: str = "1") -> int:
        """Take back the last undo, or the last COUNT."""
        return self._do(Redo(messages=number(count)))

    def goto(self, turn: str) -> int:
        """Go to a turn: a number, @3, original, or words such as "before the hat"."""
        return self._do(GoTo(turn=self._turn(turn).id))

    def tree(self) -> None:
        """List all turns as a tree; an arrow marks where you are."""
        conversation = self.chat.conversation
        root = Tree("", hide_root=True)
        places: dict[int | None, Tree] = {None: root}
        for turn in conversation.turns:
            mark = "  ←" if turn.id == conversation.head else ""
            label = f"@{turn.id} {turn.request or turn.caption}{mark}"
            places[turn.id] = places[turn.parent].add(escape(label))
        console = Console(color_system=None, soft_wrap=True)
        with console.capture() as captured:
            console.print(root)
        self.screen.say(captured.get().rstrip())
