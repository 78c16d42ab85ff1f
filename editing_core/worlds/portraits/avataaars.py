"""The drawings of the library's style "avataaars" as SVG markup, to be composed by `figure`.

The faces are Pablo Stanley's "avataaars" (https://avataaars.com, free for personal and commercial
use), as the package `dicebear-styles` holds them: components x variants of SVG elements.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TypeAlias

Json: TypeAlias = "str | dict[str, Json] | list[Json]"
Element: TypeAlias = "dict[str, Json]"

PLACES = {
    "clothes": (40, 184.7),
    "mouth": (94, 140),
    "nose": (128, 130),
    "eyes": (98, 98),
    "eyebrows": (91.86, 82),
    "top": (8, 0),
    "facialHair": (81, 98),
    "accessories": (75.77, 46),
    "clothesGraphic": (85, 229),
}
"""Where the style puts its components on its canvas of 280 x 280 units."""


def part(component: str, variant: str) -> str:
    """Markup of one variant in its place; colours stand as ``{skin}``, ``{hair}`` and so on."""
    x, y = PLACES[component]
    return f'<g transform="translate({x} {y})">{"".join(elements(component, variant))}</g>'


@cache
def elements(component: str, variant: str) -> tuple[str, ...]:
    """Markup of the elements of one variant, in the component's own coordinates."""
    return tuple(_markup(e) for e in _variant(component, variant) if e.get("type") == "element")


@cache
def outline(component: str, variant: str, index: int = 0) -> str:
    """The path data of one element, for clipping."""
    attributes = _variant(component, variant)[index]["attributes"]
    assert isinstance(attributes, dict)
    return str(attributes["d"])


def _variant(component: str, variant: str) -> list[Element]:
    found: list[Element] = _components()[component]["variants"][variant]["elements"]
    return found


@cache
def _components() -> dict[str, dict[str, dict[str, dict[str, list[Element]]]]]:
    file = files("dicebear_styles").joinpath("avataaars.json")
    components: dict[str, dict[str, dict[str, dict[str, list[Element]]]]]
    components = json.loads(file.read_text("utf-8"))["components"]
    return components


def _markup(element: Element) -> str:
    attributes, children = element.get("attributes", {}), element.get("children", [])
    assert isinstance(attributes, dict) and isinstance(children, list)
    written = " ".join(f'{name}="{_value(value)}"' for name, value in attributes.items())
    inner = "".join(_markup(child) for child in children if isinstance(child, dict))
    return f"<{element['name']} {written}>{inner}</{element['name']}>"


def _value(value: Json) -> str:
    return f"{{{value['name']}}}" if isinstance(value, dict) else str(value)
