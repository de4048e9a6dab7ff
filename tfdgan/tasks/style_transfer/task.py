"""Style transfer: which sentences, nets, scores and samples belong together."""

import functools
import hashlib
import io
import os
import sys
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from tfdgan.data import Source, sentence_shard, styled_text, text_file, toy_styles, vocabulary
from tfdgan.data.vocabulary import Vocabulary
from tfdgan.errors import UserError
from tfdgan.metrics import Score
from tfdgan.storage import files
from tfdgan.tasks.base import Consensuses, Task, Weights
from tfdgan.tasks.style_transfer import curve, nets
from tfdgan.tasks.style_transfer import judges as sentence_judges
from tfdgan.tasks.style_transfer.export import StyleModule
from tfdgan.tasks.style_transfer.feed import RewriterFeed
from tfdgan.tasks.style_transfer.options import StyleGenerateOptions, StyleTransferOptions
from tfdgan.tasks.style_transfer.sampler import TransferSampler
from tfdgan.tasks.style_transfer.scores import TransferScores
from tfdgan.tasks.style_transfer.trainer import StyleTransferTrainer
from tfdgan.training.scoring import Progress
from tfdgan.training.trainer import Trainer

_SAMPLES = 1_000  # for a score
_SHOWN = 16


class StyleTransferTask(Task):
    """Rewriting sentences, int32 [length], in other styles: of a toy grammar, or of files, one for each style."""

    Options = StyleTransferOptions
    Generate = StyleGenerateOptions
    shows_data = True

    def __init__(self, options: StyleTransferOptions) -> None:
        super().__init__(options)
        self._vocabulary: Vocabulary | None = None

    @functools.cached_property
    def _texts(self) -> dict[str, Any]:
        """{"train": (texts, styles), "dev": (texts, styles)}, of the toy grammar also {"answers": texts}."""
        if self.options.dataset == "toy_styles":
            return toy_styles.make(self.options.seed, self.options.corpus_size)
        return styled_text.read(self.options.dataset)

    @functools.cached_property
    def _words(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """{"train": (words int32 [n, length], styles), "dev": ...}."""
        options = self.options
        if self._vocabulary is None:
            given = vocabulary.read(options.vocabulary) if options.vocabulary else None
            self._vocabulary = given or vocabulary.build(self._texts["train"][0], options.vocabulary_size)
        found = ((part, *self._texts[part]) for part in ("train", "dev"))
        return {part: (self._vocabulary.numbers(texts, options.sentence_length), of) for part, texts, of in found}

    @functools.cached_property
    def _references(self) -> tuple[list[str], np.ndarray, list[str]] | None:
        path = self.options.references
        return styled_text.read_references(path, self._styles) if path else None

    @property
    def _styles(self) -> int:
        return int(self._texts["train"][1].max()) + 1

    @property
    def _known_words(self) -> Vocabulary:
        """The vocabulary, made from the data unless a checkpoint has given one."""
        if self._vocabulary is None:
            self._words  # noqa: B018, makes it
        if self._vocabulary is None:
            raise ValueError("StyleTransferTask: no vocabulary was made of the training sentences")
        return self._vocabulary

    def prepare(self) -> list[str]:
        remarks = [
            text_file.remark(part, self._texts[part][0], words, self.options.sentence_length)
            for part, (words, _) in self._words.items()
        ]
        self._references  # noqa: B018, read now, since what is wrong with them is to be said before training
        judges = sentence_judges.path_of(self._digest_of_words)
        if self.options.eval_every and not os.path.exists(judges):
            remarks.append(f"the first score takes longer: its judges are trained once, and kept as {judges}")
        return [remark for remark in remarks if remark]

    @functools.cached_property
    def digest(self) -> str:
        """A hash of words and sentences, and one of the references."""
        references = hashlib.blake2b(repr(self._references).encode(), digest_size=4).hexdigest()
        return f"{self._digest_of_words} {references if self._references else 'without references'}"

    @functools.cached_property
    def _digest_of_words(self) -> str:
        content = hashlib.blake2b(digest_size=12)
        for arrays in self._words.values():
            for array in arrays:
                content.update(np.ascontiguousarray(array).data)
        content.update("\n".join(self._known_words.words).encode())
        return content.hexdigest()

    def source(self, rank: int = 0, size: int = 1) -> Source:
        """The training data of learner `rank`, labelled with styles."""
        how = dict(rank=rank, size=size, partition=self.options.partition, name=self.options.dataset)
        return sentence_shard.shard(*self._words["train"], **how, classes=self._styles)

    @property
    def labelled(self) -> bool:
        return True

    def build_models(
        self, sample_shape: tuple[int, ...], classes: int | None = None
    ) -> tuple[keras.Model, keras.Model]:
        """(rewriter, critic), built, equal on every learner.

        Args:
          sample_shape: (length,).
          classes: how many styles.
        """
        (length,) = sample_shape
        return nets.build(self.options, (length, len(self._known_words)), classes or self._styles)

    def build_classifier(self, critic: keras.Model) -> keras.Model:
        return nets.build_classifier(self.options, critic)

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "sample_shape": [self.options.sentence_length],
            "vocabulary": self._known_words.words,
            "styles": self._styles,
        }

    def rebuild(self, facts: dict[str, Any]) -> tuple[keras.Model, keras.Model]:
        self._vocabulary = Vocabulary(facts["vocabulary"])
        return self.build_models(tuple(facts["sample_shape"]), facts["styles"])

    def feed(self, generator: keras.Model) -> RewriterFeed:
        return RewriterFeed(generator, self.options)

    def trainer_class(self, name: str) -> type[Trainer]:
        """The clipped-ratio trainer with this task's further terms; the options allow no other."""
        del name
        return StyleTransferTrainer

    def trainer_options(self) -> dict[str, Any]:
        return {"weights": self.options}

    def sampler(self, generator: keras.Model, weights: Weights, label: str) -> TransferSampler:
        return TransferSampler(generator, weights, label, self._known_words, self.options.beam)

    def module(self, sampler: TransferSampler) -> StyleModule:
        return StyleModule(sampler)

    def show(self, sampler: TransferSampler, seed: int = 0) -> str:
        """Held-out sentences and what is made of them, two lines each."""
        texts, styles = self._texts["dev"]
        chosen = np.random.default_rng(seed).permutation(len(texts))[:_SHOWN]
        before, wanted = [texts[i] for i in chosen], (styles[chosen] + 1) % sampler.generator.styles
        pairs = zip(before, wanted, sampler(before, wanted), strict=True)
        return "\n".join(f"  {text}\n{style} {made}" for text, style, made in pairs)

    def write_samples(self, sampler: TransferSampler, step: int, options: StyleGenerateOptions) -> str:
        """Rewrite the sentences of a file or of standard input; without `output` to standard output."""
        style, styles = options.to_style, sampler.generator.styles
        if style >= styles:
            raise UserError(f"--to_style={style}: there are the styles 0 to {styles - 1}")
        if options.input:
            texts = text_file.lines(options.input, f"--input={options.input}", blanks=True)
        else:
            entered = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors="replace")
            texts = text_file.tidy(entered, blanks=True)
        made = sampler(texts, [style] * len(texts), _shown_progress)
        _write_lines(options.output, "".join(f"{text}\n" for text in made))
        long = sum(len(text.split()) > self.options.sentence_length for text in texts)
        if long:
            length = self.options.sentence_length
            print(f"note: {long} of {len(texts)} lines were read to word {length}", file=sys.stderr)
        return f"{len(made)} samples"

    @functools.cached_property
    def _scores(self) -> TransferScores:
        data = self._words
        sizes = len(self._known_words), self._styles, self.options.sentence_length
        judges = sentence_judges.load(self._digest_of_words, data["train"], data["dev"], sizes)
        return TransferScores(
            self._texts["dev"], self._texts.get("answers"), self._references, self._known_words, judges
        )

    @property
    def judges(self) -> list[str]:
        return self._scores.judges_signed

    def number(self, number: int | None) -> int:
        """How many sentences are rewritten for a score; `number`: how many were asked for, or None."""
        return min(number or self.options.eval_samples or _SAMPLES, len(self._texts["dev"][0]))

    def measure(
        self,
        sampler: TransferSampler,
        number: int | None,
        seed: int,
        part: tuple[int, int],
        *,
        real: bool,
        thorough: bool,
        progress: Progress,
    ) -> dict[str, np.ndarray]:
        """As `Task.measure` says; `seed` chooses held-out sentences."""
        del real, thorough
        return self._scores.measure(sampler, self.number(number), seed, part, progress)

    def scores(
        self, sums: dict[str, np.ndarray], sampler: TransferSampler, number: int | None, seed: int
    ) -> list[Score]:
        del number
        how = {"beam": sampler.beam} if sampler.beam > 1 else {}
        return self._scores.scores(sums, {"to": "the next style", "seed": seed, "weights": sampler.label, **how})

    def draw_curves(self, step: int | str | None, scores: list[Score], kept: Consensuses) -> list[str]:
        """Style against content over the checkpoints that were scored alike, in training or by `evaluate`.

        If no step is named, kept checkpoints without such scores are scored first.
        """
        done = kept.share({found for found, *_ in curve.points(kept.workdir, scores)} if scores else None)
        for other in kept.steps() if step is None else ():
            if other not in done:
                kept.score(other)
        if not scores:  # they are on learner 0 only
            return []
        points = curve.points(kept.workdir, scores)
        table, plot = curve.write(points, kept.workdir)
        return [f"style accuracy against self-BLEU over {len(points)} scored steps: {table}, {plot}"]


def _shown_progress(items: Any, length: int, what: str) -> Any:
    return tqdm(items, what, length, disable=None)


def _write_lines(path: str, lines: str) -> None:
    """Write to a file, or to standard output where `path` is empty."""
    if path:
        files.write_text(path, lines)
        return
    try:
        sys.stdout.buffer.write(lines.encode())
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe; at exit nothing more may be written to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
