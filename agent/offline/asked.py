"""What a clause over a portrait asks for: changes, a question, a remark."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.captions import VALUES
from agent.offline.scene import Changes, Scene, which
from agent.state import Ask

OPPOSITE = {
    ("age", "old"): "young",
    ("age", "young"): "old",
    ("expression", "sad"): "smiling",
    ("expression", "smiling"): "serious",
    ("expression", "serious"): "smiling",
    ("expression", "surprised"): "serious",
    ("expression", "angry"): "serious",
    ("expression", "winking"): "serious",
    ("gender", "man"): "woman",
    ("gender", "woman"): "man",
    ("hair", "long"): "short",
    ("hair", "short"): "long",
    ("hair", "bald"): "short",
    ("skin", "light"): "tan",
    ("skin", "tan"): "light",
    ("skin", "dark"): "brown",
    ("skin", "brown"): "tan",
    ("pattern", "plain"): "striped",
    ("pattern", "striped"): "plain",
    ("pattern", "dotted"): "plain",
}
"""What is wanted where a value is not."""

GROUPS = (
    {"gender", "age"},
    {"hair", "hair_color"},
    {"headwear", "headwear_color"},
    {"eyewear", "eyewear_color"},
    {"neckwear", "neckwear_color"},
    {"clothing", "clothing_color", "pattern"},
)
"""Attributes that one edit changes together when they are asked for together."""


@dataclass
class Reading:
    """What a clause asks for: changes in order, questions about the rest, and remarks."""

    changes: list[Changes] = field(default_factory=list)
    ask: Ask | None = None
    remark: str = ""
    understood: bool = True
    removing: bool = False

    def add(self, name: str, value: str, *, apart: bool = False) -> None:
        """Add one change, to the last edit if both belong to one thing."""
        last = self.changes[-1] if self.changes and not apart else None
        if last is not None and any({name, *last} <= group for group in GROUPS):
            if name == "hair" and last.get(name, value) != value:
                self.remark = (
                    f"Hair is one of these here: I took {value} and left {last[name]} out."
                )
            last[name] = value
        else:
            self.changes.append({name: value})

    def choose(self, name: str, scene: Scene) -> None:
        """Ask which value of an attribute is meant; where only one is left, that one is."""
        values = [v for v in VALUES[name] if v not in ("none", scene.now.get(name))]
        if len(values) == 1:
            self.add(name, values[0])
        else:
            self.ask = self.ask or which(name, scene)
