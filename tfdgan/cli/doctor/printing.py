"""Findings as lines for people and as JSON for programs, and what they come to."""

import json
from collections.abc import Sequence

from tfdgan.cli.doctor.finding import Finding, Status, Way, open_ways

_WIDTH = max(map(len, Status)) + 1


def line(finding: Finding) -> str:
    """A finding in one line."""
    mend = f"; mend: {finding.mend}" if finding.mend else ""
    return f"{finding.status:<{_WIDTH}} {finding.text}{mend}".replace("\n", " ")


def verdict(findings: Sequence[Finding]) -> str:
    """What works, plainly, in one line."""
    ways = open_ways(findings)
    if Way.ALONE not in ways:
        subjects = list(dict.fromkeys(one.subject for one in findings if Way.ALONE in one.stops))
        return f"training cannot start: see {', '.join(subjects)} above"
    if ways == [*Way]:
        return "training can start, alone and under horovodrun; learners can also meet by --rendezvous"
    return f"training can start, {' and '.join(ways)}{' only' if ways == [Way.ALONE] else ''}"


def as_json(findings: Sequence[Finding]) -> str:
    """Everything, in one object."""
    ways = open_ways(findings)
    lines = [
        {
            "status": one.status,
            "subject": one.subject,
            "text": one.text,
            "mend": one.mend,
            "stops": [way for way in Way if way in one.stops],
            "fix": one.fix,
        }
        for one in findings
    ]
    found = {"can_train": Way.ALONE in ways, "ways": ways, "verdict": verdict(findings), "findings": lines}
    return json.dumps(found, indent=1)
