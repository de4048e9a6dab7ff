"""Scores of rewritten sentences: style, content, fluency."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU

from tfdgan.data.vocabulary import Vocabulary
from tfdgan.metrics import Score
from tfdgan.tasks.style_transfer import judges as sentence_judges
from tfdgan.tasks.style_transfer.judges import Judges
from tfdgan.tasks.style_transfer.sampler import TransferSampler
from tfdgan.training.scoring import Progress

Arrays = dict[str, np.ndarray]

_ORDER = 4


class TransferScores:
    """Compares rewritten sentences with their sources, with right answers and with people's, in parts that add up.

    Args:
      held_out: (texts, styles) to rewrite.
      answers: the one right text for each, or None.
      references: (texts, styles, what a person made of each), or None.
      vocabulary: of the sentences.
      judges: tell styles and likelihoods.
    """

    def __init__(
        self,
        held_out: tuple[Sequence[str], np.ndarray],
        answers: Sequence[str] | None,
        references: tuple[Sequence[str], np.ndarray, Sequence[str]] | None,
        vocabulary: Vocabulary,
        judges: Judges,
    ) -> None:
        self._texts, self._styles = held_out
        self._answers, self._references, self._vocabulary, self._judges = answers, references, vocabulary, judges

    @property
    def judges_signed(self) -> list[str]:
        """The classifier and the language model, as signatures have them."""
        return [f"{name} {self._judges.digest}" for name in sentence_judges.NAMES]

    def measure(
        self, sampler: TransferSampler, number: int, seed: int, part: tuple[int, int], progress: Progress
    ) -> Arrays:
        """{name: array} of the part (i, n) of `number` held-out sentences, of all references, in their next styles."""
        chosen = self.chosen(number, seed)[part[0] :: part[1]]
        texts, wanted = [self._texts[i] for i in chosen], self._wanted(sampler, self._styles[chosen])
        made = sampler(texts, wanted, progress)
        words = self._vocabulary.numbers(made, sampler.generator.length)
        judged = self._judges.styles(words) if made else wanted
        found = {
            "style": np.array([(judged == wanted).sum(), len(made)]),
            "likelihood": self._judges.log_likelihood(words, wanted),
            "self": _statistics(made, texts),
        }
        if self._answers:
            found["exact"] = np.array([sum(text == self._answers[i] for text, i in zip(made, chosen, strict=True))])
        if self._references:
            sources, styles, people = self._references
            mine = slice(part[0], None, part[1])
            rewritten = sampler(sources[mine], self._wanted(sampler, styles[mine]), progress)
            found["references"] = _statistics(rewritten, people[mine])
        return found

    def chosen(self, number: int, seed: int) -> np.ndarray:
        """Which held-out sentences are rewritten: int [number], or all."""
        return np.random.default_rng(seed).permutation(len(self._texts))[:number]

    @staticmethod
    def _wanted(sampler: TransferSampler, styles: np.ndarray) -> np.ndarray:
        return (styles + 1) % sampler.generator.styles

    def scores(self, sums: Arrays, signature: dict[str, Any]) -> list[Score]:
        """A list of `Score` from the sums over all parts."""
        (right, count), (likelihood, words), judges = sums["style"], sums["likelihood"], self._judges
        accuracy, kept = 100 * right / count, _bleu(sums["self"])
        signature = {"generated": int(count), **signature}
        told, bleu = f"{100 * judges.accuracy:.1f}% right on real ones", {"sacrebleu": _signature()}
        classifier, model = self.judges_signed
        scores = [
            Score("style accuracy", accuracy, {"unit": "%", "judge": classifier, "judge is": told, **signature}),
            Score("self-BLEU", kept, {"unit": "points", "against": "input", **bleu, **signature}),
            Score(
                "accuracy and self-BLEU",
                math.sqrt(accuracy * kept),
                {"unit": "geometric mean", "judge": classifier, **bleu, **signature},
                best="high",
            ),
            Score(
                "perplexity",
                math.exp(-likelihood / words),
                {"judge": model, "of real ones": f"{judges.perplexity:.1f}", "words": int(words), **signature},
            ),
        ]
        if "exact" in sums:
            scores.append(Score("exact transfers", 100 * sums["exact"][0] / count, {"unit": "%", **signature}))
        if "references" in sums and self._references:
            about = {"unit": "points", "against": f"{len(self._references[0])} references", **bleu}
            about |= {name: signature[name] for name in ("to", "weights", "beam") if name in signature}
            scores.append(Score("BLEU (references)", _bleu(sums["references"]), about))
        return scores


def _metric() -> BLEU:
    return BLEU(tokenize="none", force=True)  # words stand between blanks already


def _statistics(texts: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Matching n-grams, n-grams, words, words of the references: float64 [10], which add up."""
    if not texts:
        return np.zeros(2 * _ORDER + 2)
    found = _metric().corpus_score(texts, [references])
    return np.array([*found.counts, *found.totals, found.sys_len, found.ref_len], np.float64)


def _bleu(statistics: np.ndarray) -> float:
    """Corpus BLEU of such sums, in points; Papineni, Roukos, Ward, Zhu, ACL 2002; Post, "sacrebleu", WMT 2018."""
    numbers = [int(n) for n in statistics]
    counts, totals, lengths = numbers[:_ORDER], numbers[_ORDER : 2 * _ORDER], numbers[2 * _ORDER :]
    written, wanted = lengths
    return BLEU.compute_bleu(counts, totals, written, wanted, smooth_method="exp").score


def _signature() -> str:
    metric = _metric()
    metric.corpus_score(["a"], [["a"]])  # it has none before
    return str(metric.get_signature())
