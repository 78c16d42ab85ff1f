"""Scripts of conversations are read strictly."""

import json

import pytest
from paths import ROOT
from script_files import PLAN, script, told

import chat
from agent.scripts.loader import ScriptError, cases, find
from agent.scripts.schema import Script


@pytest.mark.parametrize(
    ("turns", "more", "says"),
    [
        ("- say: hi\n  expekt: {}", "", ":5: 'expekt' is not known here; did you mean 'expect'?"),
        ("- say: hi\n  expect: {stps: []}", "", "'stps' is not known here; did you mean 'steps'"),
        ("- say: hi\n  expect: {steps: [edits]}", "", ":5: 'steps'"),
        ("- say: hi\n  expect: {picture: {attributes: {age: ancient}}}", "", ":5: 'age': input"),
        ("- say: hi\n  expect: {picture: {drift: about 3}}", "", "'drift'"),
        ("- say: hi", "seed: 7\n", ":3: 'seed' is not known here; it belongs under 'defaults'."),
        ("- say: hi", "picture: {hat: red}\n", ":3: 'hat' is not known here"),
        ("- say: ''", "", "'say': string should have at least 1 character"),
        ("- include: nowhere.chat.yaml", "", "nowhere.chat.yaml cannot be read"),
        ("- include: one.chat.yaml", "", "includes itself"),
        ("- say: hi", "matrix: {keep: [all]}\n", ":3: 'keep': input should be 'auto'"),
        ("- say: [", "", "this is no YAML"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(tmp_path, turns, more, says):
    with pytest.raises(ScriptError) as error:
        cases(script(tmp_path, turns, more))
    assert says in str(error.value)


def test_a_matrix_is_every_combination(tmp_path):
    more = "matrix: {seed: [1, 2], picture: [sample, {hair: bald}], method: [mtc]}\n"
    found = cases(script(tmp_path, "- say: add a hat", more))
    assert [case.defaults.seed for case in found] == [1, 1, 2, 2] or len(found) == 4
    assert len({case.name for case in found}) == 4
    assert "seed 2" in found[-1].name and "bald" in found[-1].name


def test_included_turns_come_in_their_place(tmp_path):
    script(tmp_path, "- say: add a hat\n- say: make it blue", name="base")
    turns = "- include: base.chat.yaml\n- say: undo\n  expect: {head: 1, turns: 3}"
    result = told(script(tmp_path, turns, PLAN))
    assert [line.said for line in result.told] == ["add a hat", "make it blue", "undo"]
    assert result.passed and result.told[0].file.name == "base.chat.yaml"


def test_find_names_what_is_not_there(tmp_path):
    with pytest.raises(ScriptError, match="no script"):
        find([tmp_path / "nothing.chat.yaml"])
    with pytest.raises(ScriptError, match="no scripts"):
        find([tmp_path])


def test_the_published_schema_is_the_forms(capsys):
    assert chat.main(["test", "--schema"]) == 0
    published = (ROOT / "agent" / "scripts" / "chat.schema.json").read_text()
    assert capsys.readouterr().out == published
    assert json.loads(published)["title"] == Script.__name__


def test_the_corpus_is_whole() -> None:
    found = [case for file in find([ROOT / "tests" / "conversations"]) for case in cases(file)]
    assert len({case.file for case in found}) >= 60
    lines = sum(len(case.lines) for case in found)
    assert lines / len(found) <= 6  # short enough to read


def test_the_readme_names_every_key() -> None:
    text = (ROOT / "tests" / "conversations" / "README.md").read_text()
    schema = Script.model_json_schema()
    forms = ("Expected", "Seen", "Cost", "Failure", "Text", "Words", "Said", "Include", "Defaults")
    keys = [*schema["properties"], *(k for f in forms for k in schema["$defs"][f]["properties"])]
    assert [key for key in keys if f"`{key}`" not in text and f"{key}:" not in text] == []
