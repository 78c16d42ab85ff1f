"""A model over parts of a diffusers pipeline: what FLUX.1 and FLUX.2 have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from editing_core.cache import DiskCache, LRUCache, environment
from editing_core.errors import EditError, NotAPicture
from editing_core.hashes import file_hash, pixel_hash
from editing_core.models.base import AttentionLayer, ModelSpec, Tensors, TextEmbedding
from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.models.diffusers_internals import split_over_processes
from editing_core.models.flux_attention import layers_of
from editing_core.models.hooked_attention import TokenLayout
from editing_core.models.loader import LoadSpec
from editing_core.models.offers import spec_of
from editing_core.models.placement import emptied, take_tiles
from editing_core.models.schedule import Schedule
from editing_core.solvers import shifted_times

LONGEST_TEXT = 512  # tokens FLUX models were trained with
TEXTS_KEPT = 1 << 26  # bytes, 4 MB a prompt with FLUX.1


class DiffusersModel(ABC):
    """The parts of a pipeline, and the velocity they make. See ``Model``.

    The state stays float32; only the transformer's input is cast to ``dtype``. The VAE runs in
    float32, since its rounding would add up over turns.

    Attributes:
        forwards: How often the transformer has been called.
        disk: Where texts, encodings and inversions are kept for later processes, if anywhere.
        held: How the parts were loaded, if they were.
        spec: What it is and what it can do.
    """

    family: ClassVar[ModelSpec]
    """What the family offers."""
    reads_pictures: ClassVar[bool] = False
    """Whether its prompts are read together with pictures."""
    transformer: Any
    vae: Any

    def __init__(self, parts: Mapping[str, Any], *, name: str, held: LoadSpec | None) -> None:
        """Take the parts of a pipeline, named as in diffusers."""
        self._take(parts)
        token_side = 2 * 2**self._halvings  # packing halves once more
        self.spec = replace(spec_of(name, self.family), token_side=token_side)
        self.held = held
        self.forwards = 0
        self.disk: DiskCache | None = None
        self._layout = TokenLayout(self.text_length)
        self._texts: LRUCache[TextEmbedding] = LRUCache(TEXTS_KEPT)

    def _take(self, parts: Mapping[str, Any]) -> None:
        for name, part in parts.items():
            setattr(self, name, part.eval() if isinstance(part, torch.nn.Module) else part)

    @cached_property
    def device(self) -> torch.device:
        """Where the model runs; asked once, since the transformer looks through all its modules."""
        device: torch.device = self.transformer.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """The transformer's precision."""
        dtype: torch.dtype = self.held.dtype if self.held else self.transformer.dtype
        return dtype

    @property
    @abstractmethod
    def text_length(self) -> int:
        """Text tokens that a prompt is padded to, T, or may have where nothing is padded."""

    @property
    def _halvings(self) -> int:
        """How often the VAE halves a picture."""
        return len(self.vae.config.block_out_channels) - 1

    def schedule(self, published: Schedule) -> Schedule:
        """Return the schedule of the model's own folder, else the published one."""
        return (self.held and self.held.source.scheduler) or published

    @property
    def channels(self) -> int:
        """Numbers a packed image token holds (FLUX.1: 64, FLUX.2: 128)."""
        return int(self.transformer.config.in_channels)

    @cached_property
    def weights_hash(self) -> str:
        """First 12 hex digits of the SHA-256 of all weight files; "unsaved" without files."""
        return "unsaved" if self.held is None else file_hash(self.held.source.weight_files())

    def lighten(self) -> str:
        """Hold the model in less memory from now on, and say how; "" if that cannot be.

        What was taken for the VAE's tiles is given back in place; else all is loaded again.
        """
        before, after = self.held, self.held.lighter() if self.held else None
        if before is None or after is None or before.plan is None or after.plan is None:
            return ""
        if split_over_processes(self.transformer):  # the other processes do not know
            return ""
        if after.plan.level == before.plan.level:
            take_tiles(self.vae, after.plan.tile)
        else:
            self._take(dict.fromkeys(self.spec.parts))
            emptied()
            parts, after = after.parts()
            self._take(parts)
        self.held = after
        assert after.plan is not None
        return f"{after.plan.level.said}, pictures in tiles of {after.plan.tile} pixels"

    def canvas(self, width: int, height: int) -> Canvas:
        """Return the token grid of a picture of that size in pixels."""
        return Canvas(width, height, self.spec.token_side)

    # Text

    def encode_text(self, prompt: str, pictures: Sequence[Image.Image] = ()) -> TextEmbedding:
        """Encode a prompt as the model's pipeline does; what was encoded before is remembered."""
        seen = tuple(pictures[: self.spec.references]) if self.reads_pictures else ()
        key = ("text", prompt, *map(pixel_hash, seen))

        def make() -> TextEmbedding:
            found = self.kept(key, lambda: self._encoded_beside(prompt, seen))
            offsets = tuple((start, end) for start, end in found["offsets"].tolist())
            return TextEmbedding(prompt, found["embeds"], offsets, found.get("pooled"), seen)

        return self._texts.get(key, make)

    @abstractmethod
    def _encoded(self, prompt: str) -> Tensors:
        """Return "embeds" and "offsets" of a prompt, and "pooled" if there is such a thing."""

    def _encoded_beside(self, prompt: str, pictures: Sequence[Image.Image]) -> Tensors:
        """Return the same of a prompt that is read together with pictures."""
        return self._encoded(prompt)

    # What is kept for later processes

    def keep_in(self, folder: Path | None) -> None:
        """Keep texts, encodings and inversions in a folder from now on, or nowhere."""
        self.disk = None if folder is None else DiskCache(folder)

    def forget_kept(self) -> None:
        """Delete what was kept for later processes."""
        if self.disk:
            self.disk.clear()

    def kept(self, key: Hashable, make: Callable[[], Tensors]) -> Tensors:
        """Return what this model made of ``key``, now or in an earlier process."""
        if self.disk is None or self.held is None:
            return make()
        how = f"{self.weights_hash}, {self.held.how}, {environment(self.device)}"
        found = self.disk.get((how, key), make)
        return {name: x.to(self.device) for name, x in found.items()}

    # Pictures

    @torch.no_grad()
    def encode(self, image: Image.Image) -> Tensor:
        """Encode a picture with the VAE's posterior mean, so that no chance is involved.

        Args:
            image: Of any size; its right and bottom edges are repeated to fill the token grid.

        Returns:
            Normalised, packed latents. Shape: (1, rows * cols, C), float32.
        """
        canvas = self.canvas(*image.size)
        pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
        pixels = pixels.to(self.device, self.vae.dtype) / 127.5 - 1  # (1, 3, height, width)
        margin = (0, canvas.padded_width - canvas.width, 0, canvas.padded_height - canvas.height)
        mean = self._posterior_mean(F.pad(pixels, margin, mode="replicate"))
        return self._normalised(mean.float())

    @torch.no_grad()
    def decode(self, x: Tensor, canvas: Canvas) -> Image.Image:
        """Decode packed latents to an RGB picture of the canvas's own size.

        Raises:
            NotAPicture: They, or what the VAE makes of them, are not all numbers.
        """
        latents = self._denormalised(x.to(self.device).float(), canvas)
        pixels = self._pixels(latents.to(self.vae.dtype))[0].float()
        if not torch.isfinite(pixels).all():
            raise NotAPicture(
                "The model returned numbers that are none (NaN), so there is no picture; try "
                "another seed, or weights of higher precision (--memory)."
            )
        pixels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        pixels = pixels[:, : canvas.height, : canvas.width].permute(1, 2, 0)
        return Image.fromarray(pixels.contiguous().cpu().numpy())

    def _posterior_mean(self, pixels: Tensor) -> Tensor:
        """Encode pixels (1, 3, height, width) to the VAE's latents (1, c, h, w)."""
        mean: Tensor = self.vae.encode(pixels).latent_dist.mean
        return mean

    def _pixels(self, latents: Tensor) -> Tensor:
        """Decode the VAE's latents (1, c, h, w) to pixels (1, 3, height, width)."""
        pixels: Tensor = self.vae.decode(latents).sample
        return pixels

    def _normalised(self, latents: Tensor) -> Tensor:
        """Turn the VAE's latents (1, c, h, w) into the transformer's (1, L, C)."""
        shift, scale = self._normalisation
        return pack((latents - shift) * scale)

    def _denormalised(self, x: Tensor, canvas: Canvas) -> Tensor:
        """Undo ``_normalised``."""
        shift, scale = self._normalisation
        return unpack(x, canvas) / scale + shift

    @property
    def _normalisation(self) -> tuple[float, float]:
        """Shift and scale from the VAE's latents to the transformer's (FLUX.1: 0.116, 0.361)."""
        config = self.vae.config
        return config.shift_factor or 0.0, config.scaling_factor

    def to_grid(self, x: Tensor, canvas: Canvas) -> Tensor:
        """Lay packed latents out in space: (1, rows * cols, 4 c) to (1, c, 2 rows, 2 cols)."""
        return unpack(x, canvas)

    def from_grid(self, grid: Tensor) -> Tensor:
        """Undo ``to_grid``."""
        return pack(grid)

    # The flow

    def times(self, steps: int, canvas: Canvas) -> Tensor:
        """Times from 1 (noise) to 0, nearer the noise the larger the picture."""
        return shifted_times(steps, self._shift(steps, canvas))

    def _shift(self, steps: int, canvas: Canvas) -> float:
        """Return the schedule's mu, where the family has a formula of its own."""
        raise NotImplementedError

    @torch.no_grad()
    def velocity(
        self,
        x: Tensor,
        t: float,
        text: TextEmbedding,
        *,
        guidance: float,
        canvas: Canvas,
        references: Sequence[Tensor] = (),
    ) -> Tensor:
        """Predict dx/dt. See ``Model.velocity``."""
        if len(references) > self.spec.references:
            raise EditError(
                f"The model {self.spec.name} looks at {self.spec.references} other pictures at "
                f"most, not at {len(references)}."
            )
        tokens = torch.cat([x, *references], dim=1)
        self._layout.text = text.embeds.shape[1]
        self._layout.references = tokens.shape[1] - x.shape[1]
        v = self._guided(tokens.to(self.dtype), t, text, guidance, canvas)
        return v[:, : x.shape[1]].float()

    @abstractmethod
    def _guided(
        self, tokens: Tensor, t: float, text: TextEmbedding, guidance: float, canvas: Canvas
    ) -> Tensor:
        """Call the transformer on image and reference tokens (1, L + R, C)."""

    def attention(self) -> Sequence[AttentionLayer]:
        """Return the attention layers; none where each process sees some of the tokens only."""
        if split_over_processes(self.transformer):
            return ()
        return self._layers()

    def _layers(self) -> Sequence[AttentionLayer]:
        return layers_of(self.transformer, self._layout)
