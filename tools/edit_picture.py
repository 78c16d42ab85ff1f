"""Edit one stored picture into another: what the agent calls for every edit step."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from editing_core.errors import EditError, ModelMissing
from editing_core.methods.registry import METHODS, method_named, paired, refuse_model
from editing_core.models.checkpoints import SHIPPED_FOLDERS, refuse_name
from editing_core.models.context_parallel import processes
from editing_core.models.offers import possible
from editing_core.settings import PRESETS, Bounds, EditSettings
from tools import __version__
from tools.close_up import CHOSEN, Box, Framing, Seen, bounds_in, mask_in, pasted
from tools.edit_history import instruction_of, recalled, steps_before
from tools.full_size import carried_up
from tools.pictures import PictureStore, picture_hash
from tools.provenance import Recipe
from tools.region_masks import RegionMask

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from PIL.Image import Image

    from editing_core.editor import Editor, EditRequest, EditResult, Picture, Report
    from editing_core.methods.base import MethodSpec
    from editing_core.models.base import Model
    from tools.own_pixels import OwnPixels

__all__ = ["METHODS", "PRESETS", "EditError", "Edited", "ModelMissing",
           "device_of", "differing", "edit_picture", "load_editor", "method_summaries", "paired",
           "processes", "refuse_choice", "settings_read"]  # fmt: skip

OnStep = Callable[[str, int, int], None]


class Step(Protocol):
    """The words of an edit: the picture before, the picture after, and what names the change."""

    @property
    def source_prompt(self) -> str:
        """Caption of the picture before the edit."""
        ...

    @property
    def target_prompt(self) -> str:
        """Caption of the picture after the edit."""
        ...

    @property
    def edit_words(self) -> tuple[str, ...]:
        """Words that name the change."""
        ...

    @property
    def request(self) -> str:
        """What the person said; "" if that is not known."""
        ...


@dataclass(frozen=True)
class Edited:
    """A finished edit, by the hashes of its pictures."""

    picture: str
    mask: str | None
    seconds: float
    forwards: int
    columns: tuple[int, ...]
    """Positions of the edit words among the T5 tokens."""
    crop: Box | None = None
    """What the model saw of the picture; None for all of it."""
    working: tuple[int, int] | None = None
    """Width and height at which it saw that, in pixels."""


def refuse_choice(model: str, *, method: str, device: str | None) -> None:
    """Refuse what cannot work before any time is spent on loading the model.

    Raises:
        EditError: There is no such method, or not for this model.
        ModelMissing: The model cannot edit, or the device is not there.
    """
    wanted = method_named(method)
    refuse_name(model)
    offers = possible(model)
    if all(wanted.lacking(spec) for spec in offers):
        refuse_model(wanted, offers[0])
    if device and device.startswith("cuda") and not _cuda():
        raise ModelMissing(
            "There is no NVIDIA GPU here (or this PyTorch is built without CUDA); "
            "leave --device out to run on the CPU."
        )


def is_shipped(model: str) -> bool:
    """Say whether a model lies in this program's own folder, and is small."""
    return model in SHIPPED_FOLDERS


def device_of(device: str | None) -> Literal["cpu", "cuda"]:
    """Name the kind of device that a setting leads to."""
    cuda = _cuda() if device is None else device.startswith("cuda")
    return "cuda" if cuda else "cpu"


def _cuda() -> bool:
    import torch  # seconds, so only for those who ask for a GPU

    return torch.cuda.is_available()


def memory_told(
    model: str, *, device: str | None = None, memory: str = "auto", compiled: bool = False
) -> str:
    """Say in one sentence how much memory a model needs and what will be done; "" if it is small.

    Only configurations are fetched for that. See ``load_editor``.
    """
    from editing_core.models.loader import planned

    with _refusing(device):
        return planned(model, device=device, memory=memory, compiled=compiled).said()


def load_editor(
    model: str,
    *,
    device: str | None = None,
    memory: str = "auto",
    compiled: bool = False,
    cache: Path | None = None,
) -> Editor:
    """Load a model to edit with; seconds for the shipped one, minutes for FLUX.1-dev.

    The last one loaded is kept, so that many conversations of one process share it.

    Args:
        model: "portraits", "flux-dev", a hub id, a diffusers folder, or a .safetensors or .gguf
            file.
        device: Where to run; None chooses.
        memory: How much it may take, by a name in ``editing_core.models.memory_plan.NAMES``.
        compiled: Whether its blocks are compiled.
        cache: A folder where texts and inversions are kept for later processes, if anywhere.

    Raises:
        ModelMissing: The model cannot be found, or cannot run on the device.
    """
    editor = _editor(model, device, memory, compiled)
    editor.model.keep_in(cache)
    return editor


def follow(model: str, **holding: Any) -> None:
    """Take part in the model calls of the process that leads; see ``load_editor``."""
    from editing_core.models import context_parallel
    from editing_core.models.diffusers_model import DiffusersModel

    loaded = load_editor(model, **holding).model
    assert isinstance(loaded, DiffusersModel)
    context_parallel.follow(loaded)


