"""What a conversation script may say: every key with its type; `palimpsest test --schema`.

Messages are said in order to a chat of their own. What is expected of a turn is checked when its
message has been answered; what is not expected is not looked at, except that nothing may fail.
"""

from __future__ import annotations

import operator
import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    create_model,
)

from agent.captions import VALUES
from agent.options import MethodOptions
from agent.state import Change

SUFFIX = ".chat.yaml"
StepName = Literal["edit", "adjust", "undo", "redo", "goto", "revert", "retry", "compare",
                   "describe", "show", "reshape", "save", "ask", "choose", "help"]  # fmt: skip
Llm = Literal["offline", "replay", "live"]

_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
              "==": operator.eq}  # fmt: skip
_BOUND = re.compile(r"(>=|<=|>|<|==) *(-?[\d.]+)(?: (calls))?")


def _bound(value: object) -> object:
    if isinstance(value, str) and not _BOUND.fullmatch(value):
        raise ValueError(f'a number or a bound such as ">= 0.9" is needed, not "{value}"')
    return value


Bound = Annotated[str | float, BeforeValidator(_bound)]
"""A limit such as ">= 0.9"; a bare number must be met exactly."""


class Form(BaseModel):
    """Part of a script; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Form):
    """Words that are expected; bare ones are the same as ``contains``. Case does not matter."""

    equals: str | None = None
    contains: str | tuple[str, ...] = ()
    """Whole words or phrases that must be there."""
    lacks: str | tuple[str, ...] = ()
    matches: str | None = Field(default=None, json_schema_extra={"format": "regex"})
    """A regular expression that must be found."""


TAGS = ("bare", "mapping", "include")


def _kind(value: Any) -> str:
    """Tell a mapping from a bare value, and an include from a message, before either is read."""
    if not isinstance(value, dict):
        return "mapping" if isinstance(value, BaseModel) else "bare"
    return "include" if "include" in value else "mapping"


class Words(Form):
    """Edit words that are expected; a bare list is the same as ``equals``. Order is free."""

    equals: tuple[str, ...] | None = None
    superset: tuple[str, ...] = ()
    """At least these."""
    subset: tuple[str, ...] | None = None
    """At most these."""


Wording = Annotated[
    Annotated[str | tuple[str, ...], Tag("bare")] | Annotated[Text, Tag("mapping")],
    Discriminator(_kind),
]
Wordlist = Annotated[
    Annotated[tuple[str, ...], Tag("bare")] | Annotated[Words, Tag("mapping")], Discriminator(_kind)
]

_attributes: dict[str, Any] = {
    name: (Literal[values] | None, None) for name, values in VALUES.items()
}
Attributes = create_model("Attributes", __base__=Form, **_attributes)
"""Attributes of a portrait, each with one of its values."""


class Sitter(Attributes):  # type: ignore[misc, valid-type]
    """A portrait to begin with: attributes that differ from the sample's, and who it is."""

    person: int = Field(default=7, ge=0)
    """Seed of the identity: pose, brows, moles, exact shades."""


class Seen(Form):
    """What the picture at the head must be like, compared with the one before the message."""

    size: Literal["same"] | tuple[int, int] | None = None
    changed: Bound | None = None
    """Share of the whole picture that changed clearly, 0 to 1."""
    changed_inside: Bound | None = None
    """The same of the inside of the edit's mask."""
    outside_ssim: Bound | None = None
    outside_psnr: Bound | None = None
    """Peak signal-to-noise ratio outside the mask, in dB; 99 if identical."""
    drift: Bound | None = None
    """Shift of mean colour outside the mask, in 8-bit levels."""
    shift: Bound | None = None
    """How far the rest moved, in pixels."""
    same_as: int | None = Field(default=None, ge=0)
    """The turn whose picture it is, pixel by pixel."""
    differs_from: int | None = Field(default=None, ge=0)
    """A turn with another picture."""
    like: str | None = None
    """A stored picture, beside the script, that it must look like; the tolerance depends on the
    device."""
    attributes: Attributes | None = None  # type: ignore[valid-type]
    """What a portrait shows."""
    clip: Bound | None = None
    """Cosine of CLIP's direction between the captions and between the pictures; needs the setting
    ``clip``."""


