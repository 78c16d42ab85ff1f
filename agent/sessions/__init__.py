"""Sessions: their SQLite file, which there are, clearing away what none needs."""
