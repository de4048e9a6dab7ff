"""Who is left out when learners do not hear each other: by hand, the same whoever decides."""

import pytest

from tfdgan.gossip.native.assembly import _agreed

LATE = "is late"


@pytest.mark.parametrize(
    "ranks, unheard, gone, lost",
    [
        ([0, 1, 2], {0: {}, 1: {}, 2: {}}, {}, {}),
        ([0, 1, 2], {0: {}, 1: {}}, {2: "is gone"}, {2: "is gone"}),
        # Nobody hears learner 1, and learner 1 says nothing.
        ([0, 1, 2], {0: {1: LATE}, 2: {1: LATE}}, {}, {1: LATE}),
        # Only the way between 1 and 2 is dead: what learner 0, learner 1 and learner 2 know.
        ([0, 1, 2], {0: {}, 1: {2: LATE}, 2: {1: LATE}}, {}, {2: LATE}),
        ([0, 1, 2], {0: {}, 1: {2: LATE}}, {}, {2: LATE}),
        ([0, 1, 2], {0: {}, 2: {1: LATE}}, {}, {2: "cannot hear another learner, which cannot hear it"}),
        # Learner 1 has two dead ways, though others have higher ranks.
        ([0, 1, 2, 3], {0: {}, 1: {2: LATE, 3: LATE}, 2: {1: LATE}, 3: {1: LATE}}, {}, {1: LATE}),
        # Learner 2 is excluded here; learner 1, which could not hear so, still names it. That is no fault of learner 1.
        ([0, 1], {0: {}, 1: {2: LATE}}, {}, {}),
        # Of those that were there already.
        ([0, 2], {0: {2: LATE}}, {1: "is gone"}, {2: LATE}),
    ],
)
def test_who_is_left_out(ranks, unheard, gone, lost):
    assert _agreed(ranks, unheard, gone) == lost
