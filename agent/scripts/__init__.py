"""Conversations as files: read, run, checked, recorded, exported, imported."""
