"""The options that tasks of sentences share."""

import dataclasses
import os

from tfdgan.errors import UserError
from tfdgan.options import option, references
from tfdgan.tasks.options import TaskOptions


@dataclasses.dataclass(frozen=True)
class SentenceOptions(TaskOptions):
    """Sentences: words, lengths, soft samples (text, style_transfer)."""

    sentence_length: int = option(
        20, "Most words of a sentence; longer sentences are cut (text, style_transfer).", minimum=2
    )
    vocabulary_size: int = option(
        5000,
        "Words of the oracle. Of other data the most frequent words, this many at most; 0 takes all (text, "
        "style_transfer).",
        minimum=0,
    )
    vocabulary: str = option(
        "",
        "File of words, one a line, in place of the words that occur in the data (text, style_transfer).",
        local=True,
        path=True,
    )
    corpus_size: int = option(
        10_000,
        "Sentences that the oracle writes to train on, and as many to test; sentences of toy_styles in each style.",
        minimum=1,
    )
    embedding_size: int = option(
        32,
        "Numbers that stand for a word in the generator (text), in the rewriter and in the critic (style_transfer).",
        minimum=1,
    )
    inverse_temperature: float = option(
        100.0,
        "Inverse temperature of the generator's soft samples at the last step (text, style_transfer).",
        minimum=0.01,
        below=1e6,
    )
    temperature_schedule: str = option(
        "exponential",
        "Course of the inverse temperature over the game, from 1 to T: exponential T^p or linear 1 + (T - 1) p for "
        "progress p in [0, 1], or constant T.",
        choices=("constant", "linear", "exponential"),
    )

    def check_options(self) -> None:
        if not self.is_for("text", "style_transfer"):
            return
        least = 2 if self.dataset == "oracle" else 3  # the end of a sentence, [UNK] and a word
        if self.vocabulary_size < least and (self.dataset == "oracle" or self.vocabulary_size):
            raise UserError(f"--vocabulary_size={self.vocabulary_size}: must be at least {least}")
        self.check_wanted(f"--task={self.task}: has no images", consistency=0.0)

    def unused_options(self) -> dict[str, str]:
        if not self.is_for("text", "style_transfer"):
            return dict.fromkeys(SentenceOptions.own_names(), self.as_flag("task"))
        found = {"vocabulary"} if self.dataset == "oracle" else set()
        found |= set() if self.dataset in ("oracle", "toy_styles") else {"corpus_size"}
        found |= {"data_dir"} if self.dataset != "coco_captions" else set()
        whys = dict.fromkeys(found, self.as_flag("dataset"))
        if self.vocabulary and self.dataset != "oracle":
            whys |= {"vocabulary_size": self.as_flag("vocabulary")}
        if self.inverse_temperature == 1:
            whys |= {"temperature_schedule": self.as_flag("inverse_temperature")}
        return whys

    def check_files(self) -> None:
        super().check_files()
        if self.is_for("text", "style_transfer"):
            check_file("vocabulary", self.vocabulary)

    def depends_on_last_step(self) -> str | None:
        is_constant = self.temperature_schedule == "constant" or self.inverse_temperature == 1
        changes = self.is_for("text", "style_transfer") and not is_constant
        return super().depends_on_last_step() or ("the temperature's schedule" if changes else None)


def check_dataset(options: TaskOptions, names: tuple[str, ...], file: str) -> None:
    """Raise `UserError` unless the dataset is one of `names` or `file:` and what `file` says."""
    if options.dataset not in names and not options.dataset.startswith("file:"):
        raise UserError(
            f"--dataset={options.dataset}: not for --task={options.task}; give {', '.join(names)} or file:{file}"
        )


def check_model(options: TaskOptions, names: tuple[str, ...]) -> None:
    """Raise `UserError` unless the model is one of `names` or a reference to a factory."""
    if options.model not in names and not references.is_reference(options.model):
        raise UserError(
            f"--model={options.model}: choose one of {', '.join(names)}, or package.module:factory for "
            f"--task={options.task}"
        )


def check_file(name: str, path: str) -> None:
    """Raise `UserError` if an option `name` names a file that does not exist."""
    if path and not os.path.isfile(path):
        raise UserError(f"--{name}={path}: no such file")
