"""Where a model's weights are: shipped, on the Hugging Face hub, in a folder, in a single file.

Configurations are fetched and judged first, so that what cannot work is refused, and memory is
planned, before gigabytes are on their way.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editing_core.errors import ModelMissing
from editing_core.models.configs import Configs
from editing_core.models.layout_check import check_shapes, check_types

SHIPPED_FOLDERS = {"portraits": Path(__file__).parents[1] / "portraits" / "weights"}
"""Where models lie that come with this program, by name."""
HUB = {"flux-dev": "black-forest-labs/FLUX.1-dev"}
MODELS = ("transformer", "vae", "text_encoder", "text_encoder_2")
PARTS = (*MODELS, "tokenizer", "tokenizer_2")
SINGLE = (".safetensors", ".gguf")  # files that hold a transformer alone
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

    @property
    def gguf(self) -> bool:
        """Whether the transformer's weights are quantised in a file."""
        return self.file is not None and self.file.suffix == ".gguf"

    def weight_files(self) -> list[Path]:
        """All files with weights, in an order that stays."""
        parts = PARTS if self.file is None else PARTS[1:]
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
    for part in MODELS:
        file = source.base / part / "config.json"
        check_types(part, _json(file), file)
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
    """Read the configurations of a model's four networks, the depth from its single file if any."""
    found = {part: _json(source.base / part / "config.json") for part in MODELS}
    if source.file is not None:
        found["transformer"] |= depth_in(source.file)
    return found


def text_tokens(source: ModelSource) -> int:
    """T5 tokens that a prompt may have."""
    file = source.base / "tokenizer_2" / "tokenizer_config.json"
    said = _json(file).get("model_max_length", 512)
    if isinstance(said, bool) or not isinstance(said, (int, float)) or said < 1:
        raise ModelMissing(f'{file}: "model_max_length" must be a number above 0, not {said!r}.')
    return int(min(said, 512))


def depth_in(file: Path) -> dict[str, int]:
    """Count the blocks in a single file, as a transformer's configuration names them."""
    names = tensor_names(file)

    def count(*prefixes: str) -> int:
        pattern = re.compile(rf"(?:^|\.)(?:{'|'.join(prefixes)})\.(\d+)\.")
        return len({int(found[1]) for name in names if (found := pattern.search(name))})

    return {
        "num_layers": count("double_blocks", "transformer_blocks"),
        "num_single_layers": count("single_blocks", "single_transformer_blocks"),
    }


def tensor_names(file: Path) -> list[str]:
    """List what a .safetensors or .gguf file holds, without reading it whole."""
    try:
        if file.suffix == ".gguf":
            return [tensor.name for tensor in _gguf().GGUFReader(file).tensors]
        from safetensors import safe_open

        with safe_open(file, "pt") as opened:
            return list(opened.keys())
    except Exception as error:  # each reader has errors of its own
        if isinstance(error, ModelMissing):
            raise
        raise ModelMissing(f"{file} cannot be read as {file.suffix[1:]}: {error}") from error


def _gguf() -> Any:
    try:
        import gguf
    except ImportError:
        raise ModelMissing("Files in GGUF need: pip install gguf accelerate") from None
    return gguf


def fetched(source: ModelSource) -> ModelSource:
    """Fetch the weights that are still on the hub; what was begun is gone on with."""
    if source.hub_id is None:
        return source
    wanted = [f"{part}/*" for part in PARTS]
    if source.file is not None:
        wanted[0] = "transformer/config.json"
    complete = replace(source, base=_download(source.hub_id, wanted))
    _check_layout(complete)
    _check_weights(complete)
    return complete


def _folder(model: str) -> ModelSource:
    if shipped := SHIPPED_FOLDERS.get(model):
        if not shipped.is_dir():
            raise ModelMissing(
                f"The shipped model is not in {shipped}; fetch it again with git "
                "or train it with python -m editing_core.portraits.train."
            )
        return ModelSource(model, shipped)
    path = Path(model).expanduser()
    if path.is_dir():
        return ModelSource(model, path)
    hub_id = HUB.get(model, model)
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", hub_id):
        raise ModelMissing(
            f"There is no model '{model}': say portraits, flux-dev, the id of a "
            "model on the Hugging Face hub, a folder, or a .safetensors or .gguf file."
        )
    return ModelSource(model, _configs_from(hub_id), hub_id)


def _file(model: str) -> ModelSource:
    """Find a transformer's file and where the rest is: beside it, or in FLUX.1-dev's repository."""
    file = Path(model).expanduser()
    if not file.is_file():
        on_hub = re.fullmatch(r"(\w[\w.-]*/[\w.-]+)/([\w./-]+)", model)
        if file.is_absolute() or file.parent.is_dir() or not on_hub:
            raise ModelMissing(f"There is no file {file}.")
        hub_id, name = on_hub.groups()
        file = _download(hub_id, [name]) / name
    if not any("guidance" in name for name in tensor_names(file)):
        raise ModelMissing(_no_guidance(file))
    if all((file.parent / part).is_dir() for part in PARTS):
        return ModelSource(model, file.parent, file=file)
    return ModelSource(model, _configs_from(HUB["flux-dev"]), HUB["flux-dev"], file)


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
            f"is gated: accept its licence (non-commercial) on https://huggingface.co/{hub_id} "
            "and log in with `hf auth login`"
        )
        raise ModelMissing(f"The model {hub_id} {why}.") from error
    except RepositoryNotFoundError as error:
        why = "is not on the Hugging Face hub, or not for you; check the name and `hf auth login`"
        raise ModelMissing(f"The model {hub_id} {why}.") from error
    except LocalEntryNotFoundError as error:
        why = (
            "is not on this machine, and the Hugging Face hub cannot be reached; connect, or name "
            "a folder that holds it"
        )
        raise ModelMissing(f"The model {hub_id} {why}.") from error
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelMissing(
            f"The model {hub_id} cannot be fetched from the Hugging Face hub ({reason[0]}); what "
            "has arrived is kept, so try again."
        ) from error


def _check_layout(source: ModelSource) -> None:
    missing = [part for part in PARTS if not (source.base / part).is_dir()]
    if missing:
        raise ModelMissing(
            f"{source.hub_id or source.base} is not a FLUX model in diffusers' layout: "
            f"it has no {', '.join(missing)}."
        )


def _check_weights(source: ModelSource) -> None:
    if source.base in SHIPPED_FOLDERS.values():  # tested as it is
        return
    for part, config in configs(source).items():
        if part != "transformer" or source.file is None:
            check_shapes(part, config, source.base / part)


def _check_kind(source: ModelSource) -> None:
    """Refuse networks of another kind, and those that were not distilled with guidance."""
    known = source.hub_id if source.hub_id and not source.file else source.base
    transformer = _json(source.base / "transformer" / "config.json")
    kind = transformer.get("_class_name", "FluxTransformer2DModel")
    if kind != "FluxTransformer2DModel":
        raise ModelMissing(f"The model in {known} is a {kind}, and only FLUX.1 can be used here.")
    if not transformer.get("guidance_embeds"):
        raise ModelMissing(_no_guidance(known))
    latent = 4 * _json(source.base / "vae" / "config.json").get("latent_channels", 16)
    if transformer.get("in_channels") != latent:
        raise ModelMissing(
            f"The model in {known} is made for another task (it takes "
            f"{transformer.get('in_channels')} channels, not {latent}, as FLUX.1 Fill or Canny); "
            "use a model like FLUX.1-dev."
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
