"""Options of the task style_transfer."""

import dataclasses
import os

from tfdgan.data import corpora
from tfdgan.errors import UserError
from tfdgan.options import option
from tfdgan.tasks.options import GenerateOptions
from tfdgan.tasks.sentences.options import SentenceOptions, check_dataset, check_file, check_model

_MOST_TOYS = 12_000  # sentences of toy_styles: the grammar can say some 31,000 things


@dataclasses.dataclass(frozen=True)
class StyleTransferOptions(SentenceOptions):
    """Style transfer: the rewriter and the terms of its loss (style_transfer)."""

    task: str = option("style_transfer", "What is generated.")
    dataset: str = option("toy_styles", "toy_styles or file:PREFIX.", path=True)
    model: str = option("style_transfer", "style_transfer or package.module:factory.")
    trainer: str = option("clipped_ratio", "Trainer of style transfer.", choices=("clipped_ratio",))
    update: str = option("alternating", "Order of updates of style transfer.", choices=("alternating",))
    references: str = option(
        "",
        "File of lines 'style TAB sentence TAB a person's sentence of the same content in the next style' "
        "(style_transfer).",
        local=True,
        path=True,
    )
    style_size: int = option(
        16,
        "Numbers in the code of a style; the rest of the --width_g numbers of a sentence's code are content "
        "(style_transfer).",
        minimum=1,
    )
    dropout: float = option(
        0.2, "Share left out when sentences are repeated, and by the critic (style_transfer).", minimum=0, below=1
    )
    score_weight: float = option(
        1.0,
        "Weight of the critic's scores in the rewriter's loss, in which repeating a sentence has weight 1 "
        "(style_transfer).",
        minimum=0,
    )
    style_weight: float = option(
        1.0, "Weight of the wanted style's cross-entropy in the rewriter's loss (style_transfer).", minimum=0
    )
    style_weight_d: float = option(
        1.0, "Weight of the true style's cross-entropy in the critic's loss (style_transfer).", minimum=0
    )
    content_weight: float = option(
        1.0,
        "Weight of 1 - cos between the content codes of a sentence and of the rewritten sentence (style_transfer).",
        minimum=0,
    )
    invariance_weight: float = option(
        0.1, "Weight of the loss for a content code from which the style can be told (style_transfer).", minimum=0
    )

    beam: int = option(
        1,
        "Beginnings that are kept where sentences are written; 1 writes the likeliest word at each place "
        "(style_transfer).",
        minimum=1,
        free=True,
    )

    def check_options(self) -> None:
        if not self.is_for("style_transfer"):
            return
        check_model(self, ("style_transfer",))
        check_dataset(self, ("toy_styles",), "PREFIX")
        self.check_wanted(
            f"--task={self.task}: has a critic of styles beside scores",
            trainer="clipped_ratio",
            objective="wasserstein",
        )
        if self.style_size >= self.width_g:
            raise UserError(
                f"--style_size={self.style_size}: leaves no room for content in --width_g={self.width_g}; give less"
            )
        if self.dataset == "toy_styles" and self.corpus_size > _MOST_TOYS:
            raise UserError(f"--corpus_size={self.corpus_size}: toy_styles has at most {_MOST_TOYS:,} in a style")

    def unused_options(self) -> dict[str, str]:
        if self.is_for("style_transfer"):
            return {}
        inherited = {"task", "dataset", "model", "trainer", "update"}
        return dict.fromkeys(set(StyleTransferOptions.own_names()) - inherited, self.as_flag("task"))

    def check_files(self) -> None:
        super().check_files()
        if not self.is_for("style_transfer"):
            return
        check_file("references", self.references)
        if self.dataset != "toy_styles":
            corpora.styled_paths(self.dataset)


@dataclasses.dataclass(frozen=True)
class StyleGenerateOptions(GenerateOptions):
    """Options of the command `generate`: style transfer."""

    input: str = option("", "File of sentences to rewrite, one a line; standard input if left out.", path=True)
    to_style: int = option(-1, "Style in which sentences are rewritten, a number from 0.", minimum=-1)
    beam: int = option(1, "Beginnings that are kept where sentences are written, if not as in training.", minimum=1)

    def check_options(self) -> None:
        if self.to_style < 0:
            raise UserError("--to_style is missing: give the number of a style")
        if self.output:
            self.check_output(".txt")
        if self.input and (not os.path.exists(self.input) or os.path.isdir(self.input)):  # a pipe serves too
            raise UserError(f"--input={self.input}: no such file")
