"""Times `implicit` and our own models on the same likes of MovieLens 100K and prints both, with the ratio; see `run`."""

import argparse
import csv
import importlib.util
import json
import os
import subprocess
import time
import warnings
from pathlib import Path

import implicit
import numpy
import scipy.sparse

ITERATIONS = 15
# The same objective, as tests/exactness says: ours weighs a like 1 and every pair α besides, theirs 1 + 1/α and 1.
ALPHA, LAMBDA = 0.2, 2.0


def likes(path):
    """Ratings of 4 and more in order of time, written as a log of views; users and items by number."""
    package = Path(importlib.util.find_spec("recbole").submodule_search_locations[0])
    with open(package / "dataset_example" / "ml-100k" / "ml-100k.inter", encoding="utf-8") as file:
        rows = [[field.split(":")[0] for field in file.readline().split("\t")]]
        rows = [dict(zip(rows[0], line.rstrip("\n").split("\t"))) for line in file]
    rows = [row for row in rows if float(row["rating"]) >= 4]
    rows.sort(key=lambda row: (float(row["timestamp"]), int(row["user_id"]), int(row["item_id"])))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "ts"])
        writer.writerows([row["user_id"], row["item_id"], int(float(row["timestamp"]))] for row in rows)
    users = {user: at for at, user in enumerate(dict.fromkeys(row["user_id"] for row in rows))}
    items = {item: at for at, item in enumerate(dict.fromkeys(row["item_id"] for row in rows))}
    places = [users[row["user_id"]] for row in rows], [items[row["item_id"]] for row in rows]
    values = numpy.ones(len(rows), numpy.float32)
    return scipy.sparse.csr_matrix((values, places), shape=(len(users), len(items)))


def seconds(act):
    """Processor time of the one thread, which other programs disturb little."""
    start = time.process_time()
    act()
    return time.process_time() - start


def microseconds(ask, count):
    """The mean of one call, and the 90th percentile."""
    times = sorted(seconds(lambda at=at: ask(at)) * 1e6 for at in range(count))
    return sum(times) / count, times[int(0.9 * (count - 1))]


def theirs(matrix, factors):
    """(training in s, one recommendation, one list of similar items) by name; calls as (mean, p90) in µs."""
    users, items = matrix.shape
    found = {}
    for name, cg in (("exact", False), ("conjugate gradients", True)):
        model = implicit.als.AlternatingLeastSquares(
            factors=factors,
            alpha=1 + 1 / ALPHA,
            regularization=LAMBDA * (1 + ALPHA) / ALPHA,
            iterations=ITERATIONS,
            use_cg=cg,
            use_gpu=False,
            num_threads=1,
            random_state=1,
        )
        trained = seconds(lambda model=model: model.fit(matrix, show_progress=False))
        found[name] = {
            "train": trained,
            "recommend": microseconds(lambda user, model=model: model.recommend(user, matrix[user], 10), users),
            "folded": microseconds(
                lambda user, model=model: model.recommend(user, matrix[user], 10, recalculate_user=True), users
            ),
        }
    model = implicit.nearest_neighbours.CosineRecommender(K=100, num_threads=1)
    trained = seconds(lambda: model.fit(matrix, show_progress=False))
    found["cosine"] = {
        "train": trained,
        "recommend": microseconds(lambda user: model.recommend(user, matrix[user], 10), users),
        "similar": microseconds(lambda item: model.similar_items(item, 10), items),
    }
    return found


def ours(root, path, models, settings):
    environment = {**os.environ, "LOG": str(path), "MODELS": ",".join(models)}
    environment["SET"] = ";".join(f"{key}={value}" for key, value in settings.items())
    command = ["cargo", "bench", "--quiet", "--locked", "--package", "kindred-recommender", "--bench", "models"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return {report["model"]: report for report in map(json.loads, done.stdout.splitlines())}


def least(runs, *path):
    """The least of a figure over the runs: what others on the machine add is never negative."""
    values = []
    for run in runs:
        value = run
        for key in path:
            value = value[key]
        values.append(value)
    return min(values)


def table(their_runs, our_runs, factors):
    def row(what, their_value, our_value, unit):
        ratio = their_value / our_value
        said = f"{ratio:.1f} times as fast" if ratio >= 1 else f"{1 / ratio:.1f} times as slow"
        return f"| {what} | {their_value:.3g} {unit} | {our_value:.3g} {unit} | {said} |"

    als, own = "als", "recommend"
    exact, gradients = "exact", "conjugate gradients"
    name = f"ALS, {factors} factors, {ITERATIONS} iterations"
    our_train = least(our_runs, als, "train_s")
    our_als = least(our_runs, als, own, "mean_us")
    our_cosine = least(our_runs, "item-cosine", own, "mean_us")
    rows = [
        "| on one thread | `implicit` | kindred | kindred is |",
        "| --- | --- | --- | --- |",
        row(f"{name}: train, exact solutions", least(their_runs, exact, "train"), our_train, "s"),
        row(f"{name}: train, there by 3 steps of conjugate gradients", least(their_runs, gradients, "train"), our_train, "s"),
        row("the ten best of ALS for one user, solved anew", least(their_runs, exact, "folded", 0), our_als, "µs"),
        row("the same, there from the vector of the training", least(their_runs, exact, own, 0), our_als, "µs"),
        row(
            "learn: there item cosine at once; here every count and the fusion, event by event",
            least(their_runs, "cosine", "train"),
            least(our_runs, "item-cosine", "learn_s"),
            "s",
        ),
        row("the ten best of item cosine for one user", least(their_runs, "cosine", own, 0), our_cosine, "µs"),
        row(
            "the ten most alike by cosine",
            least(their_runs, "cosine", "similar", 0),
            least(our_runs, "item-cosine", "similar", "mean_us"),
            "µs",
        ),
    ]
    return "\n".join(rows) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the fastest counts")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=implicit.utils.ParameterWarning)
    path = options.out / "likes.csv"
    matrix = likes(path)
    settings = {
        "recommender.als.factors": options.factors,
        "recommender.als.alpha": ALPHA,
        "recommender.als.lambda": LAMBDA,
    }
    their_runs, our_runs = [], []
    for _ in range(options.repeat):
        their_runs.append(theirs(matrix, options.factors))
        our_runs.append(ours(options.root, path, ["als", "item-cosine"], settings))
    text = table(their_runs, our_runs, options.factors)
    text = f"{matrix.nnz:,} likes, {matrix.shape[0]:,} users, {matrix.shape[1]:,} items:\n\n{text}"
    (options.out / "implicit.md").write_text(text, encoding="utf-8")
    everything = {"theirs": their_runs, "ours": our_runs}
    (options.out / "implicit.json").write_text(json.dumps(everything, indent=1), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
