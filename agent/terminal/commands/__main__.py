"""Print the table of commands that README holds: ``python -m agent.terminal.commands``."""

from agent.terminal.commands import markdown

print(markdown())
