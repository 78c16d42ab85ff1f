"""YAML files that people write: what is wrong with one is said in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError


def load_yaml(file: Path, yaml: YAML, refused: type[Exception]) -> Any:
    """Load a file.

    Args:
        file: In UTF-8.
        yaml: How to read it.
        refused: What is raised, with a sentence that names file and line, where it cannot be read
            or is no YAML.
    """
    try:
        return yaml.load(file.read_text("utf-8"))
    except UnicodeDecodeError:
        raise refused(f"{file} is not in UTF-8; save it in that encoding.") from None
    except OSError as error:
        raise refused(f"{file} cannot be read: {error.strerror or error}.") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise refused(f"{file}:{line}: this is no YAML: {error.problem}.") from None
    except (YAMLError, ValueError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise refused(f"{file}: this is no YAML: {reason}.") from None
