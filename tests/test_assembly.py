"""Who is left out when learners do not hear each other: by hand, the same whoever decides."""

import pytest

from tfdgan.gossip.native.assembly import _agreed

LATE = "is late"
SMALL = "is one of 2 that hear each other, of 5 learners that were last together"
HALF = "is one of 2 that hear each other, of 4 learners that were last together"


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
        # A split: the larger side goes on, whoever decides.
        ([0, 1, 2, 3, 4], dict.fromkeys((0, 1), dict.fromkeys((2, 3, 4), LATE)), {}, {0: SMALL, 1: SMALL}),
        ([0, 1, 2, 3, 4], dict.fromkeys((2, 3, 4), dict.fromkeys((0, 1), LATE)), {}, {0: LATE, 1: LATE}),
        # Two halves: that of learner 0, though learner 3 alone has the highest rank.
        ([0, 1, 2, 3], dict.fromkeys((0, 3), dict.fromkeys((1, 2), LATE)), {}, {1: LATE, 2: LATE}),
        ([0, 1, 2, 3], dict.fromkeys((1, 2), dict.fromkeys((0, 3), LATE)), {}, {1: HALF, 2: HALF}),
        # Who has ended is on no side: two of three go on without two that have ended and one that is not heard.
        (
            [0, 1, 2, 3, 4],
            {3: {0: LATE}, 4: {0: LATE}},
            {1: "is gone", 2: "is gone"},
            {0: LATE, 1: "is gone", 2: "is gone"},
        ),
        # Each hears itself alone: learner 1 believes that the others are together, and goes.
        (
            [0, 1, 2],
            {1: {0: LATE, 2: LATE}},
            {},
            {1: "is one of 1 that hear each other, of 3 learners that were last together"},
        ),
        # Of those that were there already.
        ([0, 2], {0: {2: LATE}}, {1: "is gone"}, {2: LATE}),
    ],
)
def test_who_is_left_out(ranks, unheard, gone, lost):
    assert _agreed(ranks, unheard, gone) == lost
