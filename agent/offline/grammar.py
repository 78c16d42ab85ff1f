"""The offline reader: a message becomes a plan by rules and word lists, without an LLM.

A message is one move, or parts that are read one after the other: moves, vague wishes, and clauses
over a portrait (`portrait_clauses`) or over any
other caption (`caption_clauses`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial

from agent import turn_tree
from agent.offline import messages, talk, wishes
from agent.offline.caption_clauses import read_caption_clause
from agent.offline.caption_phrases import comparatives, qualities, words
from agent.offline.captions import is_own
from agent.offline.conditions import read_condition
from agent.offline.draft import Draft, lost
from agent.offline.intents import (
    about_complaint,
    edits_about,
    is_complaint,
    once_more,
    read_move,
    read_several,
    split_start,
)
from agent.offline.languages import in_english
from agent.offline.operations import split_operations
from agent.offline.places import within_place
from agent.offline.portrait_clauses import OPPOSITE, read_portrait_clause
from agent.offline.portrait_words import Changes, family, mentions, strangers
from agent.state import Ask, Conversation, GoTo, Plan, Retry, Step, Turn
from agent.turn_tree import NoSuchTurn
from editing_core.worlds.registry import world_of

_DONT = re.compile(r"(?:don't|do not|never) (?:\w+ )?(?P<what>.+)")
_EVEN = re.compile(
    r"(?:(?:make|let) \w+ )?(?:be |look )?(?:even |much |a lot |way |far |still )?more\b|even\b"
)
_MEANT = re.compile(
    r"(?:(?:sorry|oops|no|wait|ah|oh|actually|but)\b[,.! ]*)*(?P<what>i meant? .+)", re.IGNORECASE
)
_OTHERS = {"woman": re.compile(r"\b(?:him|he|his)\b"), "man": re.compile(r"\b(?:her|she|hers)\b")}
"""The pronouns that do not fit who is in the picture."""
_FIRST_ONE = re.compile(r"\bfirst (?:one|version|picture|image|photo)\b")
_LOOKS = re.compile(r"(?:she|he|it|they|(?:her|his|the) \w+)(?:'s| looks?| seems?| is| are) ")
_NAMED_LAST = re.compile(
    r"(?P<said>[^,;.]+?)(?:\s*[,;.]+\s*|\s+[–—-]+\s+)(?:i mean(?:t)?,? )?"
    r"(?P<thing>(?:the|her|his|its|their|my) [\w'-]+(?: [\w'-]+)?)"
    r"(?:,? (?:i mean(?:t)?|that is|i'm talking about))?(?:,? (?:and |but )?not (?:in )?[\w-]+)?"
)
_MOST_LEFT_OUT = 3  # words nobody knows, beside others that are understood, that a reply names


@dataclass(frozen=True)
class Context:
    """What a message is read against: the caption at the head, and the whole conversation."""

    caption: str
    path: list[Turn]
    conversation: Conversation

    @classmethod
    def of(cls, conversation: Conversation) -> Context:
        """Return the context of a conversation as it stands."""
        line = turn_tree.path(conversation)
        return cls(line[-1].caption, line, conversation)


def understand_offline(message: str, context: Context, *, world: bool = True) -> Plan:
    """Read one message as a plan, or as one honest question.

    Nothing is guessed wildly: a part that is not understood is named in the plan's note, and if
    nothing is understood, the plan is one question with suggestions.

    Args:
        message: what the person said.
        context: what it is read against.
        world: whether only the world of portraits can be drawn; a model that knows more may add to
            a portrait what that world does not have.
    """
    message = " ".join(message.split())[: messages.LONGEST]
    again = partial(understand_offline, context=context, world=world)
    if (english := in_english(message, context.caption)) != message:
        plan = again(english)
        note = f"I read “{message}” as “{english}”. {plan.note}".strip()
        return plan.model_copy(update={"note": note})
    if (placed := within_place(message, context.caption, again)) is not None:
        return placed
    before, rest, after = split_operations(message, context.conversation)
    if before or after:
        return _joined(Plan(steps=before), again(rest) if rest else Plan(), Plan(steps=after))
    first, rest, later = talk.split_questions(message, context.caption)
    if first or later:
        plan = again(rest)
        if plan.steps == (lost(context.caption),):
            plan = Plan(note=f"I did not understand “{rest}”.")
        return _joined(*map(again, first), plan, *map(again, later))
    raw = message.strip(" .!?")
    raw = _said_again(messages.with_apostrophes(talk.in_words(raw)), context.conversation)
    raw = messages.self_corrected(raw)
    text = messages.plain(raw, context.caption)
    if (spoken := talk.read_talk(raw, text, context.conversation, again)) is not None:
        return spoken
    draft = Draft.of(context.conversation, world=world, said=message.lower())
    if (decided := read_condition(text, context.caption, draft.portrait, again)) is not None:
        return decided
    text = messages.without_contrast(text) if world_of(draft.caption) else text
    text = _after_complaint(_in_usual_order(text, draft.caption), draft.conversation)
    if len(text) > messages.LONGEST_PART or not _read_whole(text, raw, draft):
        start, rest = split_start(text, context.conversation)
        if start is not None:
            draft.take(start)
        rest = _chosen(_colored(rest, draft), draft)
        _read_parts(messages.parts(messages.in_usual_order(rest))[: messages.MOST_PARTS], draft)
    if draft.steps and isinstance(draft.steps[0], Retry):
        draft.ask = _instead_of_older(raw, context, world)
        draft.steps = draft.steps if draft.ask is None else []
    return draft.plan()


def _joined(*plans: Plan) -> Plan:
    """Put plans one after the other; what they ask comes last."""
    steps = [step for plan in plans for step in plan.steps]
    asked = [step for step in steps if isinstance(step, Ask)]
    done = [step for step in steps if not isinstance(step, Ask)]
    return Plan(steps=(*done, *asked[:1]), note=" ".join(p.note for p in plans if p.note))


def _said_again(raw: str, conversation: Conversation) -> str:
    """Write the last message anew for "sorry, I meant the scarf", with its edits taken back."""
    meant = _MEANT.fullmatch(raw)
    if meant is None or " not " in raw or not conversation.messages:
        return raw
    last = conversation.messages[-1]
    edited = last.after != last.before and last.after == conversation.head
    return f"undo, {messages.self_corrected(f'{last.text}, {meant[1]}')}" if edited else raw


def _instead_of_older(more: str, context: Context, world: bool) -> Ask | None:
    """Ask what "a bit less" means where the last wish was not done; None where it was."""
    *before, last = context.conversation.messages or (None,)
    if last is None or last.before != last.after or last.after != context.conversation.head:
        return None
    if any(turn.message == last.id for turn in context.conversation.turns):
        return None
    earlier = Context.of(context.conversation.model_copy(update={"messages": before}))
    asked = understand_offline(last.text, earlier, world=world).steps
    if not (last.failure or any(isinstance(step, Ask) for step in asked)):
        return None
    head = context.path[-1]
    if head.step is None:
        return Ask(question=f"“{last.text}” was not done. What shall I change instead?")
    question = f"“{last.text}” was not done. Shall I change the edit before it, “{head.request}”?"
    return Ask(question=question, options=(f"go back to @{head.id}, then {more}",))


def _in_usual_order(text: str, caption: str) -> str:
    """Write a message that names its thing last, "blue, the door", with the thing in its place."""
    match = _NAMED_LAST.fullmatch(text)
    if match is None or _is_quality(match["thing"].split(" ", 1)[1], caption):
        return text
    said, thing = match["said"], match["thing"]
    put = re.sub(r"\b(?:it|that|them|those)\b", thing, said, count=1)
    if put != said or messages.has_verb(said):
        return put if put != said else text
    return f"make {thing} {said}" if _is_quality(said, caption, alone=True) else text


def _is_quality(phrase: str, caption: str, *, alone: bool = False) -> bool:
    """Whether a phrase has qualities, or has nothing else."""
    if not world_of(caption):
        return bool(qualities(phrase if alone else phrase.split()[-1]))
    kinds = {m.kind for m in mentions(phrase)}
    if not alone:
        return bool(kinds & {"color", "more"})
    plain = not strangers(phrase) and not re.match(r"an? ", phrase)
    return bool(kinds) and plain and kinds <= {"value", "color", "more", "other"}


def _after_complaint(text: str, conversation: Conversation) -> str:
    """Leave out how badly an edit came out, where it is said what is to be done about it."""
    first, *more = messages.BREAK.split(text, maxsplit=1)
    first = first.strip(" ,.!?")
    if not more or not more[0]:
        return text
    about = about_complaint(first, more[0])
    if about and edits_about(conversation, about):
        return f"another version of {about}"
    return more[0] if about or is_complaint(first, more[0]) else text


def _read_whole(text: str, raw: str, draft: Draft) -> bool:
    """Read a whole message as one move, or as several edits that go; what else it says, too."""
    plainer = re.sub(r"\b(?:just|simply|only) ", "", text)
    try:
        several = read_several(text, draft.conversation)
    except NoSuchTurn as error:
        draft.notes.append(f"I left it all as it is: {error}.")
        return True
    if several is not None:
        draft.drop(several[0])
        _read_parts(messages.parts(several[1]), draft)
        return True
    for said in dict.fromkeys((raw.lower(), text, plainer)):
        step = _move(said, raw, draft, last=said == plainer)
        if step is not None:
            draft.take(step)
        if isinstance(step, GoTo) and _FIRST_ONE.search(said):
            note = "I took the first one as the picture all began with; “the first edit” is @1."
            draft.notes.append(note)
        if step is not None or draft.notes:
            return True
    return False


def _move(text: str, raw: str, draft: Draft, *, last: bool = True) -> Step | None:
    """Read a move; a turn that is not there is said in the notes."""
    at = draft.conversation.model_copy(update={"head": draft.heads.head})
    try:
        return read_move(text, raw, at)
    except NoSuchTurn as error:
        if last:
            draft.notes.append(f"That cannot be undone: {error}.")
        return None


def _read_parts(parts: list[str], draft: Draft) -> None:
    """Read one part after the other; the reasons for them only where nothing else is understood."""
    reasons = [part for part in parts if _is_reason(part, draft.caption)]
    parts = [part for part in parts if part not in reasons]
    for place, part in enumerate(parts):
        following = parts[place + 1] if place + 1 < len(parts) else ""
        if not following or not (_only_says_why(part, following) or _topic(part, draft)):
            _read_part(part, draft)
    if not (draft.steps or draft.ask or draft.notes or draft.kept):
        for part in reasons:
            _read_part(part, draft)


def _is_reason(part: str, caption: str) -> bool:
    """Whether a part says why something is wanted, and names nothing that could be drawn."""
    if not messages.gives_reason(part):
        return False
    if world_of(caption):
        return not any(m.kind in ("value", "color", "unknown") for m in mentions(part))
    return not any(is_own(word) for word in words(part))


def _only_says_why(part: str, following: str) -> bool:
    """Whether a part only says why the next is wanted: "he looks grumpy, make him smile"."""
    if not _LOOKS.match(part):
        return False
    about = {m.attribute for m in mentions(part)} & {m.attribute for m in mentions(following)}
    values = any(m.kind == "value" for m in mentions(part))
    wish = messages.has_verb(following) and not values
    return bool(about - {""}) or wish or wishes.one_wish(part, following)


def _read_part(part: str, draft: Draft) -> None:
    if len(part) > messages.LONGEST_PART:
        draft.unread.append(f"{part[:40]} …")
        return
    if re.match(r"(?:just|only)\b", part):
        draft.removing = False
        part = re.sub(r"^(?:just|only) ", "", part)
    part = messages.plain(part, draft.caption)
    notes = len(draft.notes)
    step = _move(part, part, draft) if not draft.removing else None
    if len(draft.notes) > notes:
        return
    start, rest = (step, "") if step else split_start(part, draft.conversation)
    if start is not None:
        draft.take(start)
    draft.kept = draft.kept or messages.keeps(rest)
    if rest and not messages.keeps(rest) and not _forbidden(rest, draft):
        _read_wish(rest, draft)


def _colored(text: str, draft: Draft) -> str:
    """Write the colour itself for "the same colour as the hat", or say that nothing has it."""
    try:
        return draft.portrait.same_color(text)
    except LookupError as error:
        draft.notes.append(f"I see no colour of “{error}” here; say which colour you want.")
        return ""


def _chosen(text: str, draft: Draft) -> str:
    """Ask which of two is meant in "a cap or a beanie", and return what else there is to read."""
    match = re.fullmatch(r"(?:either )?(.*?(?:\S+ ){0,3}\S+?),? or (.+)", text)
    if match is None or not world_of(draft.caption):
        return text
    first, second = (
        [m for m in mentions(half) if m.kind == "value"] for half in (match[1], match[2])
    )
    if not first or not second or first[-1].attribute != second[0].attribute:
        return text
    options = (f"{match[1]}", f"{match[2]}")
    one, other = (half.split(", ")[-1] for half in options)
    draft.ask = Ask(question=f"Which one: {one}, or {other}?", options=options, default=options[0])
    return ""


def _topic(part: str, draft: Draft) -> bool:
    """Whether a part only says what the next is about: "her hair, could you make it curly?"."""
    if not world_of(draft.caption) or not re.fullmatch(r"(?:the|her|his|that) [\w -]+", part):
        return False
    (only,) = found if len(found := mentions(part)) == 1 else (None,)
    worn = only and draft.portrait.now.get(only.attribute) == only.value
    if only is None or only.end < len(part) or not (only.kind == "thing" or worn) or draft.removing:
        return False
    draft.portrait = replace(draft.portrait, last=only.attribute)
    return True


def _forbidden(part: str, draft: Draft) -> bool:
    """Whether a part says what not to do: "don't add a hat" changes nothing unless it is there."""
    match = _DONT.fullmatch(part)
    if match is None or re.match(r"(?:don't|do not) (?:want|need|have|like)\b", part):
        return False
    if world_of(draft.caption):
        now = draft.portrait.now
        if any(m.kind == "value" and now.get(m.attribute) == m.value for m in mentions(part)):
            return False
    draft.notes.append("I leave that as it is.")
    if not world_of(draft.caption):
        read_caption_clause(
            f"the {match['what'].split()[-1]}", draft.captioned
        )  # what "them" means next
    return True


def _read_wish(part: str, draft: Draft) -> None:
    """Read a part that asks for a change: vague or plain, over a portrait or any other caption."""
    made = draft.conversation.turns
    seed = 1000 * made[-1].seed + len(draft.conversation.messages)
    if not world_of(draft.caption) or not draft.world and _beyond(part):
        if draft.has_made(comparatives(part)):
            draft.take(Retry(how="stronger"))
            return
        if draft.has_made(words(wishes.too(part))):
            draft.take(Retry(how="weaker"))
            return
        if not read_caption_clause(part, draft.captioned):
            draft.ask = draft.ask or wishes.question(part)
            understood = draft.captioned.ask or draft.ask or messages.is_chatter(part)
            draft.unread += [part] if not understood else []
        draft.rewrite(part)
        return
    summed = messages.is_chatter(part) or wishes.sums_up(part, draft.made())
    if draft.steps and (summed or draft.is_place(part)):
        return  # "sunglasses, beach, summer vibes"; "a scarf, round her neck"
    wanted = _too_much(part, draft) or wishes.for_portrait(part, draft.portrait)
    if wishes.is_surprise(part):
        wanted = wishes.surprise(seed, made)
    if wanted:
        draft.notes.append(f"I read “{part}” as: {wishes.in_words(wanted)}.")
        draft.edit(wanted, part)
        return
    if absent := wishes.absent(part, draft.portrait):
        draft.notes.append(f"There is no {absent} here, so nothing was changed.")
        return
    made_before, who = len(draft.steps), draft.portrait.now.get("gender", "")
    _read_clause(part, draft)
    other = _OTHERS[who].search(part) if who in _OTHERS and draft.steps[made_before:] else None
    if other is not None:
        draft.notes.append(f"I took “{other[0]}” to mean the {who} in the picture.")
    if wishes.dislikes(part):
        draft.notes += wishes.instead(part, draft.steps[made_before:])


def _beyond(part: str) -> bool:
    """Whether a clause asks for what the world of portraits does not have."""
    return bool(strangers(part)) or any(m.kind == "unknown" for m in mentions(part))


def _too_much(part: str, draft: Draft) -> Changes:
    """Read "she looks too serious" as a wish for the opposite."""
    for mention in mentions(wishes.too(part)):
        value = OPPOSITE.get(mention.attribute, {}).get(mention.value)
        if value is not None and draft.portrait.now.get(mention.attribute) == mention.value:
            return {mention.attribute: value}
    return {}


def _read_clause(part: str, draft: Draft) -> None:
    """Read a plain clause over a portrait."""
    fresh = messages.has_verb(part) or re.match(r"(?:an?|some) ", part) is not None
    going_on = draft.removing and not fresh and draft.shows(part)
    part = draft.portrait.named_ones(part) if re.search(r"\w ones?\b", part) else part
    said = family(part)
    reading = read_portrait_clause(said, draft.portrait, removing=going_on)
    draft.removing = reading.removing
    if reading.ask is not None and draft.ask is None:
        draft.ask, draft.asking = reading.ask, reading.asking
    if reading.remark:
        draft.notes.append(reading.remark)
    unknown = strangers(said)
    if not reading.understood:
        draft.ask = draft.ask or wishes.question(part)
        if draft.ask is None and unknown or len(messages.parts(part)) > 1:
            draft.unread.append(part)
        return
    maker = draft.maker(reading.changes)
    bare = maker == draft.heads.head or len(words(part)) == 1
    if maker is not None and (_EVEN.match(part) or bare and comparatives(part)):
        draft.take(once_more(maker, f"@{maker}", "stronger", draft.heads.head))
        return
    for place, wanted in enumerate(reading.changes):
        draft.edit(wanted, part, joined=place == 0 and not messages.has_verb(part))
    if unknown and reading.changes and len(unknown) <= _MOST_LEFT_OUT:
        draft.notes.append(f"I do not know “{' '.join(unknown)}” and left it out.")
