"""How /commands are named, explained and refused; /help and /quit."""

import re

import pytest
from paths import ROOT
from perfect_chat import typed

from agent.terminal import commands as module
from agent.terminal.commands import Commands, Leave, resolve, run, usage
from agent.terminal.flags import parser
from tools.arguments import InputError
from tools.edit_picture import method_summaries, preset_summaries


def test_help_lists_every_command_with_its_docstring(desk):
    said = typed(desk, "/help")
    for name in module.names():
        assert f"/{name}" in said
        assert getattr(Commands, name).__doc__.split(";")[0].split("\n")[0] in said
    assert typed(desk, "/help undo").startswith("/undo [COUNT]  Take back")


def test_help_ends_with_the_keys_as_the_readme_has_them(desk):
    last = typed(desk, "/help").splitlines()[-1]
    readme = (ROOT / "agent/terminal/README.md").read_text("utf-8")
    assert last.startswith("Tab completes") and last in " ".join(readme.split())


def test_help_names_no_methods_of_papers(desk):
    """A plain person needs none; where they are explained is said."""
    told = parser().format_help() + typed(desk, "/help")
    assert told.count("editing_core/methods/README.md") == 4
    for name in (*method_summaries(), *preset_summaries(), "the paper"):
        assert not re.search(rf"\b{name}\b(?!ed)", told.lower()), name


def test_quit_leaves(desk):
    with pytest.raises(Leave):
        run(desk, "/quit")
    with pytest.raises(Leave):
        run(desk, "/q")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/s", "could be /strength, /seed, /show, /save or /session"),
        ("/retry harder", 'no way to retry "harder"; choose one of: again'),
        ("/seed -1", "A seed is a whole number"),
        ("/seed ²", "A seed is a whole number"),
        ("/strength 4", "from -3 to 3"),
        ("/strength ³", "from -3 to 3"),
        ("/strength --3", "from -3 to 3"),
        ("/method fireflaw", "did you mean fireflow"),
        ("/keep everything", "choose one of: auto"),
        ("/show mask", "@0 has no mask"),
        ("/export pdf", "no kind of export"),
        ("/base 9", 'There is no turn "9"'),
        ("/new a dog on a lawn", "draws people only"),
        ("/svae", "did you mean /save"),
        ("/xyzzy", "/help lists them"),
        ("/", "There is no command"),
        ("/goto", "Use it as /goto TURN"),
        ("/goto the moon", 'There is no turn "the moon"'),
        ("/goto 99", 'There is no turn "99"'),
        ("/undo many", "A number from 1"),
        ("/undo 0", "A number from 1"),
        ("/tree please", "takes nothing"),
    ],
)
def test_mistakes_get_one_sentence(desk, line, words):
    with pytest.raises(InputError, match=words):
        run(desk, line)


def test_every_command_has_an_example_that_is_a_use_of_it():
    for name in module.names():
        shown = module.example(name)
        assert re.fullmatch(rf"/{name}( .+)?", shown), f"/{name} needs a line 'Example: /{name} …'"
        assert "Example:" in module.explained(name).partition("\n")[2]


def test_unique_beginnings_are_enough():
    assert resolve("u") == "undo" and resolve("TR") == "tree"
    assert usage("goto") == "/goto TURN" and usage("quit") == "/quit"
