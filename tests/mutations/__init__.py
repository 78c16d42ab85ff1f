"""Deliberate defects, and whether the conversations find them."""
