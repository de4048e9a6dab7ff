"""Scores of generated sentences: NLL_oracle, NLL_gen, BLEU, self-BLEU, distinct n-grams."""

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from tfdgan.data.oracle import Oracle
from tfdgan.data.words import END, UNKNOWN
from tfdgan.metrics import Score, bleu
from tfdgan.tasks.text.sampler import SentenceSampler
from tfdgan.training.scoring import Progress

Arrays = dict[str, np.ndarray]

SELF = 500  # sentences compared with each other
_BATCH = 100
_LIKELY = 2_000  # real sentences whose likelihood is measured, unless it is done thoroughly
_ORDERS = [f"BLEU-{n}" for n in bleu.ORDERS]
_DISTINCT = (2, 3)


class SentenceScores:
    """Compares generated sentences with real ones and with each other, in parts that add up.

    Args:
      train, test: real sentences, int32 [n, length].
      oracle: the oracle that wrote them, or None.
      ends: whether sentences have an END.
    """

    def __init__(self, train: np.ndarray, test: np.ndarray, oracle: Oracle | None, ends: bool) -> None:
        self._real, self._oracle, self._ends = {"train": train, "test": test}, oracle, ends
        # {what: (weights, likelihood)}: a likelihood does not depend on the temperature.
        self._likely: dict[Any, tuple[Any, np.ndarray]] = {}

    @functools.cached_property
    def _references(self) -> bleu.References:
        test = self._real["test"]
        if self._ends:  # a generated [UNK] does not match the [UNK] of a test sentence, which was some word
            test = np.where(test == UNKNOWN, -1, test)
        return bleu.References(self._words(test))

    def _words(self, numbers: np.ndarray) -> list[tuple[int, ...]]:
        """Tuples of word numbers, each up to its END if sentences have one."""
        if not self._ends:
            return [tuple(row) for row in numbers.tolist()]
        return [tuple(row[: row.index(END)] if END in row else row) for row in numbers.tolist()]

    def measure(
        self,
        sampler: SentenceSampler,
        number: int,
        seed: int,
        part: tuple[int, int],
        thorough: bool,
        progress: Progress,
    ) -> Arrays:
        """{name: array} of the part (i, n) of `number` generated sentences; arrays of all parts add up."""
        batches = sampler.batches(number, seed, part=part)
        rows = [batch for _, batch in progress(batches, -(-number // (_BATCH * part[1])), "sentences")]
        made = np.concatenate(rows) if rows else np.zeros((0, self._real["test"].shape[1]), np.int32)
        kinds = ("train", "test") if thorough else ("test",)
        found = {f"likelihood {name}": self._likelihood(name, sampler, part, thorough) for name in kinds}
        if self._oracle:
            found["oracle"] = np.array([self._oracle.negative_log_likelihood(made).sum(), len(made)])
        if thorough or not self._oracle:
            found["bleu"] = _total(
                self._references.bleu(words) for words in progress(self._words(made), len(made), "BLEU")
            )
        if thorough:
            found |= self._among_themselves(sampler, min(SELF, number), seed, part, progress)
        return found

    def _likelihood(self, name: str, sampler: SentenceSampler, part: tuple[int, int], thorough: bool) -> np.ndarray:
        """[-sum of log p, words] of every n-th batch of real sentences from the i-th on."""
        what = (name, part, thorough)
        if what in self._likely and self._likely[what][0] is sampler.trainable:
            return self._likely[what][1]
        real, total = self._real[name] if thorough else self._real[name][:_LIKELY], np.zeros(2)
        for first in range(part[0] * _BATCH, len(real), part[1] * _BATCH):
            total += sampler.log_likelihood(real[first : first + _BATCH])
        self._likely[what] = sampler.trainable, total * [-1, 1]
        return self._likely[what][1]

    def _among_themselves(
        self, sampler: SentenceSampler, number: int, seed: int, part: tuple[int, int], progress: Progress
    ) -> Arrays:
        everyone = self._words(sampler.samples(number, seed))
        references = bleu.References(everyone)
        mine = everyone[part[0] :: part[1]]
        shown = progress(mine, len(mine), "self-BLEU")
        found = {"self": _total(references.bleu(words, is_one=True) for words in shown)}
        distinct = [bleu.distinct(everyone, n) for n in _DISTINCT]
        return {**found, "distinct": np.array(distinct) * (part[0] == 0)}

    def scores(self, sums: Arrays, number: int, signature: dict[str, Any]) -> list[Score]:
        """A list of `Score` from the sums over all parts."""
        generated, scores = {"generated": number, **signature}, []
        if "oracle" in sums:
            total, count = sums["oracle"]
            scores.append(Score("NLL_oracle", total / count, {**generated, "unit": "nats a word"}, best="low"))
        for kind in ("test", "train"):
            if (name := f"likelihood {kind}") in sums:
                total, words = sums[name]
                unit = "nats a word, END one of them" if self._ends else "nats a word"
                about = {"real words": int(words), "unit": unit, **signature, "temperature": 1.0}
                scores.append(Score(f"NLL_gen ({kind})", total / words, about))
        if "bleu" in sums:
            references = f"{len(self._real['test'])} of at most {self._real['test'].shape[1]} words"
            against = {**generated, "references": references, "definition": "sentence, smoothing method 1"}
            scores += _means(sums["bleu"], "", against, best="high" if not self._oracle else "")
        if "self" in sums:
            among = {**signature, "among": int(sums["self"][-1]), "definition": "sentence, smoothing method 1"}
            scores += _means(sums["self"], "self-", among, best="")
            for n, value in zip(_DISTINCT, sums["distinct"], strict=True):
                scores.append(Score(f"distinct-{n}", value, {**signature, "among": int(sums["self"][-1])}))
        return scores


def _total(found: Iterable[dict[int, float]]) -> np.ndarray:
    """[sum of each BLEU, count]."""
    total = np.zeros(len(bleu.ORDERS) + 1)
    for scores in found:
        total += [*(scores[order] for order in bleu.ORDERS), 1]
    return total


def _means(total: np.ndarray, prefix: str, signature: dict[str, Any], best: str) -> list[Score]:
    means = total[:-1] / total[-1]
    # The best checkpoint is chosen by the longest n-grams.
    last = len(means) - 1
    return [
        Score(f"{prefix}{name}", mean, signature, best=best if index == last else "")
        for index, (name, mean) in enumerate(zip(_ORDERS, means, strict=True))
    ]
