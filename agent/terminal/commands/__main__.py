"""Print the table in `agent/terminal/README.md`: ``python -m agent.terminal.commands``."""

from agent.terminal.commands import markdown

print(markdown())
