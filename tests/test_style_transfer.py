"""Style transfer from end to end: losses by hand, scores by hand, what is learnt, and what the commands do with it."""

import json

import numpy as np
import pytest
import tensorflow as tf
from sacrebleu.metrics import BLEU

import tfdgan
from tfdgan.cli.objects import make_trainer
from tfdgan.data import vocabulary
from tfdgan.errors import UserError
from tfdgan.metrics import Score
from tfdgan.tasks import StyleTransferOptions, StyleTransferTask
from tfdgan.tasks.style_transfer import curve
from tfdgan.tasks.style_transfer import judges as sentence_judges
from tfdgan.tasks.style_transfer.scores import TransferScores
from tfdgan.training import scoring
from tfdgan.training.noise import Noise

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:tfdgan.start")]

TINY = dict(
    task="style_transfer", dataset="toy_styles", model="style_transfer", trainer="clipped_ratio", update="alternating",
    embedding_size=6, width_g=8, style_size=3, width_d=4, dropout=0.0, corpus_size=50, sentence_length=14, batch_size=8,
    critic_steps=1, generator_steps=1, ratio_clipping=False, pretraining_steps=10, steps=20, ema_decay=0.0,
    strategy="local", log_every=5, eval_every=10, checkpoint_every=10, eval_samples=100,
)  # fmt: skip
FIRST = 10  # step of the game
STILL = dict(learning_rate_g=1e-30, learning_rate_d=1e-30)  # figures are of nets that are left as they were
PROGRESS = dict(progress=lambda x, *_: x)


def made(**changes):
    options = StyleTransferOptions(**{**TINY, **changes})
    task = StyleTransferTask(options)
    source = task.source()
    trainer = make_trainer(options, task, *task.build_models(source.sample_shape, source.classes))
    batch = next(iter(source.stream(options.batch_size, 0, 0, labelled=True)))
    return task, trainer, batch


def play(trainer, batch):
    """The figures of the game's first step, after 10 of pretraining."""
    return {name: float(figure) for name, figure in trainer.step(tf.constant(FIRST, tf.int64), batch).items()}


def fake_of(task, trainer, words, styles, player):
    """(what the generator makes of sentences for a player's update in that step, in which styles)."""
    feed = task.feed(trainer.generator)
    feed.begin_step(tf.constant(FIRST, tf.int64))
    noise, shifts = feed.draw(Noise(0, 0), len(words), f"{player} latents", FIRST)
    assert (shifts.numpy() == 1).all()  # of two styles the other
    return trainer.generator([words, 1 - styles, noise]), 1 - styles


def cross_entropy(labels, logits):
    logits = np.asarray(logits, np.float64)
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), labels])


