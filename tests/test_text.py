"""Text runs from end to end: what is learnt, written, scored and exported."""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from conftest import launch

import tfdgan
from tfdgan.cli.objects import make_trainer
from tfdgan.cli.workdir import load
from tfdgan.errors import UserError
from tfdgan.tasks import TextOptions, TextTask
from tfdgan.tasks.text.scores import SentenceScores
from tfdgan.training import consensus_file, scoring

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:tfdgan.start")]

TINY = dict(
    task="text", dataset="oracle", model="lstm", vocabulary_size=12, sentence_length=5, corpus_size=200, width_g=8,
    width_d=4, representations=2, batch_size=16, critic_steps=1, generator_steps=1, strategy="local", ema_decay=0.0,
    trainer="clipped_ratio", update="alternating", pretraining_steps=10, steps=20, log_every=5, eval_every=10,
    checkpoint_every=10, eval_samples=100,
)  # fmt: skip


def run(workdir, **changes):
    return tfdgan.fit(TextOptions(**{**TINY, "workdir": str(workdir), **changes}))


def scores(workdir):
    """{(step, name): value}"""
    lines = (workdir / "scores.jsonl").read_text().splitlines()
    return {(record["step"], record["name"]): record["value"] for record in map(json.loads, lines)}


SENTENCES = ["the cat sat", "a dog ran far away", "birds sing", "he wrote a long line", "rain fell"]


def trainer_of(task, shape):
    return make_trainer(task.options, task, *task.build_models(shape))


@pytest.mark.parametrize("model", ["lstm", "relational_memory"])
def test_a_tiny_vocabulary_is_learnt_by_heart(model, tmp_path):
    """Each sentence begins with a word of its own: ln 5 nats a sentence, nothing for the words that follow."""
    text = tmp_path / "all.txt"
    text.write_text("\n".join(line for line in SENTENCES for _ in range(20)))
    changes = dict(dataset=f"file:{text}", vocabulary_size=0, model=model, width_g=16)
    task = TextTask(TextOptions(**{**TINY, **changes, "pretraining_steps": 200, "steps": 201}))
    source = task.source()
    trainer = trainer_of(task, source.sample_shape)
    trainer.steps(0, 200, iter(source.stream(16, 0, 0)))
    weights = trainer.generator.trainable_variables, trainer.generator.non_trainable_variables
    sampler = task.sampler(trainer.generator, weights, "test")
    tfdgan.start()
    scores = {score.name: score.value for score in scoring.score(task, sampler)}
    least = np.log(5) / np.mean([len(line.split()) + (len(line.split()) < 5) for line in SENTENCES])
    assert scores["NLL_gen (test)"] == pytest.approx(least, abs=0.03)
    written = task.texts(sampler.samples(100, seed=0))
    assert set(written) >= set(SENTENCES) and sum(text in SENTENCES for text in written) >= 95
    assert scores["BLEU-3"] > 0.7  # two sentences have no three words


