"""Measurements on photographs with prompts: `python -m editing_core.bench photographs FOLDER`."""
