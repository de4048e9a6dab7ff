"""Pieces that residual architectures share. Shapes are [n, height, width, channels]."""

import keras
from keras import layers, ops

from tfdgan.errors import UserError
from tfdgan.models.spectral_norm import SpectralConv2D, SpectralDense


def square_side(model, sample_shape, sides):
    """The side of square images; raises `UserError` unless it is among `sides`."""
    height, width, _ = sample_shape
    if height != width or height not in sides:
        wanted = " or ".join(map(str, sides))
        raise UserError(f"model {model}: images are {height} x {width}; use --image_size={wanted}")
    return height


class Parts:
    """Convolutions and dense layers, plain or spectrally normalised, with one kind of initial weights."""

    def __init__(self, spectral, initializer):
        self._conv, self._dense = (SpectralConv2D, SpectralDense) if spectral else (layers.Conv2D, layers.Dense)
        self._initializer = initializer

    def conv(self, channels, size=3, use_bias=True):
        """A convolution that keeps height and width."""
        weights = keras.initializers.get(self._initializer)
        return self._conv(channels, size, padding="same", use_bias=use_bias, kernel_initializer=weights)

    def dense(self, units, use_bias=True, dtype=None):
        weights = keras.initializers.get(self._initializer)
        return self._dense(units, use_bias=use_bias, kernel_initializer=weights, dtype=dtype)


def labels_input(classes):
    """(the input of class numbers int32 [n], the same as 0 and 1 [n, classes]); (None, None) without classes."""
    if not classes:
        return None, None
    labels = keras.Input((), dtype="int32", name="labels")
    return labels, OneHot(classes)(labels)


def model(x, labels, outputs, name):
    return keras.Model(x if labels is None else [x, labels], outputs, name=name)


def normalized(x, kinds=None):
    """Batch norm; with `kinds`, [n, classes] of 0 and 1, each class has scales and shifts of its own.

    Dumoulin, Shlens, Kudlur, "A Learned Representation for Artistic Style", ICLR 2017, as SAGAN's generator has it.
    """
    if kinds is None:
        return layers.BatchNormalization()(x)
    channels = x.shape[-1]

    def row(initializer):  # of a table [classes, channels]
        table = layers.Dense(channels, use_bias=False, kernel_initializer=initializer)
        return layers.Reshape((1, 1, channels))(table(kinds))

    x = layers.BatchNormalization(center=False, scale=False)(x)
    return layers.Add()([layers.Multiply()([x, row("ones")]), row("zeros")])


def up_block(x, channels, parts, kinds=None, project=True):
    """norm-ReLU-up-conv-norm-ReLU-conv beside up-conv1x1, or up alone without `project`: twice the side."""

    def up(y):
        return layers.UpSampling2D(2, interpolation="nearest")(y)

    shortcut = parts.conv(channels, 1)(up(x)) if project else up(x)
    x = parts.conv(channels)(up(layers.ReLU()(normalized(x, kinds))))
    x = parts.conv(channels)(layers.ReLU()(normalized(x, kinds)))
    return layers.Add()([x, shortcut])


def generator(latent_size, multiples, channels, width, parts, classes=None, attention=None):
    """[n, latent_size] (and labels [n]) -> [n, side, side, channels] in [-1, 1]: from 4 x 4 on, an `up_block` for each
    further multiple of `width`; self-attention where the side is `attention`."""
    latents, (labels, kinds) = keras.Input((latent_size,)), labels_input(classes)
    x = parts.dense(4 * 4 * multiples[0] * width)(latents)
    x = layers.Reshape((4, 4, multiples[0] * width))(x)
    for multiple in multiples[1:]:
        x = up_block(x, multiple * width, parts, kinds)
        if x.shape[1] == attention:
            x = self_attention(x, parts)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    images = layers.Activation("tanh", dtype="float32")(parts.conv(channels)(x))
    return model(latents, labels, images, "generator")


def down_block(x, channels, parts, halves, norm=None):
    """ReLU-conv-ReLU-conv(-mean) beside conv1x1(-mean), or beside x itself where nothing changes. `norm`: a function of
    what goes into a ReLU."""

    def active(y):
        return layers.ReLU()(norm(y) if norm else y)

    def down(y):
        return layers.AveragePooling2D(2)(y) if halves else y

    changes = halves or x.shape[-1] != channels
    shortcut = down(parts.conv(channels, 1)(x)) if changes else x
    x = parts.conv(channels)(active(x))
    x = down(parts.conv(channels)(active(x)))
    return layers.Add()([x, shortcut])


def first_down_block(x, channels, parts):
    """conv-ReLU-conv-mean beside mean-conv1x1: half the side, no ReLU on pixels."""
    shortcut = parts.conv(channels, 1)(layers.AveragePooling2D(2)(x))
    x = parts.conv(channels)(layers.ReLU()(parts.conv(channels)(x)))
    return layers.Add()([layers.AveragePooling2D(2)(x), shortcut])


def scores(x, parts, kinds=None):
    """float32 [n, 1]: a linear function of the sums h over height and width; with `kinds` also V[class] . h.

    The latter is the projection discriminator of Miyato and Koyama, ICLR 2018, equation 4.
    """
    h = SumPooling()(x)
    score = parts.dense(1, dtype="float32")(h)
    if kinds is None:
        return score
    row = parts.dense(h.shape[-1], use_bias=False, dtype="float32")(kinds)
    return layers.Add(dtype="float32")([score, layers.Dot(axes=1, dtype="float32")([h, row])])


@keras.saving.register_keras_serializable(package="tfdgan")
class OneHot(layers.Layer):
    """int32 [n] -> [n, classes] of 0 and 1."""

    def __init__(self, classes, **options):
        super().__init__(**options)
        self.classes = classes

    def call(self, labels):
        return ops.one_hot(labels, self.classes, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable(package="tfdgan")
class SumPooling(layers.Layer):
    """[n, height, width, channels] -> float32 [n, channels]: sums over height and width."""

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, x):
        return ops.sum(x, axis=(1, 2))


@keras.saving.register_keras_serializable(package="tfdgan")
class Gate(layers.Layer):
    """gamma x, gamma one trainable number that begins at 0."""

    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="zeros")

    def call(self, x):
        return self.gamma * x


def self_attention(x, parts):
    """x + gamma o(softmax(f(x) g(x)^T) h(x)): f, g of channels / 8, h of channels / 2, gamma from 0.

    Zhang, Goodfellow, Metaxas, Odena, "Self-Attention Generative Adversarial Networks", ICML 2019, equations 1 to 3;
    keys and values are pooled 2 x 2 as in its released code. Memory: n (height width)^2 / 4 numbers.
    """
    _, height, width, channels = x.shape

    def flat(y):
        return layers.Reshape((-1, y.shape[-1]))(y)

    def projected(units, pool):
        y = parts.conv(units, 1, use_bias=False)(x)
        return flat(layers.MaxPooling2D(2)(y) if pool else y)

    queries, keys = projected(channels // 8, False), projected(channels // 8, True)
    attention = layers.Softmax(dtype="float32")(layers.Dot(axes=2)([queries, keys]))  # [n, h w, h w / 4]
    seen = layers.Dot(axes=(2, 1))([attention, projected(channels // 2, True)])
    seen = parts.conv(channels, 1, use_bias=False)(layers.Reshape((height, width, channels // 2))(seen))
    return layers.Add()([x, Gate()(seen)])
