"""What the best possible confidence would gain: the same labels, the same audit, but rows ranked by someone who knows.

    python -m benchmarks.spreading_ceiling --data banking77_train.csv banking77_test.csv --out OUT

Trees are told, for four fifths of the other rows at a time, whether the spread label is right, and rank the last fifth:
by every member's scores, how they agree, the distances to labelled rows, the density around. No run can know that much;
what an audit accepts by that ranking is a ceiling for any other confidence from the same vectors and labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import benchmarks.spreading as bench
from rayjob.vectors.spread import Plan, Spread, spread


def main() -> None:
    """Measure and print."""
    parser = bench.parser_of(__doc__)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data = bench.load(options)
    print("| labels | seed | accuracy | accepted, mean of other audits | with the ranking that knows | best | knows |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for share in options.shares:
        for seed in options.seed_list or range(options.seeds):
            cells = measure(data, Plan(budget=share, rounds=options.rounds, seed=seed), options.redraw)
            print(f"| {share:.0%} | {seed} | {' | '.join(f'{cell:.1%}' for cell in cells)} |", flush=True)


def measure(data: bench.Data, plan: Plan, redraws: int) -> list[float]:
    """Accuracy of the rest; accepted by our confidence and by the one that knows; the same for the peeking best."""
    done = spread(data.vectors, lambda rows: [str(tag) for tag in data.truth[rows]], plan)
    chosen = done.prediction.chosen.argmax(axis=1)
    rest = np.flatnonzero(~np.isin(np.arange(len(data.truth)), done.bought.rows))
    right = (np.array(done.propagator.tags)[chosen] == data.truth)[rest]
    audit, target = int(done.bought.is_audit.sum()), plan.promise.precision
    ours = done.prediction.confidence[rest]
    knows = rank_knowing(clues(data, done, chosen)[rest], right)
    accepted = [bench.redraw(confidence, right, audit, plan, redraws)[0] for confidence in (ours, knows)]
    return [float(right.mean()), *accepted, *(bench.best_share(right, found, target) for found in (ours, knows))]


def clues(data: bench.Data, done: Spread, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, clues) of every row."""
    model, rows = done.propagator, np.arange(len(chosen))
    members = [member.scores(data.vectors) for member in (*model.others, model.trust)]
    mean = np.sort(done.prediction.scores, axis=1)
    near = model.trust.index.search(data.vectors, 10)
    same = data.truth[done.bought.rows][near.rows] == np.array(model.tags)[chosen][:, None]
    apart = [np.where(mask, near.distances, 9.0).min(axis=1) for mask in (same, ~same)]
    columns = [mean[:, -1], mean[:, -1] - mean[:, -2], (mean**2).sum(axis=1), same[:, :5].mean(axis=1), *apart]
    columns += [scores[rows, chosen] for scores in members] + [scores.argmax(axis=1) == chosen for scores in members]
    return np.column_stack([*columns, near.distances[:, [0, 2, 4, 9]]]).astype(np.float64)


def rank_knowing(found: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(n,) how likely each row is right, by trees that saw the truth of the other folds; mean of two."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_predict

    votes = [
        cross_val_predict(
            HistGradientBoostingClassifier(max_depth=4, max_iter=150, learning_rate=0.05, random_state=seed),
            found, right, cv=5, method="predict_proba",
        )[:, 1]
        for seed in (0, 1)
    ]  # fmt: skip
    return np.asarray(np.mean(votes, axis=0), np.float32)


if __name__ == "__main__":
    main()