def test_the_same_seed_the_same_run(tmp_path):
    changes = dict(objective="relativistic", trainer="adversarial", gradient_penalty=0.0)
    first, again, other = (run(tmp_path / name, **changes, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    for ours, theirs in zip(first.trainable, again.trainable, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(first.samples(10, seed=0), again.samples(10, seed=0))
    assert scores(tmp_path / "a") == scores(tmp_path / "b") != scores(tmp_path / "c")
    assert any((ours != theirs).numpy().any() for ours, theirs in zip(first.trainable, other.trainable, strict=True))


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    """A workdir of a run on a small file, by the command on two learners."""
    folder = tmp_path_factory.mktemp("captions")
    lines = [
        f"{a} {b} {c}" for a, times in zip("abcd", (8, 4, 2, 1), strict=True) for b in "efgh" for c in "ijkl" * times
    ]
    (folder / "all.txt").write_text("\n".join(lines))
    flags = [
        f"--{name}={value}" for name, value in TINY.items() if name not in ("dataset", "strategy", "vocabulary_size")
    ]
    flags += [f"--dataset=file:{folder}/all.txt", "--topology=ring", "--random_mixing"]
    flags += ["--pretraining_steps=60", "--steps=70", "--trainer=adversarial"]
    done = launch(2, "-m", "tfdgan.train", *flags, f"--workdir={folder}/run")
    return folder / "run", done.stdout


def test_the_game_begins_where_pretraining_ended(captions):
    """And its optimizers are young: pretraining has one of its own."""
    workdir, _ = captions
    _, pretrained, step = load(str(workdir), "pretrained")
    _, at_60, _ = load(str(workdir), 60)
    _, at_70, _ = load(str(workdir), 70)
    assert step == 60
    for a, b in zip(pretrained.trainable, at_60.trainable, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).numpy().any() for a, b in zip(at_60.trainable, at_70.trainable, strict=True))
    with np.load(workdir / "checkpoints/00000070/learner_001.npz") as arrays:
        counts = {name.split("/")[1]: int(arrays[name]) for name in arrays.files if name.endswith("000.iteration")}
        (beta,) = [float(arrays[name]) for name in arrays.files if name.endswith("inverse_temperature")]
    assert counts == {"critic": 10, "generator": 10, "pretraining": 60}
    assert beta == pytest.approx(100 ** (9 / 10), rel=1e-5)  # step 69, the last of 60..69


def test_what_training_shows(captions):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    workdir, said = captions
    assert re.search(r"step 5/70: likelihood [\d.]+, consensus distance", said)
    assert re.search(r"step 70/70: critic \S+, generator \S+, consensus distance", said)
    assert f"samples: {workdir}/samples/00000070.txt" in said
    assert len((workdir / "samples/00000070.txt").read_text().splitlines()) == 16
    tags = set(EventAccumulator(str(workdir / "tensorboard")).Reload().Tags()["tensors"])
    assert tags >= {"loss/likelihood", "loss/critic", "samples", "score/BLEU-2", "score/NLL_gen test"}


def test_generate_writes_sentences(captions, tmp_path):
    workdir, _ = captions
    generate = ("-m", "tfdgan.generate", f"--workdir={workdir}", "--num=7")
    launch(0, *generate, "--seed=1", f"--output={tmp_path}/a.txt")
    launch(0, *generate, "--seed=1", "--temperature=1", f"--output={tmp_path}/b.txt")
    launch(0, *generate, "--seed=1", "--temperature=0.01", f"--output={tmp_path}/c.txt")
    texts = [(tmp_path / f"{name}.txt").read_text() for name in "abc"]
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0].splitlines()) == 7 and set(texts[0].split()) <= {*"abcdefghijkl", "[UNK]"}
    assert len(set(texts[2].splitlines())) == 1  # next to no temperature: the likeliest sentence
    for flags, message in [
        ((f"--output={tmp_path}/a.png",), "give a name that ends in .txt"),
        ((f"--output={tmp_path}/d.txt", "--truncation=1"), "--truncation=1.0: means nothing for --task=text"),
        ((f"--output={tmp_path}/d.txt", "--temperature=0"), "--temperature=0.0: must be above 0"),
    ]:
        done = launch(0, *generate, *flags, check=False)
        assert done.returncode == 2 and message in done.stderr


READ = """
import sys, tensorflow as tf
assert not any(name.startswith("tfdgan") for name in sys.modules)
sample = tf.saved_model.load(sys.argv[1]).signatures["sample"]
for temperature, seed in ((1.0, 1), (1.0, 1), (1.0, 2), (0.01, 3)):
    number, seed = tf.constant(5, tf.int64), tf.constant(seed, tf.int64)
    found = sample(number=number, temperature=tf.constant(temperature), seed=seed)
    print("|".join(text.decode() for text in found["sentences"].numpy()))
try:
    sample(number=number, temperature=tf.constant(0.0), seed=seed)
except tf.errors.InvalidArgumentError as error:
    print("temperature: must be above 0" in str(error))
"""


def test_export_gives_sentences(captions, tmp_path):
    done = launch(0, "-m", "tfdgan.export", f"--workdir={captions[0]}", f"--output={tmp_path}/model")
    assert "signature(s) sample" in done.stdout
    *said, refused = launch(0, "-c", READ, tmp_path / "model", cold=True, PYTHONPATH="").stdout.splitlines()[-5:]
    assert refused == "True" and said[0] == said[1] != said[2] and len(set(said[3].split("|"))) == 1
    stored = [shape for _, shape in tf.train.list_variables(f"{tmp_path}/model/variables/variables")]
    assert stored.count([15, 32]) == 1  # the embedding of 14 words and the start, once
    assert all(
        len(line.split("|")) == 5 and set(line.replace("|", " ").split()) <= {*"abcdefghijkl", "[UNK]"} for line in said
    )


