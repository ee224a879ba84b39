"""The recommender's numbers against those of other programs, on MovieLens 100K and on made-up logs.

`recommender/examples/numbers.rs` is the door: a CSV and settings in, one JSON answer for each JSON question out.
NUMBERS names the built program; `tests/exactness/run` sees to that and to what is imported here.
"""

import csv
import importlib.util
import json
import os
import random
import subprocess
from pathlib import Path

import implicit
import ir_measures
import numpy
import pandas
import pytest
import scipy.sparse
import scipy.stats
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import ndcg_score, pairwise_distances
from sklearn.metrics.pairwise import cosine_similarity

# Nothing is cut off: every pair of a history meets, every neighbour is kept.
WHOLE = {
    "recommender.user.history.max": 5000,
    "recommender.cooccurrence.window": 5000,
    "recommender.cooccurrence.row.max": 50000,
}


def numbers(path, questions, settings=()):
    """Asks the program about a CSV; one answer for each question."""
    command = [os.environ["NUMBERS"], str(path)] + [f"{key}={value}" for key, value in dict(settings).items()]
    lines = "\n".join(json.dumps(question) for question in questions)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def close(ours, theirs, tolerance=1e-6):
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert ours[key] == pytest.approx(value, rel=tolerance, abs=tolerance), key


class Log:
    """Events as rows, and as the matrix of users by items that they fill."""

    def __init__(self, path, rows):
        self.path = path
        self.rows = rows
        self.users = list(dict.fromkeys(row["user_id"] for row in rows))
        self.items = list(dict.fromkeys(row["item_id"] for row in rows))
        self.user_at = {user: at for at, user in enumerate(self.users)}
        self.item_at = {item: at for at, item in enumerate(self.items)}
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)

    def matrix(self, rows=None):
        """Users by items: the value, or 1."""
        filled = numpy.zeros((len(self.users), len(self.items)))
        for row in self.rows if rows is None else rows:
            filled[self.user_at[row["user_id"]], self.item_at[row["item_id"]]] = row.get("value", 1.0)
        return filled

    def by_item(self, values, positive=True):
        """A vector over items as a dictionary, of those above 0 only."""
        return {item: value for item, value in zip(self.items, values) if value > 0 or not positive}