def cosine(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.mean((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))


def generator_terms(trainer, words, styles, fake, wanted):
    """{term: value} beside scores, from what the models say one by one."""
    generator, critic, said = trainer.generator, trainer.critic, np.asarray(styles)
    _, judged = critic.judge(*critic.embed(fake))
    z, logits = generator.content(words), generator.reconstruction(words, styles)
    told = critic.content_styles(z)
    mask, found = (np.asarray(x) for x in (generator.mask(words), generator.log_probabilities(words, styles)))
    kept = cosine(z, generator.content(fake)), cosine(z, generator.content(tf.nn.softmax(logits)))
    return {
        "loss/reconstruction": -found.sum() / mask.sum(),
        "style": cross_entropy(np.asarray(wanted), judged),
        "content": 2 - sum(kept),
        "told": cross_entropy(said, told),
        "style/accuracy": np.mean(np.argmax(judged, axis=1) == np.asarray(wanted)),
        "content/distance": 1 - kept[0],
        "content/told": np.mean(np.argmax(told, axis=1) == said),
    }


def test_losses_by_hand():
    """Every term with a weight of its own."""
    weights = dict(score_weight=0.3, style_weight=0.7, content_weight=1.1, invariance_weight=0.2, style_weight_d=1.7)
    task, trainer, (words, styles) = made(**weights, **STILL, sample_reweighting=False, gradient_penalty=2.0)
    generator, critic, said = trainer.generator, trainer.critic, np.asarray(styles)
    figures = play(trainer, (words, styles))
    fake, wanted = fake_of(task, trainer, words, styles, "generator")
    scores, terms = np.mean(critic(fake)), generator_terms(trainer, words, styles, fake, wanted)
    expected = terms["loss/reconstruction"] - 0.3 * scores + 0.7 * terms["style"] + 1.1 * terms["content"]
    assert figures["loss/generator"] == pytest.approx(expected - 0.2 * terms["told"], rel=1e-4)
    assert figures["critic/mean_score"] == pytest.approx(scores, rel=1e-4)
    for name in terms.keys() & figures.keys():
        assert figures[name] == pytest.approx(terms[name], rel=1e-4, abs=1e-6), name

    fake, _ = fake_of(task, trainer, words, styles, "critic")
    real_scores, of_styles = critic.judge(*critic.embed(words))
    told = cross_entropy(said, critic.content_styles(generator.content(words)))
    expected = np.mean(critic(fake)) - np.mean(real_scores) + 1.7 * cross_entropy(said, of_styles) + told
    penalty = figures["loss/gradient_penalty"]
    assert figures["loss/critic"] == pytest.approx(expected + 2 * penalty, rel=1e-4)
    alpha = Noise(0, 0).uniform([len(said)], "interpolation", FIRST)
    embedded, other = critic.embed(words), critic.embed(fake)
    between = embedded[0] + alpha[:, None, None] * (other[0] - embedded[0])
    with tf.GradientTape() as tape:
        tape.watch(between)
        score = critic.judge(between, tf.maximum(embedded[1], other[1]))[0]
    norms = np.sqrt(np.sum(np.square(tape.gradient(score, between)), axis=(1, 2)))
    assert penalty == pytest.approx(np.mean((norms - 1) ** 2), rel=1e-3)


def test_reweighting_weighs_scores_alone():
    """The critic's generated term is sum w f; what it learns of styles stays, and is of real sentences alone."""
    changes = dict(gradient_penalty=0.0, reweighting_temperature=0.01, optimizer="sgd", learning_rate_d=0.5)
    task, trainer, (words, styles) = made(**changes)
    critic, before = trainer.critic, [v.numpy() for v in trainer.critic.trainable_variables]
    fake, _ = fake_of(task, trainer, words, styles, "critic")
    z = trainer.generator.content(words)
    with tf.GradientTape() as tape:
        scores = critic(fake)[:, 0]
        weights = tf.stop_gradient(tf.nn.softmax(scores / 0.01))
        real_scores, of_styles = critic.judge(*critic.embed(words))
        loss = tf.reduce_sum(weights * scores) - tf.reduce_mean(real_scores)
        for logits in (of_styles, critic.content_styles(z)):
            loss += tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(styles, logits))
    gradients = tape.gradient(loss, critic.trainable_variables)
    assert np.max(weights) > 2 / 8
    figures = play(trainer, (words, styles))
    assert figures["loss/critic"] == pytest.approx(float(loss), rel=1e-4)
    for variable, start, gradient in zip(critic.trainable_variables, before, gradients, strict=True):
        expected = start - 0.5 * np.asarray(tf.convert_to_tensor(gradient))
        np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=1e-6, err_msg=variable.path)
        assert "score/bias" in variable.path or (expected != start).any(), variable.path


