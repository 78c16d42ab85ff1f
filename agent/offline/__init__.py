"""The offline reader: messages become plans by rules and word lists (lexicon/), without an LLM."""
