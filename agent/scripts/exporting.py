"""A session becomes a script: what was said, and what came of it as expectations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from agent.captions import changes
from agent.chat import Chat
from agent.exports.output_path import make_folder
from agent.scripts.loader import written, yaml
from agent.scripts.schema import SUFFIX, Defaults
from agent.state import Adjust, EditStep, Message, Turn
from tools import provenance
from tools.edit_picture import paired
from tools.inspection import sample_portrait
from tools.pictures import PictureError, PictureStore, picture_hash


def export_script(chat: Chat, store: PictureStore, target: Path, name: str = "") -> Path:
    """Write the session of a chat as a script, with its pictures beside it, and return its path.

    Args:
        chat: The session.
        store: Its pictures.
        target: The file, with or without its ending.
        name: What the script is called; else it is the first message.

    Raises:
        PictureError: It cannot be written there, or nothing was finished yet.
    """
    target = target.absolute()
    if target.is_dir():
        target = target / "session"
    if not target.name.endswith(SUFFIX):
        target = target.with_name(target.name.removesuffix(".yaml") + SUFFIX)
    if target.exists():
        raise PictureError(f"{target} exists already; choose another name.")
    make_folder(target)
    script = _Writer(chat, store, target).script(name)
    try:
        with target.open("w", encoding="utf-8") as out:
            yaml().dump(script, out)
    except OSError as error:
        raise PictureError(f"{target} cannot be written: {error.strerror}.") from None
    return target


class _Writer:
    def __init__(self, chat: Chat, store: PictureStore, target: Path) -> None:
        self.chat, self.store, self.target = chat, store, target
        self.conversation = chat.conversation
        self.numbers: dict[int, int] = {}
        """Of the messages: what each is called in the script, or the one that comes after it."""
        self.said = 0
        """How many messages the script has."""
        self.cut: list[str] = []
        """What was cut off."""

    def script(self, name: str) -> CommentedMap:
        messages, base = self.conversation.messages, self.conversation.turns[0]
        turns = CommentedSeq(self._turns(messages))
        if not turns:
            raise PictureError("Nothing has been said yet that a script could say.")
        script = CommentedMap(version=1, name=name or (messages[0].text if messages else "a base"))
        if self.cut:
            listed = "\n".join(f"- {text}" for text in self.cut)
            script.yaml_set_start_comment(f"Cut off, so that only what was done is said:\n{listed}")
        sample, caption = sample_portrait()
        if base.picture != picture_hash(sample):
            script["picture"] = self._beside(base)
        if base.caption != caption:
            script["caption"] = base.caption
        if own := self._defaults():
            script["defaults"] = own
        script["turns"] = turns
        script["expect"] = _flow({"head": self.conversation.head})
        return script

    def _turns(self, messages: list[Message]) -> list[CommentedMap]:
        """Every message, and every picture that was opened before it."""
        opened = [turn for turn in self.conversation.turns[1:] if turn.parent is None]
        lines = []
        for message in messages:
            while opened and message.before >= opened[0].id:
                lines.append(self._open(opened.pop(0)))
            self.numbers[message.id] = self.said + 1
            done = [self._line(message)] if message.reply else self._cut_off(message)
            self.said += len(done)
            lines += done
        return lines + [self._open(turn) for turn in opened]

    def _cut_off(self, message: Message) -> list[CommentedMap]:
        """What came of a message that Ctrl-C or a kill ended, or that waits for an answer."""
        self.cut.append(message.text)
        turns, last = self.conversation.turns, message is self.conversation.messages[-1]
        edits = [turn for turn in turns if turn.message == message.id and turn.step is not None]
        head, after = message.before, self.conversation.head if last else message.after
        lines: list[CommentedMap] = []
        while edits:
            if edits[0].parent != head:
                lines.append(_going(edits[0].parent or 0))
            together = [edits.pop(0)]
            while edits and edits[0].parent == together[-1].id:
                together.append(edits.pop(0))
            words = [turn.step.request or turn.request for turn in together if turn.step]
            line = CommentedMap(say=", ".join(dict.fromkeys(words)))
            head = together[-1].id
            line["expect"] = _block({"head": head, **self._of_edits(together)})
            lines.append(line)
        return [*lines, _going(after)] if head != after else lines

    def _words(self, message: Message) -> str:
        """What is said; a /rewind names its message by the number that it has in the script."""
        named = re.fullmatch(r"/rewind (\d+)( \w+)?", message.text)
        if named is None:
            return message.text
        number = self.numbers.get(int(named[1]), int(named[1]))
        if number > self.said:  # nothing is said between the two
            return f"/goto {message.after}"
        return f"/rewind {number}{named[2] or ''}"

    def _open(self, turn: Turn) -> CommentedMap:
        edits = [earlier for earlier in self.conversation.turns[: turn.id] if earlier.step]
        same = next((edit.id for edit in edits if edit.picture == turn.picture), None)
        opened = f"/open {{here}}/{self._beside(turn)}" if same is None else f"/base {same}"
        line = CommentedMap(say=opened)
        line["expect"] = _flow({"head": turn.id})
        return line

    def _line(self, message: Message) -> CommentedMap:
        line = CommentedMap(say=self._words(message))
        if message.answer is not None:
            line["answer"] = message.answer
        expected: dict[str, Any] = {"head": message.after}
        if message.failure:
            expected["error"] = {"exit": 1, "says": message.failure}
        made = [turn for turn in self.conversation.turns if turn.message == message.id]
        edits = [turn for turn in made if turn.step is not None]
        if edits and not message.failure:
            expected |= self._of_edits(edits)
        line["expect"] = _flow(expected) if len(expected) == 1 else _block(expected)
        return line

    def _of_edits(self, edits: list[Turn]) -> dict[str, Any]:
        """The kinds of change, the caption, and what is seen of them in the picture."""
        last, at = edits[-1], self.conversation.turns
        expected: dict[str, Any] = {"caption": last.caption}
        if not any(map(self._again, edits)):
            steps = [turn.step for turn in edits]
            kinds = [step.change for step in steps if isinstance(step, EditStep)]
            done = [step.words for step in steps if isinstance(step, Adjust)]
            found = {"changes": kinds, "operations": done}
            expected = {name: held for name, held in found.items() if held} | expected
        parent = edits[0].parent
        wanted = changes(at[parent].caption if parent is not None else "", last.caption)
        eyes = self.chat.studio.eyes
        if last.picture and eyes is not None:
            seen = eyes.attributes(self.store.image(last.picture), wanted)
            shown = {name: value for name, value in wanted.items() if seen.get(name) == value}
            expected["picture"] = {"size": "same"} | ({"attributes": shown} if shown else {})
        return expected

    def _again(self, turn: Turn) -> bool:
        """Whether an edit was made once more, by a retry or a revert: no plan names it."""
        step, earlier = turn.step, self.conversation.turns[: turn.id]
        assert step is not None
        if isinstance(step, Adjust):
            return bool(step.without or step.anew)
        beside = [t for t in earlier if t.parent == turn.parent and isinstance(t.step, EditStep)]
        targets = {t.caption for t in beside}
        return bool(step.without) or turn.caption in targets

    def _beside(self, turn: Turn) -> str:
        """Keep an original beside the script, with its caption inside; return its name."""
        name = f"{self.target.name.removesuffix(SUFFIX)}-{turn.id}.png"
        file = self.target.with_name(name)
        try:
            caption = provenance.text_chunk({"target_prompt": turn.caption})
            self.store.image(turn.picture).save(file, "PNG", pnginfo=caption)
        except OSError as error:
            raise PictureError(f"{file} cannot be written: {error.strerror}.") from None
        return name

    def _defaults(self) -> CommentedMap | None:
        """The settings of the session, where they are not a script's own."""
        settings, usual = self.chat.studio.settings, Defaults()
        llm = "offline" if self.chat.studio.llm is None else "replay"
        used = {name: getattr(settings, name, None) for name in Defaults.model_fields}
        used |= {"llm": llm, "plan_only": self.chat.studio.edit is None}
        if (settings.method, settings.preset) == paired("", ""):
            used |= {"method": "", "preset": ""}
        own = {name: value for name, value in used.items() if value != getattr(usual, name)}
        if llm == "offline":
            own.pop("llm_model", None)
        return _flow(own) if own else None


def _going(turn: int) -> CommentedMap:
    """The line that goes to a turn."""
    line = CommentedMap(say=f"/goto {turn}")
    line["expect"] = _flow({"head": turn})
    return line


def _block(value: dict[str, Any]) -> CommentedMap:
    """A mapping with a line for each key."""
    return CommentedMap({name: written(held) for name, held in value.items()})


def _flow(value: dict[str, Any]) -> CommentedMap:
    """A mapping in one line."""
    made: CommentedMap = written(value)
    return made