def test_ratio_clipping_is_allowed():
    """C tells real sentences from rewritten ones; r is 1 while it stays, and clips what scores give where it has moved.
    In 16 bits, as other tests take 32."""
    changes = dict(ratio_clipping=True, ratio="single", learning_rate_c=1e-30, precision="bfloat16", score_weight=100.0)
    task, trainer, (words, styles) = made(**changes, **STILL)
    figures = play(trainer, (words, styles))
    assert figures["ratio/mean"] == pytest.approx(1) and 0 < figures["loss/classifier"] < 2
    assert [player.name for player in trainer.players] == ["critic", "generator", "classifier"]

    classifier, logits = trainer.players[2], []
    old, classifier.optimizer.learning_rate = classifier.model.get_weights(), 1.0
    figures = play(trainer, (words, styles))
    fake, wanted = fake_of(task, trainer, words, styles, "generator")
    for weights in (old, classifier.model.get_weights()):
        classifier.model.set_weights(weights)
        logits.append(np.asarray(classifier.model(fake), np.float64)[:, 0])
    f, r = np.asarray(trainer.critic(fake), np.float64)[:, 0], np.exp(logits[0] - logits[1])
    assert figures["ratio/mean"] == pytest.approx(r.mean(), rel=0.02) and (r < 0.5).any()
    terms = generator_terms(trainer, words, styles, fake, wanted)
    rest = terms["loss/reconstruction"] + terms["style"] + terms["content"] - 0.1 * terms["told"]
    surrogate = np.minimum(r * f, np.clip(r, 0.6, 1.4) * f)
    assert figures["loss/generator"] == pytest.approx(rest - 100 * surrogate.mean(), rel=0.02)


def test_a_step_moves_everybody_under_one_batch():
    """All weights but the critic's free constant."""
    _, trainer, batch = made(strategy="centralized", pretraining_steps=0)
    tfdgan.start()
    variables = [v for player in trainer.players for v in player.variables]
    before = [v.numpy() for v in variables]
    trainer.step(tf.constant(0, tf.int64), batch)
    still = [v.path for v, start in zip(variables, before, strict=True) if (v.numpy() == start).all()]
    assert still == ["score/bias"]


def test_a_third_style_is_drawn_among_the_others(tmp_path):
    for part in ("train", "dev"):
        for style in range(3):
            (tmp_path / f"say.{part}.{style}").write_text(f"word{style} day\nword{style} food\n" * 30)
    task, trainer, (_, styles) = made(dataset=f"file:{tmp_path}/say", batch_size=60, vocabulary_size=0)
    latents = task.feed(trainer.generator).draw(Noise(0, 0), 60, "test", 0)
    wanted = trainer._wanted(latents, (None, styles))
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
    points = curve.points(str(tmp_path), latest)
    assert points == [(5, 10.0, 90.0), (10, 60.0, 70.0)]
    table, plot = curve.write(points, str(tmp_path))
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


def test_the_toy_grammar_is_learnt(tmp_path, monkeypatch, optimized_graphs):
    """From nothing right to a part of all held-out sentences exactly; docs/results.md has the whole course."""
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(sentence_judges, "_LEAST", 100)
    changes = dict(
        embedding_size=32, width_g=64, style_size=16, width_d=32, corpus_size=2000, batch_size=64, dropout=0.2
    )
    changes |= dict(pretraining_steps=50, critic_steps=3, generator_steps=3, learning_rate_p=5e-3, clip_norm=5.0)
    changes |= dict(learning_rate_g=1e-3, learning_rate_d=1e-3, beta_2=0.999, inverse_temperature=5.0)
    task, trainer, _ = made(**changes, steps=130)
    batches = iter(task.source().stream(64 * 3, 0, 0, labelled=True))
    exact = []
    tfdgan.start()
    for first, last in ((0, 50), (50, 130)):
        trainer.steps(first, last - first, batches)
        weights = trainer.generator.trainable_variables, trainer.generator.non_trainable_variables
        found = scoring.score(task, task.sampler(trainer.generator, weights, "test"))
        exact.append({score.name: score.value for score in found})
    assert exact[0]["exact transfers"] < 5 and exact[0]["self-BLEU"] > 40
    assert exact[1]["exact transfers"] > 30 and exact[1]["style accuracy"] > 80
