"""Where a model's weights are: shipped, on the Hugging Face hub, in a folder, in a single file.

Configurations are fetched and judged first, so that what cannot work is refused, and memory is
planned, before gigabytes are on their way.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from editing_core.errors import ModelMissing
from editing_core.models.configs import Configs
from editing_core.models.layout_check import check_shapes, check_types
from editing_core.models.layouts import BY_PIPELINE, FIRST, LAYOUTS, Layout
from editing_core.models.offers import HUB, KNOWN, spec_of
from editing_core.models.single_files import (
    SINGLE,
    depth_in,
    kind_of,
    refuse_other_text,
    rest_of,
    shapes_in,
)

_CORE = Path(__file__).parents[1]
SHIPPED_FOLDERS = {
    "portraits": _CORE / "worlds" / "portraits" / "weights",
    "portraits-128": _CORE / "portraits" / "weights",
}
"""Where models lie that come with this program, by name."""
GUIDANCE = ("guidance_in.", "time_text_embed.guidance_embedder.")
"""How tensors of FLUX.1's guidance input begin, in both ways of naming."""
SCHNELL = (
    "FLUX.1-schnell cannot invert a picture: it is distilled to 4 steps and has no guidance input; "
    "use FLUX.1-dev (flux-dev) or portraits."
)


@dataclass(frozen=True)
class ModelSource:
    """Where a model is.

    Attributes:
        name: What it was asked for by.
        base: A folder in diffusers' layout, complete after ``fetched``.
        hub_id: The repository on the hub that ``base`` mirrors, if it does.
        file: A file with the transformer that stands in for the folder's, if there is one.
    """

    name: str
    base: Path
    hub_id: str | None = None
    file: Path | None = None

    @cached_property
    def layout(self) -> Layout:
        """What stands in the folder.

        Raises:
            ModelMissing: Its transformer is of no family that can be used.
        """
        said = _json(self.base / "transformer" / "config.json")
        kind = str(said.get("_class_name", FIRST))
        if kind not in LAYOUTS:
            families = " and ".join(layout.family for layout in LAYOUTS.values())
            raise ModelMissing(
                f"The model in {self.hub_id or self.base} is a {kind}, and only {families} can be "
                "used here."
            )
        return BY_PIPELINE.get(str(self.pipeline.get("_class_name")), LAYOUTS[kind])

    @cached_property
    def pipeline(self) -> dict[str, Any]:
        """What model_index.json says of the whole; nothing if there is none."""
        file = self.base / "model_index.json"
        return _json(file) if file.is_file() else {}

    @cached_property
    def scheduler(self) -> dict[str, Any]:
        """What the folder says of its schedule; nothing if it says nothing."""
        file = self.base / "scheduler" / "scheduler_config.json"
        return _json(file) if file.is_file() else {}

    @property
    def gguf(self) -> bool:
        """Whether the transformer's weights are quantised in a file."""
        return self.file is not None and self.file.suffix == ".gguf"

    def weight_files(self) -> list[Path]:
        """All files with weights, in an order that stays."""
        parts = self.layout.parts if self.file is None else self.layout.parts[1:]
        found = sorted(f for part in parts for f in (self.base / part).glob("*.safetensors"))
        return found if self.file is None else [*found, self.file]


def find(model: str) -> ModelSource:
    """Find a model, with its configurations but perhaps not its weights, and judge it.

    Args:
        model: "portraits", "flux-dev", a hub id, a folder in diffusers' layout, or a .safetensors
            or .gguf file with the transformer alone, local or as hub id/file.

    Raises:
        ModelMissing: It is not there or cannot edit; one sentence says what to do.
    """
    refuse_name(model)
    source = _file(model) if model.lower().endswith(SINGLE) else _folder(model)
    if source.hub_id is None:
        _check_layout(source)
    for part in source.layout.networks:
        file = source.base / part / "config.json"
        check_types(source.layout.published[part], _json(file), file)
    _check_kind(source)
    if source.hub_id is None:
        _check_weights(source)
    return source


def refuse_name(model: str) -> None:
    """Refuse a model that is known not to edit by its name alone.

    Raises:
        ModelMissing: It cannot edit.
    """
    if "schnell" in model.lower():
        raise ModelMissing(SCHNELL)


def configs(source: ModelSource) -> Configs:
    """Read the configurations of a model's networks, the depth from its single file if any."""
    found = {part: _json(source.base / part / "config.json") for part in source.layout.networks}
    if source.file is not None:
        found["transformer"] |= depth_in(source.file, source.layout.networks["transformer"])
    return found


def text_tokens(source: ModelSource) -> int:
    """Tokens that a prompt may have."""
    longest = source.layout.longest_text
    file = source.base / source.layout.text / "tokenizer_config.json"
    said = _json(file).get("model_max_length", longest)
    if isinstance(said, bool) or not isinstance(said, (int, float)) or said < 1:
        raise ModelMissing(f'{file}: "model_max_length" must be a number above 0, not {said!r}.')
    return int(min(said, longest))


def fetched(source: ModelSource) -> ModelSource:
    """Fetch the weights that are still on the hub; what was begun is gone on with."""
    if source.hub_id is None:
        return source
    wanted = ["model_index.json", *(f"{part}/*" for part in source.layout.parts)]
    if source.file is not None:
        wanted[1] = "transformer/config.json"
    complete = replace(source, base=_download(source.hub_id, wanted))
    _check_layout(complete)
    _check_weights(complete)
    return complete


