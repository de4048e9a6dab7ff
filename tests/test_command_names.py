"""The command `tfdgan`, configurations by name, and what a wheel holds."""

import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT, launch

import tfdgan
from tfdgan.cli import command, flagfile_order, flagfiles, presets
from tfdgan.cli.config import Config
from tfdgan.cli.options import TrainOptions
from tfdgan.errors import UserError
from tfdgan.options.names import meant


def said(*words):
    done = subprocess.run([sys.executable, "-m", "tfdgan", *words], capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


def test_every_command_has_a_line():
    for words in ((), ("--help",)):
        code, out, _ = said(*words)
        files = {path.stem for path in (ROOT / "tfdgan").glob("*.py")} - {"__init__", "__main__", "errors"}
        assert code == 0 and {line.split()[0] for line in out.splitlines()[1:-1]} == files


def test_version():
    assert said("--version") == (0, f"tfdgan {tfdgan.__version__}\n", "")
    assert f"version: {tfdgan.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {tfdgan.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    "words, line",
    [
        (("tarin",), "error: tarin: no such command; did you mean train?"),
        (("train", "--batchsize=3"), "error: --batchsize: no such flag; did you mean --batch_size?"),
        (("train", "--steps=x"), "error: --steps=x: give a whole number"),
        (("train", "--beta_1=x"), "error: --beta_1=x: give a number"),
        (("train", "--jit=maybe"), "error: --jit=maybe: give true or false, or --jit and --nojit"),
        (("train", "--xyzzy=3"), "error: --xyzzy: no such flag; --help lists them"),
        (("train", "--preset=cifra"), "error: --preset=cifra: no such configuration; did you mean cifar?"),
        (
            ("train", "--preset=configs/cifar.flags"),
            "error: --preset=configs/cifar.flags: no such configuration; did you mean --preset=cifar, or "
            "--flagfile=configs/cifar.flags?",
        ),
        (("train", "--preset"), "error: --preset=: no such configuration; there are cifar, "),
        (
            ("train", "--preset=digits", "--preset", "cifar"),
            "error: --preset=cifar: a second one beside --preset=digits; give one of them",
        ),
        (("evaluate", "--preset=digits"), "error: --preset: on the command line of train alone; elsewhere give --fl"),
        (("train", "--flagfile=docs/digits.png"), "error: --flagfile=docs/digits.png: is no text in UTF-8 ("),
        (("train", "--flagfile"), "error: --flagfile with no argument"),
        (("train", "--task=imag"), "error: --task=imag: choose one of image, text, style_transfer, or package.mod"),
        (
            ("train", "--model=dcgann"),
            "error: --model=dcgann: choose one of dcgan, resnet, ct_resnet, sagan, r3gan, mlp, o",
        ),
        (("evaluate",), "error: --workdir is missing: give --workdir=..."),
    ],
)
def test_what_is_not_there(words, line):
    code, out, errors = said(*words)
    assert code == 2 and not out and errors.splitlines()[-1].startswith(line)


def test_help_says_how_it_was_called():
    assert said("train", "--help")[1].startswith("usage: tfdgan train [--preset=NAME | --flagfile=FILE] [--FLAG=VALUE")
    assert said("export", "-h")[1].startswith("usage: tfdgan export [--flagfile=FILE] [--FLAG=VALUE ...]")


@pytest.mark.parametrize("name", ["launch", "supervise", "compare", "doctor"])
def test_help_of_the_commands_that_have_no_options(name):
    for words in ((name, "--help"), ("help", name)):
        code, out, errors = said(*words)
        assert (code, errors) == (0, "") and out.startswith(f"usage: tfdgan {name} ")
        assert max(map(len, out.splitlines())) <= 100 and "repeat this option" not in out
    assert ("--seeds\n      Seeds, one run of each arm for each. (default: '0,1,2')" in out) == (name == "compare")


