"""`palimpsest recipe`: say how a picture was made, from its file alone."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from agent.exit_codes import DONE, UNREADABLE
from tools import provenance
from tools.pictures import PictureError, open_picture
from tools.provenance import Recipe
from tools.redo import Made, MadePlainly, RecipeError, Step, chain_of
from tools.regions import MASK

WIDTH = 100
SHORT = 12  # hex digits of a hash that people see


def main(argv: Sequence[str]) -> int:
    """Run `palimpsest recipe` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="palimpsest recipe",
        description="Say how a picture was made: every edit since the original.",
        epilog="exit codes: 0 told, 2 the file cannot be read or carries no recipe",
    )
    parser.add_argument("file", type=Path, help="a picture that was saved here")
    parser.add_argument("--json", action="store_true", help="the recipe as it is in the file")
    flags = parser.parse_args(argv)
    try:
        recipe = recipe_in(flags.file)
        if flags.json:
            print(json.dumps(recipe, ensure_ascii=False, indent=2))
        else:
            print(told(chain_of(recipe), provenance.opened_as(recipe)))
    except (PictureError, RecipeError) as error:
        print(f"palimpsest: {error}", file=sys.stderr)
        return UNREADABLE
    return DONE


def recipe_in(file: Path) -> Recipe:
    """Return the recipe that a picture file carries.

    Raises:
        PictureError: It is no picture.
        RecipeError: It carries none.
    """
    file = file.expanduser()
    recipe = provenance.read(file)
    if recipe is None:
        open_picture(file)  # says what is wrong with the file, if anything
    if recipe is None or not {"seed", "operation"} & recipe.keys():  # a caption alone is no recipe
        raise RecipeError(f"{file} carries no recipe.")
    return recipe


def told(chain: tuple[Step, ...], original: str) -> str:
    """Return all steps of a chain in words: what they share, then each.

    Args:
        chain: The steps in their order.
        original: Hash of the picture that all began from.
    """
    last = chain[-1]
    versions = ", ".join(f"{name} {number}" for name, number in last.versions.items())
    edits = [made for made in chain if isinstance(made, Made)]
    lines = [
        f"picture   {last.picture[:SHORT]}",
        f"original  {original[:SHORT]}",
        *(_model(edits[-1]) if edits else ()),
        f"versions  {versions}",
    ]
    for number, made in enumerate(chain, 1):
        lines += ["", *_edit(number, made)]
    return "\n".join(lines)


def _model(last: Made) -> list[str]:
    machine = ", ".join(filter(None, (last.device, last.processor, last.precision)))
    threads = f", {last.threads} thread{'s' if last.threads > 1 else ''}" if last.threads else ""
    return [
        f"model     {last.model}, weights {last.weights}",
        f"made on   {machine}{threads}",
    ]


def _edit(number: int, made: Step) -> list[str]:
    if isinstance(made, MadePlainly):
        rows = [
            ("from", made.parent[:SHORT]),
            ("how", f"{made.operation} {made.value}".strip()),
            ("made", made.picture[:SHORT]),
        ]
        return _headed(number, rows)
    rows = [
        ("from", made.source_prompt),
        ("to", made.target_prompt),
        ("words", ", ".join(made.edit_words) or "none"),
        ("how", f"{made.method}, seed {made.seed}, {made.numbers}"),
        *_region(made),
        ("made", made.picture[:SHORT]),
    ]
    return _headed(number, rows)


def _region(made: Made) -> list[tuple[str, str]]:
    """Say where an edit was let act, if not everywhere."""
    if made.settings.bounds is None:
        return []
    words = made.region.words if made.region else ""
    if words.startswith(MASK):
        words = words.replace(words.partition("; ")[0], "where an edit had acted", 1)
    return [("where", words or "a box")]


def _headed(number: int, rows: list[tuple[str, str]]) -> list[str]:
    head = f"edit {number}"
    return [f"{head if row == 0 else '':<8}{line}" for row, line in enumerate(_rows(rows))]


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    """Lay out names and values, the latter broken between words."""
    return [
        f"{name if part == 0 else '':<7}{text}"
        for name, value in rows
        for part, text in enumerate(textwrap.wrap(value, WIDTH - 15) or [""])
    ]
