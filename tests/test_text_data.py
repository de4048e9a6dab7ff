"""Sentences from files: lines as they come, vocabularies, what is said about them."""

import subprocess

import numpy as np
import pytest
from conftest import ROOT, environment, horovodrun, python

from tfdgan.cli.config import Config
from tfdgan.data import corpora, text_file, vocabulary
from tfdgan.errors import UserError
from tfdgan.tasks import TextOptions, TextTask

TEXT = dict(task="text", model="lstm", width_g=4, width_d=4, representations=2, sentence_length=4)


def task_of(path, **changes):
    return TextTask(TextOptions(**{**TEXT, "dataset": f"file:{path}", "vocabulary_size": 0, **changes}))


@pytest.fixture
def folder(tmp_path):
    """Windows line ends, a byte that is no UTF-8, empty lines, tabs, a line too long, no last line end."""
    (tmp_path / "train.txt").write_bytes(b"the cat sat\r\n\r\n  the\tdog   ran  \r\ncaf\xe9 the\n\n1 2 3 4 5 6")
    (tmp_path / "test.txt").write_bytes(b"the bird sat\n")
    return tmp_path


def test_lines_as_they_come(folder):
    train, test = text_file.read(f"file:{folder}", "")
    assert train == ["the cat sat", "the dog ran", "caf\ufffd the", "1 2 3 4 5 6"] and test == ["the bird sat"]


def test_numbers(folder):
    task = task_of(folder)
    source = task.source()
    words = ["", "[UNK]", "the", "1", "2", "3", "4", "5", "6", "caf\ufffd", "cat", "dog", "ran", "sat"]
    numbers = {word: number for number, word in enumerate(words)}
    assert task.facts == {"sample_shape": [4], "vocabulary": words}  # by count, then by name
    lines = ["the cat sat", "the dog ran", "caf\ufffd the", "1 2 3 4"]
    expected = [[numbers[word] for word in line.split()] for line in lines]
    got = next(iter(source.once(10))).numpy()
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, [row + [0] * (4 - len(row)) for row in expected])
    assert task.texts(got) == lines
    assert task.prepare() == [
        "train: of 4 sentences 1 hold what is no UTF-8, 1 longer than 4 words are cut",
        "test: of 1 sentences 1 words are [UNK]",
    ]


def test_the_most_frequent_words_only(folder):
    task = task_of(folder, vocabulary_size=4)
    task.source()
    assert task.facts["vocabulary"] == ["", "[UNK]", "the", "1"]
    assert (
        "train: of 4 sentences 1 hold what is no UTF-8, 1 longer than 4 words are cut, 8 words are [UNK]"
        in task.prepare()
    )


def test_a_given_vocabulary(folder):
    (folder / "words").write_text("sat\nthe\n\n[UNK]\ncat\nsat\n")
    task = task_of(folder, vocabulary=str(folder / "words"))
    assert next(iter(task.source().once(1))).numpy().tolist() == [[3, 4, 2, 0]]
    (folder / "words").write_text("a b\n")
    with pytest.raises(UserError, match="'a b' is not one word"):
        task_of(folder, vocabulary=str(folder / "words")).source()
    (folder / "words").write_text("\n")
    with pytest.raises(UserError, match="has no words"):
        task_of(folder, vocabulary=str(folder / "words")).source()


def test_a_byte_order_mark_is_no_part_of_a_word(folder):
    (folder / "train.txt").write_bytes(b"\xef\xbb\xbfthe cat\n")
    (folder / "words").write_bytes(b"\xef\xbb\xbfcat\r\nthe\r\n")
    task = task_of(folder, vocabulary=str(folder / "words"))
    assert next(iter(task.source().once(1))).numpy().tolist() == [[3, 2, 0, 0]]