@lru_cache(maxsize=1)
def _editor(model: str, device: str | None, memory: str, compiled: bool) -> Editor:
    from transformers.utils import logging

    from editing_core.editor import Editor
    from editing_core.models import context_parallel
    from editing_core.models.load import load

    logging.disable_progress_bar()  # the shipped weights load in a second
    with _refusing(device):
        context_parallel.begin()
        loaded = load(model, device=device, memory=memory, compiled=compiled)
        context_parallel.share(loaded)
    return Editor(loaded)


@contextmanager
def _refusing(device: str | None) -> Iterator[None]:
    """Turn what torch says when a device is not there into a sentence for the person."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelMissing(
            f"The model cannot run on {device or 'this machine'}: {reason}"
        ) from None


def edit_picture(
    editor: Editor,
    store: PictureStore,
    *,
    head: str,
    original: str,
    step: Step,
    settings: EditSettings,
    seed: int,
    method: str = "mtc",
    framing: Framing = CHOSEN,
    own: object | None = None,
    region: RegionMask | None = None,
    on_step: OnStep | None = None,
    on_glimpse: Callable[[Image], None] | None = None,
) -> Edited:
    """Edit the picture `head`, anchored to `original`, and store the result with its recipe.

    The picture keeps its own size, whatever the model works at (`full_size`, `close_up`).

    Args:
        editor: Holds the model.
        store: Where both pictures lie and the result goes.
        head: Hash of the picture to edit.
        original: Hash of the picture that the chain of edits began from.
        step: Prompts and edit words.
        settings: Numbers of the method.
        seed: Of the noise.
        method: Name in ``METHODS``.
        framing: How much of the picture the model is shown, and how large.
        own: The method's own settings, if they are to be others than it has.
        region: Where the edit may act, if not everywhere or in the box of the settings.
        on_step: Called after every solver step with phase, index from 1, and count; may raise.
        on_glimpse: Called after every step of sampling with a small guess at the picture.
    """
    stored = {name: store.get(name) for name in {head, original}}
    full, spec, model = stored[head].image, method_named(method), editor.model
    settings = settings.bounded(region.bounds) if region else settings
    seen = framing.of(store, model, full.size, settings.bounds)
    shown = {name: seen.named(name, picture) for name, picture in stored.items()}
    past = _past(seen, original, head, spec)
    request = _request(shown[head], shown[original], past, step, spec, region)
    inside = settings.bounded(bounds_in(seen.box, full.size, settings.bounds))
    result = editor.edit(request, settings=inside, seed=seed, method=method, own=own,
                         on_step=on_step and _from_one(on_step), on_glimpse=on_glimpse)  # fmt: skip
    result = _at_full_size(full, seen.box, request, result, settings.bounds, region)
    result, pixels = _in_own_pixels(store.own(head), full, result)
    recipe = _recipe(model, request, result) | {"picture": picture_hash(result.picture, pixels)}
    recipe |= _beginning(store, head, original, step) | _where(seen, full, region)
    return _store(store, result, recipe, pixels, seen)


def _beginning(store: PictureStore, head: str, original: str, step: Step) -> Recipe:
    """Return what a picture was made of, how that came to be, and what was said."""
    steps = steps_before(store, original, head)
    return {"parent": head, "original": original, "steps": steps, "request": step.request}


def _where(seen: Seen, full: Image, region: RegionMask | None) -> Recipe:
    """Return what a model saw of a picture, if not all, and where it was let act."""
    return {
        "crop": None if seen.box == (0, 0, *full.size) else list(seen.box),
        "region": None if region is None else region.recipe(),
    }


def _past(
    seen: Seen, original: str, head: str, spec: MethodSpec
) -> tuple[tuple[Picture, str], ...]:
    """Return what a method with a history has seen so far, each picture with its wish."""
    past = recalled(seen.store, original, head, spec) if "history" in spec.needs else ()
    return tuple((seen.picture(picture), wish) for picture, wish in past)


def _request(
    current: Picture,
    original: Picture,
    history: tuple[tuple[Picture, str], ...],
    step: Step,
    spec: MethodSpec,
    region: RegionMask | None,
) -> EditRequest:
    from editing_core.editor import EditRequest

    said = {"source": step.source_prompt, "target": step.target_prompt, "request": step.request}
    return EditRequest(
        current=current,
        original=original,
        source_prompt=step.source_prompt,
        target_prompt=step.target_prompt,
        edit_words=tuple(step.edit_words),
        instruction=instruction_of(spec, **said),
        history=history,
        region=None if region is None else region.given(),
    )


def _at_full_size(
    full: Image,
    box: Box,
    request: EditRequest,
    result: EditResult,
    bounds: Bounds | None,
    region: RegionMask | None,
) -> EditResult:
    """Carry an edit up into the crop that it was made of, and that into the full picture."""
    before, part = request.current.image, full if box == (0, 0, *full.size) else full.crop(box)
    made, mask = result.picture, result.mask
    if before.size != part.size:
        made = carried_up(part, before, made, mask)
    if bounds is not None:
        where = (region or RegionMask(bounds)).laid_over(full.size)
        made = _inside(where.crop(box), part, made)
    return replace(
        result,
        picture=pasted(full, made, box),
        mask=mask and mask_in(full.size, mask, box),
        report=replace(result.report, settings=result.report.settings.bounded(bounds)),
    )


def _in_own_pixels(
    own: OwnPixels | None, full: Image, result: EditResult
) -> tuple[EditResult, OwnPixels | None]:
    """Carry an edit over to the person's own pixels, and show what they then are."""
    if own is None:
        return result, None
    own = own.changed(full, result.picture)
    return replace(result, picture=own.shown()), own


