"""Sentences in several styles from files, one a line: PREFIX.train.0, PREFIX.train.1, ..., PREFIX.dev.0, ..."""

import os

import numpy as np

from tfdgan.data import corpora, text_file
from tfdgan.errors import UserError


def read(dataset: str) -> dict[str, tuple[list[str], np.ndarray]]:
    """{"train": (texts, styles int [n]), "dev": (texts, styles)} of file:PREFIX; lines are read as by `text_file`."""
    found = {}
    for part, paths in corpora.styled_paths(dataset).items():
        of_style = [text_file.lines(path, f"--dataset={dataset}") for path in paths]
        empty = next((path for path, texts in zip(paths, of_style, strict=True) if not texts), None)
        if empty:
            raise UserError(f"--dataset={dataset}: {empty} has no sentences")
        styles = [np.full(len(texts), style) for style, texts in enumerate(of_style)]
        found[part] = [text for texts in of_style for text in texts], np.concatenate(styles)
    return found


def read_references(path: str, styles: int) -> tuple[list[str], np.ndarray, list[str]]:
    """(sources, styles of sources int [n], references) of lines "style TAB source TAB reference".

    Empty lines are left out.

    Args:
      styles: how many there are; those in the file are below.

    Raises:
      UserError: the file cannot be read, has no lines, or a line is not of this form.
    """
    found: tuple[list[str], list[int], list[str]] = ([], [], [])
    try:
        with open(os.path.expanduser(path), encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    source, style, reference = _reference(path, number, line, styles)
                    found[0].append(source)
                    found[1].append(style)
                    found[2].append(reference)
    except OSError as error:
        raise UserError(f"--references={path}: cannot be read ({error.strerror})") from error
    if not found[0]:
        raise UserError(f"--references={path}: has no lines")
    return found[0], np.array(found[1]), found[2]


def _reference(path: str, number: int, line: str, styles: int) -> tuple[str, int, str]:
    """(source, its style, reference) of one line."""
    style, *texts = line.split("\t")
    texts = text_file.tidy(texts)
    if len(texts) != 2 or style not in map(str, range(styles)):
        wanted = f"style TAB source TAB reference, with a style from 0 to {styles - 1}"
        raise UserError(f"--references={path}: line {number} is not {wanted}: {line.rstrip()[:60]!r}")
    return texts[0], int(style), texts[1]
