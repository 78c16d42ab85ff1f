"""What a model is to all other code: text, latents, one velocity, its schedule, its attention.

A method is written against these protocols alone. Each family of models implements them in a file
of its own (`flux1.py`, `flux2.py`); `load.py` lists the families.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, device, dtype

    from editing_core.models.canvas import Canvas

Guidance = Literal["embedded", "cfg", "none"]
"""How a model is guided: by an input of the network, by classifier-free guidance (a second model
call under the empty prompt), or not at all."""

Stream = Literal["joint", "single"]
"""Whether a layer has weights of their own for text and image, or the same for both."""

Tensors = dict[str, "Tensor"]


@dataclass(frozen=True)
class ModelSpec:
    """What is known of a model without loading it.

    Attributes:
        name: What it was asked for by ("portraits", "flux-dev", a folder ...).
        family: The architecture, for people.
        parts: Names of its networks, as its pipeline in diffusers calls them.
        latents: Whose latents it works in: weights trained on them know no others.
        token_side: Pixels that an image token covers, a side; a loaded model reads it off its VAE.
        sizes: Shortest and longest side, in pixels, of pictures it is good at.
        guidance: How it is guided.
        invertible: Whether its flow can be walked from a picture to noise; models distilled to a
            few steps cannot.
        references: How many pictures it can look at beside the one it makes.
        licence: Of the weights as published.
        few_steps: Steps that it was distilled to; 0 if it was not.
    """

    name: str
    family: str
    parts: tuple[str, ...]
    latents: str
    token_side: int
    sizes: tuple[int, int]
    guidance: Guidance
    invertible: bool
    references: int
    licence: str
    few_steps: int = 0


@dataclass(frozen=True, eq=False)
class TextEmbedding:
    """An encoded prompt.

    Attributes:
        prompt: The words.
        embeds: States of all tokens, with padding where the family pads. Shape: (1, T, D).
        offsets: First and one-past-last character of the prompt that each token stands for; (0, 0)
            for tokens that stand for none (end, padding, template).
        pooled: One summary of the prompt, where the model takes one. Shape: (1, P).
        pictures: Those that it was read with, by models that do so.
    """

    prompt: str
    embeds: Tensor
    offsets: tuple[tuple[int, int], ...]
    pooled: Tensor | None = None
    pictures: tuple[Image.Image, ...] = ()


@dataclass(frozen=True, eq=False)
class VelocityCall:
    """What a velocity is asked for, as ``Model.velocity`` takes it.

    Attributes:
        x: Latents. Shape: (1, L, C), float32.
        t: Time in [0, 1].
        text: The encoded prompt.
        guidance: Scale of the guidance; 1 adds none.
        canvas: The picture's size.
        references: Latents, of the same canvas, of pictures to look at.
    """

    x: Tensor
    t: float
    text: TextEmbedding
    guidance: float
    canvas: Canvas
    references: tuple[Tensor, ...] = ()


Attend = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
"""``attend(query, key, value)`` returns what the queries' tokens attend to, of their shape."""


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """One layer's attention, as a hook gets it.

    Attributes:
        layer: The layer that attends.
        query: Of text, image and references, in this order, after normalisation and rotation.
            Shape: (1, T + L + R, heads, head size).
        key: Of the same shape.
        value: Of the same shape.
        text: Where the text tokens are.
        image: Where the tokens of the picture being made are.
        mask: Added to the scores, or False where a key is hidden; None hides nothing.
        attend: The attention of the backend in use, with the mask.
        prompted: Whether the call is made under the prompt, not under the empty one that
            classifier-free guidance leads away from.
    """

    layer: AttentionLayer
    query: Tensor
    key: Tensor
    value: Tensor
    text: slice
    image: slice
    mask: Tensor | None
    attend: Attend
    prompted: bool = True


Hook = Callable[[AttentionCall], "Tensor"]
"""Returns what the tokens attend to; ``call.attend(call.query, call.key, call.value)`` changes
nothing."""


