"""Whole and halved runs, for test_resume.py.

horovodrun -np N python resume_runs.py first|second FOLDER NAME...
"""

import os
import sys

import numpy as np

from tfdgan import train

TINY = [
    *("--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=16", "--width_d=16", "--batch_size=16"),
    *("--critic_steps=2", "--log_every=5", "--eval_every=0", "--topology=ring", "--keep_checkpoints=2"),
    "--gradient_penalty=0",  # which would take a third of the time of tracing
]
_OF_SIDE_32 = [
    "--dataset=digits",
    "--image_size=32",
    "--width_g=4",
    "--width_d=4",
    "--batch_size=2",
    "--critic_steps=1",
]
_TEXT = [  # taken up where the game begins
    *("--task=text", "--dataset=oracle", "--model=lstm", "--vocabulary_size=12", "--sentence_length=3"),
    *("--corpus_size=100", "--representations=2", "--width_g=8", "--width_d=4", "--batch_size=4", "--clip_norm=5"),
    *("--critic_steps=1", "--pretraining_steps=10"),
]
_STYLES = [
    *(
        "--task=style_transfer",
        "--dataset=toy_styles",
        "--model=style_transfer",
        "--style_size=3",
        "--sentence_length=4",
    ),
    *("--corpus_size=50", "--embedding_size=4", "--width_g=8", "--width_d=4", "--batch_size=4", "--critic_steps=1"),
    *("--trainer=clipped_ratio", "--update=alternating", "--generator_steps=1", "--noratio_clipping"),
    "--pretraining_steps=10",
]
# A run holds several options that have nothing to do with each other, since every run is traced by each learner.
RUNS = {  # relabelled at random, which changes nothing among fewer than four
    "random": ["--random_mixing", "--critic_steps=1"],
    "delayed": ["--random_mixing", "--gossip_rounds=2", "--wire_dtype=bfloat16", "--mix_delay=1", "--critic_steps=1"],
}
MORE_RUNS = {
    # The first: Horovod is started as it needs it.
    "pairs": ["--gossip_backend=horovod_pairs", "--lookahead_every=7", "--gradient_penalty=10", "--mix_after=update"],
    "dposg": [
        *("--strategy=dposg", "--optimizer=sgd", "--critic_steps=1", "--topology=one_peer_exponential"),
        *("--gossip_backend=horovod", "--mix_every=3"),
    ],
    "compressed": [
        *("--compression=top_k", "--top_fraction=0.1", "--consensus_rate=0.3", "--update=alternating"),
        *("--learning_rate_decay=linear", "--dataset=resume_runs:stream", "--trainer=clipped_ratio"),
        "--generator_steps=2",
    ],
    "centralized": [
        *("--strategy=centralized", "--dataset=digits", "--model=dcgan", "--width_g=4", "--width_d=4"),
        "--critic_steps=1",
    ],
    "combined": [
        *("--mix_order=after", "--second_moment=split_batch", "--noise_every=2", "--learning_rate_decay=linear"),
        "--quasi_global=0.8",
    ],
    "text": [*_TEXT, "--mix_delay=1", "--ema_decay=0"],  # pretraining mixes late too
}
LARGE_RUNS = {  # of one learner, since tracing them takes the longest
    "conditional": ["--model=resnet", "--conditional", "--spectral_normalization=critic", *_OF_SIDE_32],
    "dropout": ["--model=ct_resnet", "--consistency=2", "--strategy=diloco", "--outer_every=7", *_OF_SIDE_32],
    "styles": _STYLES,
}
# Where real data is there, it stands for the digits of these runs, which nothing else depends on.
REAL_DATA = {"conditional": ["--dataset=cifar10", "--image_size=0"], "centralized": ["--dataset=cifar10"]}

# A first half that ends by --steps. The others are taken up at the middle of the whole run, as if its later
# checkpoint had never been (which a decay needs, as it depends on the last step).
SHORT = ("pairs",)


def stream():
    """100 points: 50 for each of two learners, of which a step takes 32, so that halves meet inside an epoch."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(np.random.default_rng(0).standard_normal((100, 2)))


def has_real_data():
    """True if the environment names a folder of prepared data sets that is there."""
    return os.path.isdir(os.environ.get("TFDS_DATA_DIR", ""))


def main(job, folder, *names):
    if os.environ.get("TFDGAN_TEST_GRAPHS") != "optimized":  # of a cold start, as warm ones do
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    for name in names:
        first = [("whole", 20), ("halves", 10)] if name in SHORT else [("whole", 20)]
        for run, steps in first if job == "first" else [("halves", 20)]:
            workdir = f"{folder}/{name}-{run}"
            flags = [
                *TINY,
                *{**RUNS, **MORE_RUNS, **LARGE_RUNS}[name],
                *(REAL_DATA.get(name, []) if has_real_data() else []),
            ]
            train.main(["train", *flags, f"--workdir={workdir}", f"--steps={steps}", "--checkpoint_every=10"])


if __name__ == "__main__":
    main(*sys.argv[1:])
