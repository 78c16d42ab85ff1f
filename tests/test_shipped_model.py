"""The model in the repository: the stock pipeline draws with it, and a chat edits with it."""

import json
import random
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

import chat
from editing_core.flux import PORTRAITS
from editing_core.portraits.captions import caption, parse
from editing_core.portraits.model import TEXT_LENGTH
from editing_core.portraits.read import read
from editing_core.portraits.world import draws

pytestmark = pytest.mark.weights


def test_the_stock_pipeline_draws_what_captions_say() -> None:
    from diffusers import FluxPipeline
    from diffusers.utils import is_accelerate_available

    pipeline = FluxPipeline.from_pretrained(
        PORTRAITS, torch_dtype=torch.float32, low_cpu_mem_usage=is_accelerate_available()
    )
    pipeline.set_progress_bar_config(disable=True)
    rng, right, wrong = random.Random(1), 0, 0
    for i, portrait in enumerate(islice(draws("eval", 11), 6)):
        said = caption(portrait.attributes.visible(), rng, 0.7)
        drawn = pipeline(
            said,
            height=128,
            width=128,
            num_inference_steps=12,
            max_sequence_length=TEXT_LENGTH,
            generator=torch.Generator().manual_seed(i),
        ).images[0]
        seen = read(drawn).attributes
        for name, value in parse(said).items():
            right += seen.get(name, "none") == value
            wrong += seen.get(name, "none") != value
    assert right / (right + wrong) >= 0.8


def test_a_chat_edits_undoes_and_branches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ["make her older, now add a hat", "undo the hat", "give her sunglasses instead"]
    flags = ["--offline", "--seed", "7", "--json", "--home", str(tmp_path)]
    code = chat.main([*flags, *(word for message in said for word in ("--say", message))])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    turns = [e for e in events if e["event"] == "turn.completed"]
    assert [(e["turn"], e["parent"]) for e in turns] == [(1, 0), (2, 1), (3, 1)]
    start = next(e for e in events if e["event"] == "session.started")
    before = read(Image.open(start["picture"])).attributes
    after = read(Image.open(turns[-1]["picture"])).attributes
    asked = {"hair_color": "gray", "eyewear": "sunglasses", "headwear": "none"}
    for unsure in (before, after):
        del unsure["age"]  # beside the gray hair, lines of a pixel's width
    assert after == before | asked
