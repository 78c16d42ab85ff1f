"""The /commands that choose how the coming edits are made, one for each of the options."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.options import EDIT_OPTIONS, Option, declared
from agent.state import Choose, Reshape
from agent.terminal.commands.base import CommandBase, one_of
from tools.regions import correction


class SettingCommands(CommandBase):
    """Choose how edits are made."""

    title = "How edits are made from now on"

    def _choose(self, name: str, value: str) -> int:
        held = declared()[name]
        if name == "region" and (how := correction(value)) is not None:
            return self._do(Reshape(how=str(how)))
        if known := held.option.choices():
            return self._do(Choose(setting=name, value=one_of(value, known, name)))
        read = held.option.read or held.number
        return self._do(Choose(setting=name, value=read(value)))

    def _tell(self, name: str) -> None:
        """Say what holds, and what can be chosen; an arrow marks what holds."""
        option, held = declared()[name].option, str(getattr(self.chat.settings, name))
        says = f"{name} {held} ({option.help})"
        if options := option.choices():
            says = "\n".join(
                [f"{name} {held}; /{name} NAME chooses another:", *_rows(options, held)]
            )
        self.screen.say(says)


def _rows(options: Mapping[str, str], held: str) -> list[str]:
    width = max(map(len, options))
    return [
        f"{'→' if name == held else ' '} {name:<{width}}  {says}" for name, says in options.items()
    ]


def _command(name: str, option: Option) -> Callable[[SettingCommands, str], int | None]:
    """Return the /command of an option."""

    def command(self: SettingCommands, value: str = "") -> int | None:
        if value:
            return self._choose(name, value)
        self._tell(name)
        return None

    command.__name__ = name
    more = f"\n\n{option.more}" if option.more else "\n"
    command.__doc__ = f"Say or choose {option.help}.{more}\nExample: /{name} {option.example}"
    return command


for _name in EDIT_OPTIONS:
    setattr(SettingCommands, _name, _command(_name, declared()[_name].option))
