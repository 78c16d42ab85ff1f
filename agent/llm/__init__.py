"""The LLM: any OpenAI-compatible server reads messages, and sees if it can; answers are data."""