def test_other_words_are_not_gone_on_with(captions, tmp_path):
    """As many words, other ones: the weights would mean something else."""
    workdir, _ = captions
    shutil.copytree(workdir, tmp_path / "run")
    text = workdir.parent / "all.txt"
    (tmp_path / "other.txt").write_text(text.read_text().replace("a", "z"))
    flags = (tmp_path / "run/config.flags").read_text().replace(str(text), str(tmp_path / "other.txt"))
    (tmp_path / "run/config.flags").write_text(flags)
    done = launch(0, "-m", "tfdgan.train", f"--workdir={tmp_path}/run", check=False)
    assert done.returncode == 2 and re.search(
        r"vocabulary: place \d+ was 'a' and is '.'.*; use another workdir", done.stderr
    )


def test_pretrained_weights_that_are_not_there(tmp_path):
    with pytest.raises(
        UserError, match="^step=pretrained: .* has none .yet.; pretraining_steps makes one at their end"
    ):
        consensus_file.load_pretrained(str(tmp_path))


def test_evaluate_draws_the_curve(captions):
    workdir, _ = captions
    evaluate = ("-m", "tfdgan.evaluate", f"--workdir={workdir}", "--samples=100")
    one, two = (launch(learners, *evaluate).stdout for learners in (0, 2))
    for name in ("NLL_gen (test)", "NLL_gen (train)", "BLEU-5", "self-BLEU-4", "distinct-2"):
        values = [re.search(rf"{re.escape(name)}: (\S+)", said).group(1) for said in (one, two)]
        assert values[0] == values[1], name  # one learner or two
    table = [line.split("\t") for line in (workdir / "quality_diversity.tsv").read_text().splitlines()]
    assert len(table) == 1 + 2 * 8 and {row[0] for row in table[1:]} == {"step 70", "maximum likelihood"}
    assert (workdir / "quality_diversity.png").read_bytes().startswith(b"\x89PNG")
    column = table[0].index("self-BLEU-3")
    cold, hot = (float(next(row[column] for row in table[1:] if row[1] == t)) for t in ("0.5", "1.5"))
    assert cold > hot  # bolder sentences differ more


def test_scores_by_hand():
    """BLEU of sentences up to their END against the test set; self-BLEU without oneself."""
    real = np.array([[2, 3, 4, 0], [2, 3, 0, 0], [5, 6, 0, 0]], np.int32)

    class Told:
        label, temperature, trainable = "told", 1.0, ()

        def samples(self, number, seed):
            return real[[0, 1, 1]][:number]

        def batches(self, number, seed, part):
            yield from [(0, self.samples(number, seed))] if part[0] == 0 else []

        def log_likelihood(self, words):
            return np.array([-2.0 * len(words), len(words)])

    scorer = SentenceScores(real, real[:2], None, ends=True)
    shown = dict(thorough=True, progress=lambda x, *_: x)
    parts = [scorer.measure(Told(), 3, 0, (part, 2), **shown) for part in range(2)]
    sums = {name: parts[0].get(name, 0) + parts[1].get(name, 0) for name in {**parts[0], **parts[1]}}
    found = {score.name: score.value for score in scorer.scores(sums, 3, {})}
    assert found["NLL_gen (test)"] == found["NLL_gen (train)"] == 2
    assert found["BLEU-2"] == pytest.approx(1)  # each is there
    # (2, 3, 4) against (2, 3): 2/3, 1/2, none of 1; (2, 3) against the others: 1, 1, and no three words.
    long, short = (2 / 3 * 1 / 2 * 0.1) ** (1 / 3), 0.1 ** (1 / 3)
    assert found["self-BLEU-3"] == pytest.approx((long + 2 * short) / 3)
    assert found["distinct-2"] == 2 / 4  # (2, 3) three times, (3, 4)


def test_pretraining_is_maximum_likelihood():
    """One step of gradient descent on the mean over words, by hand."""
    task = TextTask(TextOptions(**TINY | dict(optimizer="sgd", learning_rate_p=0.5, critic_steps=1)))
    trainer = trainer_of(task, (5,))
    generator = trainer.generator
    words = tf.constant(np.random.default_rng(0).integers(12, size=(16, 5)), tf.int32)
    before = [np.asarray(v) for v in generator.trainable_variables]
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(generator.log_probabilities(words))
    gradients = [np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, generator.trainable_variables)]
    batches = iter(tf.data.Dataset.from_tensors(words))
    means = trainer.steps(0, 1, batches)
    assert float(means["loss/likelihood"]) == pytest.approx(float(loss), rel=1e-5)
    for variable, start, gradient in zip(generator.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(variable, start - 0.5 * gradient, atol=1e-6)
