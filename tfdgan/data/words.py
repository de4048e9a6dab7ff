"""The word numbers that all sentences share. Loads no TensorFlow."""

END = 0  # the word after a sentence's last word; it also fills what is left of the length
UNKNOWN = 1  # stands for every word that has no number of its own
END_TEXT, UNKNOWN_TEXT = "", "[UNK]"
