"""Do a folder's configurations describe the weights beside them? Asked before anything is built.

A configuration may come from anywhere: a wrong type would break deep inside a library, and a
million layers would be built for hours. The headers of the weight files are read, not the weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from editing_core.errors import ModelMissing
from editing_core.models.layouts import Layout, build

Shapes = Mapping[str, tuple[int, ...]]
"""By name of a tensor."""

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
DEPTHS = (
    *("num_layers", "num_single_layers", "num_hidden_layers", "layers_per_block"),
    *("n_layers", "n_refiner_layers", "num_res_blocks", "depth"),
)
"""What configurations call their numbers of layers."""
LARGEST = 1 << 20  # no width, count of tokens or vocabulary comes near it
SMALLEST = 0


def check_types(known: Mapping[str, Any], config: Mapping[str, Any], file: Path) -> None:
    """Refuse a configuration whose values are of other types than a published one's.

    Args:
        known: The published one, of the same network.
        config: What ``file`` holds.
        file: Named in the refusal.

    Raises:
        ModelMissing: A value is of another type, negative or too large by far.
    """
    for key, value in known.items():
        if key in config:
            _check_value(config[key], value, f'{file}: "{key}"')


def check_shapes(part: str, config: Mapping[str, Any], folder: Path, layout: Layout) -> None:
    """Refuse a configuration that describes other weights than those in the folder.

    Args:
        part: A name in ``layout.networks``.
        config: Of the types that ``check_types`` lets pass.
        folder: Holds the part's config.json and .safetensors files.
        layout: Of the whole model.

    Raises:
        ModelMissing: A weight file cannot be read, or a tensor is missing or has another shape.
    """
    import torch

    if "quantization_config" in config:  # stored in another form
        return
    there = _stored_shapes(folder)
    _check_depth(config, there, folder)
    try:
        with torch.device("meta"):
            model = build({part: dict(config)}, only=part, layout=layout)[part]
    except Exception as error:  # libraries refuse in errors of all kinds
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelMissing(f"{folder}/config.json describes no {part}: {reason}") from None
    optional = set(getattr(model, "_tied_weights_keys", None) or ())
    for name, tensor in model.state_dict().items():
        found = next((there[known] for known in _older(name) if known in there), None)
        if found is None and name not in optional:
            raise ModelMissing(f"The weights in {folder} do not fit its config.json: no {name}.")
        if found not in (None, tuple(tensor.shape)):
            raise ModelMissing(
                f"The weights in {folder} do not fit its config.json: {name} has the shape "
                f"{_said(found)}, not {_said(tensor.shape)}."
            )


def _older(name: str) -> Iterator[str]:
    """Names that a tensor of a text encoder had in earlier releases of transformers, its own first.

    ``from_pretrained`` knows them, too: published weights keep the names of their day.
    """
    yield name
    yield f"text_model.{name}"
    yield f"model.{name}"
    for now, then in (("model.language_model.", "model."), ("model.visual.", "visual.")):
        if name.startswith(now):
            yield then + name.removeprefix(now)


def _check_value(value: object, known: object, what: str) -> None:
    if isinstance(known, dict):
        if not isinstance(value, dict):
            raise ModelMissing(f"{what} must hold names with values, not {_short(value)}.")
        for key in known.keys() & value.keys():
            _check_value(value[key], known[key], f'{what}, "{key}"')
        return
    if isinstance(known, list):
        if not isinstance(value, list) or bool(value) != bool(known):
            raise ModelMissing(f"{what} must be a list, not {_short(value)}.")
        for item in value:
            _check_value(item, known[0] if known else 0, what)
        return
    kind = type(known)
    right = isinstance(value, (int, float) if kind is float else kind)
    if not right or (isinstance(value, bool) and kind is not bool):
        raise ModelMissing(f"{what} must be {KINDS[kind]}, not {_short(value)}.")
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        raise ModelMissing(
            f"{what} must lie between {SMALLEST} and {LARGEST}, not {_short(value)}."
        )


def _check_depth(config: Mapping[str, Any], there: Shapes, folder: Path) -> None:
    """Each layer has a tensor at least, so more layers than tensors are a mistake."""
    for key in DEPTHS:
        if config.get(key, 0) > len(there):
            raise ModelMissing(
                f"{folder}/config.json asks for {config[key]} layers ({key}), and the weights "
                f"beside it hold {len(there)} tensors."
            )
    for inner in config.values():  # of a network in a network
        if isinstance(inner, dict):
            _check_depth(inner, there, folder)


def _stored_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Read the headers of all weight files in a folder."""
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "pt") as opened:
                names = opened.keys()
                shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in names}
        except (OSError, SafetensorError) as error:
            raise ModelMissing(f"{file} is damaged and cannot be read: {error}.") from None
    if not shapes:
        raise ModelMissing(f"There are no .safetensors files in {folder}.")
    return shapes


def _said(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _short(value: object) -> str:
    said = json.dumps(value, ensure_ascii=False, default=str)
    return said if len(said) <= 40 else said[:37] + "…"