class Cost(Form):
    """What the turn may cost, over all tries."""

    seconds: Bound | None = None
    """Wall time; "<= 60 calls" is in model calls as timed in the same run."""
    model_calls: Bound | None = None
    tries: Bound | None = None


class Failure(Form):
    """How the turn, or opening the picture, must fail."""

    exit: int = Field(ge=1, le=130)
    says: Wording = ""


class State(Form):
    """What must be so after a turn, or at the end."""

    head: int | None = Field(default=None, ge=0)
    branch_of: int | None = Field(default=None, ge=0)
    """The turn that the head was made from."""
    turns: int | None = Field(default=None, ge=1)
    """How many there are, with the original."""
    caption: Wording | None = None
    remembers: tuple[str, ...] = ()
    """Words that the caption at the head must have."""
    forgets: tuple[str, ...] = ()
    """Words that it must not have."""
    picture: Seen | None = None
    cost: Cost | None = None
    error: Failure | None = None


class Expected(State):
    """What is expected of a turn."""

    steps: tuple[StepName, ...] | None = None
    """The steps of the plan; "adjust" is a plain operation such as a crop."""
    operations: tuple[str, ...] | None = None
    """Its plain operations, such as "crop 16:9" and "brightness +20"."""
    changes: tuple[Change, ...] | None = None
    """The kinds of its edits."""
    source_prompt: Wording | None = None
    """Of the first edit."""
    target_prompt: Wording | None = None
    """Of the last edit."""
    edit_words: Wordlist | None = None
    """Of all edits."""
    reply: Wording | None = None
    question: Wording | None = None
    events: tuple[str, ...] = ()
    """Events that must come, in this order, among others."""
    passed: bool | None = None
    """Whether all edits pass their check."""


class Said(Form):
    """One message or /command; ``{here}`` in it is the script's folder."""

    say: str = Field(min_length=1)
    answer: str | None = None
    """What is answered if it leads to a question; else the question's default is taken."""
    expect: Expected = Expected()


class Include(Form):
    """The turns of another script, in this place."""

    include: str


class Defaults(Form, MethodOptions):
    """How the conversation is run."""

    seed: int = Field(default=7, ge=0)
    model: str = "portraits"
    llm: Llm = "offline"
    llm_model: str = "gpt-5-mini"
    retries: int = Field(default=2, ge=0, le=4)
    plan_only: bool = False
    """Understand only; planned edits count as made."""


Picture = Annotated[
    Annotated[str, Tag("bare")] | Annotated[Sitter, Tag("mapping")], Discriminator(_kind)
]
Turn = Annotated[
    Annotated[Said, Tag("mapping")] | Annotated[Include, Tag("include")], Discriminator(_kind)
]


_axes: dict[str, Any] = {
    name: (tuple[field.rebuild_annotation(), ...], ())  # type: ignore[misc]
    for name, field in Defaults.model_fields.items()
    if name not in ("retries", "plan_only")
}
Matrix = create_model("Matrix", __base__=Form, picture=(tuple[Picture, ...], ()), **_axes)
"""Values to run the script with, every combination of them."""


class Script(Form):
    """One conversation."""

    version: Literal[1]
    name: str
    about: str = ""
    tags: tuple[str, ...] = ()
    picture: Picture = "sample"
    """"sample", a file beside the script, or a portrait's attributes."""
    caption: str | None = None
    """What the picture shows, where it cannot be told."""
    defaults: Defaults = Defaults()
    matrix: Matrix = Matrix()  # type: ignore[valid-type]
    turns: tuple[Turn, ...] = Field(min_length=1)
    expect: State = State()
    """What must be so at the end."""


def meets(value: float, bound: str | float) -> bool:
    """Whether a number is within a bound; a unit is left to the caller."""
    if not isinstance(bound, str):
        return value == bound
    sign, limit = limit_of(bound)
    return bool(_OPERATORS[sign](value, limit))


def limit_of(bound: str) -> tuple[str, float]:
    """The comparison and the number of a bound such as ">= 0.9"."""
    found = _BOUND.fullmatch(bound)
    assert found is not None
    return found[1], float(found[2])
