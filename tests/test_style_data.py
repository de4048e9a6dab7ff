"""Sentences in styles: the toy grammar, files as they come, references, what flags are refused."""

import numpy as np
import pytest

from tfdgan.cli.config import Config
from tfdgan.data import sentence_shard, styled_text, toy_styles
from tfdgan.errors import UserError
from tfdgan.tasks import StyleTransferOptions, StyleTransferTask, names

STYLES = dict(
    task="style_transfer", dataset="toy_styles", model="style_transfer", trainer="clipped_ratio", update="alternating",
    width_g=8, style_size=3, width_d=4, corpus_size=50, sentence_length=20, strategy="local",
)  # fmt: skip


def task_of(**changes):
    return StyleTransferTask(StyleTransferOptions(**{**STYLES, **changes}))


def test_toys_say_everything_once():
    toys = toy_styles.make(0, 300)
    texts, styles = toys["train"]
    assert len(texts) == 600 and np.bincount(styles).tolist() == [300, 300]
    held_out, of = toys["dev"]
    assert len(held_out) == len(toys["answers"]) == 1000 and np.bincount(of).tolist() == [500, 500]
    everything = [*texts, *held_out]
    # What a held-out sentence says is nowhere else, in whatever style.
    assert len(set(everything)) == len(everything) and not set(toys["answers"]) & set(everything)
    assert toys["train"][0] == toy_styles.make(0, 300)["train"][0] != toy_styles.make(1, 300)["train"][0]


def test_toys_have_one_right_answer():
    """A noun's adjective, a verb and an ending belong to a style; every word else stays."""
    toys = toy_styles.make(3, 2000)
    adjectives = [{}, {}]
    for text, answer, style in zip(*toys["dev"][:1], toys["answers"], toys["dev"][1], strict=True):
        pair = (text, answer) if style == 0 else (answer, text)
        assert "suffers" not in pair[0] and "enjoys" not in pair[1]
        for of, said in enumerate(pair):
            words = said.split()
            for noun, adjective in zip(words[1:], words, strict=False):
                known = adjective in toy_styles._ADJECTIVES[of]
                if known and noun in toy_styles._NOUNS:
                    assert adjectives[of].setdefault(noun, adjective) == adjective
        assert len(set(pair[0].split()) & set(pair[1].split())) >= 3
    assert [len(set(of.values())) for of in adjectives] == [10, 10]


@pytest.fixture
def files(tmp_path):
    for style, (train, dev) in enumerate(
        [("good food\nfine  day\r\n\n", "good day\n"), ("bad food\n", "bad day here now\n")]
    ):
        (tmp_path / f"say.train.{style}").write_text(train)
        (tmp_path / f"say.dev.{style}").write_text(dev)
    return tmp_path


def test_files_a_style_each(files):
    found = styled_text.read(f"file:{files}/say")
    assert found["train"][0] == ["good food", "fine day", "bad food"] and found["train"][1].tolist() == [0, 0, 1]
    assert found["dev"][0] == ["good day", "bad day here now"] and found["dev"][1].tolist() == [0, 1]
    task = task_of(dataset=f"file:{files}/say", vocabulary_size=0, sentence_length=3)
    source = task.source()
    assert source.classes == 2 and source.labels.tolist() == [0, 0, 1]
    batch, styles = next(iter(source.stream(6, 0, 0, labelled=True)))
    assert task.facts["vocabulary"] == ["", "[UNK]", "food", "bad", "day", "fine", "good"]
    seen = {(*row, style) for row, style in zip(batch.numpy().tolist(), styles.numpy().tolist(), strict=True)}
    assert seen == {(6, 2, 0, 0), (5, 4, 0, 0), (3, 2, 0, 1)}
    assert "dev: of 2 sentences 1 longer than 3 words are cut, 1 words are [UNK]" in task.prepare()
    assert task.facts["styles"] == 2
    shards = [task.source(rank, 2) for rank in range(2)]
    assert sum(len(shard) for shard in shards) == 2 and all(shard.classes == 2 for shard in shards)