@pytest.mark.slow
@pytest.mark.distributed
def test_learners_with_other_words_are_told(folder):
    """Each reads its own file of words."""
    for rank, words in enumerate(("the\ncat\n", "cat\nthe\n")):
        (folder / f"words{rank}").write_text(words)
    flags = [
        "--task=text",
        "--model=lstm",
        f"--dataset=file:{folder}",
        "--sentence_length=4",
        f"--workdir={folder}/run",
    ]
    words = f"--vocabulary={folder}/words$HOROVOD_RANK"
    command = " ".join(python("-m", "tfdgan.train", *flags, words, cold=False))
    done = subprocess.run(
        horovodrun(2, "sh", "-c", command), env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode and "learner 1 reads other data than learner 0" in done.stderr


def test_nul_is_no_word(tmp_path):
    """As UTF-16, read as UTF-8, is full of."""
    (tmp_path / "all.txt").write_bytes("\n".join(["a \0 b", "a a\0 b"] * 10).encode())
    task = task_of(tmp_path / "all.txt")
    assert task.texts(next(iter(task.source().once(2))).numpy()) == ["a \ufffd b", "a a\ufffd b"]


def test_one_file_gives_every_tenth_line_to_the_test(tmp_path):
    (tmp_path / "all.txt").write_text("".join(f"line {n}\n" for n in range(25)))
    train, test = text_file.read(f"file:{tmp_path}/all.txt", "")
    assert test == ["line 9", "line 19"] and len(train) == 23 and "line 10" in train


def test_learners_share_the_sentences_but_not_the_words(folder):
    tasks = [task_of(folder) for _ in range(2)]
    parts = [next(iter(task.source(rank, 2).once(10))).numpy() for rank, task in enumerate(tasks)]
    assert tasks[0].digest == tasks[1].digest != ""
    assert sorted(map(tuple, np.concatenate(parts))) == sorted(
        map(tuple, next(iter(task_of(folder).source().once(10))).numpy())
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: path / "nothing", "nothing: no such file or folder"),
        (lambda path: _file(path, ""), "0 sentences to train on and 0 to test; a file needs 10 lines"),
        (lambda path: _file(path, "only one\n"), "1 sentences to train on and 0 to test"),
    ],
)
def test_bad_files(make, message, tmp_path):
    with pytest.raises(UserError, match=message):
        task_of(make(tmp_path)).source()


def _file(path, text):
    (path / "x.txt").write_text(text)
    return path / "x.txt"


def test_more_learners_than_sentences(folder):
    with pytest.raises(UserError, match="learner 0 of 9 gets no sentences"):
        task_of(folder).source(0, 9)


def test_where_captions_are_looked_for(tmp_path):
    with pytest.raises(UserError, match="coco_captions/train.txt is missing; put train.txt"):
        corpora.paths("coco_captions", str(tmp_path))


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(dataset="cifar10"), "--dataset=cifar10: not for --task=text; give oracle"),
        (dict(task="image", model="mlp", dataset="oracle"), "--dataset=oracle: not for --task=image"),
        (dict(dataset="oracle", model="dcgan"), "--model=dcgan: choose one of relational_memory, lstm"),
        (dict(task="image", dataset="digits", model="lstm"), "--model=lstm: choose one of dcgan"),
        (dict(dataset="oracle", vocabulary_size=1), "--vocabulary_size=1: must be at least 2"),
        (dict(dataset="oracle", pretraining_steps=10, steps=10), "--pretraining_steps=10: leaves no step"),
        (
            dict(dataset="oracle", conditional=True),
            "--task=text: labels are no option here; leave --conditional out",
        ),
        (dict(dataset="oracle", partition="by_label"), "needs --partition=iid"),
        (dict(task="image", dataset="digits", model="dcgan", pretraining_steps=5), "only sentences are pretrained"),
    ],
)
def test_flags_that_do_not_fit(changes, message):
    with pytest.raises(UserError) as caught:
        Config(**{**TEXT, **changes})
    assert message in caught.value.as_flags()


def test_flags_without_effect_are_named():
    config = Config(
        **TEXT | dict(dataset="oracle", memory_heads=3, vocabulary="x", latent_size=7, learning_rate_p=1e-3)
    )
    assert set(config.without_effect()) >= {"memory_heads", "vocabulary", "latent_size", "learning_rate_p"}
    assert "width_g" not in config.without_effect() and "sentence_length" not in config.without_effect()


def test_words_numbers_and_back():
    words = vocabulary.Vocabulary(["", "[UNK]", "b", "a"])
    assert words.numbers(["a b c", "b"], 3).tolist() == [[3, 2, 1], [2, 0, 0]]
    assert words.sentences([[3, 0, 2], [0, 0, 0], [2, 3, 3]]) == ["a", "", "b a a"]
    assert words.numbers([], 3).shape == (0, 3)
