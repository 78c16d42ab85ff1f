"""How pictures were made: told, made again, and signed."""