def test_shards_of_sentences():
    words, styles = np.arange(12, dtype=np.int32).reshape(6, 2), np.array([1, 0, 1, 0, 1, 0])
    how = dict(size=3, name="mine", classes=2)
    shard = sentence_shard.shard(words, styles, rank=1, partition="iid", **how)
    assert shard.labels.tolist() == [0, 1] and shard.classes == 2
    batch = next(iter(shard.once(9))).numpy()
    assert batch.dtype == np.int32 and batch.tolist() == [[2, 3], [8, 9]]
    assert sentence_shard.shard(words, styles, rank=0, partition="by_label", **how).labels.tolist() == [0, 0]
    with pytest.raises(UserError, match="^dataset=mine: learner 0 of 7 gets no sentences"):
        sentence_shard.shard(words, styles, rank=0, size=7, partition="iid", name="mine")


def test_a_third_style(files):
    for part in ("train", "dev"):
        (files / f"say.{part}.2").write_text("dull food\n")
    task = task_of(dataset=f"file:{files}/say")
    assert task.source().classes == 3 and task.facts["styles"] == 3


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("say.train.1", "say.train.1 is missing"),
        ("say.train.0", "say.train.0 is missing"),
        ("say.dev.1", "say.dev.1 is missing"),
    ],
)
def test_missing_files_are_named(files, broken, message):
    (files / broken).unlink()
    with pytest.raises(UserError, match=f"^dataset=file:{files}/say: .*{message}; each of two styles or more needs"):
        Config(**{**STYLES, "dataset": f"file:{files}/say"}).check_files()


def test_a_gap_between_styles_is_named(files):
    for part in ("train", "dev"):
        (files / f"say.{part}.3").write_text("dull food\n")
    with pytest.raises(UserError, match="say.train.2 is missing"):
        Config(**{**STYLES, "dataset": f"file:{files}/say"}).check_files()


def test_a_style_without_sentences(files):
    (files / "say.dev.1").write_text("\n \n")
    with pytest.raises(UserError, match="say.dev.1 has no sentences"):
        task_of(dataset=f"file:{files}/say").source()


def test_references(tmp_path):
    path = tmp_path / "references.tsv"
    path.write_text("0\ta  good day\ta bad day\n\n1\tbad\tgood\n")
    sources, styles, references = styled_text.read_references(str(path), 2)
    assert (sources, styles.tolist(), references) == (["a good day", "bad"], [0, 1], ["a bad day", "good"])
    for text, message in [
        ("0\tgood\n", "line 1 is not style TAB source TAB reference, with a style from 0 to 1: '0.tgood'"),
        ("0\tgood\tbad\n2\tgood\tbad\n", "line 2 is not"),
        ("\n", "has no lines"),
    ]:
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            styled_text.read_references(str(path), 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(dataset="oracle"), "--dataset=oracle: not for --task=style_transfer; give toy_styles or file:PREFIX"),
        (dict(task="image", model="dcgan"), "not for --task=image; give images, or --task=style_transfer"),
        (dict(task="text", model="lstm"), "--dataset=toy_styles: not for --task=text"),
        (dict(trainer="adversarial", update="simultaneous"), "needs --trainer=clipped_ratio, not adversarial"),
        (dict(style_size=8), "--style_size=8: leaves no room for content in --width_g=8"),
        (dict(corpus_size=12_001), "--corpus_size=12001: toy_styles has at most 12,000"),
        (dict(conditional=True), "--task=style_transfer: labels are no option here; leave --conditional out"),
        (dict(dropout=1.0), "--dropout=1.0: must be below 1"),
        (dict(strategy="dposg"), "--strategy=dposg"),
    ],
)  # fmt: skip
def test_flags_that_do_not_fit(changes, message):
    with pytest.raises(UserError) as caught:
        Config(**{**STYLES, **changes})
    assert message in caught.value.as_flags()


def test_flags_of_other_tasks_are_named():
    assert list(Config(**STYLES, memory_slots=3, image_size=8).without_effect()) == ["image_size", "memory_slots"]
    assert list(Config(content_weight=2.0, references="x").without_effect()) == ["content_weight", "references"]
    assert "style_transfer" in names.NAMES
