"""Deliberate defects, each a change of the running program; its docstring says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from PIL import Image, ImageChops

import agent.actions
import agent.bootstrap
import agent.nodes
import agent.replies
import agent.retry
import agent.terminal.run_message
import agent.turn_tree
import agent.understand
import agent.verify
import editing_core.editor
import editing_core.methods.mtc
import tools.edit_picture
import tools.pictures
from agent.state import Plan
from agent.turn_tree import Heads
from editing_core.settings import EditSettings

Defect = Callable[[], None]


def lambda_swapped() -> None:
    """λ weighs the original instead of the previous picture."""
    right = editing_core.methods.mtc.dual_target
    editing_core.methods.mtc.dual_target = lambda original, previous, lam: right(
        original, previous, 1 - lam
    )


def original_forgotten() -> None:
    """Edits are anchored to the previous picture only."""
    right = tools.edit_picture.edit_picture
    tools.edit_picture.edit_picture = lambda editor, store, **asked: right(
        editor, store, **asked | {"original": asked["head"]}
    )


def mask_inverted() -> None:
    """The region of an edit is where nothing is to change."""
    right = editing_core.editor.region
    editing_core.editor.region = lambda context: 1 - right(context)


def nothing_kept() -> None:
    """What lies outside an edit is not kept."""
    right = EditSettings.fitted
    EditSettings.fitted = lambda s, change, turns: replace(right(s, change, turns), keep="nothing")


def words_off_by_one() -> None:
    """Attention is paid to the token after the edit word."""
    right = editing_core.editor.columns_of
    editing_core.editor.columns_of = lambda *a, **k: tuple(c + 1 for c in right(*a, **k))


def guidance_ignored() -> None:
    """The model's guidance is always 1."""
    right = EditSettings.fitted
    EditSettings.fitted = lambda s, change, turns: replace(right(s, change, turns), guidance=1.0)


def attention_ignored() -> None:
    """No edit words reach the editor."""
    editing_core.editor.columns_of = lambda *a, **k: ()


def seed_ignored() -> None:
    """All noise is drawn from seed 0."""
    right = editing_core.editor.draw_noise
    editing_core.editor.draw_noise = lambda seed, canvas, channels: right(0, canvas, channels)


def latents_round_tripped() -> None:
    """Every turn starts from the stored 8-bit picture."""
    right = tools.pictures.PictureStore.get
    tools.pictures.PictureStore.get = lambda s, name: replace(right(s, name), latents=None)


def color_shifted() -> None:
    """Every edit reddens the picture by 2 %."""
    _afterwards(lambda image: ImageChops.add(image, Image.new("RGB", image.size, (5, 0, 0))))


def one_pixel_shifted() -> None:
    """Every edit moves the picture by one pixel."""
    _afterwards(lambda image: ImageChops.offset(image, 1, 0))


def size_changed() -> None:
    """Edits come out two pixels smaller."""
    _afterwards(lambda image: image.resize((image.width - 2, image.height - 2)))


def prompt_not_cumulative() -> None:
    """A turn is remembered with the caption of its parent."""
    right = agent.nodes.accepted

    def accepted(state: Any, tries: Any, studio: Any) -> Any:
        made = right(state, tries, studio)
        return made.model_copy(update={"caption": state.turns[made.parent].caption})

    agent.nodes.accepted = accepted


def wrong_parent() -> None:
    """Every turn is a child of the original."""
    right = agent.nodes.accepted
    agent.nodes.accepted = lambda *a: right(*a).model_copy(update={"parent": 0})


def undo_one_too_many() -> None:
    """Undo takes back one message more."""
    right = agent.turn_tree.undo
    agent.turn_tree.undo = lambda at, messages=1: right(at, messages + 1)


def redo_does_nothing() -> None:
    """Redo stays where it is."""
    agent.turn_tree.redo = lambda at, messages=1: Heads(at.head, at.past, at.future)


def goto_off_by_one() -> None:
    """Going to a turn ends at the one after it."""
    right = agent.actions._goto
    agent.actions._goto = lambda step, state: right(
        step.model_copy(update={"turn": min(step.turn + 1, len(state.turns) - 1)}), state
    )


