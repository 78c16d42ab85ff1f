"""Make all edits and judge them; what is in the folder of results already is not made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from pydantic import BaseModel, ValidationError

from editing_core.bench.parallel import Row, told
from editing_core.bench.photographs.networks import Networks
from editing_core.bench.photographs.similarity import Scores, scores
from editing_core.bench.summary import Estimate, frechet_distance, jackknife
from editing_core.benchmark_layouts import EditSequence
from editing_core.editor import Editor, EditRequest, EditResult, Picture
from editing_core.errors import EditError
from editing_core.metrics import Floats
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.prompt_diff import edit_words
from editing_core.settings import EditSettings

Ways = Mapping[str, tuple[str, Callable[[str, int], EditSettings]]]
"""Name in the table -> method, and its settings for a kind of change after so many turns."""


class Cost(BaseModel):
    """What one turn cost."""

    seconds: float
    calls: int
    steps: int


class Edits(BaseModel):
    """``edits.json``: all that decides what a walk's pictures are, and what each cost."""

    recipe: dict[str, Any]
    turns: tuple[Cost, ...]


class Judged(BaseModel):
    """``scores.json``: what the networks made of each turn; their features lie beside it."""

    networks: dict[str, str]
    turns: tuple[Scores, ...]


@dataclass(frozen=True, eq=False)
class PhotographRollout:
    """One sequence, edited in one way, and judged."""

    costs: tuple[Cost, ...]
    scores: tuple[Scores, ...]
    features: Floats
    """Of the photograph, then of the picture after each turn. Shape: (1 + turns, width)."""


def run(
    flux: DiffusersModel,
    networks: Networks,
    sequences: Sequence[EditSequence],
    ways: Ways,
    out: Path,
) -> dict[str, list[PhotographRollout]]:
    """Edit and judge every sequence in every way, and tell how far things are.

    Args:
        flux: The model.
        networks: Who judges.
        sequences: What to edit.
        ways: How to edit.
        out: The folder of results, with one of pictures and JSON for each way and sequence.

    Returns:
        The walks of each way, in the order of the sequences.

    Raises:
        EditError: An edit cannot be made.
    """
    found: dict[str, list[PhotographRollout]] = {name: [] for name in ways}
    work = [(sequence, name) for sequence in sequences for name in ways]
    for _, (sequence, name) in told(str(out), work, len(work)):
        folder = out / name.replace(" ", "-").replace(",", "") / sequence.name
        costs = _edited(flux, sequence, ways[name], folder)
        judged, features = _judged(networks, sequence, folder)
        found[name].append(PhotographRollout(costs, judged, features))
    return found


def _edited(
    flux: DiffusersModel,
    sequence: EditSequence,
    way: tuple[str, Callable[[str, int], EditSettings]],
    folder: Path,
) -> tuple[Cost, ...]:
    """Make the pictures of a walk unless they are there; return what they cost when made."""
    method, fitted = way
    settings = [fitted(kind, n) for n, kind in enumerate(sequence.kinds)]
    photograph = _opened(sequence.picture)
    recipe = {
        "model": f"{flux.spec.name} {flux.weights_hash}",
        "on": f"{flux.device.type} {flux.dtype}",
        "photograph": hashlib.sha256(photograph.tobytes()).hexdigest(),
        "prompts": [sequence.source_prompt, *sequence.target_prompts],
        "method": method,
        "settings": json.loads(json.dumps([asdict(each) for each in settings])),
    }
    kept = _kept(folder / "edits.json", Edits)
    if kept is not None and kept.recipe == recipe:
        return kept.turns
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("edits.json", "scores.json"):  # what they tell of is about to be overwritten
        (folder / file).unlink(missing_ok=True)
    turns = []
    for n, result in enumerate(_turns(flux, sequence, photograph, method, settings), start=1):
        result.picture.save(_picture(folder, n))
        report = result.report
        steps = report.settings.steps
        turns.append(Cost(seconds=report.seconds, calls=report.forwards, steps=steps))
    edits = Edits(recipe=recipe, turns=tuple(turns))
    _keep(folder / "edits.json", edits)
    return edits.turns


