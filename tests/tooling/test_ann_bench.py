"""What `./dev bench ann` computes from measured points: fronts, speeds at a recall, ratios, tables and plots."""
import json
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from parts import ann_plot, ann_runs, ann_sets, ann_table  # noqa: E402
from parts.ann_front import at_recall, front  # noqa: E402


def points(*pairs):
    return [{"recall": recall, "qps": qps} for recall, qps in pairs]


def peer(name, *pairs):
    return {"engine": name, "search": {"points": points(*pairs), "cut": False},
            "build": {"rows": 100, "cpu_seconds": 2.0, "index_bytes": 1_000, "bytes": 5_000}}


def kedge(*pairs):
    build = {"vectors_per_cpu_second": 70, "bytes": {"codes": 100, "refine": 200, "directory": 30, "tree": 70, "vectors": 800,
                                                     "docs": 9_999, "keys": 9_999}}
    return {"engine": "kedge avx2", "kedge": {"rows": 100, "points": points(*pairs), "build": build}}


def test_the_front_holds_what_no_other_point_beats():
    assert front(points((.9, 100), (.95, 50), (.93, 40), (.9, 90), (.95, 50), (.99, 60))) == points((.9, 100), (.99, 60))


def test_a_speed_between_two_points_lies_on_the_line_of_its_logarithm():
    line = points((.90, 1000), (1.0, 10))
    assert at_recall(line, .95) == (pytest.approx(100), False)
    assert at_recall(line, .90) == (pytest.approx(1000), False)
    assert at_recall(line, 1.0) == (pytest.approx(10), False)


def test_a_speed_is_a_bound_below_the_first_point_and_nothing_above_the_last():
    line = points((.96, 500), (.98, 300))
    assert at_recall(line, .95) == (500, True)
    assert at_recall(line, .99) is None
    assert at_recall([], .5) is None
    assert at_recall(points((1.0, 40)), .95) == (40, False)  # an exhaustive search has no other speed


def test_kedge_is_compared_with_the_best_peer_at_each_recall():
    found = [peer("slow", (.94, 30), (.99, 20)), peer("fast", (.9, 110), (.95, 100)), kedge((.95, 150), (.99, 140))]
    assert list(ann_table.ratio_lines(found)) == ["kedge avx2: 1.50 times fast at 0.95; 7.00 times slow at 0.99"]
    assert list(ann_table.ratio_lines(found[2:])) == []


def test_a_ratio_of_bounds_says_so():
    ours = ((.9, 200), (1.0, 50))  # 100 at .95
    assert list(ann_table.ratio_lines([peer("p", (.96, 80), (.97, 70)), kedge(*ours)])) == [
        "kedge avx2: about 1.25 times p at 0.95"]
    assert list(ann_table.ratio_lines([peer("p", (.95, 100), (.97, 90)), kedge((.96, 150), (.98, 90))])) == [
        "kedge avx2: at least 1.50 times p at 0.95"]


def test_bytes_are_those_of_the_search_by_vector():
    assert ann_table.costs(kedge((.9, 1))) == (70, 4, 12)
    assert ann_table.costs(peer("p", (.9, 1))) == (50, 10, 50)


def test_the_table_names_every_engine_with_its_figures():
    described = {"rows": 100, "dimension": 4, "queries": 7, "base": "base.fvecs", "sha256": {"base.fvecs": "abcdef0123456789"}}
    lines = ann_table.of_set("fashion", {"set": described, "engines": [peer("p", (.96, 100), (.97, 90)), kedge((.9, 300), (.96, 150))]})
    assert "data abcdef012345" in lines[0]
    assert [line for line in lines if line.startswith("| p |")] == ["| p | ≥ 100 | - | 50 | 10 | 50 | all |"]
    assert lines.index(next(line for line in lines if line.startswith("| kedge"))) == 4  # the fastest comes first


def test_a_plot_is_xml_with_a_line_an_engine():
    drawn = ann_plot.svg("a & b", [peer("p", (.7, 900), (.96, 100)), kedge((.9, 300), (.96, 150)), peer("low", (.5, 9))])
    texts = [text.text for text in xml.etree.ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"a & b", "p", "kedge avx2", "100", "1,000"} <= set(texts) and "low" not in texts
    assert ann_plot.svg("nothing", [peer("low", (.5, 9))]) is None


class Fresh:
    """In place of Patience: runs nothing."""

    def run(self, command, _):
        return {"phase": command[3]}, 0.3


@pytest.mark.parametrize(("others", "reused"), [(0.1, True), (1.5, False)])
def test_a_peer_is_reused_only_if_it_was_measured_alone(tmp_path, monkeypatch, others, reused):
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps({"engine": "flat", "others": others}))
    monkeypatch.setattr(ann_runs, "cached_peer", lambda *_: kept)
    found = ann_runs.measure_peer("python", "flat", "fashion", tmp_path, tmp_path, Fresh(), True)
    if reused:
        assert found == {"engine": "flat", "others": others, "reused": True}
    else:
        assert found == {"engine": "flat", "build": {"phase": "build"}, "search": {"phase": "search"}, "others": 0.3}
        assert json.loads(kept.read_text()) == found


def test_a_million_rows_bring_the_smaller_set_for_graphs():
    assert ann_sets.names_of(["text1m"], None) == ["text1m", "text250k"]
    assert ann_sets.names_of(["fashion"], 1_000_000) == ["fashion", "made-1000000"]
    assert "hnswlib" not in ann_runs.peers_of("text1m", ann_runs.PEERS)
    assert ann_runs.peers_of("text250k", ann_runs.PEERS) == ["faiss-pqfs", "hnswlib"]
    assert ann_runs.peers_of("fashion", ["hnswlib", "flat"]) == ["flat", "hnswlib"]
