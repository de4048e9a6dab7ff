"""Whole and halved runs of every strategy, for test_resume.py.

horovodrun -np 4 python resume_runs.py first|second FOLDER
"""

import sys

from tfdgan import train

TINY = [
    *("--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=16", "--width_d=16", "--batch_size=16"),
    *("--critic_steps=2", "--log_every=5", "--eval_every=0", "--topology=ring", "--keep_checkpoints=2"),
]
STRATEGIES = {
    "ring": [],
    "random": ["--random_mixing", "--gossip_rounds=2", "--wire_dtype=bfloat16"],
    "centralized": ["--strategy=centralized"],
    "dposg": ["--strategy=dposg", "--optimizer=sgd", "--critic_steps=1", "--topology=one_peer_exponential"],
    "local": ["--strategy=local", "--ema_decay=0"],
}


def main(job, folder):
    for name, flags in STRATEGIES.items():
        for run, steps in (("whole", 20), ("halves", 10)) if job == "first" else (("halves", 20),):
            workdir = f"{folder}/{name}-{run}"
            train.main(["train", *TINY, *flags, f"--workdir={workdir}", f"--steps={steps}", "--checkpoint_every=10"])


if __name__ == "__main__":
    main(*sys.argv[1:])