def _folder(model: str) -> ModelSource:
    if shipped := SHIPPED_FOLDERS.get(model):
        if not shipped.is_dir():
            raise ModelMissing(
                f"The shipped model is not in {shipped}; fetch it again with git "
                "or train it with python -m editing_core.worlds.portraits.train."
            )
        return ModelSource(model, shipped)
    path = Path(model).expanduser()
    if path.is_dir():
        return ModelSource(model, path)
    hub_id = HUB.get(model, model)
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", hub_id):
        raise ModelMissing(
            f"There is no model '{model}': say {', '.join(KNOWN)}, the id of a "
            "model on the Hugging Face hub, a folder, or a .safetensors or .gguf file."
        )
    return ModelSource(model, _configs_from(hub_id), hub_id)


def _file(model: str) -> ModelSource:
    """Find a transformer's file and where the rest is: beside it, or in its model's repository."""
    file = Path(model).expanduser()
    if not file.is_file():
        on_hub = re.fullmatch(r"(\w[\w.-]*/[\w.-]+)/([\w./-]+)", model)
        if file.is_absolute() or file.parent.is_dir() or not on_hub:
            raise ModelMissing(f"There is no file {file}.")
        hub_id, name = on_hub.groups()
        file = _download(hub_id, [name]) / name
    shapes = shapes_in(file)
    kind = kind_of(file, shapes)
    if kind == FIRST and not any(name.startswith(GUIDANCE) for name in shapes):
        raise ModelMissing(_no_guidance(file))
    if all((file.parent / part).is_dir() for part in LAYOUTS[kind].parts):
        source = ModelSource(model, file.parent, file=file)
    else:
        hub_id = rest_of(kind, file.name)
        source = ModelSource(model, _configs_from(hub_id), hub_id, file)
    refuse_other_text(file, kind, shapes, _json(source.base / "transformer" / "config.json"))
    return source


def _configs_from(hub_id: str) -> Path:
    return _download(hub_id, ["model_index.json", "*/*config.json"])


def _download(hub_id: str, wanted: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(hub_id, allow_patterns=wanted))
    except GatedRepoError as error:
        why = (
            f"is gated: accept its licence{_licence(hub_id)} on https://huggingface.co/{hub_id} "
            "and log in with `hf auth login`"
        )
        raise ModelMissing(f"The model {hub_id} {why}.") from error
    except RepositoryNotFoundError as error:
        why = "is not on the Hugging Face hub, or not for you; check the name and `hf auth login`"
        raise ModelMissing(f"The model {hub_id} {why}.") from error
    except LocalEntryNotFoundError as error:
        why = (
            "is not on this machine, and the Hugging Face hub cannot be reached; connect and fetch "
            f"it with `palimpsest models get {hub_id}`{_licence(hub_id)}, or name a folder that "
            "holds it"
        )
        raise ModelMissing(f"The model {hub_id} {why}.") from error
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelMissing(
            f"The model {hub_id} cannot be fetched from the Hugging Face hub ({reason[0]}); what "
            "has arrived is kept, so try again."
        ) from error


def _licence(hub_id: str) -> str:
    """Name the licence of a known model, in brackets."""
    return f" ({spec_of(hub_id).licence})" if hub_id in HUB.values() else ""


def _check_layout(source: ModelSource) -> None:
    where = source.hub_id or source.base
    if not (source.base / "transformer").is_dir():
        raise ModelMissing(f"{where} is no model in diffusers' layout: it has no transformer.")
    missing = [part for part in source.layout.parts if not (source.base / part).is_dir()]
    if missing:
        raise ModelMissing(
            f"{where} is not a {source.layout.family} model in diffusers' layout: "
            f"it has no {', '.join(missing)}."
        )


def _check_weights(source: ModelSource) -> None:
    if source.base in SHIPPED_FOLDERS.values():  # tested as it is
        return
    for part, config in configs(source).items():
        if part != "transformer" or source.file is None:
            check_shapes(part, config, source.base / part, source.layout)


def _check_kind(source: ModelSource) -> None:
    """Refuse networks made for another task, and those that were not distilled with guidance."""
    known = source.hub_id if source.hub_id and not source.file else source.base
    layout = source.layout
    found = {part: _json(source.base / part / "config.json") for part in layout.networks}
    if layout is LAYOUTS[FIRST] and not found["transformer"].get("guidance_embeds"):
        raise ModelMissing(_no_guidance(known))
    for part in layout.encoders:
        wanted = layout.published[part]["model_type"]
        if (kind := found[part].get("model_type", wanted)) != wanted:
            raise ModelMissing(
                f"The model in {known} reads prompts with a {kind} ({part}), where "
                f"{layout.family} has a {wanted}; use a model of that family."
            )
    channels = (layout.published["vae"] | found["vae"])[layout.channels]
    takes = found["transformer"].get("in_channels")
    if takes != layout.packed * channels:
        raise ModelMissing(
            f"The model in {known} is made for another task (it takes {takes} channels, not "
            f"{layout.packed * channels}, as FLUX.1 Fill or Canny); use a model like "
            f"{layout.model}."
        )


def _no_guidance(where: Path | str) -> str:
    return (
        f"The model in {where} has no guidance input (as FLUX.1-schnell), so "
        "it cannot both invert and edit; use a model like FLUX.1-dev."
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelMissing(f"{file} cannot be read.") from error
    if not isinstance(found, dict):
        raise ModelMissing(f"{file} must hold names with values ({{…}}).")
    return found
