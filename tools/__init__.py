"""What the agent may call: edit a picture, look at one, keep pictures and their recipes."""

__version__ = "0.1.0"
