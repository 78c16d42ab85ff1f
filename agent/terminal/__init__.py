"""The terminal: a person, a pipe or flags on one side, a chat on the other."""
