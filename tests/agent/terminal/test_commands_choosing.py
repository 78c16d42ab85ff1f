"""The /commands that choose how the coming edits are made."""

import re
from typing import get_args

import pytest
from perfect_chat import typed

from agent.settings import AppSettings
from editing_core.methods.registry import METHODS
from tools.edit_picture import PRESETS

CHOICES = [("seed", "7"), ("strength", "-1"), ("method", "fireflow"), ("preset", "paper-15"),
           ("keep", "nothing"), ("draft", "on")]  # fmt: skip


@pytest.mark.parametrize(("setting", "value"), CHOICES)
def test_what_is_chosen_holds_is_told_and_is_remembered_as_typed(desk, setting, value):
    before = typed(desk, f"/{setting}")
    typed(desk, f"/{setting} {value}")
    assert str(getattr(desk.chat.conversation.chosen, setting)) == value
    assert typed(desk, f"/{setting}") != before and value in typed(desk, f"/{setting}")
    assert desk.chat.conversation.messages[-1].text == f"/{setting} {value}"


def test_all_that_can_be_chosen_is_offered(desk):
    kept = get_args(AppSettings.model_fields["keep"].annotation)
    for setting, options in [("method", METHODS), ("preset", PRESETS), ("keep", kept)]:
        offered = typed(desk, f"/{setting}")
        assert all(re.search(rf"^[→ ] {option} +\S", offered, re.M) for option in options)
        held = getattr(desk.chat.settings, setting)
        assert re.findall(r"^→ (\S+)", offered, re.M) == [held]
