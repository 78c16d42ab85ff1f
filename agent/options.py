"""The options of a conversation, each declared once, with all that is said of it.

From a declaration come the flag, the environment variable and the key of config.toml
(`agent.settings`), the /command (`agent.terminal.commands.settings`), what a session remembers
(`agent.state.Choices`), the key of scripts (`agent.scripts.schema`), and the help of all of them.
The classes are plain ones, so that ``--help`` does without pydantic, which checks what is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from annotated_types import Ge, Le, Predicate

from tools.arguments import LARGEST, number
from tools.regions import CHOSEN, EVERYWHERE, close_up, is_close_up, is_region, region


@dataclass(frozen=True)
class Option:
    """What is said of an option; its type and default stand beside it.

    Attributes:
        help: What it is: the help of the flag, and of the /command after "Say or choose".
        more: What the /command's help says beside that.
        example: A value.
        values: What each of its values means, or what returns that.
        flag: The value that the bare flag stands for; None if the flag takes a value.
        metavar: What the value is called in help.
        read: Returns a value as it is written everywhere, or raises InputError; None takes any.
    """

    help: str
    more: str = ""
    example: str = ""
    values: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None
    flag: str | bool | None = None
    metavar: str = "NAME"
    read: Callable[[str], str] | None = None

    def choices(self) -> Mapping[str, str]:
        """Return what each of its values means; empty if any value will do."""
        if self.values is None:
            return {}
        return self.values() if callable(self.values) else self.values


def _methods() -> Mapping[str, str]:
    from tools.edit_picture import method_summaries

    return method_summaries()


def _presets() -> Mapping[str, str]:
    from tools.edit_picture import preset_summaries

    return preset_summaries()


KEPT = {
    "auto": "every pixel, for all but backgrounds, styles and poses",
    "nothing": "nothing; the whole picture is drawn anew",
    "color": "colours; only their slow shifts are taken back",
    "outside": "every pixel, for every edit",
}
DRAFTS = {
    "off": "every edit is made in full",
    "on": "quicker and a little less exact",
}
MOST_NOTCHES = 3


class MethodOptions:
    """By which method edits are made, and how: flags, /commands, sessions, scripts and so on."""

    method: Annotated[
        str,
        Option(
            "the method of editing (see editing_core/methods/README.md)",
            example="fireflow",
            values=_methods,
        ),
    ] = ""
    preset: Annotated[
        str,
        Option(
            "the numbers that the method works with (see editing_core/methods/README.md)",
            "/why shows those of an edit.",
            example="paper-15",
            values=_presets,
        ),
    ] = ""
    strength: Annotated[
        int,
        Ge(-MOST_NOTCHES),
        Le(MOST_NOTCHES),
        Option(
            "how strong edits are, from -3 (weak) to 3 (strong)",
            'For one edit only, say "stronger" or "a bit less", or use /retry.',
            example="-1",
            metavar="N",
        ),
    ] = 0
    keep: Annotated[
        Literal["auto", "nothing", "color", "outside"],
        Option(
            "what stays as it was outside an edit's region",
            example="nothing",
            values=KEPT,
            metavar="KIND",
        ),
    ] = "auto"
    region: Annotated[
        str,
        Predicate(is_region),
        Option(
            "where edits act: LEFT,TOP,WIDTH,HEIGHT in pixels, words for a thing, or off",
            "Outside of it every pixel stays as it was. Words, such as the man on the left, are "
            "looked for in every picture that is edited. A box moves along with crops and "
            "rotations. Plain operations act everywhere. /region larger, smaller, left, right, "
            "up, down, other, not WORDS or and WORDS corrects it, and the last edit is made again "
            "there.",
            example="40,0,200,120",
            metavar="REGION",
            read=region,
        ),
    ] = EVERYWHERE
    draft: Annotated[
        Literal["off", "on"],
        Option(
            "quick drafts, for a first look",
            "The same seed, message and picture with drafts off make nearly the same edit, in "
            "full. A distilled model takes the few steps that it knows.",
            example="on",
            values=DRAFTS,
            flag="on",
        ),
    ] = "off"


class EditOptions(MethodOptions):
    """All that decides an edit beside the pictures and the words; a session remembers it."""

    seed: Annotated[
        int,
        Ge(0),
        Option(
            "the seed: turn n is made with seed N + n",
            "The same seed, message and picture make the same edit again; another seed another "
            "version.",
            example="7",
            metavar="N",
        ),
    ] = 0


MemoryUse = Literal["auto", "full", "lean", "int8", "fp8", "fp8-fast", "nf4", "stream"]
Preview = Literal["auto", "kitty", "sixel", "blocks", "off"]


class RunOptions:
    """What is chosen for a run of the program: flags, environment and config.toml."""

    model: Annotated[
        str,
        Option(
            "the model: portraits (shipped), klein, flux-dev ... (palimpsest models lists them), "
            "a hub id, folder or file"
        ),
    ] = "portraits"
    device: Annotated[str | None, Option("cpu, cuda, cuda:1 ...")] = None
    memory: Annotated[MemoryUse, Option("how much memory the model may take", metavar="KIND")] = (
        "auto"
    )
    compile: Annotated[bool, Option("slow first edit, faster later ones", flag=True)] = False
    close_up: Annotated[
        str,
        Predicate(is_close_up),
        Option(
            "what the model is shown: auto (a crop around a small --region), off (the whole "
            "picture), or LEFT,TOP,WIDTH,HEIGHT in pixels",
            metavar="CROP",
            read=close_up,
        ),
    ] = CHOSEN
    offline: Annotated[bool, Option("no LLM, even if one is configured", flag=True)] = False
    llm_url: Annotated[
        str | None, Option("an OpenAI-compatible server (key: OPENAI_API_KEY)", metavar="URL")
    ] = None
    llm_model: Annotated[str, Option("the model to ask there")] = "gpt-5-mini"
    preview: Annotated[Preview, Option("pictures in the terminal", metavar="KIND")] = "auto"
    home: Annotated[Path, Option("where sessions and pictures are", metavar="DIR")]
    engine: Annotated[
        str | None,
        Option(
            "a `palimpsest serve` that works in the place of this machine "
            "(token: PALIMPSEST_ENGINE_TOKEN)",
            metavar="URL",
        ),
    ] = None


@dataclass(frozen=True)
class Declared:
    """An option as it is declared.

    Attributes:
        name: What it is called.
        kind: Its type.
        option: What is said of it.
        least: The smallest value of a number.
        most: The largest.
    """

    name: str
    kind: Any
    option: Option
    least: int = 0
    most: int = LARGEST

    @property
    def literals(self) -> tuple[str, ...]:
        """The values that its type spells out, such as those of ``Literal["off", "on"]``."""
        return tuple(held for held in get_args(self.kind) if isinstance(held, str))

    def number(self, text: str) -> int:
        """Read its value, if it is a number.

        Raises:
            InputError: It is none, or out of bounds.
        """
        return number(text, least=self.least, most=self.most, name=self.name)


@cache
def declared() -> Mapping[str, Declared]:
    """Return all options by name."""
    hints = get_type_hints(EditOptions, include_extras=True)
    hints |= get_type_hints(RunOptions, include_extras=True)
    return {name: _declared(name, *get_args(hint)) for name, hint in hints.items()}


def _declared(name: str, kind: Any, *said: object) -> Declared:
    option, least, most = Option(""), 0, LARGEST
    for held in said:
        match held:
            case Option():
                option = held
            case Ge(ge=int(bound)):
                least = bound
            case Le(le=int(bound)):
                most = bound
    return Declared(name, kind, option, least, most)


EDIT_OPTIONS = tuple(get_type_hints(EditOptions))
"""The names of what a session remembers, each with a /command."""
