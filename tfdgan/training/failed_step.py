"""What an error of TensorFlow's or Horovod's in a step means for the person who trains."""

import re

from tfdgan.data.given import fault_in
from tfdgan.errors import LocalFault
from tfdgan.gossip import backends


def explained(error: Exception, last_good: str) -> Exception:
    """What to raise for a failed step: a `LocalFault` that names who is lost, or the sample; or the error itself.

    Args:
      last_good: where the last good checkpoint is.
    """
    if sample := fault_in(error):
        return LocalFault(f"{sample}; last good checkpoint: {last_good}")
    found = re.search(r"gossip: [^\n]*", str(error))
    if not found and "Horovod has been shut down" not in str(error):
        return error
    lost = "; ".join(f"learner {rank} {why}" for rank, why in backends.lost().items())
    what = found.group() if found else f"Horovod has ended, {lost or 'some learner has left the job'}"
    return LocalFault(f"{what}; last good checkpoint: {last_good}")
