"""BLEU of single sentences against many references, and of samples against each other.

Papineni, Roukos, Ward, Zhu, "BLEU", ACL 2002; for one sentence, with smoothing method 1 of Chen, Cherry, "A Systematic
Comparison of Smoothing Techniques for Sentence-Level BLEU", WMT 2014, as nltk's `sentence_bleu` computes it. The
references' n-grams are counted once for all sentences, so a sentence takes a time that does not depend on them.
"""

import bisect
import collections
import math

ORDERS = (2, 3, 4, 5)
_EPSILON = 0.1  # what method 1 takes for no match at all


class References:
    """Sentences to compare with: of each n-gram the most often that it occurs in one of them.

    Args:
      sentences: lists or tuples of words (of any hashable kind).
      most: the longest n-grams.
    """

    def __init__(self, sentences, most=ORDERS[-1]):
        self._lengths = sorted(len(sentence) for sentence in sentences)
        # {n-gram: (most in one sentence, in how many sentences, most in any other)}: enough to leave one out.
        self._counts = [{} for _ in range(most)]
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

    def bleu(self, sentence, *, is_one=False):
        """{N: BLEU-N} of a sentence for N in 2..5, each in [0, 1], weights 1/N.

        `is_one`: the sentence is one of the references, and is compared with the others (self-BLEU).
        """
        if not sentence or len(self._lengths) - is_one < 1:
            return dict.fromkeys(ORDERS, 0.0)
        logs = [self._log_precision(sentence, n, is_one) for n in range(1, len(self._counts) + 1)]
        brevity = min(0.0, 1.0 - self._closest(len(sentence), is_one) / len(sentence))
        if logs[0] is None:  # not one word matches
            return dict.fromkeys(ORDERS, 0.0)
        return {order: math.exp(brevity + sum(logs[:order]) / order) for order in ORDERS if order <= len(logs)}

    def _log_precision(self, sentence, n, is_one):
        """Log of the share of n-grams that match, each at most as often as in one reference; None: no word does."""
        grams = _grams(sentence, n)
        right = sum(min(count, self._most(n, gram, count, is_one)) for gram, count in grams.items())
        total = max(1, sum(grams.values()))
        if not right:
            return None if n == 1 else math.log(_EPSILON / total)
        return math.log(right / total)

    def _most(self, n, gram, mine, is_one):
        top, times, second = self._counts[n - 1].get(gram, (0, 0, 0))
        return second if is_one and mine == top and times == 1 else top

    def _closest(self, length, is_one):
        """The references' length nearest to a length; of two as near the shorter."""
        lengths = self._lengths
        right = bisect.bisect_left(lengths, length)
        if is_one:  # lengths[right] is its own
            near = [lengths[i] for i in (right - 1, right + 1) if 0 <= i < len(lengths)]
        else:
            near = [lengths[i] for i in (right - 1, right) if 0 <= i < len(lengths)]
        return min(near, key=lambda other: (abs(other - length), other))


def _grams(sentence, n):
    return collections.Counter(tuple(sentence[i : i + n]) for i in range(len(sentence) - n + 1))


def distinct(sentences, n):
    """Different n-grams over all n-grams of some sentences (Li et al., NAACL 2016); 0 without any."""
    counts = collections.Counter()
    for sentence in sentences:
        counts.update(_grams(sentence, n))
    return len(counts) / max(1, sum(counts.values()))
