"""Scores on standard output, for programs."""

import csv
import io
import json

import pytest

from tfdgan.cli.score_printer import ScorePrinter
from tfdgan.metrics import Score

SCORES = [Score("FD (x, y)", 1 / 3, {"seed": 0}, best="low"), Score("IS", 2.0, {"+-": 'over "10"'}, spread=0.25)]


def printed(capsys, form):
    printer = ScorePrinter(form)
    printer.remark("step 20 of run")
    printer.show(20, SCORES)
    printer.show(40, SCORES[:1])
    return capsys.readouterr()


def test_csv_has_one_header_and_all_digits(capsys):
    said = printed(capsys, "csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [(row["step"], row["name"]) for row in rows] == [("20", "FD (x, y)"), ("20", "IS"), ("40", "FD (x, y)")]
    assert float(rows[0]["value"]) == 1 / 3 and [row["spread"] for row in rows] == ["", "0.25", ""]
    assert json.loads(rows[1]["signature"]) == {"+-": 'over "10"'}
    assert said.err == "step 20 of run\n"


def test_json_is_an_object_a_line(capsys):
    said = printed(capsys, "json")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert found == [SCORES[0].record(20), SCORES[1].record(20), SCORES[0].record(40)]
    assert found[0]["value"] == pytest.approx(1 / 3, abs=0) and said.err == "step 20 of run\n"


def test_text_is_for_people(capsys):
    said = printed(capsys, "text")
    assert said.out.startswith("step 20 of run\nFD (x, y): 0.3333 [seed 0]\n") and not said.err


def test_what_is_no_number_is_null(capsys):
    ScorePrinter("json").show(20, [Score("FD", float("nan"), {})])
    ScorePrinter("csv").show(20, [Score("FD", float("nan"), {})])
    said = capsys.readouterr().out.splitlines()
    assert json.loads(said[0], parse_constant=pytest.fail)["value"] is None and said[-1] == "20,FD,,,{}"
