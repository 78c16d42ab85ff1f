"""A session as one page that needs nothing else: every turn, its picture and how it was made."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from PIL import Image

from agent import turn_tree
from agent.exports.output_path import written
from agent.replies import of_operation, verdict_of
from agent.state import Adjust, Conversation, Turn
from agent.terminal.comparison import OPACITY, TINT
from agent.terminal.why import label, scores
from tools.pictures import PictureStore

LARGEST = 1024  # pixels; longer sides are scaled down to it
EXACT = 256  # pixels; up to this pictures are kept exactly, as PNG
THUMBNAIL = 72  # pixels; of the tree, shown at about half of that


def write_page(conversation: Conversation, store: PictureStore, target: Path) -> None:
    """Write the session as a page.

    Raises:
        PictureError: It cannot be written there.
    """
    text = _Page(conversation, store).text()
    written(target, lambda file: file.write_text(text, "utf-8"))


class _Page:
    def __init__(self, conversation: Conversation, store: PictureStore) -> None:
        self.conversation, self.store = conversation, store
        self.line = turn_tree.path(conversation)

    def text(self) -> str:
        turns, messages = self.conversation.turns, self.conversation.messages
        asked = ", then ".join(turn.request for turn in self.line if turn.step)
        edits = sum(turn.step is not None for turn in turns)
        tips = len(turn_tree.branches(self.conversation))
        parts = {
            "title": escape(asked or self.line[0].caption),
            "summary": escape(
                f"{self.line[0].caption} · {_count(edits, 'edit')}, "
                f"{_count(tips, 'branch', 'branches')}"
            ),
            "switch": "" if any(turn.mask for turn in turns) else " hidden",
            "line": self._section(f"From @{self.line[0].id} to @{self.line[-1].id}", self.line),
            "beside": "\n".join(self._beside()),
            "tree": self._tree(None),
            "count": _count(len(messages), "message"),
            "talk": "\n".join(
                f'<p class="said">{escape(m.text)}</p>\n<p>{escape(m.reply)}</p>' for m in messages
            ),
        }
        return Template((files(__package__) / "page.html").read_text("utf-8")).substitute(parts)

    def _beside(self) -> Iterator[str]:
        """Yield every branch beside the path to the head, from where it leaves what was shown."""
        shown = {turn.id for turn in self.line}
        for tip in turn_tree.branches(self.conversation):
            beside = turn_tree.path(self.conversation, tip.id)
            beside = [turn for turn in beside if turn.id not in shown]
            if not beside:
                continue
            shown |= {turn.id for turn in beside}
            yield self._section(self._way(beside[0].parent), beside)

    def _way(self, start: int | None) -> str:
        if start is None:
            return "From another original"
        return (
            f"On from @{start}" if start == self.conversation.head else f"Another way from @{start}"
        )

    def _section(self, title: str, turns: list[Turn]) -> str:
        cards = "\n".join(f"<li>{self._card(turn)}</li>" for turn in turns)
        head = f'<section style="--turns: {len(turns)}">\n<h2>{escape(title)}</h2>'
        return f'{head}\n<ol class="turns">\n{cards}\n</ol>\n</section>'

    def _card(self, turn: Turn) -> str:
        here = ' class="head"' if turn.id == self.conversation.head else ""
        return "\n".join(
            [
                f'<article id="t{turn.id}"{here}>{self._figure(turn)}',
                f"<h3>{escape(label(turn))}</h3>",
                *self._said(turn),
                *_made(turn),
                "</article>",
            ]
        )

    def _figure(self, turn: Turn) -> str:
        if not turn.picture or turn.picture not in self.store:
            return '<p class="faint">only planned, no picture</p>'
        image = _reduced(self.store.image(turn.picture), LARGEST)
        parts = [_img(image, turn.caption)]
        if turn.mask and turn.mask in self.store:
            veil = Image.new("RGBA", image.size, (*TINT, 0))
            mask = self.store.image(turn.mask).convert("L").resize(image.size)
            veil.putalpha(mask.point(lambda level: round(level * OPACITY)))
            parts.append(_img(veil, "where the edit acted", "mask"))
        focus = ' tabindex="0"' if len(parts) > 1 else ""
        return f"<figure{focus}>{''.join(parts)}</figure>"

    def _said(self, turn: Turn) -> Iterator[str]:
        """Yield the message that led to a turn, where it said more, and the reply."""
        if turn.step is None:
            yield f'<p class="faint">{escape(turn.caption)}</p>'
        message = next((m for m in self.conversation.messages if m.id == turn.message), None)
        if message is None:
            return
        if message.text != turn.request:
            yield f'<p class="said">{escape(message.text)}</p>'
        yield f"<p>{escape(message.reply)}</p>"

    def _tree(self, parent: int | None) -> str:
        """Return the turns made from one, and those made from these, as nested lists."""
        rows = []
        for turn in self.conversation.turns:
            if turn.parent != parent:
                continue
            here = ' class="here"' if turn.id == self.conversation.head else ""
            name = escape(f"@{turn.id} {turn.request or turn.caption}")
            link = f'<a href="#t{turn.id}"{here}>{self._thumbnail(turn)}<span>{name}</span></a>'
            rows.append(f"<li>{link}{self._tree(turn.id)}</li>")
        return f"<ul>{''.join(rows)}</ul>" if rows else ""

    def _thumbnail(self, turn: Turn) -> str:
        if not turn.picture or turn.picture not in self.store:
            return ""
        return _img(_reduced(self.store.image(turn.picture), THUMBNAIL), "", exact=False)


def _made(turn: Turn) -> Iterator[str]:
    """Yield how a turn was made: plan, check, work, and the prompts folded away."""
    step = turn.step
    if step is None:
        return
    if isinstance(step, Adjust):
        yield f"<dl>{_rows({'done': of_operation(step)})}</dl>"
        return
    rows = {"plan": f"{step.change}, looking at: {', '.join(step.edit_words) or 'all of it'}"}
    if turn.check is not None:
        check = turn.check
        verdict = verdict_of(passed=check.passed, unchecked=check.unchecked)
        rows["check"] = f"{verdict}; {scores(turn.check)}"
    seconds, calls = turn.report.get("seconds", 0), int(turn.report.get("forwards", 0))
    if calls:
        rows["made"] = (
            f"{turn.method}, {turn.preset}, seed {turn.seed}; {seconds:.1f} s, {calls} model calls"
        )
    yield f"<dl>{_rows(rows)}</dl>"
    prompts = {"before": step.source_prompt, "after": step.target_prompt}
    yield f"<details><summary>prompts</summary><dl>{_rows(prompts)}</dl></details>"


def _rows(rows: dict[str, str]) -> str:
    return "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())


def _reduced(image: Image.Image, longest: int) -> Image.Image:
    image = image.convert("RGB")
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return image


def _img(image: Image.Image, alt: str, kind: str = "", *, exact: bool | None = None) -> str:
    """Return a picture with its data inside: exactly if it is small, else as WebP."""
    exact = max(image.size) <= EXACT if exact is None else exact
    data, form = io.BytesIO(), "PNG" if exact else "WEBP"
    image.save(data, form, **({"optimize": True} if exact else {"quality": 88}))
    code = base64.b64encode(data.getvalue()).decode()
    named = f' class="{kind}"' if kind else ""
    return f'<img{named} alt="{escape(alt)}" src="data:image/{form.lower()};base64,{code}">'


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"
