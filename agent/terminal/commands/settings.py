"""The /commands that choose how the coming edits are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from agent.state import Choose
from agent.terminal.commands.base import CommandBase, CommandError, one_of
from agent.terminal.why import differing
from tools.arguments import number, short
from tools.edit_picture import method_summaries

PLAIN = "the paper's numbers"
KEPT = {
    "auto": "every pixel, for all but backgrounds, styles and poses",
    "nothing": "nothing; the whole picture is drawn anew",
    "color": "colours; only their slow shifts are taken back",
    "outside": "every pixel, for every edit",
}
"""What stays as it was outside the region of an edit."""
DRAFTS = {
    "off": "every step is computed",
    "on": "a part of the late steps is reused, for a quick look",
}
"""Whether edits are quick drafts."""


class SettingCommands(CommandBase):
    """Choose how edits are made."""

    title = "How edits are made from now on"

    def seed(self, n: str = "") -> int | None:
        """Say the seed, or choose it: turn n is made with seed N + n.

        The same seed, message and picture make the same edit again; another seed another version.
        Example: /seed 7
        """
        if n:
            return self._choose("seed", number(n, name="seed"))
        seed = self.chat.settings.seed
        coming = seed + len(self.chat.conversation.turns)
        self.screen.say(f"seed {seed}: turn n is made with {seed} + n, the next with {coming}.")
        return None

    def strength(self, n: str = "") -> int | None:
        """Say how strong edits are, or choose it: from -3 (weak) over 0 to 3 (strong).

        A notch stronger is more guidance and less pull to the pictures before. For one edit only,
        say "stronger" or "a bit less", or use /retry.
        Example: /strength -1
        """
        if n:
            n = n.replace("−", "-")
            if not re.fullmatch(r"[+-]?[0-3]", n):
                raise CommandError(f'A strength is a number from -3 to 3, not "{short(n)}".')
            return self._choose("strength", int(n))
        held = self.chat.conversation.chosen.strength
        self.screen.say(f"strength {held}; -3 is the weakest, 0 the preset's own, 3 the strongest.")
        return None

    def method(self, name: str = "") -> int | None:
        """Say by which method edits are made, or choose another.

        Example: /method fireflow
        """
        if name:
            return self._choose("method", one_of(name, method_summaries(), "method"))
        self._offer("method", method_summaries())
        return None

    def preset(self, name: str = "") -> int | None:
        """Say by which preset of numbers edits are made, or choose another.

        The numbers are then fitted to the kind of change; /why shows those of an edit.
        Example: /preset paper-15
        """
        presets = self.chat.studio.presets
        if name:
            return self._choose("preset", one_of(name, presets, "preset"))
        numbers = {name: differing(held, presets["paper"]) for name, held in presets.items()}
        self._offer("preset", {name: said or PLAIN for name, said in numbers.items()})
        return None

    def keep(self, what: str = "") -> int | None:
        """Say what stays as it was outside of an edit, or choose it.

        Example: /keep nothing
        """
        if what:
            return self._choose("keep", one_of(what, KEPT, "way to keep"))
        self._offer("keep", KEPT)
        return None

    def draft(self, which: str = "") -> int | None:
        """Say whether edits are quick drafts, or choose it: on or off.

        A draft reuses a part of its late steps. The same seed, message and picture with drafts off
        make nearly the same edit, in full. The method anchor, quick by itself, makes no drafts.
        Example: /draft on
        """
        if which:
            return self._choose("draft", one_of(which, DRAFTS, "choice"))
        self._offer("draft", DRAFTS)
        return None

    def _choose(
        self,
        setting: Literal["seed", "method", "preset", "keep", "draft", "strength"],
        value: str | int,
    ) -> int:
        return self._do(Choose(setting=setting, value=value))

    def _offer(self, setting: str, options: Mapping[str, str]) -> None:
        """List what can be chosen; an arrow marks what holds."""
        held = str(getattr(self.chat.settings, setting))
        width = max(map(len, options))
        rows = [
            f"{'→' if name == held else ' '} {name:<{width}}  {says}"
            for name, says in options.items()
        ]
        self.screen.say("\n".join([f"{setting} {held}; /{setting} NAME chooses another:", *rows]))
