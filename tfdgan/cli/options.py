"""Options of the commands that are none of a run."""

import dataclasses

from tfdgan.errors import UserError
from tfdgan.options import Options, option


@dataclasses.dataclass(frozen=True)
class TrainOptions(Options):
    """The command itself."""

    dry_run: bool = option(
        False,
        "Check everything, take two real steps, say what training will take, and end; the workdir stays as before.",
    )


@dataclasses.dataclass(frozen=True)
class WorkdirOptions(Options):
    """Which trained generator."""

    workdir: str = option("", "Folder of a training run.", path=True)
    step: str = option(
        "",
        "Which of the kept checkpoints: a number, best (by the scores that were kept last) or pretrained (where the "
        "game of sentences begins); the newest if left out.",
    )


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(WorkdirOptions):
    """How checkpoints are scored."""

    inception: str = option("", "SavedModel with outputs pool_3 and logits, by which images are scored.", path=True)
    data_dir: str = option("", "Folder of the data, if not the folder of training.", path=True)
    dataset: str = option(
        "", "The data of training, if they lie elsewhere now, as folder:PATH or of the kind that they had.", path=True
    )
    references: str = option(
        "", "File of sentences as people rewrote them, if not the file of training (style_transfer).", path=True
    )
    beam: int = option(
        1, "Beginnings that are kept where sentences are rewritten, if not as in training (style_transfer).", minimum=1
    )
    samples: int = option(0, "Generated samples for a score; 0 stands for as many as in training.", minimum=0)
    seed: int = option(0, "Seed of the samples.", minimum=0)
    format: str = option(
        "text",
        "What scores are printed as: text; json, an object a line; csv. All else is then printed on standard error.",
        choices=("text", "json", "csv"),
    )
    watch: bool = option(
        False,
        "Score every checkpoint that was not scored so far, then every new one, until the last step; keep the best.",
    )

    def check_options(self) -> None:
        if self.samples == 1:
            raise UserError("--samples=1: a score needs at least 2")


@dataclasses.dataclass(frozen=True)
class ExportOptions(WorkdirOptions):
    """What is written."""

    output: str = option("", "New folder for the SavedModel, the Keras file and the model card.", path=True)
    tflite: bool = option(False, "Write a TFLite file too, of generators of images and points.")


@dataclasses.dataclass(frozen=True)
class ReportOptions(Options):
    """Which run, and where the page goes."""

    workdir: str = option("", "Folder of a training run, which may still be training.", path=True)
    output: str = option("", "HTML file to write; report.html of the workdir if left out.", path=True)
