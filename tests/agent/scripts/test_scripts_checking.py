"""Every expectation of a script can be met, and can fail."""

import pytest
from script_files import PLAN, missed, script, told

import chat
from agent.scripts import reporting

EXPECTATIONS = [
    ("steps: [edit]", "steps: [edit, edit]"),
    ("changes: [add]", "changes: [color]"),
    ("source_prompt: brown bob", "source_prompt: {lacks: brown bob}"),
    ("target_prompt: {contains: red hat, lacks: glasses}", "target_prompt: {contains: glasses}"),
    ("target_prompt: {matches: 'a red (hat|cap)'}", "target_prompt: {matches: '^a red'}"),
    ("edit_words: [red, hat]", "edit_words: [hat]"),
    ("edit_words: {superset: [hat]}", "edit_words: {superset: [cap]}"),
    ("edit_words: {subset: [red, hat, a]}", "edit_words: {subset: [hat]}"),
    ("head: 1", "head: 0"),
    ("branch_of: 0", "branch_of: 1"),
    ("turns: 2", "turns: 1"),
    ("caption: red hat", "caption: {equals: a red hat}"),
    ("remembers: [red hat, blue t-shirt]", "remembers: [glasses]"),
    ("forgets: [glasses]", "forgets: [hat]"),
    ("reply: [Added, hat]", "reply: Removed"),
    ("events: [plan, turn.completed]", "events: [turn.completed, plan]"),
    ("passed: true", "passed: false"),
    ("picture: {size: same}", "picture: {size: [64, 64]}"),
    ("picture: {size: [256, 256]}", "picture: {changed: '<= 0.0001'}"),
    ("picture: {changed: '>= 0.01'}", "picture: {changed_inside: '>= 0.99'}"),
    ("picture: {outside_ssim: '>= 0.9'}", "picture: {outside_ssim: '< 0.9'}"),
    ("picture: {outside_psnr: '>= 20'}", "picture: {outside_psnr: '< 20'}"),
    ("picture: {drift: '<= 3', shift: '<= 1'}", "picture: {shift: '> 1'}"),
    ("picture: {same_as: 1}", "picture: {same_as: 0}"),
    ("picture: {differs_from: 0}", "picture: {differs_from: 1}"),
    ("picture: {attributes: {headwear: hat}}", "picture: {attributes: {headwear: cap}}"),
    ("cost: {model_calls: '>= 0', tries: 1}", "cost: {tries: '> 1'}"),
]  # fmt: skip


@pytest.mark.parametrize(("met", "failed"), EXPECTATIONS)
def test_an_expectation_is_met_or_fails(perfect_editor, tmp_path, met, failed):
    good = told(script(tmp_path, f"- say: add a red hat\n  expect: {{{met}}}"))
    assert good.passed, reporting.details(good)
    bad = told(script(tmp_path, f"- say: add a red hat\n  expect: {{{failed}}}", name="two"))
    assert len(bad.missed) == 1 and bad.missed[0].place[0] == failed.split(":")[0]


def test_failures_must_be_expected(tmp_path):
    result = told(script(tmp_path, "- say: /goto 9", PLAN))
    assert missed(result)[0][0] == "error" and "exit 2" in missed(result)[0][1]
    turns = "- say: /goto 9\n  expect: {error: {exit: 2, says: There is no turn}}"
    assert told(script(tmp_path, turns, PLAN)).passed
    turns = "- say: add a hat\n  expect: {error: {exit: 2, says: hat}}"
    assert missed(told(script(tmp_path, turns, PLAN)))[0] == ("error.exit", "no error")


def test_what_is_expected_of_the_whole_is_checked_at_the_end(tmp_path):
    file = script(tmp_path, "- say: add a hat\n- say: add glasses", PLAN)
    file.write_text(file.read_text() + "expect: {turns: 3, remembers: [hat], head: 1}\n")
    assert missed(told(file)) == [("head", "2")]


def test_it_stops_at_the_first_turn_that_fails_or_goes_on(tmp_path):
    turns = "- say: add a hat\n  expect: {head: 5}\n- say: undo\n  expect: {head: 5}"
    file = script(tmp_path, turns, PLAN)
    assert len(told(file).missed) == 1
    assert len(told(file, go_on=True).missed) == 2


def test_a_stored_picture_is_compared_and_stored_anew(perfect_editor, tmp_path, capsys):
    file = script(tmp_path, "- say: add a hat\n  expect: {picture: {like: kept/hat.png}}")
    assert "There is no file" in told(file).missed[0].found
    assert chat.main(["test", str(file), "--update"]) == 0
    assert "hat.png (stored anew)" in capsys.readouterr().out and told(file).passed
    file.write_text(file.read_text().replace("add a hat", "add a cap"))
    assert "dB" in told(file).missed[0].found
