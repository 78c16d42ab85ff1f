"""FLUX as a plain function velocity(x, t, text), and where to load it from."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from editing_core.errors import ModelMissing
from editing_core.latents import Canvas
from editing_core.recent import Recent

PORTRAITS = Path(__file__).parent / "portraits" / "weights"
HUB = {"flux-dev": "black-forest-labs/FLUX.1-dev"}
PARTS = ("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
LONGEST_TEXT = 512  # T5 tokens FLUX was trained with
TEXTS_KEPT = 64


@dataclass(frozen=True, eq=False)
class Text:
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
        folder: Path | None = None,
    ) -> None:
        """Take the parts of a pipeline; ``folder`` is where its weights lie, if anywhere."""
        self.transformer = transformer.eval()
        self.vae = vae.eval()
        self.text_encoder = text_encoder.eval()  # CLIP
        self.text_encoder_2 = text_encoder_2.eval()  # T5
        self.tokenizer = tokenizer
        self.tokenizer_2 = tokenizer_2
        self.name = name
        self.folder = folder
        self.forwards = 0
        self._texts: Recent[Text] = Recent(TEXTS_KEPT)

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        device: torch.device = self.transformer.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """The transformer's precision."""
        dtype: torch.dtype = self.transformer.dtype
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
        if self.folder is None:
            return "unsaved"
        digest = hashlib.sha256()
        for file in sorted(f for part in PARTS for f in (self.folder / part).glob("*.safetensors")):
            with file.open("rb") as stream:
                while chunk := stream.read(1 << 24):
                    digest.update(chunk)
        return digest.hexdigest()[:12]

    def text(self, prompt: str) -> Text:
        """Encode a prompt as ``FluxPipeline`` does; padding is not masked, also as there."""
        return self._texts.get(prompt, lambda: self._encode(prompt))

    @torch.no_grad()
    def _encode(self, prompt: str) -> Text:
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
        return Text(
            prompt=prompt,
            embeds=self.text_encoder_2(pieces.input_ids.to(self.device))[0],
            pooled=self.text_encoder(summary.input_ids.to(self.device)).pooler_output,
            offsets=tuple((start, end) for start, end in pieces.offset_mapping[0].tolist()),
        )

    @torch.no_grad()
    def velocity(
        self, x: Tensor, t: float, text: Text, *, guidance: float, canvas: Canvas
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
            img_ids=_positions(canvas).to(self.device),
            return_dict=False,
        )[0]
        return v.float()


def load(
    model: str = "portraits", *, device: str | None = None, dtype: torch.dtype | None = None
) -> Flux:
    """Load a guidance-distilled FLUX.

    Args:
        model: "portraits" (shipped here), "flux-dev", a hub id, or a folder in diffusers' layout.
        device: Where to run; the first NVIDIA GPU if there is one, else the CPU.
        dtype: Precision of transformer and text encoders; bfloat16 on a GPU, else float32.

    Raises:
        ModelMissing: The model is not there or cannot edit; one sentence says what to do.
    """
    if "schnell" in model.lower():
        raise ModelMissing(
            "FLUX.1-schnell cannot invert a picture: it is distilled to 4 steps and "
            "has no guidance input; use FLUX.1-dev (flux-dev) or portraits."
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = dtype or (torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16)
    folder = _folder(model)
    _check_layout(folder)
    try:
        return Flux(**_parts(folder, device, dtype), name=model, folder=folder)
    except (OSError, ValueError) as error:
        raise ModelMissing(f"The model in {folder} cannot be read: {error}") from error


def _folder(model: str) -> Path:
    if model == "portraits":
        if not PORTRAITS.is_dir():
            raise ModelMissing(
                f"The shipped model is not in {PORTRAITS}; fetch it again with git "
                "or train it with python -m editing_core.portraits.train."
            )
        return PORTRAITS
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    hub_id = HUB.get(model, model)
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", hub_id):
        raise ModelMissing(
            f"There is no model '{model}': say portraits, flux-dev, the id of a "
            "model on the Hugging Face hub, or a folder."
        )
    return _download(hub_id)


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    wanted = ["model_index.json", *(f"{part}/*" for part in PARTS)]
    try:
        return Path(snapshot_download(hub_id, allow_patterns=wanted))
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise ModelMissing(
            f"The model {hub_id} cannot be fetched from the Hugging Face hub; check the name and "
            "the connection, accept its licence on its page and log in with `hf auth login`."
        ) from error


def _check_layout(folder: Path) -> None:
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise ModelMissing(
            f"{folder} is not a FLUX model in diffusers' layout: it has no {', '.join(missing)}."
        )
    try:
        config = json.loads((folder / "transformer" / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelMissing(f"{folder}/transformer/config.json cannot be read.") from error
    if not config.get("guidance_embeds"):
        raise ModelMissing(
            f"The model in {folder} has no guidance input (as FLUX.1-schnell), so "
            "it cannot both invert and edit; use a model like FLUX.1-dev."
        )


def _parts(folder: Path, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """Load each part by itself: without the pipeline around them this starts faster."""
    from diffusers import AutoencoderKL, FluxTransformer2DModel
    from diffusers.utils import is_accelerate_available
    from transformers import AutoTokenizer, CLIPTextModel, T5EncoderModel

    lean = is_accelerate_available()  # what diffusers needs to fill weights without a copy
    path = {part: str(folder / part) for part in PARTS}
    models: dict[str, Any] = {
        "transformer": FluxTransformer2DModel.from_pretrained(
            path["transformer"], torch_dtype=dtype, low_cpu_mem_usage=lean
        ),
        "vae": AutoencoderKL.from_pretrained(
            path["vae"], torch_dtype=torch.float32, low_cpu_mem_usage=lean
        ),
        "text_encoder": CLIPTextModel.from_pretrained(path["text_encoder"], dtype=dtype),
        "text_encoder_2": T5EncoderModel.from_pretrained(path["text_encoder_2"], dtype=dtype),
    }
    return {part: model.to(device) for part, model in models.items()} | {
        part: AutoTokenizer.from_pretrained(path[part]) for part in ("tokenizer", "tokenizer_2")
    }


def _positions(canvas: Canvas) -> Tensor:
    """Row and column of every picture token, as the model's (0, row, col). Shape: (L, 3)."""
    rows, cols = torch.arange(canvas.rows), torch.arange(canvas.cols)
    grid = torch.cartesian_prod(torch.zeros(1, dtype=torch.long), rows, cols)
    return grid.float()
