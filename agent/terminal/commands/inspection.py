"""The /commands that show and explain."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent import turn_tree
from agent.state import Compare, Describe, Show, Turn
from agent.terminal.commands.base import CommandBase, CommandError
from agent.terminal.comparison import measured, overlaid
from agent.terminal.why import Line, explained
from tools.regions import EVERYWHERE


class InspectionCommands(CommandBase):
    """Show and explain."""

    title = "Looking"

    def show(self, turn: str = "") -> int | None:
        """Show the picture here, or a turn's; with "mask" where its edit acted.

        A mask is laid in colour over the picture before the edit, beside before and after; /show
        region lays over the picture where coming edits act. The next message may correct either:
        larger, smaller, a bit to the left, not the hair.
        Example: /show 2 mask
        """
        words = turn.split()
        if words == ["region"]:
            return self._show_region(self._turn(""))
        if "mask" in words:
            words.remove("mask")
            return self._show_mask(self._turn(" ".join(words)))
        self.screen.picture(self._picture(self._turn(turn)))
        return None

    def compare(self, a: str = "", b: str = "") -> int:
        """Show and measure what differs between two turns, or the original and here.

        Measured are the share that changed clearly, the mean difference, how alike the rest is
        outside the masks of all edits between, the drift of its colours, its shift, and for
        portraits which attributes are seen to differ.
        Example: /compare 1 @hat
        """
        first, second = self._pair(a, b)
        pictures = all(t.picture and t.picture in self.store for t in (first, second))
        if pictures:
            self.screen.show_images([self._labelled(first), self._labelled(second)])
        code = self._do(Compare(a=first.id, b=second.id))
        if pictures:
            conversation, eyes = self.chat.conversation, self.chat.studio.eyes
            self._table(measured(conversation, first, second, self.store, eyes))
        return code

    def describe(self, turn: str = "") -> int:
        """Say what the picture here, or a turn's, is taken to show.

        Example: /describe original
        """
        return self._do(Describe(turn=self._turn(turn).id if turn else None))

    def why(self, turn: str = "") -> None:
        """Say how the picture here, or a turn's, was made: prompts, words, numbers, check.

        Of the numbers that the method reads, those are named that differ from the preset's own,
        as fitted to the kind of change; every try of an edit is told with what the check saw. Where
        an LLM read the message, its calls and tokens are told, as its server counts them.
        Example: /why 1
        """
        presets = self.chat.studio.presets
        lines = explained(self.chat.conversation, self._turn(turn), self.store, presets)
        named = self.screen.named
        self._table((name, named(v) if isinstance(v, Path) else v) for name, v in lines)

    def _show_region(self, turn: Turn) -> int:
        """Show where coming edits of a turn's picture act."""
        region, studio = self.chat.settings.region, self.chat.studio
        if region == EVERYWHERE or studio.find is None:
            raise CommandError("Edits act everywhere; /region says where they should.")
        before = self._labelled(turn)
        mask = studio.find(head=turn.picture, region=region, caption=turn.caption)
        where = overlaid(before[1], mask)
        path = self.store.path(self.store.put(where))
        self.screen.show_beside(path, [before, ("where edits act", where)])
        return self._do(Show(what="region"))

    def _show_mask(self, turn: Turn) -> int:
        if turn.mask is None or turn.mask not in self.store or turn.parent is None:
            raise CommandError(f"@{turn.id} has no mask: nothing says where it was made.")
        before = self._labelled(self.chat.conversation.turns[turn.parent])
        where = overlaid(before[1], self.store.image(turn.mask))
        path = self.store.path(self.store.put(where))
        shown = [before, ("where the edit acted", where), self._labelled(turn)]
        self.screen.show_beside(path, shown)
        here = turn.id == self.chat.conversation.head
        return self._do(Show(what="mask", turn=None if here else turn.id))

    def _pair(self, a: str, b: str) -> tuple[Turn, Turn]:
        """Return the two turns that are meant: "1 2", "before the hat", or nothing at all."""
        if not a:
            here = self._turn("")
            return turn_tree.path(self.chat.conversation)[0], here
        try:
            return self._turn(a), self._turn(b)
        except CommandError:
            return self._turn(f"{a} {b}"), self._turn("")

    def _table(self, lines: Iterable[Line]) -> None:
        self.screen.say("\n".join(f"{name:>13}  {value}" for name, value in lines))
