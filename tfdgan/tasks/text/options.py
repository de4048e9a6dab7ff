"""Options of the task text."""

import dataclasses

from tfdgan.data import corpora
from tfdgan.options import option
from tfdgan.tasks.options import GenerateOptions
from tfdgan.tasks.sentences.options import SentenceOptions, check_dataset, check_model


@dataclasses.dataclass(frozen=True)
class TextOptions(SentenceOptions):
    """Text: the nets that write and read sentences (text)."""

    task: str = option("text", "What is generated.")
    dataset: str = option("oracle", "oracle, coco_captions or file:PATH.", path=True)
    model: str = option("relational_memory", "relational_memory, lstm or package.module:factory.")
    memory_slots: int = option(1, "Rows of the relational memory.", minimum=1)
    memory_heads: int = option(2, "Attention heads of the relational memory.", minimum=1)
    representations: int = option(64, "Representations in which the critic reads a sentence (text).", minimum=1)

    @property
    def sentences_end(self) -> bool:
        """True if word 0 ends a sentence; the oracle's sentences are all of one length."""
        return self.dataset != "oracle"

    def check_options(self) -> None:
        if not self.is_for("text"):
            return
        check_model(self, ("relational_memory", "lstm"))
        check_dataset(self, ("oracle", "coco_captions"), "PATH")
        self.check_wanted(f"--task={self.task}: has sentences without labels", partition="iid")

    def unused_options(self) -> dict[str, str]:
        if not self.is_for("text"):
            return dict.fromkeys(("memory_slots", "memory_heads", "representations"), self.as_flag("task"))
        return dict.fromkeys(("memory_slots", "memory_heads"), self.as_flag("model")) if self.model == "lstm" else {}

    def check_files(self) -> None:
        super().check_files()
        if self.is_for("text") and self.dataset != "oracle":
            corpora.paths(self.dataset, self.data_dir)


@dataclasses.dataclass(frozen=True)
class TextGenerateOptions(GenerateOptions):
    """Options of the command `generate`: text."""

    num: int = option(64, "How many samples.", minimum=1)
    seed: int = option(0, "Seed of the samples.", minimum=0)
    temperature: float = option(
        1.0, "Temperature at which words are drawn; below 1 likelier words come more often.", above=0, below=1e6
    )

    def check_options(self) -> None:
        self.check_output(".txt")
