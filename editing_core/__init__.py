"""The paper's method: pictures, latents and prompts; nothing of chats, LLMs or LangGraph."""
