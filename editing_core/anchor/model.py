"""FLUX with turns: AnchorEdit's causal multi-turn attention in diffusers' own transformer.

A frame is one picture with the tokens of its own instruction. Its temporal place, axis 0 of the
rotary embedding, which FLUX leaves at 0, is STRIDE times its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from editing_core.anchor.attention import Frame, TurnContext, Visibility, frame_attention, rotation
from editing_core.errors import ModelMissing
from editing_core.models.canvas import Canvas
from editing_core.models.flux_attention import joint_qkv
from editing_core.portraits.model import Parts
from editing_core.portraits.schema import SIZE

if TYPE_CHECKING:
    from editing_core.portraits.model import Parts


PORTRAIT = Canvas(SIZE, SIZE)


class TurnAttention:
    """Attention of one layer over a frame, its instruction, and the frames it sees."""

    _attention_backend = None
    _parallel_config = None

    def __init__(self, layer: int, model: Anchor) -> None:
        """Serve ``layer`` of ``model``, counted through double and single blocks."""
        self.layer = layer
        self._contexts = model.contexts

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Do as diffusers' ``FluxAttnProcessor``, but see other frames as well."""
        q, k, v = joint_qkv(attn, hidden_states, encoder_hidden_states, image_rotary_emb)
        context = self._contexts[-1]
        seen = frame_attention(q, k, v, context, self.layer, self).flatten(2).to(q.dtype)
        if encoder_hidden_states is None:
            return seen
        text, image = seen[:, : context.text], seen[:, context.text :]
        return attn.to_out[1](attn.to_out[0](image)), attn.to_add_out(text)


@dataclass(frozen=True)
class InstructionEmbeddings:
    """Encoded instructions of frames: T5 states (B, F, n, D) and CLIP's summary (B, F, P)."""

    embeds: Tensor
    pooled: Tensor


class Anchor(nn.Module):
    """The transformer of a FLUX with its text encoders, seeing across turns."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts over; the transformer's attention is replaced for good."""
        super().__init__()
        self.transformer = parts.transformer
        self.clip, self.t5 = parts.text_encoder, parts.text_encoder_2
        self._tokenizers = (parts.tokenizer, parts.tokenizer_2)
        self.contexts: list[TurnContext] = []
        blocks = [*self.transformer.transformer_blocks, *self.transformer.single_transformer_blocks]
        for layer, block in enumerate(blocks):
            block.attn.set_processor(TurnAttention(layer, self))

    def encode(self, instructions: Sequence[Sequence[str]]) -> InstructionEmbeddings:
        """Encode the instructions of B sessions of F frames each."""
        flat = [text for session in instructions for text in session]
        clip_ids, t5_ids = (
            tokenizer(
                flat, padding="max_length", max_length=tokenizer.model_max_length,
                truncation=True, return_tensors="pt",
            ).input_ids.to(self.transformer.device)
            for tokenizer in self._tokenizers
        )  # fmt: skip
        fold = (len(instructions), -1)
        return InstructionEmbeddings(
            self.t5(t5_ids)[0].unflatten(0, fold),
            self.clip(clip_ids).pooler_output.unflatten(0, fold),
        )

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        turns: Tensor,
        instructions: InstructionEmbeddings,
        visibility: Visibility,
        *,
        memory: Sequence[Frame] = (),
        kv_out: list[Tensor] | None = None,
        canvas: Canvas = PORTRAIT,
    ) -> Tensor:
        """Predict every frame's velocity, from picture (t = 0) to noise (t = 1).

        Args:
            x: Packed latents. Shape: (B, F, L, C).
            t: Times in [0, 1]. Shape: (B, F).
            turns: Each frame's place in its conversation. Shape: (B, F).
            instructions: The frames' instructions; the original's is empty.
            visibility: Which frames of this call each frame sees; ``causal`` gives the usual.
            memory: Frames of earlier calls, which every frame sees.
            kv_out: Receives each layer's keys and values: (2, B, F, L, heads, width).
            canvas: The pictures' size.

        Returns:
            Velocities. Shape: (B, F, L, C).
        """
        batch, frames = x.shape[:2]
        text = instructions.embeds.shape[2]
        axis = self.transformer.config.axes_dims_rope[0]
        context = TurnContext(frames, text, rotation(turns, axis), visibility, memory, kv_out)
        self.contexts.append(context)
        try:
            velocity = self.transformer(
                hidden_states=x.flatten(0, 1),
                timestep=t.flatten(),
                guidance=torch.ones(batch * frames, device=x.device),
                encoder_hidden_states=instructions.embeds.flatten(0, 1),
                pooled_projections=instructions.pooled.flatten(0, 1),
                txt_ids=torch.zeros(text, 3, device=x.device),
                img_ids=_places(canvas).to(x.device),
                return_dict=False,
            )[0]
        finally:
            self.contexts.pop()
        unfolded: Tensor = velocity.unflatten(0, (batch, frames))
        return unfolded


def _places(canvas: Canvas) -> Tensor:
    """Row and column of every picture token, at place 0 in time. Shape: (L, 3)."""
    rows, cols = (torch.arange(n, dtype=torch.float32) for n in (canvas.rows, canvas.cols))
    return torch.cartesian_prod(torch.zeros(1), rows, cols)


MODELS = ("transformer", "text_encoder", "text_encoder_2")
TOKENIZERS = ("tokenizer", "tokenizer_2")


def save(parts: Parts, folder: Path) -> None:
    """Write transformer, text encoders and tokenizers in 16 bits; the VAE is the FLUX's."""
    parts.transformer.register_to_config(_name_or_path="")  # a folder of whoever trained it
    for name in MODELS:
        model = getattr(parts, name)
        model.to(torch.float16).save_pretrained(folder / name)
        model.to(torch.float32)
    for tokenizer in (parts.tokenizer, parts.tokenizer_2):  # training padded and cut
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.no_truncation()
    parts.tokenizer.save_pretrained(folder / "tokenizer")
    parts.tokenizer_2.save_pretrained(folder / "tokenizer_2")


def load_parts(folder: Path) -> Parts:
    """Read what ``save`` wrote.

    Raises:
        ModelMissing: It is not there.
    """
    from diffusers import FluxTransformer2DModel
    from transformers import AutoTokenizer, CLIPTextModel, T5EncoderModel

    missing = [name for name in (*MODELS, *TOKENIZERS) if not (folder / name).is_dir()]
    if missing:
        raise ModelMissing(
            f"The anchor model in {folder} has no {', '.join(missing)}; fetch it again with git "
            "or train it with python -m editing_core.anchor.train."
        )
    path = {name: str(folder / name) for name in (*MODELS, *TOKENIZERS)}
    return Parts(
        transformer=FluxTransformer2DModel.from_pretrained(
            path["transformer"], torch_dtype=torch.float32, low_cpu_mem_usage=False
        ),
        vae=None,
        text_encoder=CLIPTextModel.from_pretrained(path["text_encoder"], dtype=torch.float32),
        text_encoder_2=T5EncoderModel.from_pretrained(path["text_encoder_2"], dtype=torch.float32),
        tokenizer=AutoTokenizer.from_pretrained(path["tokenizer"]),
        tokenizer_2=AutoTokenizer.from_pretrained(path["tokenizer_2"]),
    )
