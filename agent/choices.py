"""What can be chosen by flag, configuration and script alike."""

from typing import Literal

Kept = Literal["auto", "nothing", "color", "outside"]
"""What stays as it was outside an edit's region."""

Drafting = Literal["off", "on"]
"""Whether edits are made as quick drafts."""

MemoryUse = Literal["auto", "full", "lean", "int8", "fp8", "fp8-fast", "nf4", "stream"]
"""How much memory the model may take."""
