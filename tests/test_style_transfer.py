"""Style transfer from end to end: losses by hand, scores by hand, what is learnt, and what the commands do with it."""

import json

import numpy as np
import pytest
import tensorflow as tf
from sacrebleu.metrics import BLEU

from tfdgan import distributed, style_curve
from tfdgan.config import Config
from tfdgan.data import vocabulary
from tfdgan.errors import UserError
from tfdgan.metrics import Score, sentence_judges
from tfdgan.tasks import StyleTransferTask
from tfdgan.tasks.transfer_scores import TransferScores
from tfdgan.training import scoring, trainers
from tfdgan.training.noise import Noise

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:tfdgan.distributed.start")]

TINY = dict(
    task="style_transfer", dataset="toy_styles", model="style_transfer", trainer="clipped_ratio", update="alternating",
    embedding_size=6, width_g=8, style_size=3, width_d=4, dropout=0.0, corpus_size=50, sentence_length=14, batch_size=8,
    critic_steps=1, generator_steps=1, ratio_clipping=False, pretraining_steps=10, steps=20, ema_decay=0.0,
    strategy="local", log_every=5, eval_every=10, checkpoint_every=10, eval_samples=100,
)  # fmt: skip
PROGRESS = dict(progress=lambda x, *_: x)


def made(**changes):
    task = StyleTransferTask(Config(**{**TINY, **changes}))
    source = task.source()
    trainer = trainers.make(task.config, *task.build_models(source.sample_shape, source.classes), Noise(0, 0), 1)
    batch = next(iter(source.stream(task.config.batch_size, 0, 0, labelled=True)))
    return task, trainer, batch


def cross_entropy(labels, logits):
    logits = np.asarray(logits, np.float64)
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), labels])


