"""Texts for the LLM, kept as files so that they read as texts."""

from __future__ import annotations

from importlib.resources import files
from string import Template


def load(name: str, **values: str) -> str:
    """Return the text of a prompt with its ``$placeholders`` filled in.

    Raises:
        KeyError: a placeholder has no value, or a value no placeholder.
        FileNotFoundError: there is no such prompt.
    """
    template = Template((files(__name__) / f"{name}.md").read_text(encoding="utf-8"))
    unused = sorted(values.keys() - set(template.get_identifiers()))
    if unused:
        raise KeyError(f"the prompt {name} has no place for {', '.join(unused)}")
    return template.substitute(values).strip()
