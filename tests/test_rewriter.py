"""The rewriter and its critic: attention and GRUs against NumPy, masks, what is written."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgan.models.rewriter import Rewriter
from tfdgan.models.style_critic import StyleCritic
from tfdgan.tasks.style_transfer.sampler import rewritten

LENGTH, VOCABULARY, STYLES, EMBEDDING, WIDTH, CODE = 5, 9, 2, 3, 4, 2


@pytest.fixture(scope="module")
def rewriter():
    model = Rewriter(LENGTH, VOCABULARY, STYLES, EMBEDDING, WIDTH, CODE, dropout=0.5)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(random.standard_normal(variable.shape))
    return model


@pytest.fixture(scope="module")
def critic():
    return StyleCritic(LENGTH, VOCABULARY, STYLES, WIDTH - CODE, EMBEDDING, filters=6, dropout=0.5)


def words(*rows):
    return tf.constant(rows, tf.int32)


SENTENCES = words([3, 4, 0, 0, 0], [5, 6, 7, 8, 2])  # one ends, one is cut
TO = tf.constant([1, 0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(x, h, kernel, recurrent, bias):
    """Keras' GRU cell, reset after: z, r, candidate."""
    mine, theirs = np.split(x @ kernel + bias[0], 3), np.split(h @ recurrent + bias[1], 3)
    z, r = sigmoid(mine[0] + theirs[0]), sigmoid(mine[1] + theirs[1])
    return z * h + (1 - z) * np.tanh(mine[2] + r * theirs[2])


def logits_by_hand(model, sentence, style, written):
    """Logits at each place after `written` words, with the definition of additive attention, one sentence."""
    w = {variable.path: np.asarray(variable, np.float64) for variable in model.trainable_variables}

    def of(name):
        return next(value for path, value in w.items() if name in path)

    end = sentence.index(0) + 1 if 0 in sentence else len(sentence)
    h, memory = np.zeros(WIDTH), []
    for word in sentence[:end]:
        h = gru(
            of("embedding/embeddings")[word], h, *(of(f"reader/{n}") for n in ("kernel", "recurrent_kernel", "bias"))
        )
        memory.append(h)
    memory = np.array(memory)
    h, found = np.concatenate([of("style_code")[style], h[CODE:]]), []
    for before in [VOCABULARY, *written[:-1]]:
        query = h @ of("query/kernel") + of("query/bias")
        chances = np.tanh(query + memory @ of("keys/kernel")) @ of("attention/scale")
        chances = np.exp(chances - chances.max())
        context = chances / chances.sum() @ memory
        x = np.concatenate([of("embedding/embeddings")[before], context])
        h = gru(x, h, *(of(f"decoder/{n}") for n in ("kernel", "recurrent_kernel", "bias")))
        found.append(np.concatenate([h, context]) @ of("logits/kernel") + of("logits/bias"))
    return np.array(found)


def test_the_rewriter_is_what_it_says(rewriter):
    """Logits along given words, and the likeliest words one after the other, against NumPy in float64."""
    logits = rewriter.reconstruction(SENTENCES, TO).numpy()
    written, attended = (x.numpy() for x in rewriter.rewrite(SENTENCES, TO))
    for row, sentence in enumerate(SENTENCES.numpy().tolist()):
        style = int(TO[row])
        np.testing.assert_allclose(logits[row], logits_by_hand(rewriter, sentence, style, sentence), atol=1e-5)
        made = []
        for _ in range(LENGTH):
            made.append(int(logits_by_hand(rewriter, sentence, style, [*made, 0])[-1].argmax()))
            if made[-1] == 0:
                break
        made += [0] * (LENGTH - len(made))
        assert written[row].tolist() == made
    assert attended[0].max() <= 2  # the END of a sentence may be attended to, nothing behind it


def test_noise_makes_soft_sentences_of_the_same_model(rewriter):
    """Noise 0 gives the likeliest words; with noise, frequencies of the first word are the model's."""
    zeros = tf.zeros([2, LENGTH, VOCABULARY])
    soft = rewriter([SENTENCES, TO, zeros])
    np.testing.assert_allclose(tf.reduce_sum(soft, axis=2), 1, rtol=1e-5)
    np.testing.assert_array_equal(tf.argmax(soft, axis=2), rewriter.rewrite(SENTENCES, TO)[0])
    many = 4_000
    same = tf.repeat(SENTENCES[:1], many, axis=0)
    uniform = tf.random.stateless_uniform([many, LENGTH, VOCABULARY], [0, 0], minval=1e-30)
    drawn = rewriter([same, tf.fill([many], 1), -tf.math.log(-tf.math.log(uniform))])
    first = np.bincount(tf.argmax(drawn[:, 0], axis=1), minlength=VOCABULARY) / many
    expected = tf.nn.softmax(rewriter.reconstruction(SENTENCES[:1], TO[:1])[0, 0])
    np.testing.assert_allclose(first, expected, atol=4 * 0.5 / many**0.5)


