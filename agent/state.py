"""What a conversation remembers: messages, plans and their steps, and the tree of turns.

Everything here is words, numbers and picture hashes, so a session of a hundred turns is some
kilobytes; pictures live in the picture store and tensors nowhere near.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from agent.options import EDIT_OPTIONS
from agent.visible import json_line
from tools.arguments import LARGEST, InputError
from tools.operations import AMOUNTS, Name, normal
from tools.regions import correction

Change = Literal["add", "remove", "replace", "attribute", "color", "background", "style", "pose"]

Number = Annotated[int, Field(ge=0, le=LARGEST)]
"""Of a turn or a message, as large as a checkpoint can hold."""
MOST_AT_ONCE = 1000  # messages that one undo or redo takes back


class Record(BaseModel):
    """A value that never changes once it is made, and knows no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EditStep(Record):
    """Change the picture at the head.

    The source prompt describes the picture before the edit and names what will change; the target
    prompt is the same caption with only the change.
    """

    step: Literal["edit"] = "edit"
    change: Change
    source_prompt: str
    target_prompt: str
    edit_words: tuple[str, ...] = ()
    """Words of the target prompt that name the change; of the source prompt for a removal."""
    strength: int = Field(default=0, ge=-3, le=3)
    """Notches stronger (positive) or weaker (negative) than the preset."""
    region: str = ""
    """Where it may act, as `tools.regions` writes it; empty for where the session says."""
    seed: Number | None = None
    """For an edit that is made again in another region: its seed, so that all else is the same."""
    request: str = ""
    """The part of the message that asked for this step."""
    anew: str = ""
    """For an edit that is made once more: in which way, such as "a bit less"."""
    without: str = ""
    """For an edit that is replayed: what was taken back before it, such as "the hat"."""


class Adjust(Record):
    """Do a plain operation, such as a crop, to the picture at the head; its caption stays.

    As an edit it has no words: nothing in the caption changes.
    """

    step: Literal["adjust"] = "adjust"
    operation: Name
    value: str = Field(default="", validate_default=True)
    """As `tools.operations` reads it: "16:9" of a crop, "+20" of brightness."""
    request: str = ""
    """The part of the message that asked for this step."""
    anew: str = ""
    """For one that is done once more: in which way, such as "a bit less"."""
    without: str = ""
    """For one that is replayed: what was taken back before it, such as "the hat"."""

    @field_validator("value")
    @classmethod
    def _as_written_everywhere(cls, value: str, told: ValidationInfo) -> str:
        try:
            return normal(told.data.get("operation", ""), value)
        except InputError as error:
            raise ValueError(str(error)) from None

    @property
    def words(self) -> str:
        """What is done, as a /command says it: "crop 16:9"."""
        return f"{self.operation} {self.value}".strip()

    @property
    def has_amount(self) -> bool:
        """Whether it can be done more or less."""
        return self.operation in AMOUNTS

    change: ClassVar[Literal["adjust"]] = "adjust"
    source_prompt: ClassVar[str] = ""
    target_prompt: ClassVar[str] = ""
    edit_words: ClassVar[tuple[str, ...]] = ()
    region: ClassVar[str] = ""


class Undo(Record):
    """Move the head back to where it was before the last ``messages`` messages."""

    step: Literal["undo"] = "undo"
    messages: int = Field(default=1, ge=1, le=MOST_AT_ONCE)


class Redo(Record):
    """Take back the last undo."""

    step: Literal["redo"] = "redo"
    messages: int = Field(default=1, ge=1, le=MOST_AT_ONCE)


class GoTo(Record):
    """Move the head to a turn; an edit from there starts a branch if the turn has children."""

    step: Literal["goto"] = "goto"
    turn: Number


class Rewind(Record):
    """Go back to before a message: the picture, what was said since, or both."""

    step: Literal["rewind"] = "rewind"
    message: Number = Field(ge=1)
    what: Literal["both", "picture", "chat"] = "both"


class Revert(Record):
    """Undo one turn on the path: at the head a mere move, else the later ones are replayed."""

    step: Literal["revert"] = "revert"
    turn: Number = Field(ge=1)


class Retry(Record):
    """Make the head's edit once more from its parent, with another seed or another strength."""

    step: Literal["retry"] = "retry"
    how: Literal["again", "weaker", "stronger", "other"] = "again"


