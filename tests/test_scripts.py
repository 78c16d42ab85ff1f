"""Conversations as scripts: read strictly, checked, reported, updated, recorded, exported."""

import contextlib
import json
import re
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from llm_server import serving

import chat
from agent.graph import Chat, open_sessions
from agent.scripts import reporting
from agent.scripts.exporting import export_script
from agent.scripts.form import Script
from agent.scripts.reading import ScriptError, cases, find
from agent.scripts.suite import How, Result, repeated, run
from agent.settings import AppSettings
from agent.state import Rewind
from agent.wiring import studio_of
from tools.look import sample_portrait
from tools.pictures import PictureStore

ROOT = Path(__file__).parents[1]


def script(folder: Path, turns: str, more: str = "", name: str = "one") -> Path:
    """Write a script whose turns are given as they stand in the file."""
    file = folder / f"{name}.chat.yaml"
    body = textwrap.indent(textwrap.dedent(turns).strip(), "  ")
    file.write_text(f"version: 1\nname: {name}\n{textwrap.dedent(more)}turns:\n{body}\n")
    return file


def told(file: Path, **how: Any) -> Result:
    return run(cases(file)[0], How(**how))


def missed(result: Result) -> list[tuple[str, str]]:
    return [(".".join(map(str, m.place)), m.found) for m in result.missed]


PLAN = "defaults: {plan_only: true}\n"


# reading


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
        ("- say: hi", "matrix: {keep: [all]}\n", "matrix: 'keep'"),
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


# checking: every expectation can be met, and can fail

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
    ("picture: {size: [128, 128]}", "picture: {changed: '<= 0.0001'}"),
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


# the command


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


def test_the_published_schema_is_the_forms(capsys):
    assert chat.main(["test", "--schema"]) == 0
    published = (ROOT / "agent" / "scripts" / "chat.schema.json").read_text()
    assert capsys.readouterr().out == published
    assert json.loads(published)["title"] == Script.__name__


# an LLM's answers

READING = {"note": "", "steps": [{"step": "edit", "wish": "warmer", "change": "add",
           "target_caption": "a portrait of a smiling young woman with a brown bob, light skin, "
           "a beanie, a blue t-shirt, green background"}]}  # fmt: skip
WARMER = "- say: dress her warmer\n  expect: {remembers: [beanie]}"
LLM = "defaults: {plan_only: true, llm: replay}\n"


