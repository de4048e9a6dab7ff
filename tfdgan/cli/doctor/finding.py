"""What an examination finds: a line each, with the command that mends it and the ways to train that it stops."""

import dataclasses
import enum
from collections.abc import Iterable


class Status(enum.StrEnum):
    """How things stand: as they should; worth knowing; not there; there, but of no use as it is."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"
    BROKEN = "broken"


class Way(enum.StrEnum):
    """A way to train, in the words in which it is said to be open."""

    ALONE = "alone"
    HOROVODRUN = "under horovodrun"
    RENDEZVOUS = "by --rendezvous"


class Fix(enum.StrEnum):
    """What `--fix` can do."""

    HOROVOD = "horovod"
    EXCHANGE = "native exchange"


ALL = frozenset(Way)
TOGETHER = frozenset({Way.HOROVODRUN, Way.RENDEZVOUS})


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
      subject: what, for programs.
      text: how it stands, for people, with the subject in it.
      mend: the command that mends it; "" if there is nothing to mend.
      stops: the ways to train that are closed as it stands.
      fix: what `--fix` does about it.
    """

    status: Status
    subject: str
    text: str
    mend: str = ""
    stops: frozenset[Way] = frozenset()
    fix: Fix | None = None


def open_ways(findings: Iterable[Finding]) -> list[Way]:
    """The ways to train that nothing stops."""
    stopped = {way for finding in findings for way in finding.stops}
    return [way for way in Way if way not in stopped]
