"""A small grammar of two styles, praise and blame: for each sentence the same in the other style is known exactly.

In each style a noun has an adjective of its own, chosen by the seed: only the noun tells which adjective is right. Each
ending of a sentence has a counterpart in the other style.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

HELD_OUT = 500  # sentences of a style

_NOUNS = ("food", "service", "staff", "room", "music", "price", "coffee", "view", "garden", "bread")
_ADJECTIVES = (
    ("fine", "lovely", "perfect", "pleasant", "great", "splendid", "good", "charming", "superb", "nice"),
    ("bad", "awful", "poor", "dreadful", "horrible", "nasty", "sad", "ugly", "terrible", "dull"),
)
_ENDINGS = (
    ("so we will come back", "and i love it", "and everybody smiled", "many thanks"),
    ("so we will stay away", "and i hate it", "and everybody left", "never again"),
)
_VERBS = ("enjoys", "suffers")
_PLACES = ("here", "there", "at the lake", "in town", "by the station", "on the hill", "near the park", "upstairs")
_DAYS = ("today", "yesterday", "last week", "on monday", "this time", "in march")
_PEOPLE = tuple(f"{whose} {who}" for whose in ("my", "our") for who in ("sister", "uncle", "friend", "guide", "boss"))
_SHAPES = (
    "{day} the {noun} {place} was {adjective} {ending}",
    "{person} said the {noun} {day} was {adjective}",
    "{ending} said {person} about the {adjective} {noun} {place} {day}",
    "{person} {verb} {adjective} {noun} and {other} {verb} {second_adjective} {second}",
    "it was {adjective} {noun} {place} {day} {ending}",
)


def make(seed: int, number: int) -> dict[str, Any]:
    """{"train": (texts, styles int [n]), "dev": (texts, styles), "answers": texts}, of a seed.

    "dev" holds 500 sentences of each style, and "answers" the same sentences in the other style. No two sentences say
    the same, in whatever style.

    Args:
      number: sentences of each style to train on; at most 12,000, since the grammar can say some 31,000 things.
    """
    random = np.random.default_rng(seed)
    adjectives = [dict(zip(_NOUNS, random.permutation(kind), strict=True)) for kind in _ADJECTIVES]
    pairs: dict[str, str] = {}
    while len(pairs) < 2 * (number + HELD_OUT):
        content = _content(random)
        said = [_said(content, style, adjectives[style]) for style in range(2)]
        pairs.setdefault(said[0], said[1])
    found = list(pairs.items())
    found = [found[k] for k in random.permutation(len(found))]  # the last ones found are of the longer shapes
    styles = np.arange(len(found)) % 2
    texts, answers = ([pair[style] for pair, style in zip(found, which, strict=True)] for which in (styles, 1 - styles))
    last = 2 * number
    return {"train": (texts[:last], styles[:last]), "dev": (texts[last:], styles[last:]), "answers": answers[last:]}


def _content(random: np.random.Generator) -> dict[str, Any]:
    """What is said: the shape of a sentence and its words."""
    noun, second = random.choice(_NOUNS, 2, replace=False)
    person, other = random.choice(_PEOPLE, 2, replace=False)
    words = dict(noun=noun, second=second, person=person, other=other)
    chosen = {name: random.choice(kind) for name, kind in (("place", _PLACES), ("day", _DAYS), ("shape", _SHAPES))}
    return words | chosen | {"ending": int(random.integers(len(_ENDINGS[0])))}


def _said(content: dict[str, Any], style: int, adjectives: Mapping[str, str]) -> str:
    """The sentence of a content in a style."""
    words = content | dict(
        adjective=adjectives[content["noun"]],
        second_adjective=adjectives[content["second"]],
        ending=_ENDINGS[style][content["ending"]],
        verb=_VERBS[style],
    )
    return content["shape"].format(**words)
