"""What README and docs say of files, flags and errors is so."""

import itertools
import re

import pytest
from conftest import ROOT
from guides import ALL, PAGES, commands

from tfdgan import compare, doctor
from tfdgan.cli import command, flagfiles, presets
from tfdgan.cli.options import EvaluateOptions, ExportOptions, ReportOptions, TrainOptions, WorkdirOptions
from tfdgan.errors import UserError
from tfdgan.tasks import names
from tools import list_errors


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def parse(program, flags):
    """Parse flags as the command does; those whose value stands for the reader's own are left out."""
    given = presets.replaced([program, *(flag for flag in flags if not flag.endswith("=..."))])
    if program == "tfdgan.train":
        return command.parse_options(given, flagfiles.kind_asked(given), TrainOptions)
    if program == "tfdgan.generate":
        return command.parse_options(given, WorkdirOptions, *names.generate_options(None).values())
    if program in ("tfdgan.compare", "tfdgan.doctor"):
        return command.parse(given, (compare if program == "tfdgan.compare" else doctor)._define)
    kind = {"tfdgan.evaluate": EvaluateOptions, "tfdgan.export": ExportOptions, "tfdgan.report": ReportOptions}[program]
    return command.parse_options(given, kind)


def calls(words):
    """(program, its flags) of each program that a command line starts."""
    starts = [place for place, word in enumerate(words) if re.fullmatch(r"tfdgan\.[\w.]+|tools[./][\w/.]+", word)]
    for place, end in itertools.pairwise([*starts, len(words)]):
        following = words[place + 1 : end]
        stop = next((n for n, word in enumerate(following) if not word.startswith("--") or word == "--"), None)
        yield words[place], following[:stop]


def check(program, flags):
    """Raise `UserError` if a program does not know a flag."""
    if program in ("tfdgan.gossip.native.build", "tfdgan.launch", "tfdgan.supervise"):
        return  # what the last two start is checked as a program of its own
    if program.startswith("tfdgan."):
        parse(program, flags)
        return
    source = (ROOT / (program.replace(".", "/") + ".py" if "/" not in program else program)).read_text()
    shared = "".join(path.read_text() for path in (ROOT / "tools").rglob("*.py"))
    for flag in flags:
        name = flag.lstrip("-").split("=")[0]
        if f'"{name}"' not in source and f'"--{name}"' not in source and f'"{name}"' not in shared:
            raise UserError(f"{program}: --{name}: no such flag")


@pytest.mark.parametrize("page, words", ALL, ids=[f"{page}-{n}" for n, (page, _) in enumerate(ALL)])
def test_every_command_has_known_flags(page, words):
    found = list(calls(words))
    assert found
    for program, flags in found:
        check(program, flags)


def test_a_wrong_flag_would_be_found(tmp_path):
    assert len(ALL) > 60
    (tmp_path / "page.md").write_text("    tfdgan launch -np 4 train --presett=x\n")
    (launched,) = commands(tmp_path / "page.md")
    with pytest.raises(UserError, match="presett: no such flag"):
        for program, flags in calls(launched):
            check(program, flags)
    for line in ("python -m tfdgan.train --batchsize=3", "python tools/topology.py --colour=red"):
        with pytest.raises(UserError, match="no such flag"):
            check(*next(calls(line.split())))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page):
    text = page.read_text()
    for path in re.findall(r"`(?:python )?((?:configs|tools|docs|examples|tests|tfdgan)/[\w./]*\w)[` ]", text):
        assert (ROOT / path).exists() or "NAME" in path, path


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_lines_fit_into_120_columns(page):
    """But for tables, commands, pictures, and the list of errors, which a tool writes."""
    lines = page.read_text().splitlines() if page.name != "errors.md" else []
    assert not [line for line in lines if len(line) > 120 and not line.startswith(("|", "    ", "!["))]


def anchors(page):
    """The anchors of a page's headings, as GitHub and the site make them, and its own."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found = set(re.findall(r'<a id="([^"]+)"', text))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower()).strip()
        found.add(re.sub(r"[\s-]+", "-", plain))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        there = (page.parent / path) if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_the_list_of_errors_is_that_of_the_source():
    page = ROOT / "docs/errors.md"
    assert page.read_text() == list_errors.page(list_errors.lines()), f"python tools/list_errors.py --output={page}"


def test_errors_as_patterns():
    """Texts, names and what has no name; what is put together elsewhere is left out."""
    texts = (
        'f"--{name}={self._value}: give {len(x)} of {path!r}"',
        '"plain: " f"{n} more"',
        '"a: " + f"{b}"',
        "said(x)",
    )
    found = [list_errors.pattern(list_errors.ast.parse(text, mode="eval").body) for text in texts]
    assert found == ["--NAME=VALUE: give ... of PATH", "plain: N more", "a: B", None]