def _turns(
    flux: DiffusersModel,
    sequence: EditSequence,
    photograph: Image.Image,
    method: str,
    settings: Sequence[EditSettings],
) -> Iterator[EditResult]:
    """Make edit after edit; no walk profits from another's inversions."""
    editor = Editor(flux)
    current = original = Picture(photograph)
    source = sequence.source_prompt
    for n, (target, numbers) in enumerate(zip(sequence.target_prompts, settings, strict=True)):
        request = EditRequest(current, original, source, target, edit_words(source, target))
        try:
            result = editor.edit(request, settings=numbers, seed=n, method=method)
        except EditError as error:
            raise EditError(f"Turn {n + 1} of {sequence.name}: {error}") from None
        yield result
        current, source = Picture(result.picture, result.latents), target


def _judged(
    networks: Networks, sequence: EditSequence, folder: Path
) -> tuple[tuple[Scores, ...], Floats]:
    """Judge the pictures of a walk unless these networks did."""
    names = asdict(networks.names)
    kept, beside = _kept(folder / "scores.json", Judged), folder / "features.npy"
    if kept is not None and kept.networks == names:
        return kept.turns, np.load(beside)
    first = _opened(sequence.picture)
    mask = sequence.mask(*first.size)
    pictures = [_opened(_picture(folder, n + 1)) for n in range(len(sequence.target_prompts))]
    asked = zip(pictures, sequence.target_prompts, strict=True)
    turns = tuple(scores(networks, first, picture, prompt, mask) for picture, prompt in asked)
    features = [networks.features(picture).double().cpu().numpy() for picture in (first, *pictures)]
    np.save(beside, np.stack(features))
    _keep(folder / "scores.json", Judged(networks=names, turns=turns))
    return turns, np.stack(features)


Held = TypeVar("Held", bound=BaseModel)


def _kept(file: Path, kind: type[Held]) -> Held | None:
    """Read what a run has kept, None if that is nothing or of another version."""
    try:
        return kind.model_validate_json(file.read_text("utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


def _keep(file: Path, held: BaseModel) -> None:
    """Write the whole of it or nothing."""
    part = file.with_suffix(".part")
    part.write_text(held.model_dump_json(indent=1), "utf-8")
    part.replace(file)


def _picture(folder: Path, turn: int) -> Path:
    return folder / f"turn-{turn}.png"


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


COLUMNS = {
    "clip_text": ("CLIP-T", 1.0),
    "clip_picture": ("CLIP-I", 1.0),
    "structure": ("structure × 10³", 1e3),
    "lpips": ("LPIPS × 10³", 1e3),
    "psnr": ("PSNR, dB", 1.0),
    "ssim": ("SSIM × 10²", 1e2),
    "mse": ("MSE × 10⁴", 1e4),
}
"""Of `Scores`, what it is called in the table, and the factor that PIE-Bench reports it with."""
NOTHING = "–"


@dataclass(frozen=True)
class Measured:
    """One way to edit, over all sequences, after a turn.

    Attributes:
        frechet: Fréchet distance of the photographs and the edited pictures; None of one alone.
        count: Of the sequences.
        scores: By name in `Scores`; None where no sequence has it.
        steps: Of the solver, a turn.
        calls: Of the model, a turn.
        seconds: A turn.
    """

    frechet: Estimate | None
    count: int
    scores: dict[str, Estimate | None]
    steps: float
    calls: float
    seconds: float

    def row(self, way: str) -> Row:
        """The same as a row of the table."""
        cells = {title: self.scores[name] or NOTHING for name, (title, _) in COLUMNS.items()}
        first = self.frechet or NOTHING
        costs = {"steps": self.steps, "model calls": self.calls, "seconds": self.seconds}
        return {"method": way, "FID": first, **cells, **costs}


def measured(walks: Sequence[PhotographRollout], turn: int) -> Measured:
    """Measure the walks of one way after a turn, counted from 1."""
    scores = [walk.scores[turn - 1] for walk in walks]
    costs = [walk.costs[turn - 1] for walk in walks]
    values = {
        name: [factor * value for each in scores if (value := getattr(each, name)) is not None]
        for name, (_, factor) in COLUMNS.items()
    }
    return Measured(
        frechet=_frechet([(walk.features[0], walk.features[turn]) for walk in walks]),
        count=len(walks),
        scores={
            name: jackknife(found, np.mean) if found else None for name, found in values.items()
        },
        steps=fmean(cost.steps for cost in costs),
        calls=fmean(cost.calls for cost in costs),
        seconds=fmean(cost.seconds for cost in costs),
    )


def _frechet(pairs: Sequence[tuple[Floats, Floats]]) -> Estimate | None:
    if len(pairs) < 2:
        return None
    return jackknife(pairs, lambda kept: frechet_distance(*map(np.stack, zip(*kept, strict=True))))
