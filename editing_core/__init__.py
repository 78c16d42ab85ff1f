"""The paper's method: pictures, latents and prompts; nothing of chats, LLMs or LangGraph."""

import os

# Threads that wait for each other by spinning slow an edit 10 to 20 times where another program
# wants the cores too; they must be told before PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
