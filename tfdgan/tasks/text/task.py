"""Sentences: which data, nets, scores and samples belong together."""

import dataclasses
import functools
import hashlib
import os
from typing import Any

import keras
import numpy as np

from tfdgan.data import Source, oracle, sentence_shard, text_file, vocabulary
from tfdgan.data.vocabulary import Vocabulary
from tfdgan.metrics import Score
from tfdgan.storage import files
from tfdgan.tasks.base import Consensuses, Task, Weights
from tfdgan.tasks.sentences.feed import SentenceFeed
from tfdgan.tasks.text import curve, nets
from tfdgan.tasks.text.export import SentenceModule
from tfdgan.tasks.text.options import TextGenerateOptions, TextOptions
from tfdgan.tasks.text.sampler import SentenceSampler
from tfdgan.tasks.text.scores import SentenceScores
from tfdgan.training.scoring import Progress

_SAMPLES = 2_000  # for a score
_SHOWN = 16
_ORACLE_FILE = "oracle.npz"


class TextTask(Task):
    """Generation of sentences, int32 [length]: of a known distribution (`oracle`), or like those of a file."""

    Options = TextOptions
    Generate = TextGenerateOptions

    def __init__(self, options: TextOptions) -> None:
        super().__init__(options)
        self._vocabulary: Vocabulary | None = None

    @functools.cached_property
    def _corpus(self) -> tuple[np.ndarray, np.ndarray]:
        """(training sentences, test sentences), int32 [n, length] both."""
        options = self.options
        if options.dataset == "oracle":
            return self._oracle[1:]
        train, test = text_file.read(options.dataset, options.data_dir)
        if self._vocabulary is None:
            given = vocabulary.read(options.vocabulary) if options.vocabulary else None
            self._vocabulary = given or vocabulary.build(train, options.vocabulary_size)
        length = options.sentence_length
        return self._vocabulary.numbers(train, length), self._vocabulary.numbers(test, length)

    @functools.cached_property
    def _oracle(self) -> tuple[oracle.Oracle, np.ndarray, np.ndarray]:
        """(`Oracle`, training sentences, test sentences), kept in the workdir if there is one."""
        options = self.options
        path = os.path.join(options.workdir, _ORACLE_FILE) if options.workdir else ""
        return oracle.kept(path, options.vocabulary_size, options.sentence_length, options.corpus_size, options.seed)

    def prepare(self) -> list[str]:
        if self.options.dataset == "oracle":
            self._oracle  # noqa: B018, made and kept
            return []
        texts = text_file.read(self.options.dataset, self.options.data_dir)
        return [
            remark
            for name, found, numbers in zip(("train", "test"), texts, self._corpus, strict=True)
            if (remark := text_file.remark(name, found, numbers, self.options.sentence_length))
        ]

    @functools.cached_property
    def digest(self) -> str:
        """A hash of words, sentences and the oracle."""
        content = hashlib.blake2b(digest_size=12)
        arrays = [*self._corpus]
        if self.options.dataset == "oracle":
            arrays += dataclasses.astuple(self._oracle[0])
        for array in arrays:
            content.update(np.ascontiguousarray(array).data)
        content.update("\n".join(self._vocabulary.words if self._vocabulary else []).encode())
        return content.hexdigest()

    def source(self, rank: int = 0, size: int = 1) -> Source:
        train = self._corpus[0]
        how = dict(rank=rank, size=size, partition=self.options.partition, name=self.options.dataset)
        return sentence_shard.shard(train, np.zeros(len(train), np.int64), **how)

    def build_models(
        self, sample_shape: tuple[int, ...], classes: int | None = None
    ) -> tuple[keras.Model, keras.Model]:
        """(generator, critic), built, equal on every learner, for sentences of `sample_shape` = (length,)."""
        del classes
        words = len(self._vocabulary) if self._vocabulary else self.options.vocabulary_size
        (length,) = sample_shape
        return nets.build(self.options, (length, words))

    @property
    def facts(self) -> dict[str, Any]:
        words = {"vocabulary": self._vocabulary.words} if self._vocabulary else {}
        return {"sample_shape": [self.options.sentence_length], **words}

    def rebuild(self, facts: dict[str, Any]) -> tuple[keras.Model, keras.Model]:
        if "vocabulary" in facts:
            self._vocabulary = Vocabulary(facts["vocabulary"])
        return super().rebuild(facts)

    def feed(self, generator: keras.Model) -> SentenceFeed:
        return SentenceFeed(generator, self.options)

    def sampler(self, generator: keras.Model, weights: Weights, label: str) -> SentenceSampler:
        return SentenceSampler(generator, weights, label)

    def module(self, sampler: SentenceSampler) -> SentenceModule:
        return SentenceModule(sampler, self._vocabulary.words if self._vocabulary else None)

    def texts(self, numbers: np.ndarray) -> list[str]:
        """Sentences as a list of text: words, or an oracle's word numbers."""
        if self._vocabulary is None:
            return [" ".join(map(str, row)) for row in numbers]
        return self._vocabulary.sentences(numbers)

    def show(self, sampler: SentenceSampler, seed: int = 0) -> str:
        """Fixed samples, a line each."""
        return "\n".join(self.texts(sampler.samples(_SHOWN, seed, "picture")))

    def write_samples(self, sampler: SentenceSampler, step: int, options: TextGenerateOptions) -> str:
        sampler = sampler.at_temperature(options.temperature)
        texts = self.texts(sampler.samples(options.num, options.seed, "picture"))
        files.write_text(options.output, "".join(f"{text}\n" for text in texts))
        return f"{len(texts)} samples"

    @functools.cached_property
    def _scores(self) -> SentenceScores:
        truth = self._oracle[0] if self.options.dataset == "oracle" else None
        return SentenceScores(*self._corpus, truth, self.options.sentences_end)

    def number(self, number: int | None) -> int:
        return number or self.options.eval_samples or _SAMPLES

    def measure(
        self,
        sampler: SentenceSampler,
        number: int | None,
        seed: int,
        part: tuple[int, int],
        *,
        real: bool,
        thorough: bool,
        progress: Progress,
    ) -> dict[str, np.ndarray]:
        del real
        return self._scores.measure(sampler, self.number(number), seed, part, thorough, progress)

    def scores(
        self, sums: dict[str, np.ndarray], sampler: SentenceSampler, number: int | None, seed: int
    ) -> list[Score]:
        signature = {"seed": seed, "weights": sampler.label, "temperature": sampler.temperature}
        return self._scores.scores(sums, self.number(number), signature)

    def draw_curves(self, step: int | str | None, scores: list[Score], kept: Consensuses) -> list[str]:
        """Quality against diversity over temperatures, also of the pretrained model if there is one."""
        del scores
        if kept.watching:
            return []
        samplers: dict[str, Any] = {}
        if (found := kept.sampler(step)) is not None:
            samplers[f"step {found[0]}"] = found[1]
        if (pretrained := kept.sampler("pretrained")) is not None:
            samplers["maximum likelihood"] = pretrained[1]
        rows = curve.measure(self, samplers, kept.samples, kept.seed, kept.progress)
        if not rows[0][2]:  # scores are on learner 0 only
            return []
        table, plot = curve.write(rows, kept.workdir)
        return [f"quality against diversity over temperatures: {table}, {plot}"]
