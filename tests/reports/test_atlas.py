import xml.etree.ElementTree as ET

import pytest

from rayjob.reports.atlas import Atlas, ClusterRow, Clusters, DimensionRow, draw_atlas
from rayjob.reports.atlas_map import Point, Source

EVIL = '<script>alert("x")</script>&\x00\ud800'


def point(number, **values):
    defaults = {
        "uid": f"u{number}", "x": 0.1 * number, "y": 0.5, "label": "a", "kind": "accepted", "confidence": 0.9,
        "cluster": 0, "text": "hello", "sources": (Source("u9", "a", 0.25),),
    }  # fmt: skip
    return Point(**{**defaults, **values})


def atlas(points, otherwise="label", **values):
    return Atlas(1000, otherwise, {"intent": tuple(points)}, **values)


def row(dimension="intent", **values):
    defaults = {
        "dimension": dimension, "bought": 50, "spread": 900, "sent_on": 50, "threshold": 0.71, "precision": 0.98,
        "precision_low": 0.951, "precision_high": 0.99, "cost_usd": 1.0, "cost_all_usd": 10.0,
    }  # fmt: skip
    return DimensionRow(**{**defaults, **values})


def parsed(html):
    return ET.fromstring(html.replace("<br>", "<br/>"))


def text_of(html):
    return " ".join(parsed(html).itertext())


def heads_of(html):
    return [head.text for head in parsed(html).find(".//table/tr")]


def test_each_way_to_a_label_is_drawn_its_own_way():
    kinds = ("accepted", "bought", "audit", "open", "missing")
    html = draw_atlas(atlas([point(number, kind=kind) for number, kind in enumerate(kinds)]))
    tree = parsed(html)
    assert len(tree.findall(".//circle")) == 4
    assert len(tree.findall(".//svg/path")) == 1
    assert html.count("stroke-dasharray") == 1
    assert "5 of 1,000 rows" in html


def test_a_point_says_why():
    title = parsed(draw_atlas(atlas([point(1)]))).find(".//circle/title").text
    assert title == "u1: a (spread, confidence 0.90, cluster 0)\nhello\nfrom u9: a, distance 0.250"


@pytest.mark.parametrize(("cluster", "told"), [(None, "0.90)"), (-1, "0.90, outlier)"), (3, "0.90, cluster 3)")])
def test_a_point_names_its_cluster_where_there_is_one(cluster, told):
    assert told in parsed(draw_atlas(atlas([point(1, cluster=cluster)]))).find(".//circle/title").text


def test_every_dimension_has_a_map_and_the_one_with_most_spread_rows_is_open():
    maps = {"intent": (point(1, label="learn"),), "topic": (point(1, label="web"), point(2, label="web"))}
    found = parsed(draw_atlas(Atlas(1000, "label", maps))).findall("details")
    assert [details.find("summary").text for details in found] == ["Map of intent", "Map of topic"]
    assert [details.get("open") is not None for details in found] == [False, True]
    assert [len(details.findall("svg/circle")) for details in found] == [1, 2]


def test_every_text_is_escaped_and_nothing_is_fetched():
    line = ClusterRow(0, 5, EVIL, (EVIL,), {EVIL: ((EVIL, 1.0),)})
    html = draw_atlas(
        Atlas(
            1000,
            "label",
            {EVIL: (point(1, uid=EVIL, label=EVIL, text=EVIL, sources=(Source(EVIL, EVIL, 0.1),)),)},
            clusters=Clusters(1, 0, 100, rows=(line,)),
            dimensions=(row(EVIL, threshold=None, precision=None, reason=EVIL.strip("\x00\ud800")),),
        )
    )
    assert "<script" not in html
    assert "http" not in html
    html.encode("utf-8")
    parsed(html)


def test_the_tables_hold_what_the_run_did():
    lines = (
        ClusterRow(0, 1200, "most central", ("card", "late"), {"intent": (("a", 0.7), ("sent on", 0.3))}),
        ClusterRow(-1, 30, "x", (), {"intent": ()}),
    )
    clusters = Clusters(700, 30, 100, silhouette=0.123, rows=lines)
    text = text_of(
        draw_atlas(atlas([point(1)], clusters=clusters, dimensions=(row(),), curve=((100, 0.2), (200, 0.8))))
    )
    for found in (
        "700 clusters, 30 outliers, silhouette 0.12", "The 1 largest.", "up to 100 random rows", "card, late",
        "98.0% (95.1%–99.0%)", "200 labels: 80.0%", "intent: a 70%; sent on 30%", "1,200", "$10.00",
    ):  # fmt: skip
        assert found in text


@pytest.mark.parametrize(("otherwise", "told"), [("label", "sent on"), ("review", "to review"), ("leave", "left open")])
def test_rows_that_were_not_accepted_are_called_what_becomes_of_them(otherwise, told):
    html = draw_atlas(atlas([point(1, kind="open")], otherwise, dimensions=(row(),)))
    assert heads_of(html)[:4] == ["dimension", "bought", "spread", told]
    assert f"crosses were not accepted and are {told}." in html
    assert ("sent on" in text_of(html)) == (otherwise == "label")


@pytest.mark.parametrize(
    ("values", "more"),
    [({}, []), ({"failed": 2}, ["failed"]), ({"missing": 3, "failed": 2}, ["no answer", "failed"])],
)
def test_failed_and_unanswered_rows_stand_apart(values, more):
    assert heads_of(draw_atlas(atlas([], dimensions=(row(), row("topic", **values)))))[4:-4] == more


def test_what_cost_nothing_has_no_column_for_it():
    free = row(cost_usd=0.0, cost_all_usd=0.0)
    assert heads_of(draw_atlas(atlas([], dimensions=(free,))))[-1] == "precision"


def test_many_labels_share_a_grey():
    html = draw_atlas(atlas([point(number, label=f"l{number}") for number in range(20)]))
    assert "8 other labels" in html


def test_an_empty_map():
    assert "0 of 1,000 rows" in draw_atlas(atlas([]))
