"""Make a picture again by its recipe: every edit since the pictures it began from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from PIL import Image, ImageChops
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from editing_core.methods.registry import METHODS
from editing_core.metrics import psnr
from editing_core.models.offers import KNOWN
from editing_core.settings import PRESETS, EditSettings
from tools.edit_picture import ModelMissing, device_of, edit_picture, load_editor
from tools.pictures import PictureStore
from tools.provenance import Recipe

if TYPE_CHECKING:
    from editing_core.editor import Editor

Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
OWN_MODELS = tuple(KNOWN)  # any other is loaded only if the person names it
MADE_BY = ("weights", "device", "processor", "threads", "precision")


class RecipeError(Exception):
    """A recipe cannot be followed; the message is one sentence for the person."""


class Made(BaseModel):
    """How one edit was made: a recipe without the steps before it."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    picture: Hash
    """What it made."""
    parent: Hash
    """What it edited."""
    original: Hash
    """What it was anchored to."""
    source_prompt: str
    target_prompt: str
    edit_words: tuple[str, ...] = ()
    request: str = ""
    method: str
    seed: int = Field(ge=0, lt=2**64)
    settings: EditSettings
    own: Mapping[str, Any] = {}
    """The method's own settings; recipes of before have none, and its present ones are theirs."""
    model: str
    weights: str
    device: str = "cpu"
    precision: str = ""
    processor: str = ""
    """The CPU's widest instructions, or the name of the GPU."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """How many threads of a CPU shared a sum, which decides how it is rounded."""
    working_size: tuple[int, int] | None = None
    """Width and height at which the model worked; None: at the picture's own, as it once was."""
    versions: Mapping[str, str] = {}

    @property
    def numbers(self) -> str:
        """The settings that its method reads, in words: the nearest preset, and what differs."""
        own = asdict(self.settings)
        reads = METHODS[self.method].reads
        unusual = {
            preset: [f"{name} {own[name]}" for name in reads if own[name] != usual[name]]
            for preset, usual in ((preset, asdict(held)) for preset, held in PRESETS.items())
        }
        nearest = min(unusual, key=lambda preset: len(unusual[preset]))
        return ", but ".join(filter(None, (f"preset {nearest}", ", ".join(unusual[nearest]))))

    @property
    def own_settings(self) -> object | None:
        """The method's own settings as it takes them; None for those that it has.

        Raises:
            RecipeError: They are none of this method's.
        """
        usual = METHODS[self.method].own
        if usual is None or not self.own:
            return None
        try:
            return TypeAdapter(type(usual)).validate_python(dict(self.own))
        except ValidationError as error:
            name = error.errors()[0]["loc"][0]
            raise RecipeError(f"Its recipe has another {name} for {self.method}") from None


def chain_of(recipe: Recipe) -> tuple[Made, ...]:
    """Read a recipe, which is another's data, as all edits in their order.

    Raises:
        RecipeError: It is not one that can be followed here.
    """
    try:
        chain = tuple(Made.model_validate(step) for step in [*recipe.get("steps", ()), recipe])
    except (ValidationError, TypeError) as error:
        name = ""
        if isinstance(error, ValidationError):
            name = " (" + ".".join(map(str, error.errors()[0]["loc"])) + ")"
        raise RecipeError(f"Its recipe is not whole or of another version{name}") from None
    for made in chain:
        if made.method not in METHODS:
            raise RecipeError(f"Its recipe wants the method {made.method}, which is not known here")
    return chain


def roots(chain: tuple[Made, ...]) -> tuple[str, ...]:
    """Return the hashes of the pictures that edits began from, which no recipe can make."""
    made: set[str] = set()
    found: dict[str, None] = {}
    for step in chain:
        found |= dict.fromkeys(name for name in (step.original, step.parent) if name not in made)
        made.add(step.picture)
    return tuple(found)


def loader(model: str, device: str | None) -> Callable[[Made], Editor]:
    """Return what loads the model of an edit, on the kind of device that it was made on.

    Args:
        model: One that the person has named, and so trusts, beside those known here.
        device: Where to run in any case.
    """

    def load(made: Made) -> Editor:
        if made.model not in (*OWN_MODELS, model):
            raise ModelMissing(
                f"The picture was made with the model {made.model}; "
                f"if you trust it, say --model {made.model}."
            )
        kind = made.device if made.device == device_of(None) else "cpu"
        return load_editor(made.model, device=device or kind)

    return load


def remake(
    chain: tuple[Made, ...], store: PictureStore, load: Callable[[Made], Editor]
) -> Iterator[str]:
    """Make every edit of a chain again, latents passed on as floats; yield the hash of each.

    Args:
        chain: The edits in their order.
        store: Holds the pictures of ``roots`` and nothing else, so that all else is made now.
        load: Returns an editor with the model of an edit.
    """
    from editing_core.editor import Editor

    now = {name: name for name in roots(chain)}
    for made in chain:
        with _threads(made.threads):
            edited = edit_picture(
                Editor(load(made).model),  # one that remembers nothing
                store,
                head=now[made.parent],
                original=now[made.original],
                step=made,
                settings=made.settings,
                seed=made.seed,
                method=made.method,
                working=made.working_size or store.image(now[made.parent]).size,
                own=made.own_settings,
            )
        now[made.picture] = edited.picture
        yield edited.picture


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Share sums among as many threads as then, since that decides how they are rounded."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def unlike(then: Recipe, now: Recipe) -> list[str]:
    """Say what was different when a picture was made: the reasons why another one may come out."""
    pairs = [(name, then.get(name), now.get(name)) for name in MADE_BY]
    versions, here = then.get("versions", {}), now.get("versions", {})
    pairs += [(name, versions.get(name), here.get(name)) for name in sorted({*versions, *here})]
    return [f"{name}: {was} then, {is_} now" for name, was, is_ in pairs if was != is_]


def distance(a: Image.Image, b: Image.Image) -> tuple[float, int]:
    """Return PSNR in dB and the largest difference in levels of 255, for pictures of one size."""
    gap = np.asarray(ImageChops.difference(a.convert("RGB"), b.convert("RGB")))
    return psnr(a, b), int(gap.max())
