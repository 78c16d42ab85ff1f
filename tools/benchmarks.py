"""Public benchmarks of editing, as the bench reads them, and YAML files, as it reads those."""

from __future__ import annotations

from editing_core import yaml_files
from editing_core.bench.photographs import layouts

EditSequence = layouts.EditSequence
LayoutError = layouts.LayoutError
mtc = layouts.mtc
load_yaml = yaml_files.load_yaml
