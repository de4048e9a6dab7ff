"""Sentences: which data, models, scores and pictures belong together."""

import dataclasses
import functools
import hashlib
import os

import numpy as np

from tfdgan import models
from tfdgan.data import oracle, text_file, vocabulary
from tfdgan.data.source import of_sentences
from tfdgan.models.sentence_sampling import SentenceSampler
from tfdgan.saved_text import SentenceModule
from tfdgan.tasks.sentence_scores import SentenceScores

SAMPLES = 2_000  # for a score
_SHOWN = 16
ORACLE_FILE = "oracle.npz"


class TextTask:
    """Generation of sentences, int32 [length]: of a known distribution (`oracle`), or like those of a file.

    Args:
      config: a `Config`.
    """

    def __init__(self, config):
        self.config, self.classes = config, None
        self._vocabulary = None

    @functools.cached_property
    def _corpus(self):
        """(training sentences, test sentences), int32 [n, length] both."""
        config = self.config
        if config.dataset == "oracle":
            return self._oracle[1:]
        both = text_file.read(config.dataset, config.data_dir)
        if self._vocabulary is None:
            given = config.vocabulary and vocabulary.read(config.vocabulary)
            self._vocabulary = given or vocabulary.build(both[0], config.vocabulary_size)
        return [self._vocabulary.numbers(sentences, config.sentence_length) for sentences in both]

    @functools.cached_property
    def _oracle(self):
        """(`Oracle`, training sentences, test sentences), kept in the workdir."""
        config = self.config
        path = os.path.join(config.workdir, ORACLE_FILE)
        return oracle.kept(path, config.vocabulary_size, config.sentence_length, config.corpus_size, config.seed)

    def prepare(self):
        """Make what all learners of a host read; one of them calls this before `source`. Returns remarks."""
        if self.config.dataset == "oracle":
            self._oracle  # noqa: B018, made and kept
            return []
        sentences = text_file.read(self.config.dataset, self.config.data_dir)
        return [
            remark
            for name, texts, numbers in zip(("train", "test"), sentences, self._corpus, strict=True)
            if (remark := text_file.remark(name, texts, numbers, self.config.sentence_length))
        ]

    @functools.cached_property
    def digest(self):
        """A text that differs where words, sentences or the oracle do."""
        content = hashlib.blake2b(digest_size=12)
        arrays = [*self._corpus]
        if self.config.dataset == "oracle":
            arrays += dataclasses.astuple(self._oracle[0])
        for array in arrays:
            content.update(np.ascontiguousarray(array))
        content.update("\n".join(self._vocabulary.words if self._vocabulary else []).encode())
        return content.hexdigest()

    def source(self, rank=0, size=1):
        """The training data `Source` of learner `rank`."""
        train = self._corpus[0]
        return of_sentences(train, np.zeros(len(train), np.int64), self.config, rank, size)

    def check(self, source):
        """Nothing: every sentence has been read."""

    def build_models(self, sample_shape, classes=None):
        """(generator, critic), built, equal on every learner, for sentences of `sample_shape` = (length,)."""
        del classes
        words = self.config.vocabulary_size if self.config.dataset == "oracle" else len(self._vocabulary)
        return models.build(self.config, (*sample_shape, words))

    @property
    def facts(self):
        """What a checkpoint keeps, for `rebuild`."""
        words = {} if self._vocabulary is None else {"vocabulary": self._vocabulary.words}
        return {"sample_shape": [self.config.sentence_length], **words}

    def rebuild(self, facts):
        """The models of a checkpoint that has kept `facts`."""
        if "vocabulary" in facts:
            self._vocabulary = vocabulary.Vocabulary(facts["vocabulary"])
        return self.build_models(tuple(facts["sample_shape"]))

    def sampler(self, generator, weights, label):
        """The `SentenceSampler` of a generator under some weights."""
        return SentenceSampler(generator, weights, label)

    def module(self, sampler):
        """What `export` writes."""
        return SentenceModule(sampler, self._vocabulary and self._vocabulary.words)

    def texts(self, numbers):
        """Sentences as a list of text: words, or an oracle's word numbers."""
        if self._vocabulary is None:
            return [" ".join(map(str, row)) for row in numbers]
        return self._vocabulary.sentences(numbers)

    def picture(self, sampler, seed=0):
        """Sentences have none."""

    def shown(self, sampler, seed=0):
        """Fixed samples, a line each."""
        return "\n".join(self.texts(sampler.samples(_SHOWN, seed, "picture")))

    @functools.cached_property
    def _scores(self):
        truth = self._oracle[0] if self.config.dataset == "oracle" else None
        return SentenceScores(*self._corpus, truth, self.config.sentences_end)

    # No extractor; that all learners have the same sentences is what `digest` is for.
    judges, knows_real = (), True

    def number(self, number):
        """How many samples are generated for a score; `number`: how many were asked for, or None."""
        return number or self.config.eval_samples or SAMPLES

    def measure(self, sampler, number, seed, part, *, real, thorough, progress):
        """{name: array}: as `ImageTask.measure`."""
        del real
        return self._scores.measure(sampler, self.number(number), seed, part, thorough, progress)

    def scores(self, sums, sampler, number, seed):
        """A list of `Score` from the sums over all parts."""
        signature = {"seed": seed, "weights": sampler.label, "temperature": sampler.temperature}
        return self._scores.scores(sums, self.number(number), signature)
