"""`palimpsest test` and the pytest plugin."""

import json
from xml.etree import ElementTree

import pytest
from script_files import PLAN, script

import chat
from agent.scripts.loader import cases
from agent.scripts.suite import repeated


def test_the_command_ends_with_5_where_an_expectation_failed(tmp_path, capsys):
    good = script(tmp_path, "- say: add a hat\n  expect: {head: 1}", PLAN)
    bad = script(tmp_path, "- say: add a hat\n  expect: {head: 2}", PLAN, name="two")
    assert chat.main(["test", str(good)]) == 0
    assert chat.main(["test", str(tmp_path)]) == 5
    said = capsys.readouterr().out
    assert "1 of 2 passed" in said and f'{bad}:5  "add a hat"' in said
    assert "head: wanted 2, found 1" in said
    assert chat.main(["test", str(tmp_path), "-k", "one"]) == 0
    assert chat.main(["test", str(tmp_path), "-k", "three"]) == 2
    assert chat.main(["test"]) == 2


def test_every_script_that_cannot_be_read_is_told(tmp_path, capsys):
    for name in ("one", "two"):
        script(tmp_path, "- say: hi\n  expekt: {}", name=name)
    script(tmp_path, "- say: hi", PLAN, name="three")
    assert chat.main(["test", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "one.chat.yaml:5" in said and "two.chat.yaml:5" in said


def test_update_rewrites_what_failed_and_keeps_comments(tmp_path, capsys, monkeypatch):
    turns = """
    # first of all
    - say: add a hat  # hats are fine
      expect:
        steps: [edit, undo]
        edit_words: [cap]  # the words
    """
    file = script(tmp_path, turns, PLAN)
    monkeypatch.setenv("CI", "true")
    assert chat.main(["test", str(file), "--update"]) == 2
    monkeypatch.delenv("CI")
    assert chat.main(["test", str(file), "--update"]) == 0
    said = capsys.readouterr().out
    assert "\n1 updated\n" in said and "passed" not in said and "(1 turn, " in said
    assert "-      steps: [edit, undo]" in said and "+      steps: [edit]" in said
    text = file.read_text()
    assert "# first of all" in text and "# hats are fine" in text and "# the words" in text
    assert chat.main(["test", str(file)]) == 0


def test_repeats_have_other_seeds_and_their_spread_is_told(perfect_editor, tmp_path, capsys):
    file = script(tmp_path, "- say: add a hat\n  expect: {picture: {drift: '<= 9'}}")
    seeds = [case.defaults.seed for case in repeated(cases(file)[0], 3)]
    assert len(set(seeds)) == 3 and seeds[0] == 7
    assert chat.main(["test", str(file), "--repeat", "3"]) == 0
    said = capsys.readouterr().out
    assert "3 of 3 repeats passed" in said and "picture.drift" in said


def test_reports_are_whole_and_stand_alone(perfect_editor, tmp_path, capsys):
    file = script(tmp_path, "- say: add a hat\n  expect: {picture: {attributes: {headwear: cap}}}")
    page, junit, rows = (tmp_path / name for name in ("r.html", "r.xml", "r.json"))
    code = chat.main(
        ["test", str(file), "--html", str(page), "--junit", str(junit), "--json", str(rows)]
    )
    assert code == 5
    text = page.read_text()
    assert text.count("data:image/png;base64,") >= 3 and "wanted cap, found hat" in text
    assert "http" not in text.replace("http-equiv", "")
    suite = ElementTree.parse(junit).getroot()
    assert suite.get("failures") == "1" and "wanted cap" in str(suite[0][0].get("message"))
    turn = json.loads(rows.read_text())[0]["turns"][0]
    assert turn["missed"] == [
        {"what": "picture.attributes.headwear", "wanted": "cap", "found": "hat"}
    ]


def test_several_workers_give_the_same_results(tmp_path, capsys):
    for name in ("a", "b", "c"):
        script(tmp_path, "- say: add a hat\n  expect: {head: 1}", PLAN, name=name)
    assert chat.main(["test", str(tmp_path), "-j", "2"]) == 0
    assert "3 of 3 passed" in capsys.readouterr().out


def test_pytest_collects_scripts(pytester: pytest.Pytester) -> None:
    script(pytester.path, "- say: add a hat\n  expect: {head: 1}", PLAN)
    script(pytester.path, "- say: add a hat\n  expect: {head: 3}", PLAN, name="two")
    script(pytester.path, "- say: add a hat\n  expct: {head: 3}", PLAN, name="three")
    result = pytester.runpytest("-p", "no:cacheprovider", "--continue-on-collection-errors")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*'expct' is not known here*", "*head: wanted 3, found 1*"])
