"""FLUX as a plain function velocity(x, t, text), and the one door to load it by."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from editing_core.disk_cache import DiskCache, Tensors, environment
from editing_core.latents import Canvas
from editing_core.lru_cache import LRUCache
from editing_core.models.checkpoints import MODELS, hash_of
from editing_core.models.loader import LoadSpec, planned
from editing_core.models.placement import emptied, take_tiles

LONGEST_TEXT = 512  # T5 tokens FLUX was trained with
TEXTS_KEPT = 1 << 26  # bytes, 4 MB a prompt with FLUX.1


@dataclass(frozen=True, eq=False)
class TextEmbedding:
    """An encoded prompt.

    Attributes:
        prompt: The words.
        embeds: T5 states of all tokens, padding included. Shape: (1, T, D).
        pooled: CLIP's summary. Shape: (1, P).
        offsets: First and one-past-last character of each T5 token; (0, 0) for end and padding.
    """

    prompt: str
    embeds: Tensor
    pooled: Tensor
    offsets: tuple[tuple[int, int], ...]


class Flux:
    """The parts of a FLUX pipeline, and the velocity they make.

    The state stays float32; only the transformer's input is cast to ``dtype``. The VAE runs in
    float32, since its rounding would add up over turns.

    Attributes:
        forwards: How often the transformer has been called.
        shelf: Where texts, encodings and inversions are kept for later processes, if anywhere.
    """

    def __init__(
        self,
        *,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        text_encoder_2: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        name: str,
        held: LoadSpec | None = None,
    ) -> None:
        """Take the parts of a pipeline; ``held`` says how they were loaded, if they were."""
        self.transformer = transformer.eval()
        self.vae = vae.eval()
        self.text_encoder = text_encoder.eval()  # CLIP
        self.text_encoder_2 = text_encoder_2.eval()  # T5
        self.tokenizer = tokenizer
        self.tokenizer_2 = tokenizer_2
        self.name = name
        self.held = held
        self.forwards = 0
        self.shelf: DiskCache | None = None
        self._texts: LRUCache[TextEmbedding] = LRUCache(TEXTS_KEPT)

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
    def text_length(self) -> int:
        """T5 tokens a prompt is padded to."""
        return min(int(self.tokenizer_2.model_max_length), LONGEST_TEXT)

    @property
    def channels(self) -> int:
        """Numbers a packed picture token holds (FLUX: 64)."""
        return int(self.transformer.config.in_channels)

    @cached_property
    def weights_hash(self) -> str:
        """First 12 hex digits of the SHA-256 of all weight files; "unsaved" without files."""
        return "unsaved" if self.held is None else hash_of(self.held.source.weight_files())

    @property
    def folder(self) -> Path | None:
        """Where its weights lie, if anywhere."""
        return self.held.source.base if self.held else None

    def lighten(self) -> str:
        """Hold the model in less memory from now on, and say how; "" if that cannot be.

        What was taken for the VAE's tiles is given back in place; else all is loaded again.
        """
        before, after = self.held, self.held.lighter() if self.held else None
        if before is None or after is None or before.plan is None or after.plan is None:
            return ""
        if self.transformer._parallel_config:  # the other processes do not know
            return ""
        if after.plan.level == before.plan.level:
            take_tiles(self.vae, after.plan.tile)
            self.held = after
        else:
            for part in MODELS:
                setattr(self, part, None)
            emptied()
            same = {"forwards": self.forwards, "shelf": self.shelf}
            self.__dict__.update(vars(_loaded(after)) | same)
        return f"{after.plan.level.said}, pictures in tiles of {after.plan.tile} pixels"

    def text(self, prompt: str) -> TextEmbedding:
        """Encode a prompt as ``FluxPipeline`` does; padding is not masked, also as there."""

        def make() -> TextEmbedding:
            found = self.kept(("text", prompt), lambda: self._encoded(prompt))
            offsets = tuple((start, end) for start, end in found["offsets"].tolist())
            return TextEmbedding(prompt, found["embeds"], found["pooled"], offsets)

        return self._texts.get(prompt, make)

    def keep_in(self, folder: Path | None) -> None:
        """Keep texts, encodings and inversions in a folder from now on, or nowhere."""
        self.shelf = None if folder is None else DiskCache(folder)

    def kept(self, key: Hashable, make: Callable[[], Tensors]) -> Tensors:
        """Return what this model made of ``key``, now or in an earlier process."""
        if self.shelf is None or self.held is None:
            return make()
        how = f"{self.weights_hash}, {self.held.how}, {environment(self.device)}"
        found = self.shelf.get((how, key), make)
        return {name: x.to(self.device) for name, x in found.items()}

    @torch.no_grad()
    def _encoded(self, prompt: str) -> Tensors:
        def tokens(tokenizer: Any, length: int, **more: bool) -> Any:
            return tokenizer(
                prompt,
                padding="max_length",
                max_length=length,
                truncation=True,
                return_tensors="pt",
                **more,
            )

        pieces = tokens(self.tokenizer_2, self.text_length, return_offsets_mapping=True)
        summary = tokens(self.tokenizer, int(self.tokenizer.model_max_length))
        return {
            "embeds": self.text_encoder_2(pieces.input_ids.to(self.device))[0],
            "pooled": self.text_encoder(summary.input_ids.to(self.device)).pooler_output,
            "offsets": pieces.offset_mapping[0],
        }

    @torch.no_grad()
    def velocity(
        self, x: Tensor, t: float, text: TextEmbedding, *, guidance: float, canvas: Canvas
    ) -> Tensor:
        """Predict dx/dt, which points from the picture (t = 0) to the noise (t = 1).

        Args:
            x: Packed latents. Shape: (1, rows * cols, channels), float32.
            t: Time in [0, 1].
            text: The encoded prompt.
            guidance: Distilled guidance; 1 adds none.
            canvas: The picture's size.

        Returns:
            The velocity. Shape: that of ``x``, float32.
        """
        self.forwards += 1
        guided = self.transformer.config.guidance_embeds
        v: Tensor = self.transformer(
            hidden_states=x.to(self.dtype),
            timestep=torch.full((1,), t, device=self.device),
            guidance=torch.full((1,), guidance, device=self.device) if guided else None,
            encoder_hidden_states=text.embeds.to(self.dtype),
            pooled_projections=text.pooled.to(self.dtype),
            txt_ids=torch.zeros(text.embeds.shape[1], 3, device=self.device),
            img_ids=_positions(canvas, self.device),
            return_dict=False,
        )[0]
        return v.float()


def load(
    model: str = "portraits",
    *,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    memory: str = "auto",
    compiled: bool = False,
) -> Flux:
    """Load a guidance-distilled FLUX.

    Args:
        model: "portraits" (shipped here), "flux-dev", a hub id, a folder in diffusers' layout, or
            a .safetensors or .gguf file with a transformer.
        device: Where to run; the first NVIDIA GPU if there is one, else the CPU.
        dtype: Precision of transformer and text encoders; bfloat16 on a GPU, else float32.
        memory: How it is held, by a name in ``memory.NAMES``; "auto" chooses by what is free.
        compiled: Whether the transformer's blocks are compiled, which the first call pays for.

    Raises:
        ModelMissing: The model is not there, cannot edit, or does not fit; one sentence says what
            to do.
    """
    return _loaded(planned(model, device=device, dtype=dtype, memory=memory, compiled=compiled))


def _loaded(held: LoadSpec) -> Flux:
    parts, held = held.parts()
    return Flux(**parts, name=held.source.name, held=held)


@lru_cache(8)
def _positions(canvas: Canvas, device: torch.device) -> Tensor:
    """Row and column of every picture token, as the model's (0, row, col). Shape: (L, 3)."""
    rows, cols = torch.arange(canvas.rows), torch.arange(canvas.cols)
    grid = torch.cartesian_prod(torch.zeros(1, dtype=torch.long), rows, cols)
    return grid.float().to(device)


class LatentCache(LRUCache[Tensor]):
    """Latents that a model made, in memory and on its shelf."""

    def __init__(self, flux: Flux, most: int) -> None:
        """Keep ``most`` bytes of them in memory."""
        super().__init__(most)
        self._flux = flux

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return the latents of ``key``, made now unless they are remembered."""
        return super().get(key, lambda: self._flux.kept(key, lambda: {"x": make()})["x"])