def test_flags_win_over_flagfiles_wherever_they_stand(tmp_path):
    """So a wrong value is an error, and a workdir is the one that was asked for, before a file and after it."""
    (tmp_path / "inner.flags").write_text("--steps=3\n--batch_size=5\n")
    (tmp_path / "a.flags").write_text(f"--flagfile={tmp_path}/inner.flags\n--steps=4\n")
    (tmp_path / "b.flags").write_text("--steps=6\n")
    a, b = (["--flagfile", f"{tmp_path}/{name}.flags"] for name in "ab")
    for words, steps in ((a, 4), ([*a, *b], 6), ([*b, *a], 4), (["--steps=7", *a, *b], 7), ([*a, "--steps", "7"], 7)):
        given = command.parse_options(["train", *words], TrainOptions, Config)
        assert (given["steps"], given.get("batch_size")) == (steps, 5)
    code, _, errors = said("train", "--steps=0", "--preset=digits")
    assert code == 2 and errors.startswith("error: --steps=0: ")
    assert flagfile_order.files_first(["x", "--", "--flagfile=a"]) == ["x", "--", "--flagfile=a"]
    assert flagfile_order.files_first(["x", "--a", "--flagfile"]) == ["x", "--a", "--flagfile"]


def test_a_workdir_whose_flags_were_changed_by_hand(tmp_path):
    for line, message in (
        ("--steps=x", "--steps=x: give a whole number"),
        ("--bathc_size=3", "--bathc_size: no such flag; did you mean --batch_size?"),
    ):
        (tmp_path / "config.flags").write_text(f"{line}\n")
        with pytest.raises(UserError) as caught:
            flagfiles.load(str(tmp_path))
        assert caught.value.as_flags() == f"{tmp_path}/config.flags: {message}"


def test_nobody_reads_what_is_printed():
    """As under `| head -1`: no error line, and the exit code of SIGPIPE."""
    words = [sys.executable, "-m", "tfdgan", "doctor"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as doctor:
        doctor.stdout.close()
        assert doctor.stderr.read() == ""
    assert doctor.returncode == 141


def test_a_preset_is_a_flagfile():
    path = ROOT / "configs/digits.flags"
    for words in (["--preset=digits"], ["--preset", "digits"]):
        assert presets.replaced(["x", *words, "--steps=3"]) == ["x", f"--flagfile={path}", "--steps=3"]
    with pytest.raises(UserError, match="no such configuration"):
        presets.replaced(["x", "--preset=../setup"])


def test_names_that_were_meant():
    assert meant("tarin", ["train", "export"]) == "; did you mean train?"
    assert meant("x", ["train", "export"]) == "; there are train, export"
    assert meant("x", ["train"], otherwise="") == ""
    assert meant("BATCHSIZE", ["batch_size"], prefix="--") == "; did you mean --batch_size?"
    assert meant("rex", ["Rex"]) == "; did you mean Rex?"


@pytest.mark.slow
def test_a_wheel_of_a_source_package_finds_its_configurations(tmp_path):
    """Built as pip builds them, and used from elsewhere."""
    build = "from setuptools import build_meta as b; import sys; b.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=ROOT, check=True, capture_output=True)
    (source,) = tmp_path.glob("*.tar.gz")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", source]
    subprocess.run(wheel, cwd=tmp_path, check=True, capture_output=True)
    (made,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        held = set(archive.namelist())
        archive.extractall(tmp_path / "there")
    configurations = {f"tfdgan/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.*")}
    native = {str(path.relative_to(ROOT)) for path in (ROOT / "tfdgan").rglob("*.cc")}
    assert configurations | native | {"tfdgan/py.typed"} <= held
    flags = ("--preset=gaussians", "--steps=2", f"--workdir={tmp_path}/run")
    done = launch(0, "-m", "tfdgan", "train", *flags, cwd=tmp_path, PYTHONPATH=str(tmp_path / "there"))
    assert "done: 2 steps" in done.stdout and "there/tfdgan/configs" not in done.stderr
