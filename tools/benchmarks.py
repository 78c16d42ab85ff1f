"""Public benchmarks of editing, as the bench reads them."""

from __future__ import annotations

from editing_core.bench.photographs import layouts

EditSequence = layouts.EditSequence
LayoutError = layouts.LayoutError
mtc = layouts.mtc