def test_answers_are_recorded_and_replayed_without_a_server(tmp_path, monkeypatch, capsys):
    file = script(tmp_path, WARMER, LLM)
    assert "holds no" in told(file).broken or "no recorded answers" in told(file).broken
    with serving(json.dumps(READING)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
        assert chat.main(["test", str(file), "--llm", "record"]) == 0
        asked = len(server.asked)
        assert told(file).passed and len(server.asked) == asked
    tape = (tmp_path / "one.llm.yaml").read_text()
    assert "beanie" in tape and "secret" not in tape and server.url not in tape
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert told(file).passed
    assert "No LLM is configured" not in told(file).broken
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "No LLM is configured" in told(file, llm="live").broken


def test_answers_are_found_by_meaning_and_a_missing_one_is_told(tmp_path, monkeypatch):
    file = script(tmp_path, WARMER, LLM)
    with serving(json.dumps(READING)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert told(file, llm="record").passed
    file.write_text(file.read_text().replace("dress her warmer", "Dress her  warmer!"))
    assert told(file).passed
    file.write_text(file.read_text().replace("warmer", "cooler"))
    assert 'holds no answer to "dress her cooler"' in told(file).broken
    assert "palimpsest test --llm record" in told(file).broken


# from life to test


def test_an_exported_session_passes_unchanged(perfect_editor, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = ["make her older, now add a hat", "undo the hat", "/goto 2", "flurb the zork",
            "make it blue", "go to @9", "undo", "redo"]  # fmt: skip
    args = [part for line in (*said, "/export script mine") for part in ("--say", line)]
    chat.main(["--offline", "--seed", "7", "--preview", "off", *args])
    assert "this runs it:\n  palimpsest test mine.chat.yaml\n" in capsys.readouterr().out
    assert chat.main(["test", "mine.chat.yaml"]) == 0, capsys.readouterr().out
    text = Path("mine.chat.yaml").read_text()
    assert "say: /goto 2" in text and "attributes: {" in text


def test_an_exported_session_has_its_choices_bases_and_retries(
    perfect_editor, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    said = ["add a hat", "/seed 40", "/strength -1", "/method fireflow", "add glasses", "again",
            "/retry strong", "/base 1", "/keep nothing", "make her older", "/compare", "/describe",
            "/new a man with a beard", "give him a crown", "/goto 3"]  # fmt: skip
    args = [part for line in (*said, "/export script mine") for part in ("--say", line)]
    chat.main(["--offline", "--seed", "7", "--preview", "off", *args])
    capsys.readouterr()
    assert chat.main(["test", "mine.chat.yaml"]) == 0, capsys.readouterr().out
    text = Path("mine.chat.yaml").read_text()
    for line in ("/seed 40", "/strength -1", "/method fireflow", "/keep nothing", "/retry stronger",
                 "/base 1", "/compare 5 6", "/describe", "/open {here}/mine-"):  # fmt: skip
        assert f"say: {line}" in text, line


@pytest.mark.parametrize(
    ("said", "finished", "later", "expected"),
    [
        ("make her older, add a hat, make her sad", 2, "", ["make her older, add a hat"]),
        (
            "make her older, add a hat, make her sad",
            2,
            "undo",
            ["make her older, add a hat", "undo"],
        ),
        ("make her older, add a hat", 0, "add glasses", ["add glasses"]),
        ("make her older, add a hat", 0, "", ["give her a scarf"]),
        ("go to the original, add a hat, make her sad", 1, "", ["/goto 0", "add a hat", "/goto 1"]),
    ],
)
def test_what_was_cut_off_is_exported_as_far_as_it_came(
    perfect_editor, tmp_path, monkeypatch, capsys, said, finished, later, expected
):
    """After Ctrl-C the person goes on with something else, or exports at once."""
    monkeypatch.chdir(tmp_path)
    with _talk(tmp_path) as (talk, store):
        list(talk.say("give her a scarf"))
        _stop_after(talk, finished, said)
        assert talk.unfinished
        if later:
            list(talk.say(later))
        export_script(talk, store, tmp_path / "mine", "Granny")
    capsys.readouterr()
    assert chat.main(["test", "mine.chat.yaml"]) == 0, capsys.readouterr().out
    text = Path("mine.chat.yaml").read_text()
    assert "name: Granny" in text and f"# - {said}\n" in text
    assert re.findall(r"say: (.*)", text) == list(dict.fromkeys(["give her a scarf", *expected]))


@contextlib.contextmanager
def _talk(home):
    """A chat about the sample portrait, and its pictures."""
    settings = AppSettings(home=home, offline=True, seed=7)
    studio = studio_of(settings, person=False, plan_only=False, note=print)
    talk = Chat(studio, open_sessions(home / "sessions.sqlite"), "one")
    store = PictureStore(home / "pictures")
    image, caption = sample_portrait()
    talk.open(store.put(image), caption)
    yield talk, store
    talk.saver.conn.close()


def _stop_after(talk, edits, said):
    """Say something, and press Ctrl-C in the edit after so many."""
    whole, left = talk.studio, [None] * edits

    def edit(**asked):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return whole.edit(**asked)

    talk.studio = replace(whole, edit=edit)
    with pytest.raises(KeyboardInterrupt):
        list(talk.say(said))
    talk.studio = whole


def test_a_rewind_names_its_message_where_one_before_was_cut_off(perfect_editor, tmp_path, capsys):
    with _talk(tmp_path) as (talk, store):
        _stop_after(talk, 0, "make her sad")
        list(talk.say("add a hat"))
        list(talk.say("add glasses"))
        list(talk.move(Rewind(message=3)))
        file = export_script(talk, store, tmp_path / "mine")
    assert "say: /rewind 2\n" in file.read_text()
    assert chat.main(["test", str(file)]) == 0, capsys.readouterr().out


def test_an_exported_session_brings_its_pictures(perfect_editor, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    man = ROOT / "tests" / "conversations" / "pictures" / "man.png"
    args = ["--say", "add a hat", "--say", f"/open {man}", "--say", "add glasses"]
    chat.main([str(man), "--offline", "--preview", "off", *args, "--say", "/export script mine"])
    assert (tmp_path / "mine-0.png").exists() and (tmp_path / "mine-2.png").exists()
    capsys.readouterr()
    assert chat.main(["test", "mine.chat.yaml"]) == 0, capsys.readouterr().out


def test_benchmarks_become_scripts(tmp_path, capsys):
    from PIL import Image

    photo = Image.new("RGB", (64, 48), "gray")
    lme, mse, mtc = (tmp_path / name for name in ("lme", "mse", "mtc"))
    for folder in (lme / "images", mse, mtc / "MTC_prompts" / "7"):
        folder.mkdir(parents=True)
    photo.save(lme / "images" / "0001.png")
    item = {"id": "0001", "category": "pet", "source_prompt": "a cat", "labels": ["local", "hard"],
            "turns": ["add a hat", "make it a sketch"]}  # fmt: skip
    (lme / "lme_bench.json").write_text(json.dumps({"items": [item]}))
    photo.save(mse / "3.jpg")
    row = {"index": 3, "context": ["a red ball appears", "the ball is blue"]}
    (mse / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    photo.save(mtc / "cat.png")
    (mtc / "MTC_prompts" / "7" / "7.yaml").write_text(
        "image_path: cat.png\noriginal_prompt: a [cat] on a fence\ninstructions:\n"
        "  - Round 1:\n      editing_instruction: a cat with a [hat] on a fence\n"
        "      editing_type_id: 2\n"
    )
    for layout, folder in (("lme", lme), ("mse", mse), ("mtc", mtc)):
        out = tmp_path / f"out-{layout}"
        assert chat.main(["import", layout, str(folder), "--out", str(out)]) == 0
        found = cases(find([out])[0])[0]
        assert found.lines and (out / str(found.picture)).exists()
        assert found.defaults.model == "flux-dev"
    assert found.script.caption == "a cat on a fence"
    assert found.lines[0].said.say == "make it a cat with a hat on a fence"
    assert chat.main(["import", "lme", str(mse), "--out", str(tmp_path / "x")]) == 2


# pytest


def test_pytest_collects_scripts(pytester: pytest.Pytester) -> None:
    script(pytester.path, "- say: add a hat\n  expect: {head: 1}", PLAN)
    script(pytester.path, "- say: add a hat\n  expect: {head: 3}", PLAN, name="two")
    script(pytester.path, "- say: add a hat\n  expct: {head: 3}", PLAN, name="three")
    result = pytester.runpytest("-p", "no:cacheprovider", "--continue-on-collection-errors")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*'expct' is not known here*", "*head: wanted 3, found 1*"])


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
