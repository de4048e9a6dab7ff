"""What Horovod's start leaves at its rendezvous server: addresses, by which a second start would call in vain."""

import http.client
import os
import time

from tfdgan.distributed import job

_SERVER = ("HOROVOD_GLOO_RENDEZVOUS_ADDR", "HOROVOD_GLOO_RENDEZVOUS_PORT")
_SECONDS = 10.0


def forget() -> None:
    """Remove the addresses of this start of Horovod. Every learner calls it, after everybody's start.

    Horovod's learners learn each other's addresses from the server of horovodrun. There are three scopes: of all
    learners, of a host's, and of those of one local rank. The server drops a scope's addresses when the last of its
    learners has said that it is done, and then forgets who has said so in *any* scope. Where two scopes end at the same
    time, the addresses of one stay. In a second start of the same processes, a learner that is early would then find
    the ports of the first start, and be aborted: "Connection refused".

    The first learner of each scope says "done" for those who were forgotten, until the addresses are gone.
    """
    if any(name not in os.environ for name in _SERVER):  # no Gloo
        return
    host, local = os.environ.get("HOROVOD_HOSTNAME", ""), job.local_rank()
    firsts = {
        "global": job.rank() == 0,
        f"local_{host}": local == 0,
        f"cross_{local}": os.environ.get("HOROVOD_CROSS_RANK") == "0",
    }
    limit = time.monotonic() + _SECONDS
    for scope in (scope for scope, is_first in firsts.items() if is_first):
        # Not a fixed number of times: when another host's first learner is done, this scope's count begins anew.
        while _ask("GET", scope) != http.client.NOT_FOUND and time.monotonic() < limit:
            _ask("DELETE", scope)


def _ask(method: str, scope: str) -> int:
    """The server's answer about the first learner's address in a scope; "not found" if there is no server any more."""
    host, port = (os.environ[name] for name in _SERVER)
    connection = http.client.HTTPConnection(host, int(port), timeout=_SECONDS)
    try:
        connection.request(method, f"/{scope}/0")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return http.client.NOT_FOUND
    finally:
        connection.close()
