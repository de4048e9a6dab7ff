"""The commands of README and docs, and which test runs each, or one of its kind.

Those of docs/results.md say how its numbers were measured; most take hours. tests/test_docs.py checks their flags.
"""

import re
import shlex

from conftest import ROOT

from tfdgan.__main__ import COMMANDS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page):
    """The commands in a page's indented blocks, as lists of words; lines that end in a backslash go on."""
    text = re.sub(r" *\\\n *", " ", page.read_text())
    for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE):
        line = re.sub(r"\b(tfdgan launch .*?) (train|supervise|evaluate)\b", r"\1 tfdgan \2", line)
        line = re.sub(rf"\btfdgan (?=(?:{'|'.join(COMMANDS)})\b)", "python -m tfdgan.", line)
        if re.search(r"\bpython (-m tfdgan\.|-m tools|tools/)", line) and "`" not in line:
            yield shlex.split(line, comments=True)


ALL = [(page.name, words) for page in PAGES for words in commands(page)]

# {page: its commands that test_guides.py runs, in order, by how they begin}
HERE = {
    "README.md": ("python -m tfdgan.evaluate", "python -m tfdgan.generate", "python -m tfdgan.export"),
    "first_run.md": (
        "horovodrun -np 4 python -m tfdgan.train --flagfile=configs/gaussians.flags",
        "python -m tfdgan.train --flagfile=configs/digits.flags",
        "python -m tfdgan.train --preset=gaussians",
        "python -m tfdgan.train --preset=digits",
        "python -m tfdgan.generate",
        "python -m tfdgan.evaluate",
        "python -m tfdgan.export",
    ),
    "images.md": ("python -m tfdgan.train", "python -m tfdgan.generate", "python -m tfdgan.export"),
    "ratio_clipping.md": ("horovodrun -np 4 python -m tfdgan.train", "python -m tfdgan.train"),
    "scores.md": ("python -m tfdgan.evaluate",),
    "sentences.md": ("python -m tfdgan.train", "python -m tfdgan.generate"),
    "style_transfer.md": ("python -m tfdgan.train", "python -m tfdgan.generate"),
    "topology.md": ("python tools/topology.py",),
}
# {page: {how a command begins: the test that runs one of its kind}}
ELSEWHERE = {
    "README.md": {"horovodrun -np 8": "test_real_data.py::test_cifar_flags_on_four_learners"},
    "compare.md": {"python -m tfdgan.compare": "test_compare.py::test_real_runs_and_their_report"},
    "first_run.md": {
        "python -m tfdgan.doctor --fix": "test_doctor.py::test_setup_has_installed_the_horovod_that_fix_would_install",
        "python -m tfdgan.doctor": "test_doctor.py::test_here_all_is_well",
        "python -m tfdgan.launch": "test_launch.py::test_a_job_says_nothing_but_what_is_ours",
    },
    "operations.md": {
        "horovodrun -np 8": "test_comeback.py::test_learners_come_back_and_the_record_has_no_gap",
        "python -m tfdgan.train --flagfile=... --on_peer_loss=degrade --join": (
            "test_comeback.py::test_a_place_is_taken_by_a_process_that_nobody_supervised"
        ),
        "python -m tfdgan.train --flagfile=... --rendezvous": (
            "test_rendezvous.py::test_without_a_launcher_training_is_the_same_bit_for_bit"
        ),
    },
    "scores.md": {
        "python tools/convert_inception.py": (
            "test_inception.py::test_torch_fidelity_finds_the_same_features_and_distance"
        )
    },
    "security.md": {"horovodrun ...": "test_comeback.py::test_a_place_is_taken_by_a_process_that_nobody_supervised"},
    "several_machines.md": {
        "horovodrun -np 8 python": "test_comeback.py::test_learners_come_back_and_the_record_has_no_gap"
    },
    "slow_networks.md": {
        "python tools/netlab.py": "test_netlab.py::test_a_real_job_and_its_exit_code",
        "python tools/simulate.py": "test_simulation.py::test_parts_write_tables_and_plots",
    },
}
# {page: {how a command begins: what it takes}}
NOWHERE = {
    "several_machines.md": {
        "python -m tfdgan.launch -np 8 -H": "ssh",
        "horovodrun -np 8 -H": "ssh",
        "mpirun": "ssh and a Horovod with MPI",
        "srun": "Slurm",
    }
}
