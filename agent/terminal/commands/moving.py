"""The /commands that move about among the turns."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from agent import history
from agent.state import GoTo, Redo, Turn, Undo
from agent.terminal.commands.desk import Desk, number


class Moving(Desk):
    """Move about among the turns."""

    title = "Back and forth"

    def undo(self, count: str = "1") -> int:
        """Take back the last message that changed something, or the last COUNT.

        Only the place where you are moves; nothing is lost, and /redo leads forward again.
        Example: /undo 2
        """
        return self._do(Undo(messages=number(count)))

    def redo(self, count: str = "1") -> int:
        """Take back the last undo, or the last COUNT.

        Example: /redo
        """
        return self._do(Redo(messages=number(count)))

    def goto(self, turn: str) -> int:
        """Go to a turn: a number, @3, original, or words such as "before the hat".

        An edit from there starts a branch beside what was edited from it before.
        Example: /goto before the hat
        """
        return self._do(GoTo(turn=self._turn(turn).id))

    def tree(self) -> None:
        """List all turns as a tree; an arrow marks where you are.

        Example: /tree
        """
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

    def branches(self) -> None:
        """List the ends of all branches; an arrow marks the one you are on.

        Each is told with the requests that led there and what it shows; /goto takes its number.
        Example: /branches
        """
        conversation = self.chat.conversation
        lines = []
        for tip in history.branches(conversation):
            led = history.path(conversation, tip.id)
            inside = any(turn.id == conversation.head for turn in led)
            here = "here" if tip.id == conversation.head else f"you are at @{conversation.head}"
            mark = f"  ← {here}" if inside else ""
            lines += [f"@{tip.id} {_story(led)}{mark}", f"    {tip.caption}"]
        self.screen.say("\n".join(lines))

    def base(self, turn: str = "") -> None:
        """Make the picture here, or a turn's, the new original; undo leads back.

        Every edit is pulled toward its original. After /base it is pulled toward this picture:
        what was edited before counts as how it always was, and drift up to here is kept too.
        Example: /base 2
        """
        made = self._turn(turn)
        self._picture(made)
        event = self.chat.open(made.picture, made.caption)
        self.screen.event(event)
        self.screen.say(
            f"@{event['turn']} is the picture of @{made.id} as a new original: edits from here are "
            "anchored to it. /undo leads back."
        )


def _story(led: list[Turn]) -> str:
    """Tell the requests of a path."""
    return ", then ".join(turn.request for turn in led if turn.step) or "the original"
