"""Sentences that are rewritten in another style."""
