"""The offline reader: a message becomes a plan by rules, over the vocabulary of the portraits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent import history, objects
from agent.captions import COLOR_OF, attributes_of, changes, edit_step, is_portrait, replay
from agent.freely import Stage, read_freely
from agent.history import Heads, NoSuchTurn
from agent.moves import read_move, split_start
from agent.phrases import GROUPS, read_clause
from agent.scene import Changes, Scene, same_color, scene_of
from agent.spelling import corrected
from agent.state import Ask, Conversation, EditStep, GoTo, Plan, Redo, Revert, Step, Turn, Undo
from agent.vocabulary import mentions
from agent.words import edit_words, words_of

_CORRECTION = re.compile(
    r"(?P<before>.*\w)(?:(?:\s*[,;.–—-]+\s*|\s+)(?:oh,? )?(?:no,? wait|wait,? no|i mean"
    r"|scratch that|make that)\b[,.:]*\s+|\s*[,;.–—-]+\s*(?:no,|actually,?)\s+)(?P<after>.+)",
    re.IGNORECASE,
)
LONGEST = 2000
"""Characters of a message that are read."""
_COURTESY = re.compile(
    r"^(?:(?:(?:ok(?:ay)?|hi|hey|hello|please|now|so|well|and|then|also|but|great|nice|cool|thanks"
    r"|thank you|actually|yes|yeah|hm+|perfect|next|finally|oops)[,!. ]+|no[,!.]+ )+)"
    r"|\b(?:could|can|would|will) you (?:please )?|\b(?:let's|let us)\b|\bplease\b"
    r"|\b(?:i'd|i would) (?:like|love|prefer)(?: you)?(?: to)?(?: see)?|\bi (?:want"
    r"|wish)(?: you)?(?: to)?(?: see)?"
    r"|\bhow about\b|\bwhat about\b|\bwhat if\b|\bfor me\b|\bmaybe\b|\bhmm+\b"
)
_BREAK = re.compile(
    r"[.;!?]+\s+|\s*,\s*(?:and |but )?(?:then |now |also )?|\s+(?:and|then|now|plus|but|&|\+)\s+"
    r"(?:then |now |also |with )?|\s+as well as\s+|\s+or\s+|\s+-+\s+|\n+"
)
_KEEP = re.compile(
    r"^(?:keep|(?:everything|all)?(?: the)?(?: same)? ?as (?:it was )?before|leave|preserve"
    r"|retain|nothing else|everything else|the rest|don't (?:change|touch)"
    r"|do not (?:change|touch)|without (?:changing|touching)|only that|not the rest)\b"
)
_VERB = re.compile(
    r"\b(?:make|give|add|put|turn|change|set|dress|let|have|has|wear|wears|wearing|use|get|paint"
    r"|dye|colou?r|show|is|should|replace|swap|remove|take|lose|keep|try|grow|with)\b"
)
_CHATTER = re.compile(
    r"(?:thanks?(?: you)?(?: (?:so|very) much)?|thx|hi|hello|hey|good (?:morning|evening|day)"
    r"|ok(?:ay)?"
    r"|great|nice|cool|perfect|wow|lovely|beautiful|good|bye|goodbye|yes|i (?:love|like) (?:it"
    r"|this|that))"
    r"[ !.,]*(?:job|work|one|there|you|it)?"
)
_SUGGESTIONS = ("add a hat", "make her older", "change the background to blue")


@dataclass(frozen=True)
class Context:
    """What a message is read against: the caption at the head, and the whole conversation."""

    caption: str
    path: list[Turn]
    conversation: Conversation

    @classmethod
    def of(cls, conversation: Conversation) -> Context:
        """Return the context of a conversation as it stands."""
        line = history.path(conversation)
        return cls(line[-1].caption, line, conversation)


@dataclass
class _Reader:
    """The plan so far, and where its steps have led: the caption and the head of the next step."""

    conversation: Conversation
    caption: str
    heads: Heads
    scene: Scene
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    ask: Ask | None = None
    removing: bool = False
    stage: Stage = field(default_factory=lambda: Stage(""))

    def place(self, heads: Heads) -> None:
        """Go on from another turn."""
        self.heads = heads
        self.caption = self.conversation.turns[heads.head].caption
        self.scene = scene_of(self.conversation, heads.head)
        line = history.path(self.conversation, heads.head)
        self.stage = Stage(self.caption, objects.last_thing(line))


def understand_offline(message: str, context: Context) -> Plan:
    """Read one message as a plan, or as one honest question.

    Nothing is guessed wildly: a part that is not understood is named in the plan's note, and if
    nothing is understood, the plan is one question with suggestions.
    """
    conversation = context.conversation
    raw = _self_corrected(" ".join(message.split()).strip(" .!?")[:LONGEST])
    heads = history.heads(conversation)
    reader = _Reader(conversation, context.caption, heads, scene_of(conversation, heads.head))
    reader.place(heads)
    text = _plain(raw, context.caption)
    if not text or _CHATTER.fullmatch(text):
        return Plan(note="Tell me what to change, for example: " + "; ".join(_SUGGESTIONS) + ".")
    start, rest = split_start(text, conversation)
    if start is not None:
        _move(start, reader)
    _read_parts(same_color(rest, reader.scene), raw, reader)
    return _plan(reader)


def _self_corrected(text: str) -> str:
    """Let what follows "no wait" or "I mean" replace the clause before it, or its colour alone."""
    while (match := _CORRECTION.fullmatch(text)) is not None:
        before, after = match["before"], match["after"]
        start = max((m.end() for m in _BREAK.finditer(before)), default=0)
        kinds = {m.kind for m in mentions(after.lower())}
        hues = [m for m in mentions(before.lower()) if m.kind == "color" and m.start >= start]
        if hues and "color" in kinds and kinds <= {"color", "it"}:
            hue = next(m for m in mentions(after.lower()) if m.kind == "color")
            text = before[: hues[-1].start] + hue.value + before[hues[-1].end :]
        else:
            text = before[:start] + after
    return text


def _plain(text: str, caption: str) -> str:
    """Return a message in lower case without courtesies, with light typing errors mended."""
    text = text.lower().replace("’", "'").replace("‘", "'").replace("gray", "gray")
    text = re.sub(r"\bdont\b", "don't", text)
    before = ""
    while before != text:
        before, text = text, " ".join(_COURTESY.sub(" ", text).split()).strip(" .!?,")
    return corrected(text, words_of(caption))


def _read_parts(text: str, raw: str, reader: _Reader) -> None:
    """Read a whole message as one move, else part by part."""
    at = reader.conversation
    plainer = re.sub(r"\b(?:just|simply|only) ", "", text)
    whole = None if reader.steps else read_move(raw.lower(), raw, at)
    whole = whole or read_move(plainer, raw, at)
    if whole is not None:
        _move(whole, reader)
        return
    text = re.sub(r"^instead of (.+?), ?(.+)$", r"\2 instead of \1", text)
    text = re.sub(r"\bnot ([\w-]+), (?:but )?([\w-]+)$", r"\2", text)
    for part in _parts(text):
        if re.match(r"(?:just|only)\b", part):
            reader.removing = False
        part = _plain(part, reader.caption)
        at = reader.conversation.model_copy(update={"head": reader.heads.head})
        step = read_move(part, part, at) if not reader.removing else None
        start, rest = (step, "") if step else split_start(part, at)
        if start is not None:
            _move(start, reader)
        if rest and not _KEEP.match(rest):
            _read_edit(rest, reader)


def _parts(text: str) -> list[str]:
    """Split a message into its wishes; "the hat and the shirt blue" gives both their colour."""
    parts = [part for piece in _BREAK.split(text) if (part := piece.strip(" ,.!?"))]
    for i in range(len(parts) - 2, -1, -1):
        here, there = mentions(parts[i]), mentions(parts[i + 1])
        color = there[-1] if there and there[-1].kind == "color" else None
        plain = all(m.kind not in ("color", "remove", "it") for m in here) and here
        colors = re.match(r"(?:make|paint|colou?r|dye|turn|change)\b", parts[i])
        named = any(m.attribute in COLOR_OF for m in here) and len(there) > 1
        if color and plain and colors and named and not _VERB.search(parts[i + 1]):
            parts[i] += f" {color.value}"
    return parts


def _read_edit(part: str, reader: _Reader) -> None:
    if not is_portrait(reader.caption):
        _rewrite(part, reader)
        return
    going_on = reader.removing and not _VERB.search(part)
    reading = read_clause(part, reader.scene, removing=going_on)
    reader.removing = reading.removing
    if reading.ask is not None:
        reader.ask = reader.ask or reading.ask
    if reading.remark:
        reader.notes.append(reading.remark)
    if not reading.understood:
        if part not in ("her", "him", "it", "she", "he") and not _CHATTER.fullmatch(part):
            reader.unread.append(part)
        return
    for place, wanted in enumerate(reading.changes):
        joined = place == 0 and not _VERB.search(part)
        _edit(wanted, part, reader, joined=joined)


def _rewrite(part: str, reader: _Reader) -> None:
    """Read one clause over a caption that is no portrait."""
    if not read_freely(part, reader.stage) and not _CHATTER.fullmatch(part):
        reader.unread.append(part)
    for made in reader.stage.rewrites:
        reader.steps.append(
            EditStep(
                change=made.change,
                source_prompt=made.source,
                target_prompt=made.target,
                edit_words=edit_words(made.source, made.target),
                request=part,
            )
        )
        reader.caption = made.target
        reader.notes += [made.note] if made.note else []
    reader.stage.rewrites.clear()


def _edit(wanted: Changes, part: str, reader: _Reader, *, joined: bool) -> None:
    """Add an edit step, or join it to the last one where both are about one thing."""
    wanted = {**_remembered(wanted, reader), **wanted}
    last = reader.steps[-1] if reader.steps else None
    if isinstance(last, EditStep):
        before = changes(last.source_prompt, last.target_prompt)
        if joined and _one_thing(before, wanted) or _replaced(before, wanted):
            reader.steps.pop()
            reader.caption, part = last.source_prompt, f"{last.request} and {part}"
            wanted = before | wanted
    step = edit_step(reader.caption, wanted, part)
    reader.scene = reader.scene.after(wanted)
    if step is None:
        reader.already.append(_already(wanted, reader))
        return
    reader.steps.append(step)
    reader.caption = step.target_prompt


def _one_thing(before: Changes, wanted: Changes) -> bool:
    """Whether both change one thing in different ways: "long" and "blonde" are one hair."""
    together = {*before, *wanted}
    return any(together <= group for group in GROUPS) and not set(before) & set(wanted)


def _replaced(before: Changes, wanted: Changes) -> bool:
    """Whether what was just taken off is now put on: "take off the hat and put on a beanie"."""
    return any(before[name] == "none" != wanted.get(name, "none") for name in before)


def _remembered(wanted: Changes, reader: _Reader) -> Changes:
    """Return the hair colour from before old age or baldness, when those are taken back."""
    now = reader.scene.now
    young_again = wanted.get("age") == "young" and now.get("age") == "old"
    hair_again = wanted.get("hair", "bald") != "bald" and now.get("hair") == "bald"
    if young_again or hair_again:
        for t in reversed(history.path(reader.conversation, reader.heads.head)):
            shown = attributes_of(t.caption)
            if "hair_color" in shown and shown.get("age") != "old":
                return {"hair_color": shown["hair_color"]}
    return {}


def _already(wanted: Changes, reader: _Reader) -> str:
    name, value = next(iter(wanted.items()))
    called = name.replace("_", " ")
    if value == "none":
        return f"There is no {called} to remove."
    if name == "hair_color" and reader.scene.now.get("age") == "old":
        return "Old people have gray hair here; make them younger first."
    return f"The picture already has {called}: {value}. Say “more” to make it clearer."


def _move(step: Step, reader: _Reader) -> None:
    """Add a step that is not an edit, and follow the head to where it leads."""
    reader.steps.append(step)
    try:
        if isinstance(step, Undo):
            reader.place(history.undo(reader.heads, step.messages))
        elif isinstance(step, Redo):
            reader.place(history.redo(reader.heads, step.messages))
        elif isinstance(step, GoTo):
            reader.place(Heads(step.turn, (*reader.heads.past, reader.heads.head), ()))
        elif isinstance(step, Revert):
            parent = reader.conversation.turns[step.turn].parent
            replayed = history.later(reader.conversation, step.turn)
            reader.place(Heads(parent or 0, reader.heads.past, reader.heads.future))
            for t in replayed:
                again = replay(t.step, reader.caption) if t.step else None
                reader.caption = again.target_prompt if again else reader.caption
    except NoSuchTurn:
        return  # said when the step is carried out


def _plan(reader: _Reader) -> Plan:
    steps = list(reader.steps)
    notes = reader.notes + ([] if steps else reader.already)
    if reader.ask is not None:
        steps.append(reader.ask)
    if reader.unread and (steps or notes):
        notes.append("I did not understand “" + "” and “".join(reader.unread) + "”.")
    elif not steps and not notes:
        steps.append(_lost(reader))
    return Plan(steps=tuple(steps), note=" ".join(notes))


def _lost(reader: _Reader) -> Ask:
    known = "portraits" if is_portrait(reader.caption) else "people"
    return Ask(
        question=f"I did not understand that. I can change {known}: age, hair, headwear, eyewear, "
        "facial hair, expression, clothes, colours and background. What shall I do?",
        options=_SUGGESTIONS,
    )
