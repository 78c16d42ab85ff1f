"""One edit, the whole of it: pictures and prompts in, picture, mask and report out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from editing_core.cache import LRUCache
from editing_core.errors import EditError, ModelMissing, NotAPicture
from editing_core.hashes import pixel_hash
from editing_core.latent_preview import LatentPreview
from editing_core.masks import color_aligned, is_given_whole, limit, outside_kept, region
from editing_core.measured_layers import layers_measured
from editing_core.methods.base import Method
from editing_core.methods.context import (
    EditContext,
    EditOutput,
    GivenRegion,
    Progress,
    Recorded,
)
from editing_core.methods.registry import METHODS, method_named, refuse_model
from editing_core.models.base import Model
from editing_core.models.canvas import Canvas
from editing_core.settings import PRESETS, EditSettings
from editing_core.token_alignment import columns_of

logger = logging.getLogger(__name__)
LATENTS_KEPT = 1 << 27  # bytes; 1 MB at 1024 x 1024 pixels, and as much a step of a whole path
RECORDINGS_KEPT = 1 << 30  # bytes of features; hundreds of MB each at 512 x 512 pixels


@dataclass(frozen=True, eq=False)
class Picture:
    """An image and, if it came out of an edit, its float latents: (1, L, C) on the CPU."""

    image: Image.Image
    latents: Tensor | None = None


@dataclass(frozen=True, eq=False)
class EditRequest:
    """What to change.

    Attributes:
        current: The picture to edit, X_{k-1}.
        original: The picture the chain of edits began from, X_0; of the same size.
        source_prompt: Describes ``current``; may be empty.
        target_prompt: Describes the wanted picture.
        edit_words: Words of the target prompt that name the change; words found only in the
            source prompt (something removed) leave attention alone.
        instruction: The wish as it was put ("add a hat"), for methods that follow instructions.
        history: The pictures from ``original`` to ``current``, both included, each with the
            instruction that made it ("" for the original), for methods that remember.
        region: Where the edit may act inside the box of the settings, if not in all of it.
    """

    current: Picture
    original: Picture
    source_prompt: str
    target_prompt: str
    edit_words: tuple[str, ...] = ()
    instruction: str = ""
    history: tuple[tuple[Picture, str], ...] = ()
    region: GivenRegion | None = None


@dataclass(frozen=True)
class Report:
    """How an edit was made: wall time, model calls, where the edit words stand, and the recipe.

    Attributes:
        seconds: Wall time.
        forwards: Model calls.
        columns: Positions of the edit words among the tokens.
        blocks: Layers that told where the edit words look.
        method: In ``METHODS``.
        seed: Of the noise.
        settings: The numbers.
        weights: Hash of the method's own weights, if it has any.
        own: The method's own settings, if it has any.
    """

    seconds: float
    forwards: int
    columns: tuple[int, ...]
    blocks: tuple[int, ...]
    method: str
    seed: int
    settings: EditSettings
    weights: str = ""
    own: object | None = None


@dataclass(frozen=True, eq=False)
class EditResult:
    """An edited picture: the image, its latents, a mask ("L") of where it acted, the report.

    The mask is the region of the edit if the settings keep something outside it, else that of
    attention, if the method has one.
    """

    picture: Image.Image
    latents: Tensor
    mask: Image.Image | None
    report: Report


class LatentCache(LRUCache[Tensor]):
    """Latents that a model made, in memory and in its files for later processes."""

    def __init__(self, model: Model, most: int) -> None:
        """Keep ``most`` bytes of them in memory."""
        super().__init__(most)
        self._model = model

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return the latents of ``key``, made now unless they are remembered."""
        return super().get(key, lambda: self._model.kept(key, lambda: {"x": make()})["x"])


