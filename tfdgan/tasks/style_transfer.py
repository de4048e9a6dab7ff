"""Style transfer: which sentences, models, scores and samples belong together."""

import functools
import hashlib
import os

import numpy as np

from tfdgan import models
from tfdgan.data import styled_text, text_file, toy_styles, vocabulary
from tfdgan.data.source import of_sentences
from tfdgan.metrics import sentence_judges
from tfdgan.models.transfer_sampling import TransferSampler
from tfdgan.saved_style import StyleModule
from tfdgan.tasks.transfer_scores import TransferScores

SAMPLES = 1_000  # for a score
_SHOWN = 16


class StyleTransferTask:
    """Rewriting sentences, int32 [length], in other styles: of a toy grammar, or of files, one for each style.

    Args:
      config: a `Config`.
    """

    classes, knows_real = None, True  # judges know what there is to know of real sentences

    def __init__(self, config):
        self.config = config
        self._vocabulary = None

    @functools.cached_property
    def _texts(self):
        """{"train": (texts, styles), "dev": (texts, styles)}, of the toy grammar also {"answers": texts}."""
        if self.config.dataset == "toy_styles":
            return toy_styles.make(self.config.seed, self.config.corpus_size)
        return styled_text.read(self.config.dataset)

    @functools.cached_property
    def _words(self):
        """{"train": (words int32 [n, length], styles), "dev": ...}."""
        config = self.config
        if self._vocabulary is None:
            given = config.vocabulary and vocabulary.read(config.vocabulary)
            self._vocabulary = given or vocabulary.build(self._texts["train"][0], config.vocabulary_size)
        found = ((part, *self._texts[part]) for part in ("train", "dev"))
        return {part: (self._vocabulary.numbers(texts, config.sentence_length), of) for part, texts, of in found}

    @functools.cached_property
    def _references(self):
        path = self.config.references
        return styled_text.read_references(path, self._styles) if path else None

    @property
    def _styles(self):
        return int(self._texts["train"][1].max()) + 1

    def prepare(self):
        """Make what all learners of a host read; one of them calls this before `source`. Returns remarks."""
        remarks = [
            text_file.remark(part, self._texts[part][0], words, self.config.sentence_length)
            for part, (words, _) in self._words.items()
        ]
        self._references  # noqa: B018, read now, since what is wrong with them is to be said before training
        judges = sentence_judges.path_of(self._digest_of_words)
        if self.config.eval_every and not os.path.exists(judges):
            remarks.append(f"the first score takes longer: its judges are trained once, and kept as {judges}")
        return [remark for remark in remarks if remark]

    @functools.cached_property
    def digest(self):
        """A text that differs where words, sentences or references do."""
        references = hashlib.blake2b(repr(self._references).encode(), digest_size=4).hexdigest()
        return f"{self._digest_of_words} {references if self._references else 'without references'}"

    @functools.cached_property
    def _digest_of_words(self):
        content = hashlib.blake2b(digest_size=12)
        for arrays in self._words.values():
            for array in arrays:
                content.update(np.ascontiguousarray(array))
        content.update("\n".join(self._vocabulary.words).encode())
        return content.hexdigest()

    def source(self, rank=0, size=1):
        """The training data `Source` of learner `rank`, labelled with styles."""
        return of_sentences(*self._words["train"], self.config, rank, size, classes=self._styles)

    def check(self, source):
        """Nothing: every sentence has been read."""

    def build_models(self, sample_shape, classes):
        """(rewriter, critic), built, equal on every learner, for sentences of `sample_shape` = (length,) in so many
        styles."""
        return models.build(self.config, (*sample_shape, len(self._vocabulary)), classes)

    @property
    def facts(self):
        """What a checkpoint keeps, for `rebuild`."""
        return {
            "sample_shape": [self.config.sentence_length],
            "vocabulary": self._vocabulary.words,
            "styles": self._styles,
        }

    def rebuild(self, facts):
        """The models of a checkpoint that has kept `facts`."""
        self._vocabulary = vocabulary.Vocabulary(facts["vocabulary"])
        return self.build_models(tuple(facts["sample_shape"]), facts["styles"])

    def sampler(self, generator, weights, label):
        """The `TransferSampler` of a generator under some weights."""
        return TransferSampler(generator, weights, label, self._vocabulary)

    def module(self, sampler):
        """What `export` writes."""
        return StyleModule(sampler)

    def picture(self, sampler, seed=0):
        """Sentences have none."""

    def shown(self, sampler, seed=0):
        """Held-out sentences and what is made of them, two lines each."""
        texts, styles = self._texts["dev"]
        chosen = np.random.default_rng(seed).permutation(len(texts))[:_SHOWN]
        before, wanted = [texts[i] for i in chosen], (styles[chosen] + 1) % sampler.generator.styles
        pairs = zip(before, wanted, sampler(before, wanted), strict=True)
        return "\n".join(f"  {text}\n{style} {made}" for text, style, made in pairs)

    @functools.cached_property
    def _scores(self):
        data = self._words  # which makes the vocabulary
        sizes = len(self._vocabulary), self._styles, self.config.sentence_length
        judges = sentence_judges.load(self._digest_of_words, data["train"], data["dev"], sizes)
        return TransferScores(
            self._texts["dev"], self._texts.get("answers"), self._references, self._vocabulary, judges
        )

    @property
    def judges(self):
        """Names and digests of the judges: the same on every learner, or their sums mean nothing."""
        return list(self._scores.judges_signed)

    def number(self, number):
        """How many sentences are rewritten for a score; `number`: how many were asked for, or None."""
        return min(number or self.config.eval_samples or SAMPLES, len(self._texts["dev"][0]))

    def measure(self, sampler, number, seed, part, *, real, thorough, progress):
        """{name: array}: as `ImageTask.measure`; `seed` chooses held-out sentences."""
        del real, thorough
        return self._scores.measure(sampler, self.number(number), seed, part, progress)

    def scores(self, sums, sampler, number, seed):
        """A list of `Score` from the sums over all parts."""
        del number
        return self._scores.scores(sums, {"to": "the next style", "seed": seed, "weights": sampler.label})
