"""How frames between two learners are sealed: what the user asks for, and what their machines can do."""

from collections.abc import Sequence

from tfdgan.errors import UserError

NONE, AUTHENTICATED, ENCRYPTED = 0, 1, 2  # as transport/seal.h has them


def between(asked: str, share_machine: bool, both_can: bool) -> int:
    """NONE, AUTHENTICATED or ENCRYPTED for a pair of learners.

    Args:
      asked: one of `gossip.WIRE_SECURITIES`. "auto" encrypts between machines, and leaves alone what stays on one.
      share_machine: whether no network lies between them.
      both_can: whether both have OpenSSL.
    """
    if not both_can or asked == "none" or (asked == "auto" and share_machine):
        return NONE
    return AUTHENTICATED if asked == "authenticated" else ENCRYPTED


def remark(asked: str, can: Sequence[bool], machines: Sequence[str]) -> str | None:
    """What the user should know, once, about learners that have no OpenSSL (`can`, by rank); None if nothing.

    Raises:
      UserError: "encrypted" is asked for, and some learner cannot.
    """
    cannot = ", ".join(str(rank) for rank, one in enumerate(can) if not one)
    if not cannot or asked == "none" or (asked == "auto" and len(set(machines)) == 1):
        return None
    why = f"learner {cannot} was set up without OpenSSL's headers (Debian: apt-get install libssl-dev)"
    if asked == "encrypted":
        raise UserError(f"--wire_security=encrypted: {why}")
    return f"frames from and to it are neither encrypted nor authenticated: {why}"
