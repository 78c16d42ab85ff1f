"""The model in the repository: the stock pipeline draws with it, and a chat edits with it."""

import json
from pathlib import Path

import pytest
from PIL import Image

import chat
from editing_core.bench.model_quality import captions, stock
from editing_core.portraits.captions import parse
from editing_core.worlds.registry import shipped_world

pytestmark = pytest.mark.weights


def test_the_stock_pipeline_draws_what_captions_say() -> None:
    right: list[bool] = []
    for i, said in enumerate(captions(6)):
        seen = shipped_world().judge(stock("portraits", i, said))
        right += [seen.get(name, "none") == value for name, value in parse(said).items()]
    assert sum(right) / len(right) >= 0.8


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
    before, after = (
        shipped_world().judge(Image.open(event["picture"])) for event in (start, turns[-1])
    )
    asked = {"hair_color": "gray", "eyewear": "sunglasses", "headwear": "none"}
    assert after.items() >= asked.items()
    rest = [name for name in before if name not in ("age", "eyewear_color", *asked)]
    assert sum(after.get(name) == before[name] for name in rest) / len(rest) >= 0.8


def test_a_run_without_a_person_draws_from_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blank that it draws on is no portrait, which such a run would leave alone."""
    said = "/new a sad man with a black cap"
    assert chat.main(["--offline", "--json", "--home", str(tmp_path), "--say", said]) == 0
    assert "A new base, @1" in capsys.readouterr().out
