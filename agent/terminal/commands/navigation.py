"""The /commands that move about among the turns."""

from __future__ import annotations

from typing import Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agent import turn_tree
from agent.exit_codes import DONE
from agent.state import MOST_AT_ONCE, GoTo, Redo, Rewind, Turn, Undo
from agent.terminal.commands.base import CommandBase, CommandError
from agent.visible import visible
from tools.arguments import number, short

RESTORED: dict[str, Literal["both", "picture", "chat"]] = {
    "both": "both",
    "picture": "picture",
    "chat": "chat",
}


class NavigationCommands(CommandBase):
    """Move about among the turns."""

    title = "Back and forth"

    def undo(self, count: str = "1") -> int:
        """Take back the last message that changed something, or the last COUNT.

        Only the place where you are moves; nothing is lost, and /redo leads forward again.
        Example: /undo 2
        """
        return self._do(Undo(messages=number(count, least=1, most=MOST_AT_ONCE)))

    def redo(self, count: str = "1") -> int:
        """Take back the last undo, or the last COUNT.

        Example: /redo
        """
        return self._do(Redo(messages=number(count, least=1, most=MOST_AT_ONCE)))

    def goto(self, turn: str) -> int:
        """Go to a turn: a number, @3, original, or words such as "before the hat".

        An edit from there starts a branch beside what was edited from it before.
        Example: /goto before the hat
        """
        return self._do(GoTo(turn=self._turn(turn).id))

    def rewind(self, message: str = "", what: str = "both") -> int:
        """Go back to before one of your messages, and have it on the input line again.

        It restores the picture and the chat, or one of them (picture, chat); what came later stays
        in /tree. /undo returns to the picture; the chat stays forgotten. Esc Esc on an empty line
        does the same.

        Example: /rewind 3 picture
        """
        known = [m for m in self.chat.conversation.messages if not m.forgotten]
        said = [m for m in known if not m.text.startswith("/")]
        if not known or (not said and not message):
            raise CommandError("Nothing has been said yet.")
        if what not in RESTORED:
            raise CommandError(f'It restores both, the picture or the chat, not "{short(what)}".')
        if not message:
            if self.pick is None:
                self.screen.say("\n".join(f"{m.id}  {m.text}" for m in said))
                return DONE
            lines = [(m.id, m.text) for m in said]
            picked = self.pick("Go back to before which message?", lines)
            if picked is None:
                return DONE
            message = str(picked)
        wanted = next((m for m in known if str(m.id) == message.lstrip("#")), None)
        if wanted is None:
            raise CommandError(f"There is no message {short(message)}; /rewind lists them.")
        self.unsent = "" if wanted.text.startswith("/") else wanted.text
        return self._do(Rewind(message=wanted.id, what=RESTORED[what]))

    def tree(self) -> None:
        """List all turns as a tree; an arrow marks where you are.

        Example: /tree
        """
        conversation = self.chat.conversation
        root = Tree("", hide_root=True)
        places: dict[int | None, Tree] = {None: root}
        for turn in conversation.turns:
            mark = "  ←" if turn.id == conversation.head else ""
            label = Text(visible(f"@{turn.id} {turn.request or turn.caption}{mark}"))
            places[turn.id] = places[turn.parent].add(self._with_picture(label, turn))
        self.screen.render(root)

    def branches(self) -> None:
        """List the ends of all branches; an arrow marks the one you are on.

        Each is told with the requests that led there and what it shows; /goto takes its number.
        Example: /branches
        """
        conversation = self.chat.conversation
        lines = []
        for tip in turn_tree.branches(conversation):
            led = turn_tree.path(conversation, tip.id)
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

    def _with_picture(self, label: Text, turn: Turn) -> RenderableType:
        small = self.screen.small(self.store.path(turn.picture)) if turn.picture else None
        if small is None:
            return label
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_row(small, label)
        return row


def _story(led: list[Turn]) -> str:
    """Tell the requests of a path."""
    return ", then ".join(turn.request for turn in led if turn.step) or "the original"
