"""Closed worlds of pictures, in which every answer is known; each comes with its own model."""
