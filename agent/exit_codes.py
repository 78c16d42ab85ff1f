"""The exit codes of the program, in one place."""

DONE = 0
FAILED = 1
"""An edit failed."""
UNREADABLE = 2
"""Wrong usage, or input that cannot be read or understood."""
MISSING = 3
"""A model, a configuration or room is missing, or the model cannot know the picture."""
BROKEN = 4
"""The LLM, the engine or the program itself failed."""
SCRIPT_FAILED = 5
"""An expectation of a script was not met."""
STOPPED = 130
"""Ctrl-C."""

HELP = f"""\
exit codes: {DONE} done, {FAILED} an edit failed, {UNREADABLE} wrong usage or unreadable input,
{MISSING} model, configuration or room missing, {BROKEN} LLM or engine failure,
{SCRIPT_FAILED} a script failed, {STOPPED} Ctrl-C
"""