class Compare(Record):
    """Say what differs between two turns."""

    step: Literal["compare"] = "compare"
    a: Number
    b: Number


class Describe(Record):
    """Say what is in the picture, which edits led to it, or what one turn did."""

    step: Literal["describe"] = "describe"
    what: Literal["picture", "edits", "turn"] = "picture"
    turn: Number | None = None


class Show(Record):
    """Show where an edit acted, over the picture that it was made of, or where edits will act."""

    step: Literal["show"] = "show"
    what: Literal["mask", "region"]
    turn: Number | None = None
    """None for the turn at the head."""


class Reshape(Record):
    """Correct the region of an edit, and make the edit again there."""

    step: Literal["reshape"] = "reshape"
    how: str
    """As `tools.regions` writes corrections: "slightly larger", "not the hair"."""
    turn: Number | None = None
    """None for the turn at the head."""

    @field_validator("how")
    @classmethod
    def _as_written_everywhere(cls, how: str) -> str:
        read = correction(how)
        if read is None:
            raise ValueError(f"a region is not corrected by {how}")
        return str(read)


class Save(Record):
    """Copy the head's picture to a file that the person named."""

    step: Literal["save"] = "save"
    path: str = ""
    clean: bool = False
    """Without metadata: no recipe, place, author, camera or signature."""


class Ask(Record):
    """Ask the person one short question.

    Where nobody can answer, the default is taken; an empty one means that nothing is done.
    """

    step: Literal["ask"] = "ask"
    question: str
    options: tuple[str, ...] = ()
    default: str = ""


class Choose(Record):
    """Choose how the coming edits of this session are made."""

    step: Literal["choose"] = "choose"
    setting: Literal[EDIT_OPTIONS]  # type: ignore[valid-type]
    value: str | Annotated[int, Field(ge=-LARGEST, le=LARGEST)]


class Help(Record):
    """Say what can be asked for."""

    step: Literal["help"] = "help"


Step = Annotated[
    EditStep | Adjust | Undo | Redo | GoTo | Rewind | Revert | Retry | Compare | Describe | Save
    | Show | Reshape | Ask | Choose | Help,
    Field(discriminator="step"),
]  # fmt: skip


class Plan(Record):
    """What a message means: steps in order, and what the reply says beside what was done."""

    steps: tuple[Step, ...] = ()
    note: str = ""
    """How the message was read, or what of it was left out."""
    reply: str = ""
    """What an LLM says about the edits, in the person's language, in the place of our sentences."""


class Usage(Record):
    """What an LLM did for a message, as its server counts it."""

    calls: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    prompt: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    """Tokens that it read; 0 where the server counts none."""
    completion: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    """Tokens that it wrote."""

    def __add__(self, other: Usage) -> Usage:
        """Return both together."""
        return Usage(
            calls=self.calls + other.calls,
            prompt=self.prompt + other.prompt,
            completion=self.completion + other.completion,
        )

    def __sub__(self, other: Usage) -> Usage:
        """Return what came after an earlier state of the same count."""
        return Usage(
            calls=self.calls - other.calls,
            prompt=self.prompt - other.prompt,
            completion=self.completion - other.completion,
        )


class Check(Record):
    """Whether an edit did what was asked and nothing else; scores are in [0, 1], 1 is best."""

    passed: bool
    """Whether it was seen to be as asked; never where nobody could tell."""
    unchecked: str = ""
    """Why nobody could tell, of an edit that nothing speaks against: "this model knows …"."""
    edit_score: float
    """Fraction of the wanted changes seen in the picture."""
    kept: float = 1.0
    """Fraction of the other attributes still seen as they were."""
    unlike: tuple[str, ...] = ()
    """What is seen otherwise than wanted or than before: "gray hair color"."""
    outside_ssim: float
    """Structural similarity to the parent outside the change."""
    drift: float
    """Mean colour change outside the change, in 1/255."""
    shift: float = 0.0
    """How far the rest moved, in pixels."""
    rung: str = "first"
    """In which way the try was made."""

    @property
    def accepted(self) -> bool:
        """Whether nothing speaks against the edit, be it that nobody could tell."""
        return self.passed or bool(self.unchecked)