def cosine(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.mean((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))


def test_losses_by_hand():
    """Every term with a weight of its own, from what the models say one by one."""
    weights = dict(score_weight=0.3, style_weight=0.7, content_weight=1.1, invariance_weight=0.2, style_weight_d=1.7)
    _, trainer, (words, styles) = made(**weights, sample_reweighting=False, gradient_penalty=2.0)
    generator, critic, said = trainer.generator, trainer.critic, np.asarray(styles)
    latents, wanted = trainer._latents("test", 0), 1 - styles
    assert (latents[1].numpy() == 1).all()  # of two styles the other
    fake = generator([words, wanted, latents[0]])
    scores, judged = critic.judge(*critic.embed(fake))
    z, logits = generator.content(words), generator.reconstruction(words, styles)
    told = critic.content_styles(z)
    mask, found = (np.asarray(x) for x in (generator.mask(words), generator.log_probabilities(words, styles)))
    kept = cosine(z, generator.content(fake)) + cosine(z, generator.content(tf.nn.softmax(logits)))
    expected = -found.sum() / mask.sum() - 0.3 * np.mean(scores) + 0.7 * cross_entropy(np.asarray(wanted), judged)
    expected += 1.1 * (2 - kept) - 0.2 * cross_entropy(said, told)
    _, loss, score, *further = trainer._generator_gradients(latents, [], (words, styles))
    assert float(loss) == pytest.approx(expected, rel=1e-4) and float(score) == pytest.approx(np.mean(scores), rel=1e-4)
    assert float(further[0]) == pytest.approx(-found.sum() / mask.sum(), rel=1e-4)

    real_scores, of_styles = critic.judge(*critic.embed(words))
    expected = np.mean(scores) - np.mean(real_scores) + 1.7 * cross_entropy(said, of_styles) + cross_entropy(said, told)
    alpha = tf.linspace(0.0, 1.0, len(said))
    _, loss, penalty = trainer._critic_gradients(latents, alpha, (words, styles))
    assert float(loss) == pytest.approx(expected + 2 * float(penalty), rel=1e-4)
    embedded, other = critic.embed(words), critic.embed(fake)
    between = embedded[0] + alpha[:, None, None] * (other[0] - embedded[0])
    with tf.GradientTape() as tape:
        tape.watch(between)
        score = critic.judge(between, tf.maximum(embedded[1], other[1]))[0]
    norms = np.sqrt(np.sum(np.square(tape.gradient(score, between)), axis=(1, 2)))
    assert float(penalty) == pytest.approx(np.mean((norms - 1) ** 2), rel=1e-3)


def test_reweighting_weighs_scores_alone():
    """The critic's generated term is sum w f; what it learns of styles stays."""
    _, trainer, batch = made(gradient_penalty=0.0)
    latents = trainer._latents("test", 0)
    rest, generated, (rest_loss, loss), _, _ = trainer._critic_gradients(latents, tf.zeros([8]), batch)
    fake = trainer.generator([batch[0], 1 - batch[1], latents[0]])
    scores = np.asarray(trainer.critic(fake), np.float64)[:, 0]
    weights = np.exp(scores) / np.exp(scores).sum()
    assert float(loss) == pytest.approx(weights @ scores, rel=1e-4)
    names = [v.path for v in trainer.critic.trainable_variables]
    for name, of_rest, of_generated in zip(names, rest, generated, strict=True):
        if "styles" in name or "content" in name:
            assert not np.any(of_generated) and np.any(of_rest), name


def test_ratio_clipping_is_allowed():
    """C tells real sentences from rewritten ones; r is 1 while it stays, and clips what scores give where it has moved.
    In 16 bits, as other tests take 32."""
    changes = dict(ratio_clipping=True, pretraining_steps=0, learning_rate_c=1e-30, precision="bfloat16")
    _, trainer, batch = made(**changes, score_weight=5.0)
    figures = dict(zip(trainer.metrics, trainer.step(tf.constant(0, tf.int64), batch).numpy(), strict=True))
    assert figures["ratio/mean"] == pytest.approx(1) and 0 < figures["loss/classifier"] < 2
    assert [player.name for player in trainer.players] == ["critic", "generator", "classifier"]

    latents, new = trainer._latents("test", 0), trainer._player["classifier"].values()
    old = [3.0 * w for w in new]
    _, loss, score, ratio, *_ = trainer._generator_gradients(latents, old, batch)
    fake = trainer._generate(latents, batch, ())
    f = np.asarray(trainer.critic(fake), np.float64)[:, 0]
    r = np.exp(np.subtract(*(trainer._logits(weights, fake, ()) for weights in (old, new)), dtype=np.float64))
    assert float(ratio) == pytest.approx(r.mean(), rel=0.02) and abs(r.mean() - 1) > 0.01
    rest, _ = trainer._whole_loss(tf.constant(0.0), fake, latents, batch)
    expected = float(rest) - 5 * np.minimum(r * f, np.clip(r, 0.6, 1.4) * f).mean()
    assert float(loss) == pytest.approx(expected, rel=0.02)


def test_a_step_moves_everybody_under_one_batch():
    """All weights but the critic's free constant."""
    _, trainer, batch = made(strategy="centralized", pretraining_steps=0)
    distributed.start()
    variables = [v for player in trainer.players for v in player.variables]
    before = [v.numpy() for v in variables]
    trainer.step(tf.constant(0, tf.int64), batch)
    still = [v.path for v, start in zip(variables, before, strict=True) if (v.numpy() == start).all()]
    assert still == ["score/bias"]


def test_a_third_style_is_drawn_among_the_others(tmp_path):
    for part in ("train", "dev"):
        for style in range(3):
            (tmp_path / f"say.{part}.{style}").write_text(f"word{style} day\nword{style} food\n" * 30)
    _, trainer, (_, styles) = made(dataset=f"file:{tmp_path}/say", batch_size=60, vocabulary_size=0)
    wanted = trainer._wanted(trainer._latents("test", 0), (None, styles))
    pairs = set(zip(styles.numpy().tolist(), wanted.numpy().tolist(), strict=True))
    assert pairs == {(a, b) for a in range(3) for b in range(3) if a != b}


class Told:
    """A sampler that has learnt nothing but to say these."""

    label = "told"

    class generator:  # noqa: N801
        styles, length = 2, 4

    def __init__(self, answers):
        self._answers = answers

    def __call__(self, texts, styles, progress):
        return [self._answers[text] for text in texts]


class Judges:
    """Style 1 has an even first word; every word has probability 1/e."""

    digest, accuracy, perplexity = "abc", 0.5, 7.0

    def styles(self, words):
        return (words[:, 0] % 2 == 0).astype(int)

    def log_likelihood(self, words, styles):
        number = np.sum(np.cumsum(words == 0, axis=1) <= 1)
        return np.array([-float(number), number])


def test_scores_by_hand():
    """Of two parts together; BLEU as sacrebleu has it of all sentences at once."""
    words = vocabulary.Vocabulary(["", "[UNK]", "a", "b", "c", "d", "e"])
    texts = ["a b c d", "b c d e", "c d", "d e a"]
    told = {"a b c d": "b b c d", "b c d e": "a c d e", "c d": "c d", "d e a": "e e a"}
    styles, answers = np.array([0, 0, 1, 1]), ["b b c d", "x", "c d", "y"]
    references = (texts[:3], styles[:3], ["b b c d", "a c e e", "d d"])
    scorer = TransferScores((texts, styles), answers, references, words, Judges())
    parts = [scorer.measure(Told(told), 4, 0, (part, 2), **PROGRESS) for part in range(2)]
    sums = {name: sum(part[name] for part in parts) for name in parts[0]}
    found = {score.name: score for score in scorer.scores(sums, {"to": "other", "seed": 0, "weights": "told"})}
    # b is odd (0), wanted 1; a even, wanted 1: right; c (4) even, wanted 0: wrong; e (6) even, wanted 0: wrong.
    assert found["style accuracy"].value == 25 and found["exact transfers"].value == 50
    metric = BLEU(tokenize="none", force=True)
    kept = metric.corpus_score([told[text] for text in texts], [texts]).score
    assert found["self-BLEU"].value == pytest.approx(kept) and 0 < kept < 100
    human = metric.corpus_score([told[text] for text in texts[:3]], [references[2]]).score
    assert found["BLEU (references)"].value == pytest.approx(human)
    assert found["accuracy and self-BLEU"].value == pytest.approx((25 * kept) ** 0.5)
    assert found["perplexity"].value == pytest.approx(np.e)
    assert "tok:none" in found["self-BLEU"].signature["sacrebleu"] and "abc" in str(found["style accuracy"])


def test_the_curve_takes_scores_of_one_kind(tmp_path):
    def record(step, name, value, **signature):
        return json.dumps({"step": step, "name": name, "value": value, "signature": signature}) + "\n"

    lines = [
        record(5, "style accuracy", 10.0, seed=0),
        record(5, "self-BLEU", 90.0, seed=0),
        record(10, "style accuracy", 60.0, seed=0),
        record(10, "self-BLEU", 70.0, seed=0),
        record(10, "self-BLEU", 99.0, seed=1),  # of other sentences
        record(15, "style accuracy", 80.0, seed=0),  # without the other
        '{"step": 20, "na',
    ]
    (tmp_path / "scores.jsonl").write_text("".join(lines))
    latest = [Score("style accuracy", 60.0, {"seed": 0}), Score("self-BLEU", 70.0, {"seed": 0})]
    points = style_curve.points(str(tmp_path), latest)
    assert points == [(5, 10.0, 90.0), (10, 60.0, 70.0)]
    table, plot = style_curve.write(points, str(tmp_path))
    with open(table) as file:
        assert file.read().splitlines()[1] == "5\t10.00\t90.00"
    with open(plot, "rb") as file:
        assert file.read(4) == b"\x89PNG"


def test_judges_are_trained_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(sentence_judges, "_LEAST", 60)
    random = np.random.default_rng(0)
    words, styles = random.integers(2, 6, size=(400, 5)).astype(np.int32), np.arange(400) % 2
    words[:, 0] += 4 * styles  # the first word tells, the others are uniform
    words[:, 4] = 0
    data = (words, styles), (words[:100], styles[:100])
    judges = sentence_judges.load("key", *data, (10, 2, 5))
    again = sentence_judges.load("key", (words[:1], styles[:1]), data[1], (10, 2, 5))  # not looked at
    assert judges.digest == again.digest
    assert judges.accuracy == again.accuracy == 1
    # Four words of 4 equally likely ones, and an END: 4 ln 4 of 5 words.
    assert judges.perplexity == again.perplexity == pytest.approx(np.exp(4 * np.log(4) / 5), rel=0.1)
    total, number = judges.log_likelihood(words[:10], styles[:10])
    wrong, _ = judges.log_likelihood(words[:10], 1 - styles[:10])
    assert number == 50 and wrong < total - 10
    path = sentence_judges.path_of("key")
    with open(path, "r+b") as file:
        file.truncate(1000)
    with pytest.raises(UserError, match=f"{path}: not readable .*; remove it, it will be made again"):
        sentence_judges.load("key", *data, (10, 2, 5))


def test_the_toy_grammar_is_learnt(tmp_path, monkeypatch):
    """From nothing right to a part of all held-out sentences exactly; docs/results.md has the whole course."""
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(sentence_judges, "_LEAST", 100)
    changes = dict(
        embedding_size=32, width_g=64, style_size=16, width_d=32, corpus_size=2000, batch_size=64, dropout=0.2
    )
    changes |= dict(pretraining_steps=50, critic_steps=3, generator_steps=3, learning_rate_p=5e-3, clip_norm=5.0)
    changes |= dict(learning_rate_g=1e-3, learning_rate_d=1e-3, beta_2=0.999, inverse_temperature=5.0)
    task, trainer, _ = made(**changes, steps=160)
    batches = iter(task.source().stream(64 * 3, 0, 0, labelled=True))
    exact = []
    distributed.start()
    for first, last in ((0, 50), (50, 160)):
        trainer.steps(*(tf.constant(n, tf.int64) for n in (first, last - first)), batches)
        weights = trainer.generator.trainable_variables, trainer.generator.non_trainable_variables
        found = scoring.score(task, task.sampler(trainer.generator, weights, "test"))
        exact.append({score.name: score.value for score in found})
    assert exact[0]["exact transfers"] < 5 and exact[0]["self-BLEU"] > 40
    assert exact[1]["exact transfers"] > 30 and exact[1]["style accuracy"] > 80