class AttentionLayer(Protocol):
    """One attention layer of a model."""

    @property
    def index(self) -> int:
        """Its number, from 0 at the input."""
        ...

    @property
    def depth(self) -> float:
        """Where it is: 0 is the first layer, 1 the last."""
        ...

    @property
    def stream(self) -> Stream:
        """Whether text and image have weights of their own here."""
        ...

    @property
    def head_size(self) -> int:
        """Numbers that one head of one token has."""
        ...

    def install(self, hook: Hook) -> AbstractContextManager[None]:
        """Let a hook attend in this layer's place while the context is entered."""
        ...

    def skip(self) -> AbstractContextManager[None]:
        """Leave the block of this layer out while the context is entered."""
        ...


class Model(Protocol):
    """A flow from noise (t = 1) to pictures (t = 0). Latents x have the shape (1, L, C), float32.

    Attributes:
        forwards: How often the network has been called (number of function evaluations).
    """

    forwards: int

    @property
    def spec(self) -> ModelSpec:
        """What it is and what it can do."""
        ...

    @property
    def device(self) -> device:
        """Where it runs."""
        ...

    @property
    def dtype(self) -> dtype:
        """Precision of the network that makes the velocity."""
        ...

    @property
    def channels(self) -> int:
        """Numbers an image token holds, C."""
        ...

    @property
    def text_length(self) -> int:
        """Text tokens that a prompt is padded to, T, or may have where nothing is padded."""
        ...

    @property
    def weights_hash(self) -> str:
        """First 12 hex digits of the SHA-256 of all weight files; "unsaved" without files."""
        ...

    def canvas(self, width: int, height: int) -> Canvas:
        """Return the token grid of a picture of that size in pixels."""
        ...

    def encode_text(self, prompt: str, pictures: Sequence[Image.Image] = ()) -> TextEmbedding:
        """Encode a prompt as the model's own pipeline does.

        Args:
            prompt: The words.
            pictures: Those that they speak of, for models whose reader sees, too.
        """
        ...

    def encode(self, image: Image.Image) -> Tensor:
        """Encode a picture without chance: latents (1, L, C)."""
        ...

    def decode(self, x: Tensor, canvas: Canvas) -> Image.Image:
        """Decode latents to an RGB picture of the canvas's size.

        Raises:
            NotAPicture: They, or what the VAE makes of them, are not all numbers.
        """
        ...

    def to_grid(self, x: Tensor, canvas: Canvas) -> Tensor:
        """Lay latents out in space: (1, L, C) to (1, c, h, w)."""
        ...

    def from_grid(self, grid: Tensor) -> Tensor:
        """Undo ``to_grid``."""
        ...

    def times(self, steps: int, canvas: Canvas) -> Tensor:
        """Return the model's own schedule, from 1 (noise) to 0. Shape: (steps + 1,), float64."""
        ...

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
        """Predict dx/dt, which points from the picture (t = 0) to the noise (t = 1).

        Args:
            x: Latents. Shape: (1, L, C), float32.
            t: Time in [0, 1].
            text: The encoded prompt.
            guidance: Scale of the guidance; 1 adds none.
            canvas: The picture's size.
            references: Latents, of the same canvas, of pictures to look at.

        Returns:
            The velocity. Shape: that of ``x``, float32.

        Raises:
            EditError: There are more references than the model can look at.
        """
        ...

    def attention(self) -> Sequence[AttentionLayer]:
        """Return the layers that hooks can be installed in; none if there are none."""
        ...

    def kept(self, key: Hashable, make: Callable[[], Tensors]) -> Tensors:
        """Return what this model made of ``key``, now or in an earlier process."""
        ...

    def keep_in(self, folder: Path | None) -> None:
        """Keep texts, encodings and inversions in a folder from now on, or nowhere."""
        ...

    def forget_kept(self) -> None:
        """Delete what was kept for later processes."""
        ...

    def lighten(self) -> str:
        """Hold the model in less memory from now on, and say how; "" if that cannot be."""
        ...
