"""Make a picture again by its recipe: every edit since the pictures it began from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from PIL import Image, ImageChops
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from editing_core.methods.registry import METHODS
from editing_core.metrics import psnr
from editing_core.models.checkpoints import SHIPPED_FOLDERS
from editing_core.models.offers import KNOWN
from editing_core.settings import PRESETS, EditSettings
from tools.adjust_picture import Operation, Region, adjust_picture
from tools.arguments import InputError
from tools.close_up import Framing
from tools.edit_picture import ModelMissing, device_of, edit_picture, load_editor
from tools.operations import Name, normal
from tools.pictures import PictureStore
from tools.provenance import Recipe
from tools.region_masks import RegionRecipe

if TYPE_CHECKING:
    from editing_core.editor import Editor

HASH = "^[0-9a-f]{64}$"
Hash = Annotated[str, Field(pattern=HASH)]
OWN_MODELS = tuple(KNOWN)  # any other is loaded only if the person names it
FORMER_NAMES = {"portraits-256": "portraits"}  # what recipes may call a shipped model
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
    crop: tuple[int, int, int, int] | None = None
    """What the model saw of the picture; None: all of it."""
    mask: Hash | None = None
    """Where the edit acted; recipes of before do not say."""
    region: RegionRecipe | None = None
    """Where the person let it act, with the box of the settings; None: in that box, or anywhere."""
    versions: Mapping[str, str] = {}

    @property
    def needs(self) -> tuple[str, str]:
        """The pictures that it was made of."""
        return self.original, self.parent

    @property
    def makes(self) -> set[str]:
        """The pictures that it made."""
        return {self.picture}

    @property
    def numbers(self) -> str:
        """The settings that its method reads, in words: the nearest preset, and what differs."""
        own = asdict(self.settings)
        reads = METHODS[self.method].reads
        unusual = {
            preset: [
                f"{name} {own[name]}"
                for name in reads
                if own[name] != usual[name] and usual[name] != "measured"
            ]
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


class MadePlainly(BaseModel):
    """How one plain operation was done: a recipe without the steps before it."""

    model_config = ConfigDict(frozen=True)

    picture: Hash
    """What it made."""
    parent: Hash
    """What it was done to."""
    original: Hash
    """What later edits are anchored to."""
    base: Hash
    """What the edits before were anchored to, and what that was made of."""
    operation: Name
    value: str
    region: Region | None = None
    request: str = ""
    target_prompt: str = ""
    """The caption of the picture, which stays as it was."""
    versions: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        """Refuse what no operation can be or do."""
        moved: tuple[tuple[str, str], ...] = ()
        if self.region is not None:
            moved = self.region.through
            pictures = (self.region.mask, self.region.before, self.region.after)
            if not all(re.fullmatch(HASH, name) for name in pictures):
                raise ValueError("its region names no pictures")
        for name, value in ((self.operation, self.value), *moved):
            if normal(name, value) != value:
                raise ValueError(f"{name} does not take {value}")
        return self

    @property
    def needs(self) -> tuple[str, str]:
        """The pictures that it was made of."""
        return self.base, self.parent

    @property
    def makes(self) -> set[str]:
        """The pictures that it made."""
        return {self.picture, self.original}


Step = Made | MadePlainly


def _step(recipe: Recipe) -> Step:
    form = MadePlainly if "operation" in recipe else Made
    return form.model_validate(recipe)


def chain_of(recipe: Recipe) -> tuple[Step, ...]:
    """Read a recipe, which is another's data, as all edits in their order.

    Raises:
        RecipeError: It is not one that can be followed here.
    """
    try:
        chain = tuple(_step(step) for step in [*recipe.get("steps", ()), recipe])
    except (ValidationError, TypeError, InputError) as error:
        name = ""
        if isinstance(error, ValidationError):
            name = " (" + ".".join(map(str, error.errors()[0]["loc"])) + ")"
        raise RecipeError(f"Its recipe is not whole or of another version{name}") from None
    for made in chain:
        if isinstance(made, Made) and made.method not in METHODS:
            raise RecipeError(f"Its recipe wants the method {made.method}, which is not known here")
    return chain


def roots(chain: tuple[Step, ...]) -> tuple[str, ...]:
    """Return the hashes of the pictures that edits began from, which no recipe can make."""
    made: set[str] = set()
    found: dict[str, None] = {}
    for step in chain:
        found |= dict.fromkeys(name for name in step.needs if name not in made)
        made |= step.makes
    return tuple(found)


def loader(model: str, device: str | None) -> Callable[[Made], Editor]:
    """Return what loads the model of an edit, on the kind of device that it was made on.

    Args:
        model: One that the person has named, and so trusts, beside those known here.
        device: Where to run in any case.
    """

    def load(made: Made) -> Editor:
        called = FORMER_NAMES.get(made.model, made.model)
        if called not in (*OWN_MODELS, model):
            raise ModelMissing(
                f"The picture was made with the model {made.model}; "
                f"if you trust it, say --model {made.model}."
            )
        kind = made.device if made.device == device_of(None) else "cpu"
        names = [called, *SHIPPED_FOLDERS] if called in SHIPPED_FOLDERS else [called]
        return _with_weights(made.weights, names, device or kind)

    return load


def _with_weights(weights: str, names: Sequence[str], device: str) -> Editor:
    """Load the model with some weights, by their hash; the first if it has not these any more.

    The first edition of the shipped model was called like the present one.
    """
    if len(names) > 1:
        for name in names:
            editor = load_editor(name, device=device)
            if editor.model.weights_hash == weights:
                return editor
    return load_editor(names[0], device=device)


def remake(
    chain: tuple[Step, ...], store: PictureStore, load: Callable[[Made], Editor]
) -> Iterator[str]:
    """Do every step of a chain again, latents passed on as floats; yield the hash of each.

    Args:
        chain: The edits and plain operations in their order.
        store: Holds the pictures of ``roots`` and nothing else, so that all else is made now.
        load: Returns an editor with the model of an edit.
    """
    now = {name: name for name in roots(chain)}
    for made in chain:
        if isinstance(made, MadePlainly):
            now |= _adjusted(made, store, now)
        else:
            now |= _edited(made, store, now, load)
        yield now[made.picture]


def _edited(
    made: Made, store: PictureStore, now: Mapping[str, str], load: Callable[[Made], Editor]
) -> dict[str, str]:
    """Make an edit again; return what its picture and its mask are now."""
    from editing_core.editor import Editor

    size = store.image(now[made.parent]).size
    left, top, right, bottom = crop = made.crop or (0, 0, *size)
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        raise RecipeError("Its recipe has a crop that does not lie in the picture")
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
            framing=Framing(made.working_size or size, crop),
            own=made.own_settings,
            region=None if made.region is None else made.region.over(made.settings.bounds),
        )
    found = {made.picture: edited.picture}
    return found | {made.mask: edited.mask} if made.mask and edited.mask else found


def _adjusted(made: MadePlainly, store: PictureStore, now: Mapping[str, str]) -> dict[str, str]:
    """Do a plain operation again; return what its picture and its original are now."""
    region = made.region
    if region is not None:
        names = {name: getattr(region, name) for name in ("mask", "before", "after")}
        region = replace(region, **{name: now.get(held, held) for name, held in names.items()})
    adjusted = adjust_picture(
        store,
        head=now[made.parent],
        original=now[made.base],
        operation=Operation(made.operation, made.value, region),
        captions=(made.target_prompt, ""),
        request=made.request,
    )
    return {made.picture: adjusted.picture, made.original: adjusted.original}


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
