"""What is said about the talk itself: dropping a question, how something is done, a mere look.

How people say it is in lexicon/talk.toml.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent import turn_tree
from agent.offline import lexicon, messages
from agent.offline.draft import suggestions
from agent.offline.intents import ORDINALS, named
from agent.state import Ask, Conversation, Describe, Help, Plan
from editing_core.prompt_diff import words_of
from tools.arguments import LARGEST, whole

NOTHING_PENDING = (
    "Nothing is pending, so nothing was changed; say “undo” to take the last edit back."
)
_EMOJI: dict[str, str] = lexicon.load("talk")["emoji"]
_WANTING = re.compile(
    r"(?:^|[,;]|\b(?:a|an|the|some|with|in|on|of|her|him|them|me|add|wear|and|but|remove|no))\s*$"
)
_FILLER = frozenset(lexicon.load("talk")["answer"]["filler"].split())
_WEAK = frozenset(lexicon.load("talk")["answer"]["weak"].split())
_PICTURED = re.compile(rf"(?:(?:{'|'.join(_EMOJI)})\ufe0f?\s*)+")
_SENTENCE = re.compile(
    r"(?<=[?.!;])\s+(?:and |but |also )?"
    r"|,?\s+(?:and |but )?(?=(?:how (?:do|can)|what (?:else )?can) (?:i|you|we)\b)"
)
_ALONE = re.compile(r"[\W_]*")
_MOOD = re.compile("[\U0001f300-\U0001faff\u2600-\u26ff\u2763\u2764\ufe0f]+")
"""Emoji that stand for no word of an edit."""
_FACES = re.compile("[\U0001f600-\U0001f64f\U0001f970-\U0001f97a]")


def read_talk(
    raw: str, text: str, conversation: Conversation, read: Callable[[str], Plan]
) -> Plan | None:
    """Read a message that asks for nothing to be changed, or return None.

    Args:
        raw: the message as it was typed, without final punctuation.
        text: in lower case and without courtesies.
        conversation: where it was said.
        read: reads another message in its place.
    """
    said = raw.lower().replace("’", "'")
    if any(lexicon.match("talk", "drop", "never", words) for words in (said, text)):
        return Plan(note=NOTHING_PENDING)
    if messages.is_chatter(text or said):
        return Plan(
            note="Tell me what to change, for example: "
            + "; ".join(suggestions(turn_tree.path(conversation)[-1].caption))
            + "."
        )
    if (shown := lexicon.match("talk", "ask", "show", said)) is not None:
        turn = _pictured(shown["what"], conversation)
        return None if turn is None else Plan(steps=(Describe(turn=turn),))
    if (how := lexicon.match("talk", "ask", "how", said)) is not None:
        plan = read(how["what"])
        sure = plan.steps and not any(isinstance(step, Ask | Help) for step in plan.steps)
        return Plan(steps=(Help(),), note=f"Just say “{how['what']}”." if sure else "")
    return None


def split_questions(message: str, caption: str) -> tuple[list[str], str, list[str]]:
    """Take the questions off a message that also wishes for something.

    Returns:
        The questions that it begins with, the wish, and the questions that come later; no
        questions where there is no wish beside them, and no wish without a question.
    """
    sentences = [said for piece in _SENTENCE.split(message) if (said := piece.strip())]
    asked = [_is_question(said, caption) for said in sentences]
    if all(asked) or not any(asked):
        return [], message, []
    first = asked.index(False)
    later = [said for said, asks in zip(sentences[first:], asked[first:], strict=True) if asks]
    wish = [said for said, asks in zip(sentences, asked, strict=True) if not asks]
    return sentences[:first], " ".join(wish), later


def _is_question(sentence: str, caption: str) -> bool:
    said = messages.with_apostrophes(sentence.lower().strip(" .!?,"))
    if lexicon.match("talk", "ask", "how", said) is not None:
        return True
    text = messages.plain(said, caption)
    names = ("help", "edits", "picture", "turn", "compare", "pair")
    tries = (lexicon.match("moves", "ask", name, form) for name in names for form in (said, text))
    return any(found is not None for found in tries)


def _pictured(what: str, conversation: Conversation) -> int | None:
    """Return the number of the turn that is to be looked at, whether it exists or not."""
    if (number := re.search(r"\d+$", what)) is not None:
        there = whole(number[0])
        return LARGEST if there is None else there
    found = named(conversation, what)
    return found.id if found else None


def drops(answer: str, *, plainly: bool = True) -> bool:
    """Whether an answer only says that a question is to be dropped.

    Args:
        answer: as it was typed.
        plainly: whether a bare "no" does, too.
    """
    said = messages.with_apostrophes(answer.lower().strip(" .!?,"))
    names = ("never", "question", "no") if plainly else ("never", "question")
    return any(lexicon.match("talk", "drop", name, said) for name in names)


def chosen(answer: str, question: Ask) -> str | None:
    """Return the option that an answer picks by number, by its words or by words only it has."""
    options, said = question.options, answer.lower().strip(" .!?,")
    if (exact := [option for option in options if option.lower() == said]) != []:
        return exact[0]
    if (place := lexicon.said("talk", "answer", "number", said)) is not None:
        last = place.get("nth") == "last"
        nth = len(options) if last else ORDINALS.index(place.get("nth", "first")) + 1
        number = whole(place["number"]) if "number" in place else nth
        return options[number - 1] if number and number <= len(options) else None
    if len(options) == 1 and lexicon.match("talk", "answer", "yes", said):
        return options[0]
    words = _significant(said)
    if words <= _WEAK:
        return None
    same = [option for option in options if words == _significant(option)]
    fitting = same or [option for option in options if words <= _significant(option)]
    return fitting[0] if len(fitting) == 1 else None


def _significant(text: str) -> set[str]:
    return set(words_of(text)) - _FILLER


def in_words(text: str) -> str:
    """Write emoji that stand where a word is wanted as that word; others only set the tone."""
    alone = _ALONE.fullmatch(text) is not None

    def word(match: re.Match[str]) -> str:
        if not alone and not _WANTING.search(text[: match.start()].lower()):
            return " "
        signs = [s for s in match[0] if s in _EMOJI and (alone or not _FACES.match(s))]
        names = [n for n in dict.fromkeys(_EMOJI[s] for s in signs) if n not in text.lower()]
        return f" {', '.join(names)} " if names else " "

    return " ".join(_MOOD.sub(" ", _PICTURED.sub(word, text)).split())
