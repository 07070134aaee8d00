"""Rows that were asked about and have no label: they teach nothing, they audit nothing, and they are counted apart."""

import numpy as np
import pytest

from rayjob.spec.spread import PropagateStep
from rayjob.steps.propagate import Counts, Propagate, summarise
from rayjob.vectors.audit import Threshold
from rayjob.vectors.check import SpreadError
from rayjob.vectors.represent import Chosen
from tests.vectors.clouds import make_clouds


def spread_without(clouds, lost, method="mean"):
    """240 bought rows, half of them audit, in two dimensions; the first lacks the labels of the tag `lost`."""
    bought = Chosen(np.arange(240), np.arange(240) >= 120)
    asked = clouds.ask(bought.rows)
    labels = {
        "intent": [None if tag == lost else tag for tag in asked],
        "topic": [None if tag == lost else [] if tag == "tag1" else [tag] for tag in asked],
        "all": asked,
    }
    uids = [f"u{number}" for number in range(240)]
    return Propagate(PropagateStep(method=method)).fit(clouds.vectors, bought, uids, labels)


@pytest.mark.parametrize("method", ["mean", "trust"])
def test_a_missing_label_is_never_spread_and_no_source(method):
    clouds = make_clouds(700)
    spreader = spread_without(clouds, "tag0", method)
    answered = clouds.truth[:240] != "tag0"
    rows = spreader(clouds.vectors)
    assert {row["intent"].label for row in rows} == {"tag1", "tag2", "tag3", "tag4"}
    assert {tuple(row["topic"].label) for row in rows if row["topic"].accepted} <= {
        (), ("tag2",), ("tag3",), ("tag4",),
    }  # fmt: skip
    sources = {int(uid[1:]) for row in rows for uid in row["intent"].sources}
    assert all(answered[source] for source in sources)
    assert spreader.thresholds()["intent"].audited == answered[120:].sum()
    assert spreader.thresholds()["all"].audited == 120
    own = [row for row in np.flatnonzero(answered)[:50] if rows[row]["intent"].sources[0] != f"u{row}"]
    assert own == []


def test_dimensions_without_missing_labels_are_spread_as_if_alone():
    clouds = make_clouds(400)
    with_others, alone = spread_without(clouds, "tag0"), spread_without(clouds, "")
    assert [row["all"] for row in with_others(clouds.vectors)] == [row["all"] for row in alone(clouds.vectors)]


def test_a_dimension_that_nobody_answered_is_named():
    bought = Chosen(np.arange(3), np.zeros(3, bool))
    with pytest.raises(SpreadError, match=r"dimension topic: none of the 3 rows .* nothing to spread; see `unmapped`"):
        Propagate(PropagateStep()).fit(make_clouds(9).vectors, bought, "abc", {"topic": [None, "", None]})


def test_failed_and_missing_rows_are_not_sent_on():
    found = summarise("intent", Threshold(0.9, 60), Counts(100, 8, 70, failed=2, missing=5))
    assert (found.bought, found.spread, found.sent_on, found.failed, found.missing) == (8, 70, 15, 2, 5)