def _inside(region: Image, before: Image, made: Image) -> Image:
    """Leave every pixel outside a region as it was, also where a mask is smooth at its edge."""
    kept = before.convert("RGB")
    kept.paste(made, (0, 0), region)
    return kept


def _from_one(on_step: OnStep) -> OnStep:
    """Count steps for people: the core's first step is 0."""
    return lambda phase, index, of: on_step(phase, index + 1, of)


def _store(
    store: PictureStore, result: EditResult, recipe: Recipe, own: OwnPixels | None, seen: Seen
) -> Edited:
    mask = None if result.mask is None else store.put(result.mask, name=recipe["mask"])
    return Edited(
        picture=store.put(result.picture, result.latents, recipe, own, recipe["picture"]),
        mask=mask,
        seconds=result.report.seconds,
        forwards=result.report.forwards,
        columns=tuple(result.report.columns),
        crop=None if recipe["crop"] is None else seen.box,
        working=(seen.canvas.width, seen.canvas.height),
    )


def _recipe(model: Model, request: EditRequest, result: EditResult) -> Recipe:
    """Return what was asked for, by which numbers it was made, by what, and what came out."""
    from importlib.metadata import version

    report = result.report
    return {
        "model": model.spec.name,
        "weights": "+".join(filter(None, (model.weights_hash, report.weights))),
        "device": model.device.type,
        "precision": str(model.dtype).removeprefix("torch."),
        **_processor(model.device.type),
        "method": report.method,
        "seed": report.seed,
        "settings": _numbers(report),
        "own": {} if report.own is None else asdict(cast("DataclassInstance", report.own)),
        "source_prompt": request.source_prompt,
        "target_prompt": request.target_prompt,
        "edit_words": list(request.edit_words),
        "working_size": list(request.current.image.size),
        "columns": list(report.columns),
        "blocks": list(report.blocks),
        "mask": picture_hash(result.mask) if result.mask is not None else None,
        "versions": {"palimpsest": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("torch", "diffusers", "transformers")},
    }


def _numbers(report: Report) -> Recipe:
    """Return the settings that the method reads; the others tell nothing of the picture."""
    numbers = asdict(report.settings)
    return {name: numbers[name] for name in numbers if name in settings_read(report.method)}


def settings_read(method: str) -> tuple[str, ...]:
    """Return the names of the settings that a method reads; of an unknown one, of all."""
    known = METHODS.get(method)
    return known.reads if known else tuple(field.name for field in fields(EditSettings))


def method_summaries() -> dict[str, str]:
    """Return each method with a line that says what it is."""
    return {name: spec.summary for name, spec in METHODS.items()}


def _processor(device: str) -> Recipe:
    """Name what sums are rounded by: the kind of processor, and on a CPU how many share a sum."""
    import torch

    if device == "cuda":
        return {"processor": torch.cuda.get_device_name(), "threads": None}
    kind = torch.backends.cpu.get_cpu_capability()
    return {"processor": kind, "threads": torch.get_num_threads()}


def preset_summaries() -> dict[str, str]:
    """Return each preset with the numbers that are not the paper's."""
    paper = PRESETS["paper"]
    return {name: differing(held, paper) or "the paper's numbers" for name, held in PRESETS.items()}


def differing(used: Any, plain: Any) -> str:
    """Name the numbers that are not the preset's, each with the preset's own."""
    numbers, own = _as_data(used), _as_data(plain)
    return ", ".join(
        f"{name} {_shown(value)} (not {_shown(own.get(name))})"
        for name, value in numbers.items()
        if value != own.get(name) and own.get(name) != "measured"  # for which others stand
    )


def _as_data(settings: Any) -> dict[str, Any]:
    """Return settings as a stored recipe has them: lists for tuples."""
    data = asdict(settings) if is_dataclass(settings) else dict(settings)  # type: ignore[arg-type]
    return {n: list(v) if isinstance(v, tuple | list) else v for n, v in data.items()}


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def call_seconds(editor: Editor, size: tuple[int, int], calls: int = 5) -> float:
    """Time one call of the model on a picture of a size: the median, in seconds."""
    import torch

    from editing_core.editor import draw_noise

    model = editor.model
    canvas, text = model.canvas(*size), model.encode_text("")
    x = draw_noise(0, canvas, model.channels).to(model.device)
    seconds = []
    with torch.no_grad():
        for _ in range(calls):
            started = time.perf_counter()
            model.velocity(x, 0.5, text, guidance=1.0, canvas=canvas).cpu()
            seconds.append(time.perf_counter() - started)
    return median(seconds)
