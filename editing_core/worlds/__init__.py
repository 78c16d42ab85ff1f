"""Worlds: closed sets of pictures in which every attribute is known."""
