"""Measurements on the portraits, where every answer is known: `python -m editing_core.bench`."""
