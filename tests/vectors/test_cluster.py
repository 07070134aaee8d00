import numpy as np
import pytest

from rayjob.vectors import cluster as module
from rayjob.vectors.check import SpreadError
from rayjob.vectors.cluster import ClusterSettings, cluster
from tests.vectors.clouds import make_clouds


def purity(labels, truth):
    kept = labels >= 0
    names = np.unique(labels[kept])
    return sum(np.unique(truth[labels == name], return_counts=True)[1].max() for name in names) / kept.sum()


@pytest.mark.parametrize("algorithm", ["kmeans", "minibatch", "hdbscan", "auto"])
def test_clouds_become_clusters_the_same_twice(algorithm):
    clouds = make_clouds(600, classes=5, noise=0.15)
    count = None if algorithm == "hdbscan" else 8
    settings = ClusterSettings(algorithm, count, seed=2)
    found = cluster(clouds.vectors, settings)
    assert purity(found.labels, clouds.truth) > 0.95
    assert sum(found.sizes) + found.outliers == 600
    assert list(found.sizes) == sorted(found.sizes, reverse=True)
    assert found.silhouette > 0.2
    assert np.array_equal(found.labels, cluster(clouds.vectors, settings).labels)


def test_outliers_are_kept_and_counted():
    clouds = make_clouds(300, classes=3, noise=0.1)
    rng = np.random.default_rng(0)
    stray = rng.normal(size=(20, 16)).astype(np.float32)
    found = cluster(np.vstack([clouds.vectors, stray]), ClusterSettings("hdbscan", min_size=30))
    assert len(found.labels) == 320
    assert (found.labels[300:] == -1).sum() >= 15
    assert found.outliers == (found.labels == -1).sum()


def test_a_large_table_is_clustered_through_a_sample(monkeypatch):
    monkeypatch.setattr(module, "HDBSCAN_ROWS", 200)
    clouds = make_clouds(1000, classes=4, noise=0.1)
    found = cluster(clouds.vectors, ClusterSettings("hdbscan"))
    assert purity(found.labels, clouds.truth) > 0.95
    assert found.outliers < 300


@pytest.mark.parametrize("algorithm", ["kmeans", "minibatch", "hdbscan"])
def test_equal_texts_are_one_cluster_or_none(algorithm):
    found = cluster(np.ones((50, 4), np.float32), ClusterSettings(algorithm))
    assert len(found.sizes) <= 1
    assert np.isnan(found.silhouette)


def test_one_row():
    assert cluster(np.ones((1, 4), np.float32), ClusterSettings()).sizes == (1,)
    assert cluster(np.ones((1, 4), np.float32), ClusterSettings("hdbscan")).outliers == 1


def test_fewer_rows_than_clusters_is_an_error_that_says_so():
    with pytest.raises(SpreadError, match="9 clusters were asked of 5 rows; ask for at most 5"):
        cluster(make_clouds(5).vectors, ClusterSettings(count=9))


def test_broken_vectors_are_named():
    vectors = make_clouds(9).vectors
    vectors[2] = np.nan
    with pytest.raises(SpreadError, match="rows 2"):
        cluster(vectors, ClusterSettings())


@pytest.mark.parametrize("algorithm", ["kmeans", "minibatch", "hdbscan"])
def test_any_seed_will_do(algorithm):
    assert len(cluster(make_clouds(60).vectors, ClusterSettings(algorithm, seed=2**32 + 1)).labels) == 60
