"""Writing so that an interruption damages nothing; the cache folder."""
