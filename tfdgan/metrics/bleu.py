"""BLEU of single sentences against many references, and of samples against each other.

Papineni, Roukos, Ward, Zhu, "BLEU", ACL 2002; for one sentence, with smoothing method 1 of Chen, Cherry, "A Systematic
Comparison of Smoothing Techniques for Sentence-Level BLEU", WMT 2014, as nltk's `sentence_bleu` computes it. The
references' n-grams are counted once for all sentences, so the time for a sentence does not depend on their number.
"""

import bisect
import collections
import math
from collections.abc import Hashable, Iterable, Sequence

ORDERS = (2, 3, 4, 5)
_EPSILON = 0.1  # what method 1 takes for no match at all

Gram = tuple[Hashable, ...]


class References:
    """Sentences to compare with: for each n-gram, the largest number of times that it occurs in one of them.

    Args:
      sentences: sequences of words, which may be of any hashable kind.
      most: words of the longest n-grams.
    """

    def __init__(self, sentences: Sequence[Sequence[Hashable]], most: int = ORDERS[-1]) -> None:
        self._lengths = sorted(len(sentence) for sentence in sentences)
        # {n-gram: (largest count in a sentence, how many sentences have it, the next smaller count)}: enough to leave a
        # sentence out.
        self._counts: list[dict[Gram, tuple[int, int, int]]] = [{} for _ in range(most)]
        for sentence in sentences:
            for n, counts in enumerate(self._counts, start=1):
                for gram, count in _grams(sentence, n).items():
                    top, times, second = counts.get(gram, (0, 0, 0))
                    if count > top:
                        counts[gram] = count, 1, top
                    elif count == top:
                        counts[gram] = top, times + 1, second
                    else:
                        counts[gram] = top, times, max(second, count)

    def bleu(self, sentence: Sequence[Hashable], *, is_one: bool = False) -> dict[int, float]:
        """{N: BLEU-N} of a sentence for N in 2..5, each in [0, 1], weights 1/N.

        Args:
          is_one: whether the sentence is one of the references; then it is compared with the others (self-BLEU).
        """
        if not sentence or len(self._lengths) - is_one < 1:
            return dict.fromkeys(ORDERS, 0.0)
        if not self._matches(sentence, 1, is_one):  # not one word
            return dict.fromkeys(ORDERS, 0.0)
        logs = [self._log_precision(sentence, n, is_one) for n in range(1, len(self._counts) + 1)]
        brevity = min(0.0, 1.0 - self._closest(len(sentence), is_one) / len(sentence))
        return {order: math.exp(brevity + sum(logs[:order]) / order) for order in ORDERS if order <= len(logs)}

    def _log_precision(self, sentence: Sequence[Hashable], n: int, is_one: bool) -> float:
        """Log of the share of n-grams that match, smoothed if none does."""
        total = max(1, len(sentence) - n + 1)
        return math.log((self._matches(sentence, n, is_one) or _EPSILON) / total)

    def _matches(self, sentence: Sequence[Hashable], n: int, is_one: bool) -> int:
        """How many n-grams match, each at most as often as in one reference."""
        return sum(min(count, self._most(n, gram, count, is_one)) for gram, count in _grams(sentence, n).items())

    def _most(self, n: int, gram: Gram, mine: int, is_one: bool) -> int:
        """The largest number of times that an n-gram occurs in a reference; the sentence has it `mine` times."""
        top, times, second = self._counts[n - 1].get(gram, (0, 0, 0))
        return second if is_one and mine == top and times == 1 else top

    def _closest(self, length: int, is_one: bool) -> int:
        """The length of a reference that is nearest to a length; the shorter one if two are equally near."""
        lengths = self._lengths
        right = bisect.bisect_left(lengths, length)
        if is_one:  # lengths[right] is its own
            near = [lengths[i] for i in (right - 1, right + 1) if 0 <= i < len(lengths)]
        else:
            near = [lengths[i] for i in (right - 1, right) if 0 <= i < len(lengths)]
        return min(near, key=lambda other: (abs(other - length), other))


def _grams(sentence: Sequence[Hashable], n: int) -> "collections.Counter[Gram]":
    return collections.Counter(tuple(sentence[i : i + n]) for i in range(len(sentence) - n + 1))


def distinct(sentences: Iterable[Sequence[Hashable]], n: int) -> float:
    """How many different n-grams there are, over how many n-grams: in [0, 1], 0 without any (Li et al., NAACL 2016)."""
    counts: collections.Counter[Gram] = collections.Counter()
    for sentence in sentences:
        counts.update(_grams(sentence, n))
    return len(counts) / max(1, sum(counts.values()))
