"""A WGAN-GP for Keras' own `fit`, on scikit-learn's digits. The lines marked `# tfdgan` make it train decentrally.

    horovodrun -np 3 python examples/keras_fit.py

Without these lines it is a plain Keras program for one process.
"""

import keras
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

import tfdgan  # tfdgan

tfdgan.start()  # tfdgan
keras.utils.set_random_seed(0)

LATENT, BATCH = 16, 32


class WGAN(keras.Model):
    """A critic and a generator; each batch trains the critic, then the generator."""

    def __init__(self, critic, generator, penalty=10.0):
        super().__init__()
        self.critic, self.generator, self.penalty = critic, generator, penalty

    def compile(self, d_optimizer, g_optimizer, d_loss_fn, g_loss_fn):
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.d_loss_fn, self.g_loss_fn = d_loss_fn, g_loss_fn

    def gradient_penalty(self, real, fake):
        share = tf.random.uniform([tf.shape(real)[0], 1, 1, 1])
        between = share * real + (1 - share) * fake
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = self.critic(between, training=True)
        slopes = tf.reshape(tape.gradient(scores, between), [tf.shape(real)[0], -1])
        return tf.reduce_mean((tf.sqrt(tf.reduce_sum(slopes**2, axis=1) + 1e-12) - 1) ** 2)

    def train_step(self, real):
        latents = tf.random.normal([tf.shape(real)[0], LATENT])
        fake = self.generator(latents, training=True)
        with tf.GradientTape() as tape:
            d_loss = self.d_loss_fn(self.critic(real, training=True), self.critic(fake, training=True))
            d_loss += self.penalty * self.gradient_penalty(real, fake)
        weights = self.critic.trainable_variables
        self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)

        with tf.GradientTape() as tape:
            g_loss = self.g_loss_fn(self.critic(self.generator(latents, training=True), training=True))
        weights = self.generator.trainable_variables
        self.g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        return {"d_loss": d_loss, "g_loss": g_loss}


critic = keras.Sequential(
    [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(64, "leaky_relu"), layers.Dense(1)], name="critic"
)
generator = keras.Sequential(
    [keras.Input((LATENT,)), layers.Dense(64, "relu"), layers.Dense(64, "tanh"), layers.Reshape((8, 8, 1))],
    name="generator",
)

images = load_digits().images[..., None].astype("float32") / 8 - 1
dataset = tf.data.Dataset.from_tensor_slices(images)
dataset = tfdgan.keras.shard(dataset)  # tfdgan
dataset = dataset.shuffle(1000).batch(BATCH, drop_remainder=True)

wgan = WGAN(critic, generator)
wgan.compile(
    d_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
    g_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
    d_loss_fn=lambda real, fake: tf.reduce_mean(fake) - tf.reduce_mean(real),
    g_loss_fn=lambda fake: -tf.reduce_mean(fake),
)
history = wgan.fit(
    dataset,
    epochs=10,
    callbacks=[tfdgan.keras.Gossip("ring")],  # tfdgan
    verbose=2 if tfdgan.rank() == 0 else 0,  # tfdgan
)
print(f"critic's loss: {history.history['d_loss'][0]:.3f} at first, {history.history['d_loss'][-1]:.3f} at last")
