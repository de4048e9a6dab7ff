"""Sentences of a known distribution, or like those of a file."""
