"""The options of a conversation, each declared once, with all that is said of it.

From a declaration come the flag, the environment variable and the key of config.toml
(`agent.settings`), the /command (`agent.terminal.commands.settings`), what a session remembers
(`agent.state.Choices`), the key of scripts (`agent.scripts.schema`), and the help of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from tools.arguments import LARGEST, number


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
    """

    help: str
    more: str = ""
    example: str = ""
    values: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None
    flag: str | bool | None = None
    metavar: str = "NAME"

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
    "off": "every step is computed",
    "on": "a part of the late steps is reused, for a quick look",
}
MOST_NOTCHES = 3


class EditOptions(BaseModel):
    """How edits are made: flags, environment, config.toml, /commands, sessions and scripts."""

    method: Annotated[
        str,
        Option(
            "the method of editing: steady, mtc (the paper), flowedit ... (/method lists them)",
            example="fireflow",
            values=_methods,
        ),
    ] = ""
    preset: Annotated[
        str,
        Option(
            "the method's numbers: steady, paper, paper-15 or code",
            "The numbers are then fitted to the kind of change; /why shows those of an edit.",
            example="paper-15",
            values=_presets,
        ),
    ] = ""
    strength: Annotated[
        int,
        Field(ge=-MOST_NOTCHES, le=MOST_NOTCHES),
        Option(
            "how strong edits are, from -3 (weak) to 3 (strong)",
            "A notch stronger is more guidance and less pull to the pictures before. For one edit "
            'only, say "stronger" or "a bit less", or use /retry.',
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
    draft: Annotated[
        Literal["off", "on"],
        Option(
            "quick drafts with fewer model calls",
            "A draft reuses a part of its late steps. The same seed, message and picture with "
            "drafts off make nearly the same edit, in full. The method anchor, quick by itself, "
            "makes no drafts.",
            example="on",
            values=DRAFTS,
            flag="on",
        ),
    ] = "off"
    seed: Annotated[
        int,
        Field(ge=0),
        Option(
            "the seed: turn n is made with seed N + n",
            "The same seed, message and picture make the same edit again; another seed another "
            "version.",
            example="7",
            metavar="N",
        ),
    ] = 0


EDIT_OPTIONS = tuple(EditOptions.model_fields)
"""The names of what a session remembers, each with a /command."""


def option_of(field: FieldInfo) -> Option | None:
    """Return what is said of an option, by its field."""
    return next((said for said in field.metadata if isinstance(said, Option)), None)


def described(name: str) -> Option:
    """Return what is said of one of the `EDIT_OPTIONS`."""
    said = option_of(EditOptions.model_fields[name])
    assert said is not None
    return said


def read_number(field: FieldInfo, name: str, text: str) -> int:
    """Read the value of an option that is a number, within its bounds.

    Raises:
        InputError: It is none, or out of bounds.
    """
    least = next((held.ge for held in field.metadata if hasattr(held, "ge")), 0)
    most = next((held.le for held in field.metadata if hasattr(held, "le")), LARGEST)
    return number(text, least=least, most=most, name=name)


def literals(annotation: Any) -> tuple[str, ...]:
    """Return the values that a type spells out, such as those of ``Literal["off", "on"]``."""
    return tuple(held for held in get_args(annotation) if isinstance(held, str))