def movielens(name):
    package = Path(importlib.util.find_spec("recbole").submodule_search_locations[0])
    with open(package / "dataset_example" / "ml-100k" / f"ml-100k.{name}", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return [{key.split(":")[0]: value for key, value in row.items()} for row in rows]


@pytest.fixture(scope="session")
def ratings(tmp_path_factory):
    """All ratings, in order of time."""
    rows = [
        {
            "user_id": row["user_id"],
            "item_id": row["item_id"],
            "ts": int(float(row["timestamp"])),
            "value": float(row["rating"]),
        }
        for row in movielens("inter")
    ]
    rows.sort(key=lambda row: (row["ts"], int(row["user_id"]), int(row["item_id"])))
    return Log(tmp_path_factory.mktemp("ratings") / "ratings.csv", rows)


@pytest.fixture(scope="session")
def few_ratings(ratings, tmp_path_factory):
    """The first of them: what is compared with loops, and asked while it learns, takes its time."""
    return Log(tmp_path_factory.mktemp("few") / "ratings.csv", ratings.rows[:8000])


@pytest.fixture(scope="session")
def likes(ratings, tmp_path_factory):
    """Ratings of 4 and more, as views."""
    rows = [row for row in ratings.rows if row["value"] >= 4]
    rows = [{key: row[key] for key in ("user_id", "item_id", "ts")} for row in rows]
    return Log(tmp_path_factory.mktemp("likes") / "likes.csv", rows)


@pytest.fixture
def asked_of_nothing(tmp_path):
    """For questions that have nothing to do with what was learnt."""
    path = tmp_path / "one.csv"
    path.write_text("user_id,item_id,ts\nu,i,1\n", encoding="utf-8")
    return lambda questions: numbers(path, questions)


def sample(values, count):
    return random.Random(1).sample(values, count)


# -- similarities ---------------------------------------------------------------------------------------------------


def test_cosine_jaccard_and_llr_of_items(likes):
    matrix = likes.matrix()
    asked = sample(likes.items, 40)
    at = [likes.item_at[item] for item in asked]
    cosine = cosine_similarity(matrix.T[at], matrix.T)
    jaccard = 1 - pairwise_distances(matrix.T[at].astype(bool), matrix.T.astype(bool), metric="jaccard")
    answers = numbers(likes.path, [{"similar": item} for item in asked], WHOLE)
    for row, item in enumerate(asked):
        cosine[row, likes.item_at[item]] = jaccard[row, likes.item_at[item]] = 0
        ours = {other["item_id"]: other for other in answers[row]}
        close({key: value["cosine"] for key, value in ours.items()}, likes.by_item(cosine[row]))
        close({key: value["jaccard"] for key, value in ours.items()}, likes.by_item(jaccard[row]))
        for other in sample(sorted(ours), min(20, len(ours))):
            first, second = (matrix[:, likes.item_at[name]].astype(bool) for name in (item, other))
            table = [[sum(a & b for a, b in zip(x, y)) for y in (second, ~second)] for x in (first, ~first)]
            g2 = scipy.stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
            sign = 1 if table[0][0] >= g2.expected_freq[0][0] else -1
            assert ours[other]["llr"] == pytest.approx(sign * g2.statistic, rel=1e-6, abs=1e-6)


def table_of(both, only_first, only_second, neither):
    first, second = both + only_first, both + only_second
    return {"llr": {"both": both, "first": first, "second": second, "total": first + only_second + neither}}


def test_llr_of_published_examples(asked_of_nothing):
    """Cells of 2×2 tables and their G², as published.

    The first five are bigrams of Dunning 1993, table 2: both words, first alone, second alone, neither. The others are
    what Apache Mahout's unit test of its log-likelihood ratio expects.
    """
    published = [
        (110, 2442, 111, 29114, 270.72, 0.01),
        (29, 13, 123, 31612, 263.90, 0.01),
        (31, 23, 139, 31584, 256.84, 0.01),
        (10, 0, 3, 31764, 167.23, 0.01),
        (76, 104, 2476, 29121, 157.21, 0.01),
        (1, 0, 0, 1, 2.772589, 1e-6),
        (10, 0, 0, 10, 27.72589, 1e-5),
        (5, 1995, 0, 100000, 39.33052, 1e-5),
        (1000, 1995, 1000, 100000, 4730.737, 1e-3),
        (1000, 1000, 1000, 100000, 5734.343, 1e-3),
        (1000, 1000, 1000, 99000, 5714.932, 1e-3),
    ]
    answers = asked_of_nothing([table_of(*example[:4]) for example in published])
    for (*cells, theirs, tolerance), ours in zip(published, answers):
        assert ours == pytest.approx(theirs, abs=tolerance), cells


def naive_user_user(given, user):
    """Σ_v sim(u, v)·r_vx with each norm over that user's own items, by loops."""

    def norm(own):
        return sum(value * value for value in own.values()) ** 0.5

    scores = {}
    for other, theirs in given.items():
        shared = given[user].keys() & theirs.keys()
        if other != user and shared:
            product = sum(given[user][item] * theirs[item] for item in shared)
            similarity = product / (norm(given[user]) * norm(theirs))
            for item, value in theirs.items():
                scores[item] = scores.get(item, 0) + similarity * value
    return scores


def test_user_user_cosine(few_ratings):
    given = {}
    for row in few_ratings.rows:
        given.setdefault(row["user_id"], {})[row["item_id"]] = row["value"]
    everyone = {**WHOLE, "recommender.models": "user-user", "recommender.user-user.neighbours": 1000000}
    asked = sample(few_ratings.users, 10)
    answers = numbers(few_ratings.path, [{"scores": user, "model": "user-user"} for user in asked], everyone)
    for user, ours in zip(asked, answers):
        # Disliked items stay out of answers whatever is asked.
        theirs = naive_user_user(given, user)
        theirs = {item: score for item, score in theirs.items() if given[user].get(item, 5) > 2}
        close(ours, theirs)


def naive_item_ratings(matrix, user, adjusted):
    """Predictions of one user for every item, by the formulas of Sarwar et al. 2001."""
    known = matrix > 0
    means = matrix.sum(1) / known.sum(1)
    centred = numpy.where(known, matrix - (means[:, None] if adjusted else 0), 0)
    product = centred.T @ centred
    squares = centred**2
    if adjusted:
        lengths = numpy.sqrt((squares.T @ known) * (known.T @ squares))
    else:
        lengths = numpy.sqrt(numpy.outer(squares.sum(0), squares.sum(0)))
    with numpy.errstate(invalid="ignore", divide="ignore"):
        similarity = numpy.where(product > 1e-9, product / lengths, 0)
    numpy.fill_diagonal(similarity, 0)
    own = similarity[:, known[user]]
    with numpy.errstate(invalid="ignore"):
        return own @ matrix[user, known[user]] / own.sum(1)


@pytest.mark.parametrize("model", ["item-ratings", "item-ratings-adjusted"])
def test_predictions_of_item_ratings(few_ratings, model):
    matrix = few_ratings.matrix()
    asked = [(user, item) for user in sample(few_ratings.users, 5) for item in sample(few_ratings.items, 30)]
    questions = [{"predict": pair, "model": model} for pair in asked]
    answers = numbers(few_ratings.path, questions, {**WHOLE, "recommender.models": model})
    predicted = 0
    for (user, item), ours in zip(asked, answers):
        row = naive_item_ratings(matrix, few_ratings.user_at[user], model.endswith("adjusted"))
        theirs = row[few_ratings.item_at[item]]
        if numpy.isnan(theirs):
            assert ours is None
        else:
            assert ours == pytest.approx(theirs, rel=1e-6)
            predicted += 1
    assert predicted > 100


# -- content --------------------------------------------------------------------------------------------------------


def test_tf_idf(likes):
    films = movielens("item")
    texts = [f"{film['movie_title']} {film['class']}" for film in films]
    vectors = TfidfVectorizer().fit_transform(texts)
    questions = [
        {"describe": {"item_id": film["item_id"], "title": film["movie_title"], "categories": film["class"].split()}}
        for film in films
    ]
    asked = sample(range(len(films)), 40)
    questions.append({"settle": True})
    questions += [{"scores_of": [films[at]["item_id"]], "model": "content"} for at in asked]
    answers = numbers(likes.path, questions, {"recommender.models": "content"})
    assert all(answer == "taken" for answer in answers[: len(films)])
    for at, ours in zip(asked, answers[len(films) + 1 :]):
        row = cosine_similarity(vectors[at], vectors)[0]
        close(ours, {film["item_id"]: value for film, value in zip(films, row) if value > 0})


# -- matrix models --------------------------------------------------------------------------------------------------


def test_ease_has_the_closed_form(likes):
    matrix = likes.matrix()
    regularisation = 500.0
    inverse = numpy.linalg.inv(matrix.T @ matrix + regularisation * numpy.eye(matrix.shape[1]))
    weights = inverse / -numpy.diag(inverse)
    numpy.fill_diagonal(weights, 0)
    settings = {
        **WHOLE,
        "recommender.models": "ease",
        "recommender.ease.items.max": len(likes.items) + 1,
        "recommender.ease.lambda": regularisation,
    }
    asked = sample(likes.users, 20)
    questions = [{"settle": True}] + [{"scores": user, "model": "ease"} for user in asked]
    for user, ours in zip(asked, numbers(likes.path, questions, settings)[1:]):
        for item, score in likes.by_item(matrix[likes.user_at[user]] @ weights).items():
            assert ours.get(item, 0) == pytest.approx(score, rel=1e-5, abs=1e-6), item


def last_of_each(log):
    """The places of each user's last event."""
    return set({row["user_id"]: place for place, row in enumerate(log.rows)}.values())


def parts(log, protocol):
    """What is learnt, what is held out: the last fifth by time, or each user's last event."""
    last = last_of_each(log) if protocol == "leave-last-out" else set(range(int(len(log.rows) * 0.8), len(log.rows)))
    learnt = [row for place, row in enumerate(log.rows) if place not in last]
    return learnt, [log.rows[place] for place in sorted(last)]


def items_by_user(log, rows):
    found = {}
    for row in rows:
        found.setdefault(log.user_at[row["user_id"]], set()).add(log.item_at[row["item_id"]])
    return found


def their_ndcg(log, protocol, scores):
    """Mean NDCG@10 over users with events on both sides; unseen items only."""
    seen, target = (items_by_user(log, rows) for rows in parts(log, protocol))
    total = count = 0
    for user, items in target.items():
        items = items - seen.get(user, set())
        if user not in seen or not items:
            continue
        row = scores[user].copy()
        row[list(seen[user])] = -numpy.inf
        best = numpy.argsort(-row, kind="stable")[:10]
        gains = sum(1 / numpy.log2(rank + 2) for rank, item in enumerate(best) if item in items)
        total += gains / sum(1 / numpy.log2(rank + 2) for rank in range(min(10, len(items))))
        count += 1
    return total / count


def learnt_matrix(log, protocol):
    return scipy.sparse.csr_matrix(log.matrix(parts(log, protocol)[0]).astype(numpy.float32))


def our_ndcg(log, protocol, model, settings):
    question = {"evaluate": {"protocol": protocol, "models": [model], "at": [10]}}
    report = numbers(log.path, [question], {**WHOLE, **settings})[0]
    return report["models"][0]["scores"][0]["ndcg"]


@pytest.mark.parametrize("protocol", ["split", "leave-last-out"])
def test_als_is_as_good_as_implicit(likes, protocol):
    """The same objective, up to a factor of vectors and sum: implicit weighs a like c and all else 1, we a like 1 and
    every pair α besides, so c = 1 + 1/α; a like is best at 1/(1 + α) here and at 1 there, so λ there is λ·(1 + α)/α.
    """
    factors, alpha, regularisation = 32, 0.1, 4.0
    theirs = []
    for seed in range(3):
        model = implicit.als.AlternatingLeastSquares(
            factors=factors,
            alpha=1 + 1 / alpha,
            regularization=regularisation * (1 + alpha) / alpha,
            iterations=15,
            use_cg=False,
            use_gpu=False,
            random_state=seed,
        )
        model.fit(learnt_matrix(likes, protocol), show_progress=False)
        theirs.append(their_ndcg(likes, protocol, model.user_factors @ model.item_factors.T))
    ours = our_ndcg(
        likes,
        protocol,
        "als",
        {
            "recommender.als.factors": factors,
            "recommender.als.alpha": alpha,
            "recommender.als.lambda": regularisation,
        },
    )
    print(f"{protocol}, NDCG@10 of ALS: {ours:.4f}, implicit {theirs}")
    assert ours >= 0.99 * numpy.mean(theirs)


def test_bpr_is_as_good_as_implicit(likes):
    factors, rate, regularisation = 32, 0.05, 0.01
    theirs = []
    for seed in range(3):
        model = implicit.bpr.BayesianPersonalizedRanking(
            factors=factors,
            learning_rate=rate,
            regularization=regularisation,
            iterations=100,
            verify_negative_samples=True,
            use_gpu=False,
            num_threads=1,
            random_state=seed,
        )
        model.fit(learnt_matrix(likes, "split"), show_progress=False)
        theirs.append(their_ndcg(likes, "split", model.user_factors @ model.item_factors.T))
    ours = our_ndcg(
        likes,
        "split",
        "bpr",
        {
            "recommender.bpr.factors": factors,
            "recommender.bpr.rate": rate,
            "recommender.bpr.lambda": regularisation,
        },
    )
    print(f"NDCG@10 of BPR: {ours:.4f}, implicit {theirs}")
    assert ours >= 0.99 * numpy.mean(theirs)


def test_ratings_by_sgd_beat_the_means(ratings):
    """On the last fifth: RMSE below that of user and item means, and near what biased factorisation is known for."""
    cut = int(len(ratings.rows) * 0.8)
    matrix = ratings.matrix(ratings.rows[:cut])
    mean = matrix[matrix > 0].mean()
    item = (numpy.where(matrix > 0, matrix - mean, 0)).sum(0) / ((matrix > 0).sum(0) + 10)
    user = (numpy.where(matrix > 0, matrix - mean - item, 0)).sum(1) / ((matrix > 0).sum(1) + 10)
    held_out = [
        (ratings.user_at[row["user_id"]], ratings.item_at[row["item_id"]], row["value"]) for row in ratings.rows[cut:]
    ]
    errors = [mean + user[u] + item[i] - value for u, i, value in held_out]
    baseline = numpy.sqrt(numpy.mean(numpy.square(errors)))
    question = {"evaluate": {"protocol": "split", "models": ["biased-sgd"], "at": [10]}}
    report = numbers(ratings.path, [question], WHOLE)[0]["models"][0]["ratings"]
    print(f"RMSE of biased SGD: {report['rmse']:.4f}, means {baseline:.4f}")
    assert report["predicted"] == report["ratings"] == len(held_out)
    assert report["rmse"] < baseline


@pytest.mark.parametrize("forgetting", [1.0, 0.9])
def test_recursive_least_squares_are_least_squares(asked_of_nothing, forgetting):
    """After every example: the ridge regression of what came before, an example of age a weighing λ^a, the ridge too."""
    chance = numpy.random.default_rng(5)
    rows = chance.normal(size=(60, 7))
    rows[:, 0] = 1
    targets = rows @ chance.normal(size=7) + chance.normal(size=60)
    ridge = 0.5
    question = {"forgetting": forgetting, "ridge": ridge, "rows": rows.tolist(), "targets": targets.tolist()}
    (ours,) = asked_of_nothing([{"least_squares": question}])
    for count, predicted in [*enumerate(ours["predicted"]), (60, None)]:
        root = numpy.sqrt(forgetting ** numpy.arange(count - 1, -1, -1.0))[:, None]
        small = numpy.sqrt(ridge * forgetting**count) * numpy.eye(7)
        left = numpy.vstack([root * rows[:count], small])
        right = numpy.concatenate([root[:, 0] * targets[:count], numpy.zeros(7)])
        theirs = numpy.linalg.lstsq(left, right, rcond=None)[0]
        if predicted is None:
            assert ours["coefficients"] == pytest.approx(theirs, rel=1e-6, abs=1e-8)
        else:
            assert predicted == pytest.approx(rows[count] @ theirs, rel=1e-6, abs=1e-8), count


# -- time and metrics -----------------------------------------------------------------------------------------------


def test_decayed_sums(likes):
    (answer,) = numbers(likes.path, [{"hot": "decayed"}])
    now = max(row["ts"] for row in likes.rows) * 1000
    assert answer["as_of"] == now
    exact = {}
    for row in likes.rows:
        # Sums take an event's time by the minute.
        age = now - row["ts"] // 60 * 60_000
        exact[row["item_id"]] = exact.get(row["item_id"], 0) + 2 ** (-age / answer["half_life_ms"])
    close({item["item_id"]: item["score"] for item in answer["items"]}, exact, 1e-9)


def test_moving_and_exponentially_weighted_averages_against_pandas(asked_of_nothing):
    """Irregular times, two keys, messages up to 20 s out of order: every figure as pandas has it for the sorted rows."""
    chance = random.Random(7)
    times = sorted(chance.sample(range(0, 3_600_000), 400))
    keys, numbers_of = [chance.choice("ab") for _ in times], [chance.gauss(5, 3) for _ in times]
    rows = pandas.DataFrame({"ms": times, "key": keys, "x": numbers_of})
    rows.index = pandas.to_datetime(rows["ms"], unit="ms")
    aggregates = {"avg": "mean", "sum": "sum", "min": "min", "max": "max", "count": "count"}
    rule = "{0}: topic=t field=x by=key window=rolling size=5m delay=20s aggregate={0}".format
    rules = [*map(rule, aggregates), "ewm: topic=t field=x by=key window=ewm halflife=90s delay=20s"]
    order = sorted(range(len(times)), key=lambda at: times[at] + chance.uniform(0, 20_000))
    messages = [[times[at], {"key": rows["key"].iloc[at], "x": rows["x"].iloc[at]}] for at in order]
    messages.append([10_000_000, {"key": "end", "x": 0}])
    (told,) = asked_of_nothing([{"windows": {"rules": ", ".join(rules), "messages": messages}}])
    for key, own in rows.groupby("key"):
        theirs = {name: getattr(own["x"].rolling("5min"), by)() for name, by in aggregates.items()}
        theirs["ewm"] = own["x"].ewm(halflife="90s", times=own.index).mean()
        for name, expected in theirs.items():
            ours = [one for one in told if one["rule"] == name and one["key"] == key]
            ours = {one["time"] if name == "ewm" else one["window_end"] - 1: one["value"] for one in ours}
            assert list(ours) == list(own["ms"]), name
            assert list(ours.values()) == pytest.approx(list(expected), rel=1e-9, abs=1e-9), name


@pytest.fixture
def measured(asked_of_nothing):
    """The metrics of (ranked, relevant, n) cases."""
    question = "ranked relevant n".split()
    return lambda cases: asked_of_nothing([{"metrics": dict(zip(question, case))} for case in cases])


def test_metrics_by_hand(measured):
    """Relevant at ranks 2 and 4 of five; a third relevant item is not in the list."""
    answers = measured([([1, 2, 3, 4, 5], [2, 4, 9], 5), ([1, 2, 3], [3], 2)])
    found = 1 / numpy.log2(3) + 1 / numpy.log2(5)
    ideal = 1 + 1 / numpy.log2(3) + 0.5
    close(answers[0], {"hit": 1, "recall": 2 / 3, "ndcg": found / ideal, "mrr": 0.5}, 1e-12)
    close(answers[1], {"hit": 0, "recall": 0, "ndcg": 0, "mrr": 0}, 1e-12)


def random_rankings():
    """Rankings of 30 items, of which some are relevant: (ranked, relevant, n)."""
    chance = random.Random(7)
    for _ in range(200):
        yield chance.sample(range(30), 30), chance.sample(range(30), chance.randint(1, 12)), chance.randint(1, 30)


def test_ndcg_against_scikit_learn(measured):
    cases = list(random_rankings())
    for (ranked, relevant, n), ours in zip(cases, measured(cases)):
        truth = [[1.0 if item in relevant else 0.0 for item in range(30)]]
        score = [[30.0 - ranked.index(item) for item in range(30)]]
        assert ours["ndcg"] == pytest.approx(ndcg_score(truth, score, k=n), abs=1e-12)


def test_metrics_against_ir_measures(measured):
    """What the judges of retrieval use, over trec_eval: Success, R, nDCG, RR."""
    cases = list(random_rankings())
    for (ranked, relevant, n), ours in zip(cases, measured(cases)):
        truth = [ir_measures.Qrel("q", str(item), 1) for item in relevant]
        run = [ir_measures.ScoredDoc("q", str(item), 100.0 - rank) for rank, item in enumerate(ranked[:n])]
        judged = {"hit": ir_measures.Success @ n, "recall": ir_measures.R @ n, "ndcg": ir_measures.nDCG @ n}
        judged["mrr"] = ir_measures.RR
        theirs = ir_measures.calc_aggregate(judged.values(), truth, run)
        close(ours, {name: theirs[measure] for name, measure in judged.items()}, 1e-9)