class Try(Record):
    """One attempt at the current edit step, not yet accepted."""

    picture: str
    mask: str | None = None
    crop: tuple[int, int, int, int] | None = None
    """Of a close-up: left, top, right and bottom of what the model saw, in pixels."""
    working: tuple[int, int] | None = None
    """Width and height at which the model saw it, in pixels; None if that is not known."""
    rung: str = "first"
    """In which way of the ladder it was made."""
    seed: int = 0
    seconds: float = 0.0
    forwards: int = 0
    check: Check | None = None


class Turn(Record):
    """One accepted edit; turn 0, and every picture opened later, is an original."""

    id: int
    parent: int | None
    message: int
    """Number of the message that led here; 0 for an original."""
    request: str
    step: EditStep | Adjust | None
    caption: str
    picture: str
    """Hash of the picture in the store."""
    original: str
    """Hash of the picture that this chain of edits began from; plain operations change it, too."""
    seed: int = 0
    preset: str = ""
    method: str = ""
    mask: str | None = None
    region: str = ""
    """Where it was to act, as `tools.regions` writes it; empty for everywhere."""
    check: Check | None = None
    report: dict[str, float] = Field(default_factory=dict)
    """Small numbers about the making: seconds, forwards, tries."""
    tries: tuple[Try, ...] = ()
    """All tries in their order; one of them was kept."""


class Message(Record):
    """One thing the person said, what was answered, and where the head was."""

    id: int
    text: str
    reply: str = ""
    answer: str | None = None
    """What was answered to its question, or taken as the default; None without a question."""
    failure: str = ""
    """Why it could not be carried out."""
    before: int = 0
    after: int = 0
    usage: Usage = Usage()
    """What the LLM did for it."""
    forgotten: bool = False
    """Whether the person went back to before it, so that no LLM is told of it."""


class Choices(BaseModel):
    """What was chosen in this session, by flags or /commands: a value for some `EDIT_OPTIONS`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @property
    def made(self) -> dict[str, Any]:
        """What was chosen; older sessions also hold None for what was not."""
        extra = self.model_extra or {}
        return {name: value for name, value in extra.items() if value is not None}


class Conversation(BaseModel):
    """The whole session; the state of the graph and the content of every checkpoint."""

    model_config = ConfigDict(extra="forbid")

    session: str = ""
    turns: list[Turn] = Field(default_factory=list)
    head: int = 0
    messages: list[Message] = Field(default_factory=list)
    past: list[int] = Field(default_factory=list)
    """Heads before each message that moved the head, newest last: what undo returns to."""
    future: list[int] = Field(default_factory=list)
    """Heads that undo left, newest last: what redo returns to."""

    chosen: Choices = Choices()

    # the message being worked on
    request: str = ""
    plan: Plan | None = None
    position: int = 0
    """How many steps of the plan are done."""
    at: int | None = None
    """Where the next edit starts if not at the head: the head follows once the edits are done."""
    tries: list[Try] = Field(default_factory=list)
    before: int = 0
    """The head when the message arrived, or after its last undo or redo: what undo returns to."""
    said: list[str] = Field(default_factory=list)
    """Sentences for the reply, gathered step by step."""
    failure: str = ""

    @classmethod
    def fields_in(cls, channels: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a checkpoint's channels hold of it; LangGraph's own are left out."""
        return {name: channels[name] for name in cls.model_fields if name in channels}


class Event(BaseModel):
    """One thing that happened, as the door prints it.

    ``event`` is one of session.started, turn.started {request, reader:
    llm, offline or command}, plan {steps, note},
    step {phase, i, of},
    check {passed, unchecked, edit_score, kept, unlike, outside_ssim, drift, rung},
    turn.completed {turn, parent, message, request, caption, picture (path, or null if only
    planned), seconds, forwards, seed, crop (of a close-up, else null)},
    head.moved {from, to, picture (path)}, question {question, options, default},
    save {path, clean, picture (path), turn, request}, reply {text}, turn.failed {error},
    model.unfit {error} (before it, where another model is needed),
    session.ended; where a server works for several people also queued {before} and note {text}.
    """

    event: str
    time: float
    """Seconds since 1970."""
    session: str
    data: dict[str, Any] = Field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """Return one field of the event."""
        return self.data[name]

    def line(self) -> str:
        """Return the event as one line of JSON with its fields at the top level."""
        head = {"event": self.event, "time": round(self.time, 3), "session": self.session}
        return json_line(head | self.data)