class Editor:
    """Edits pictures with one model, remembering recent encodings and inversions."""

    def __init__(self, model: Model) -> None:
        """Edit with ``model``."""
        self.model = model
        self._latents_kept: LatentCache
        self._recordings: LRUCache[Recorded]
        self._forget()

    @torch.no_grad()
    def edit(
        self,
        request: EditRequest,
        *,
        settings: EditSettings = PRESETS["paper"],
        seed: int = 0,
        on_step: Progress | None = None,
        on_glimpse: Callable[[Image.Image], None] | None = None,
        method: str | Method = "mtc",
        own: object | None = None,
    ) -> EditResult:
        """Make one edit. The same request, settings, seed and device give the same picture.

        Args:
            request: What to change.
            settings: The numbers.
            seed: Of the noise.
            on_step: Called as ``on_step(phase, index, of)`` after every solver step; an
                exception from it ends the edit and leaves the model clean.
            on_glimpse: Called after every step of sampling with a guess at the picture, an eighth
                as wide and high.
            method: A name in ``METHODS``, or a function like theirs.
            own: The method's own settings, if they are to be others than those of its spec.

        Raises:
            EditError: The request cannot be met as it stands, there is not enough memory at any
                level, or what the model returned is no picture.
        """
        how, name, own = self._method(method, own)
        prepare = partial(
            self._context, request, self._for_model(settings, name), seed, on_step, on_glimpse
        )
        while True:
            try:
                return self._edited(prepare, request, how, name, own)
            except torch.OutOfMemoryError as error:
                reason = str(error).partition("\n")[0]
            except NotAPicture:
                self._forget()
                self.model.forget_kept()
                raise
            self._lighten(reason)  # after the failed try has let go of what it held

    def _for_model(self, settings: EditSettings, method: str) -> EditSettings:
        """Fill in what depends on the model: measured layers, and the steps of a draft."""
        spec = METHODS.get(method)
        if (spec is None or "layers" in spec.reads) and settings.layers == "measured":
            settings = replace(settings, layers=layers_measured(self.model))
        if (few := self.model.spec.few_steps) and settings.draft:
            settings = replace(settings, steps=min(few, settings.steps))
        return settings

    def _edited(
        self,
        prepare: Callable[[], EditContext],
        request: EditRequest,
        how: Method,
        name: str,
        own: object,
    ) -> EditResult:
        started, forwards = time.perf_counter(), self.model.forwards
        context = prepare()
        outcome = how(context)
        picture, latents, mask = self._kept(outcome, context, request.current.image)
        report = Report(
            seconds=time.perf_counter() - started,
            forwards=self.model.forwards - forwards,
            columns=context.columns,
            blocks=outcome.blocks,
            method=name,
            seed=context.seed,
            settings=context.settings,
            weights=outcome.weights,
            own=own,
        )
        if picture.getbbox() is None and request.current.image.convert("RGB").getbbox():
            raise NotAPicture("The edited picture came out black; try another seed or method.")
        return EditResult(picture, latents.cpu(), mask, report)

    def _method(self, asked: str | Method, own: object | None) -> tuple[Method, str, object]:
        """Return what makes the edit, its name, and the method's own settings."""
        if not isinstance(asked, str):
            return asked, getattr(asked, "__name__", "unnamed"), own
        spec = method_named(asked)
        refuse_model(spec, self.model.spec, attention=bool(self.model.attention()))
        if own is None:
            return spec.edit, asked, spec.own
        return partial(spec.edit, numbers=own), asked, own

    def _lighten(self, reason: str) -> None:
        """Go on with less memory, or say that this is not possible."""
        try:
            how = self.model.lighten()
        except ModelMissing as error:
            raise EditError(str(error)) from error
        if not how:
            raise EditError(
                f"There is not enough memory for this edit ({reason}); open a smaller picture, or "
                "choose another level with --memory."
            )
        logger.warning("Out of memory, so from now on %s; the edit begins again.", how)
        self._forget()

    def _forget(self) -> None:
        """Forget what was computed by a model that is no more, or came out wrong."""
        self._latents_kept = LatentCache(self.model, LATENTS_KEPT)
        self._recordings = LRUCache(RECORDINGS_KEPT)

    def _kept(
        self, outcome: EditOutput, context: EditContext, before: Image.Image
    ) -> tuple[Image.Image, Tensor, Image.Image | None]:
        """Picture, latents and mask, with what the settings keep outside the region of the edit."""
        settings, canvas, latents = context.settings, context.canvas, outcome.latents
        inside, where = limit(context), outcome.mask
        if settings.keep != "nothing":
            found = None if is_given_whole(context) else outcome.region
            where = region(context) if found is None else found
        if settings.keep == "color":
            assert where is not None
            latents = color_aligned(self.model, latents, context.current, where, canvas)
        free = where if settings.keep == "outside" else None
        if inside is not None:
            free = inside if free is None else free.minimum(inside)
        if free is None:
            mask = None if where is None else _mask_image(where, canvas)
            return self.model.decode(latents, canvas), latents, mask
        mask = _mask_image(free, canvas)
        latents = outside_kept(self.model, latents, context.current, free, canvas)
        picture = self.model.decode(latents, canvas)
        return Image.composite(picture, before.convert("RGB"), mask), latents, mask

    def _context(
        self,
        request: EditRequest,
        settings: EditSettings,
        seed: int,
        on_step: Progress | None,
        on_glimpse: Callable[[Image.Image], None] | None = None,
    ) -> EditContext:
        canvas = self.model.canvas(*request.current.image.size)
        if request.original.image.size != request.current.image.size:
            raise EditError(
                "The picture to edit and the original differ in size: "
                f"{request.current.image.size} and {request.original.image.size}."
            )
        model = self.model
        target = model.encode_text(request.target_prompt)
        return EditContext(
            model=model,
            current=self._latents(request.current, canvas),
            original=self._latents(request.original, canvas),
            source=model.encode_text(request.source_prompt),
            target=target,
            columns=columns_of(target, request.edit_words, source_prompt=request.source_prompt),
            canvas=canvas,
            settings=settings,
            noise=draw_noise(seed, canvas, model.channels).to(model.device),
            seed=seed,
            inversions=self._latents_kept,
            recordings=self._recordings,
            pictures=(request.current.image, request.original.image),
            progress=on_step or (lambda phase, index, of: None),
            seen=on_glimpse and (lambda x: on_glimpse(self._glimpse(x, canvas))),
            instruction=request.instruction,
            history=tuple((self._latents(shown, canvas), said) for shown, said in request.history),
            region=request.region,
        )

    @cached_property
    def _glimpse(self) -> LatentPreview:
        return LatentPreview(self.model)

    def _latents(self, picture: Picture, canvas: Canvas) -> Tensor:
        if picture.latents is None:
            key = ("encoded", canvas, pixel_hash(picture.image))
            return self._latents_kept.get(key, lambda: self.model.encode(picture.image))
        expected = (1, canvas.tokens, self.model.channels)
        if picture.latents.shape != expected:
            raise EditError(
                f"The stored latents have the shape {tuple(picture.latents.shape)}, "
                f"but this model and picture need {expected}."
            )
        return picture.latents.to(self.model.device, torch.float32)


def draw_noise(seed: int, canvas: Canvas, channels: int) -> Tensor:
    """Draw N(0, 1) on the CPU, so that a seed means the same on every device: (1, L, channels)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, canvas.tokens, channels), generator=generator)


def _mask_image(mask: Tensor, canvas: Canvas) -> Image.Image:
    """A mask of tokens (bool) or latent pixels (0 to 1) as an "L" picture, the latter smooth."""
    soft = mask.is_floating_point()
    values = (mask.float()[None, None] * 255).cpu()
    size = (canvas.padded_height, canvas.padded_width)
    pixels = F.interpolate(values, size=size, mode="bilinear" if soft else "nearest")[0, 0]
    return Image.fromarray(
        pixels[: canvas.height, : canvas.width].round().to(torch.uint8).contiguous().numpy()
    )