def revert_drops_the_rest() -> None:
    """Undoing one edit loses the later ones."""
    agent.actions._revert = lambda step, state: agent.actions._goto(
        agent.actions.GoTo(turn=state.turns[step.turn].parent), state
    )


def retry_on_top() -> None:
    """Trying again starts from the edit instead of from its parent."""
    right = agent.actions._instead
    agent.actions._instead = lambda start, edits, state: right(state.head, edits, state)


def check_always_passes() -> None:
    """Every edit passes its check."""
    right = agent.verify.judge
    agent.verify.judge = lambda *a, **k: right(*a, **k).model_copy(update={"passed": True})


def never_tried_again() -> None:
    """Nothing is ever tried again."""
    agent.retry.next_try = lambda tries, retries: None


def only_the_first_wish() -> None:
    """Of several wishes in one message the first is carried out."""
    right = agent.understand.understand

    def read(*asked: Any, **more: Any) -> Plan:
        plan = right(*asked, **more)
        return plan.model_copy(update={"steps": plan.steps[:1]})

    agent.understand.understand = read


def nothing_is_asked() -> None:
    """What is not understood is passed over in silence."""
    right = agent.understand.understand

    def read(*asked: Any, **more: Any) -> Plan:
        plan = right(*asked, **more)
        return Plan(steps=tuple(step for step in plan.steps if step.step != "ask"))

    agent.understand.understand = read


def llm_ignored() -> None:
    """Messages are read by rules even where an LLM is there."""
    right = agent.understand.understand

    def understand(message: str, conversation: Any, studio: Any, **more: Any) -> Plan:
        return right(message, conversation, replace(studio, llm=None), **more)

    agent.understand.understand = understand


def failures_hidden() -> None:
    """Every line ends with exit code 0."""
    agent.terminal.run_message._code = lambda event, asked: 0


def edit_words_of_the_source() -> None:
    """Edits name the words that go instead of those that come."""
    from agent import captions
    from editing_core import prompt_diff

    right = prompt_diff.edit_words
    captions.edit_words = lambda source, target: right(target, source)


def caption_always_the_samples() -> None:
    """Every opened portrait is captioned as the sample."""
    import tools.inspection

    tools.inspection.WorldEyes.describe = lambda eyes, image: tools.inspection.sample_portrait()[1]


def inverted_twice() -> None:
    """An inversion that is known already is made again."""
    from editing_core.cache import LRUCache

    LRUCache.get = lambda kept, key, make: (make(), make())[1]


def picture_of_the_parent() -> None:
    """A turn keeps the picture it began from."""
    right = agent.nodes.accepted

    def accepted(state: Any, tries: Any, studio: Any) -> Any:
        made = right(state, tries, studio)
        return made.model_copy(update={"picture": state.turns[made.parent].picture})

    agent.nodes.accepted = accepted


def _afterwards(change: Callable[[Image.Image], Image.Image]) -> None:
    """Change every picture that comes out of an edit."""
    right = editing_core.editor.Editor._kept

    def kept(editor: Any, *asked: Any) -> tuple[Image.Image, torch.Tensor, Any]:
        picture, latents, mask = right(editor, *asked)
        return change(picture), latents, mask

    editing_core.editor.Editor._kept = kept


DEFECTS: tuple[Defect, ...] = (
    lambda_swapped,
    original_forgotten,
    mask_inverted,
    nothing_kept,
    words_off_by_one,
    guidance_ignored,
    attention_ignored,
    seed_ignored,
    latents_round_tripped,
    color_shifted,
    one_pixel_shifted,
    size_changed,
    prompt_not_cumulative,
    wrong_parent,
    undo_one_too_many,
    redo_does_nothing,
    goto_off_by_one,
    revert_drops_the_rest,
    retry_on_top,
    check_always_passes,
    never_tried_again,
    only_the_first_wish,
    nothing_is_asked,
    llm_ignored,
    failures_hidden,
    edit_words_of_the_source,
    caption_always_the_samples,
    inverted_twice,
    picture_of_the_parent,
)
