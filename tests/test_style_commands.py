"""What the commands do with style transfer: a small run of two learners, and everything that reads its workdir."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment, launch

from tfdgan.storage.cache import cache_folder

pytestmark = pytest.mark.slow

FLAGS = [
    *("--task=style_transfer", "--model=style_transfer", "--trainer=clipped_ratio", "--update=alternating"),
    *("--noratio_clipping", "--topology=ring", "--random_mixing", "--critic_steps=1", "--generator_steps=1"),
    *("--vocabulary_size=0", "--sentence_length=7", "--embedding_size=12", "--width_g=24", "--style_size=3"),
    *("--width_d=4", "--dropout=0", "--batch_size=8", "--learning_rate_p=2e-2", "--ema_decay=0"),
    *("--pretraining_steps=90", "--steps=100", "--log_every=5", "--eval_every=50", "--checkpoint_every=50"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A workdir of a run on small files of three styles, by the command on two learners."""
    folder = tmp_path_factory.mktemp("styles")
    for style, word in enumerate(("good", "bad", "dull")):
        lines = [
            f"the {noun} is {word} {when}" for noun in ("food", "room", "day") for when in ("now", "here", "again")
        ]
        for part in ("train", "dev"):
            (folder / f"say.{part}.{style}").write_text("\n".join(lines) + "\n")
    (folder / "references.tsv").write_text("0\tthe food is good now\tthe food is bad now\n")
    flags = [*FLAGS, f"--dataset=file:{folder}/say", f"--references={folder}/references.tsv"]
    (folder / "cache").mkdir()
    for library in Path(cache_folder()).glob("native-*.so"):  # which takes a core half a minute to compile
        (folder / "cache" / library.name).symlink_to(library)
    cache = {"TFDGAN_CACHE": str(folder / "cache")}
    done = launch(2, "-m", "tfdgan.train", *flags, f"--workdir={folder}/run", **cache)
    return folder, done.stdout, cache


def test_training_shows_sentences_and_scores(run):
    folder, said, _ = run
    assert said.count("note: the first score takes longer: its judges are trained once, and kept as") == 1
    assert len(list((folder / "cache").glob("sentence_judges_*.npz"))) == 1
    assert re.search(r"step 100: self-BLEU \S+", said) and re.search(r"step 100: BLEU \(references\) \S+", said)
    shown = (folder / "run/samples/00000100.txt").read_text().splitlines()
    assert len(shown) == 2 * 16 and re.match("  the (food|room|day) is", shown[0]) and re.match("[012] ", shown[1])


def test_generate_keeps_lines(run):
    """Empty lines, unknown words, Windows line ends, bytes that are no text, a line too long: a line for each."""
    folder, *_ = run
    odd = (b"the food is good now\r", b"\r", b"the zebra is good here", b" caf\xe9 ", b"now " * 8, b"", b"last")
    (folder / "in.txt").write_bytes(b"\n".join(odd))
    generate = ("-m", "tfdgan.generate", f"--workdir={folder}/run", "--to_style=2")
    done = launch(0, *generate[:-1], "--to_style=0", f"--input={folder}/in.txt", f"--output={folder}/out.txt")
    lines = (folder / "out.txt").read_text().split("\n")
    assert len(lines) == 8 and lines[7] == "" and lines[1] == lines[5] == ""
    assert all(lines[n] for n in (0, 2, 3, 4, 6))
    assert "7 samples of step 100, consensus" in done.stdout and "1 of 7 lines were read to word 7" in done.stderr
    launch(0, *generate, "--beam=3", f"--input={folder}/in.txt", f"--output={folder}/beam.txt")
    assert len((folder / "beam.txt").read_text().split("\n")) == 8
    for flags, message in [
        (("--beam=0", f"--input={folder}/in.txt"), "--beam=0: must be at least 1"),
        ((f"--input={folder}/no.txt",), "no.txt: no such file"),
        (("--num=3", f"--input={folder}/in.txt"), "--num=3: means nothing for --task=style_transfer"),
        ((f"--input={folder}/in.txt", "--to_style=3"), "--to_style=3: there are the styles 0 to 2"),
        ((f"--input={folder}/in.txt", "--output=out.png"), "give a name that ends in .txt"),
    ]:
        done = launch(0, *generate, *flags, check=False)
        assert done.returncode == 2 and message in done.stderr, done.stderr


READ = """
import sys, tensorflow as tf
transfer = tf.saved_model.load(sys.argv[1]).signatures["transfer"]
lines = open(sys.argv[2], errors="replace").read().split("\\n")
for text in transfer(sentences=tf.constant(lines * 40), style=tf.constant(1))["sentences"].numpy()[-len(lines):]:
    print("<" + text.decode() + ">")
assert not any(name.split(".")[0] == "tfdgan" for name in sys.modules)
try:
    transfer(sentences=tf.constant(["the food"]), style=tf.constant(3))
except tf.errors.InvalidArgumentError as error:
    print("style: from 0 to 2" in str(error))
"""


def test_export_says_what_generate_says(run, tmp_path):
    """In a process without tfdgan, of more lines than one chunk; standard input and output serve too."""
    folder, *_ = run
    launch(0, "-m", "tfdgan.export", f"--workdir={folder}/run", "--step=best", f"--output={tmp_path}/saved")
    (tmp_path / "in.txt").write_text("the food is good now\n\nthe\u00a0zebra is good here")
    (tmp_path / "read.py").write_text(READ)
    read = (tmp_path / "read.py", tmp_path / "saved", tmp_path / "in.txt")
    *lines, refused = launch(0, *read, cold=True, cwd=tmp_path, PYTHONPATH="").stdout.splitlines()
    generate = (
        f"{sys.executable} -m tfdgan.generate --workdir={folder}/run --step=best --to_style=1 < {tmp_path}/in.txt"
    )
    piped = subprocess.run(generate, shell=True, env=environment(), check=True, capture_output=True, text=True).stdout
    assert [line[1:-1] for line in lines] == piped.split("\n")[:-1] and lines[1] == "<>" and refused == "True"


def test_evaluate_draws_style_against_content(run):
    """Of every kept checkpoint; on other sentences than in training those are scored for it."""
    folder, _, cache = run
    evaluate = ("-m", "tfdgan.evaluate", f"--workdir={folder}/run")
    said = [launch(learners, *evaluate, "--seed=1", **cache).stdout for learners in (0, 2)]
    for name in ("style accuracy", "self-BLEU", "perplexity", "BLEU (references)"):
        one, two = (re.search(rf"{re.escape(name)}: (\S+) \[", text).group(1) for text in said)
        assert one == two, name
    assert said[0].count("step 50 of") == 1 and "step 50 of" not in said[1]  # by then it has been
    rows = [line.split("\t") for line in (folder / "run/accuracy_bleu.tsv").read_text().splitlines()]
    assert rows[0] == ["step", "style accuracy", "self-BLEU"] and [row[0] for row in rows[1:]] == ["50", "90", "100"]
    assert (folder / "run/accuracy_bleu.png").read_bytes().startswith(b"\x89PNG")
    (folder / "run/accuracy_bleu.png").unlink()
    watched = launch(0, *evaluate, "--watch", "--samples=9", "--beam=2", **cache).stdout
    assert "beam 2" in watched
    assert [watched.count(f"step {step} of") for step in (50, 90, 100)] == [1, 1, 1]
    assert "over 3 scored steps" in watched and (folder / "run/accuracy_bleu.png").exists()
    assert "step 50 of" not in launch(0, *evaluate, "--watch", "--samples=9", "--beam=2", **cache).stdout
