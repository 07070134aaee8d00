import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from rayjob.reports.atlas import Atlas, ClusterRow, DimensionRow, Point, Source, draw_atlas
from rayjob.reports.atlas_data import place_points

EVIL = '<script>alert("x")</script>&\x00\ud800'


def point(number, **values):
    defaults = {
        "uid": f"u{number}", "x": 0.1 * number, "y": 0.5, "label": "a", "kind": "accepted", "confidence": 0.9,
        "cluster": 0, "text": "hello", "sources": (Source("u9", "a", 0.25),),
    }  # fmt: skip
    return Point(**{**defaults, **values})


def atlas(points, **values):
    return Atlas("intent", tuple(points), rows=1000, **values)


def parsed(html):
    return ET.fromstring(html.replace("<br>", "<br/>").replace("class=number", 'class="number"'))


def test_each_way_to_a_label_is_drawn_its_own_way():
    html = draw_atlas(atlas([point(1), point(2, kind="bought"), point(3, kind="audit"), point(4, kind="sent_on")]))
    tree = parsed(html)
    assert len(tree.findall(".//circle")) == 3
    assert len(tree.findall(".//svg/path")) == 1
    assert html.count("stroke-dasharray") == 1
    assert "4 of 1,000 rows" in html


def test_a_point_says_why():
    title = parsed(draw_atlas(atlas([point(1)]))).find(".//circle/title").text
    assert title == "u1: a (spread, confidence 0.90, cluster 0)\nhello\nfrom u9: a, distance 0.250"


def test_every_text_is_escaped_and_nothing_is_fetched():
    html = draw_atlas(
        atlas(
            [point(1, uid=EVIL, label=EVIL, text=EVIL, sources=(Source(EVIL, EVIL, 0.1),))],
            clusters=(ClusterRow(0, 5, EVIL, (EVIL,), ((EVIL, 3),)),),
            dimensions=(DimensionRow(EVIL, 1, 2, 3, None, None, 0, 1, 0, 0, EVIL.strip("\x00\ud800")),),
        )
    )
    assert "<script" not in html
    assert "http" not in html
    html.encode("utf-8")
    parsed(html)


def test_the_tables_hold_what_the_run_did():
    html = draw_atlas(
        atlas(
            [point(1)],
            clusters=(
                ClusterRow(0, 1200, "most central", ("card", "late"), (("a", 7),)),
                ClusterRow(-1, 30, "x", (), ()),
            ),
            silhouette=0.123,
            dimensions=(DimensionRow("intent", 50, 900, 50, 0.71, 0.98, 0.951, 0.99, 1.0, 10.0),),
            curve=((100, 0.2), (200, 0.8)),
        )
    )
    text = " ".join(parsed(html).itertext())
    for found in ("1 clusters, 30 outliers, silhouette 0.12", "card, late", "98.0% (95.1%–99.0%)", "200 labels: 80.0%"):
        assert found in text


def test_many_labels_share_a_grey():
    html = draw_atlas(atlas([point(number, label=f"l{number}") for number in range(20)]))
    assert "8 other labels" in html


def test_an_empty_map():
    assert "0 of 1,000 rows" in draw_atlas(atlas([]))


@pytest.mark.parametrize("rows", [1, 40])
def test_points_are_placed_from_vectors(rows):
    vectors = np.random.default_rng(0).normal(size=(rows, 8))
    facts = [
        {"uid": f"u{n}", "label": "a", "kind": "bought", "confidence": 1.0, "cluster": 0, "text": ""}
        for n in range(rows)
    ]
    points = place_points(vectors, facts)
    assert [found.uid for found in points] == [f"u{n}" for n in range(rows)]
    assert all(0 <= found.x <= 1 and 0 <= found.y <= 1 for found in points)
    assert re.search("circle", draw_atlas(atlas(points)))
