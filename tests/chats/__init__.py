"""Whole conversations about held-out portraits, whose last picture is known exactly."""