def test_what_follows_the_end_changes_nothing(rewriter, critic):
    """Neither content, nor what is written, nor what the critic says; before it everything does."""
    other = words([3, 4, 0, 7, 8], [5, 6, 7, 8, 2])
    cut = words([3, 5, 0, 7, 8], [5, 6, 7, 8, 2])
    noise = tf.random.stateless_normal([2, LENGTH, VOCABULARY], [1, 2])
    functions = (rewriter.content, critic, lambda x: rewriter.rewrite(x, TO)[0], lambda x: rewriter([x, TO, noise]))
    for function in functions:
        np.testing.assert_array_equal(function(SENTENCES), function(other))
    assert (rewriter.content(SENTENCES)[0] != rewriter.content(cut)[0]).numpy().any()
    assert critic(SENTENCES)[0, 0] != critic(cut)[0, 0]
    log_p = rewriter.log_probabilities(other, TO)
    np.testing.assert_array_equal(log_p[0, 3:], 0)
    assert (log_p[:, :3] < 0).numpy().all()


def test_more_room_changes_nothing():
    """The same weights with two more places: the same content, scores and words."""
    models = [
        (
            Rewriter(length, VOCABULARY, STYLES, EMBEDDING, WIDTH, CODE, dropout=0.0),
            StyleCritic(length, VOCABULARY, STYLES, 2, EMBEDDING, filters=6, dropout=0.0),
        )
        for length in (LENGTH, LENGTH + 2)
    ]
    for short, long in zip(*models, strict=True):
        long.set_weights(short.get_weights())
    sentences = SENTENCES[:1], tf.pad(SENTENCES[:1], [[0, 0], [0, 2]])
    found = [
        (r.content(x), c(x), c.judge(*c.embed(x))[1], r.reconstruction(x, TO[:1])[:, :3])
        for (r, c), x in zip(models, sentences, strict=True)
    ]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_words_and_one_hot_sentences_are_the_same(rewriter, critic):
    soft = tf.one_hot(SENTENCES, VOCABULARY)
    np.testing.assert_allclose(rewriter.content(SENTENCES), rewriter.content(soft), atol=1e-5)
    np.testing.assert_allclose(critic(SENTENCES), critic(soft), atol=1e-6)
    embedded, mask = critic.embed(soft)
    np.testing.assert_array_equal(mask, [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(embedded[0, 3:], 0)
    scores, styles = critic.judge(embedded, mask)
    np.testing.assert_array_equal(scores, critic(soft))
    assert styles.shape == (2, STYLES)


def test_unknown_words_come_from_where_attention_is():
    """[UNK] in what is written becomes the source's own word there; a sentence without words stays so."""
    vocabulary = ["", "[UNK]", *"abcdefg"]
    model = Rewriter(LENGTH, VOCABULARY, STYLES, EMBEDDING, WIDTH, CODE, dropout=0.0)
    bias = next(v for v in model.trainable_variables if v.path.endswith("logits/bias"))
    bias.assign(100 * np.eye(VOCABULARY)[1])  # nothing but [UNK]
    texts, numbers = ["the zebra", "an ox went by", ""], words([1, 1, 0, 0, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0])
    written, attended = (x.numpy() for x in model.rewrite(numbers, tf.constant([0, 1, 0])))
    assert (written == 1).all()
    weights = [[tf.convert_to_tensor(v) for v in g] for g in (model.trainable_variables, model.non_trainable_variables)]
    inputs = (tf.constant(texts), numbers, tf.constant([0, 1, 0]), tf.constant(vocabulary))
    found = [text.decode().split() for text in rewritten(model, *weights, inputs).numpy()]
    for text, places, made in zip(texts[:2], attended, found, strict=False):
        source = [*text.split(), *["[UNK]"] * LENGTH]  # END may be attended to, too
        assert made == [source[place] for place in places]
    assert found[2] == []
