"""Sentences in several styles from files, one a line: PREFIX.train.0, PREFIX.train.1, ..., PREFIX.dev.0, ..."""

import os

import numpy as np

from tfdgan import corpora
from tfdgan.data import text_file
from tfdgan.errors import UserError


def read(dataset):
    """{"train": (texts, styles), "dev": (texts, styles)} of --dataset=file:PREFIX; lines as in `text_file`."""
    found = {}
    for part, paths in corpora.styled_paths(dataset).items():
        of_style = [text_file.lines(path, f"--dataset={dataset}") for path in paths]
        empty = next((path for path, texts in zip(paths, of_style, strict=True) if not texts), None)
        if empty:
            raise UserError(f"--dataset={dataset}: {empty} has no sentences")
        styles = [np.full(len(texts), style) for style, texts in enumerate(of_style)]
        found[part] = [text for texts in of_style for text in texts], np.concatenate(styles)
    return found


def read_references(path, styles):
    """(sources, styles of sources, references) of lines "style TAB source TAB reference"; blank ones do not count."""
    try:
        with open(os.path.expanduser(path), encoding="utf-8-sig", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise UserError(f"--references={path}: cannot be read ({error.strerror})") from error
    found = [], [], []
    for number, line in enumerate(lines, start=1):
        fields = line.split("\t")
        known = len(fields) == 3 and fields[0] in map(str, range(styles)) and fields[1].strip()
        if line.strip() and not known:
            wanted = f"style TAB source TAB reference, with a style from 0 to {styles - 1}"
            raise UserError(f"--references={path}: line {number} is not {wanted}: {line[:60]!r}")
        if known:
            style, *texts = fields
            for values, value in zip(found, (*text_file.tidy(texts, blanks=True), int(style)), strict=True):
                values.append(value)
    if not found[0]:
        raise UserError(f"--references={path}: has no lines")
    return found[0], np.array(found[2]), found[1]
