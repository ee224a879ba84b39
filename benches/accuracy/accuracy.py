"""Runs `kindred evaluate` over public data sets and writes what came out as Markdown and JSON; see `run`."""

import argparse
import concurrent.futures
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

# Reference figures: simple recipes, each by a program of a few lines over the same events, tuned for the set it is
# measured on. Recall@10; of Serenade's sample, among sessions that had begun.
REFERENCE = {
    "ml-100k": {
        "most popular, all time": 0.0872,
        "popularity, best half-life (30 d)": 0.0879,
        "item cosine, last 10": 0.1456,
        "LLR, last 10": 0.1393,
        "cosine of pairs among the last 20, decay .9": 0.1615,
        "the same + .1 decayed popularity": 0.1634,
    },
    "online-retail": {
        "most popular, all time": 0.0289,
        "popularity, best half-life (3 d)": 0.0439,
        "item cosine, last 10": 0.0380,
        "LLR, last 10": 0.0388,
        "cosine of pairs among the last 20, decay .9": 0.0394,
        "the same + .1 decayed popularity": 0.0419,
        "LLR with decay .98 + .5 popularity (3 d)": 0.0507,
    },
    "ml-latest-small": {
        "most popular, all time": 0.0579,
        "popularity, best half-life (365 d)": 0.0707,
        "item cosine, last 10": 0.0872,
        "LLR, last 10": 0.0873,
        "cosine of pairs among the last 20, decay .9": 0.1039,
        "the same + .1 decayed popularity": 0.1076,
    },
    "serenade": {
        "item cosine": 0.516,
        "co-occurrence, window 50, 1/√d": 0.551,
        "directed rules 1/d, window 20": 0.555,
        "session kNN": 0.440,
        "user-user": 0.418,
    },
}
# Hit rate and NDCG at 10 after the first four fifths of Online Retail.
SPLIT_REFERENCE = {
    "popular-3d": (0.415, 0.091),
    "llr": (0.414, 0.092),
    "ease": (0.466, 0.103),
    "als": (0.464, 0.102),
}
# What must be reached: by run, by model, by metric.
LEAST = {
    ("ml-100k", "fused", "recall"): 0.170,
    ("online-retail", "fused", "recall"): 0.054,
    ("ml-latest-small", "fused", "recall"): 0.115,
    ("serenade", "fused", "warm_recall"): 0.56,
    ("split", "fused", "hit_rate"): 0.48,
    ("split", "fused", "ndcg"): 0.106,
    ("split-batch", "ease", "hit_rate"): 0.99 * 0.466,
    ("split-batch", "ease", "ndcg"): 0.99 * 0.103,
    ("split-batch", "als", "hit_rate"): 0.99 * 0.464,
    ("split-batch", "als", "ndcg"): 0.99 * 0.102,
}

PERSONAL = ["item-cosine", "llr", "co-occurrence", "rules", "user-knn", "walk"]
POPULAR = [f"popular-{life}" for life in ("1h", "6h", "1d", "3d", "7d", "30d", "365d")] + ["popular"]
# Asked for alone: one of these is the best half-life of each set.
POPULAR_ALONE = ["popular-3d", "popular-30d", "popular-365d", "popular"]
# What is left out, one at a time.
SOURCES = {**{name: [name] for name in PERSONAL}, "every popularity": POPULAR}


@dataclass
class Set:
    """A data set: its name for people, where it lies, how `kindred evaluate` reads it."""

    title: str
    names: list
    options: list
    metric: str = "recall"
    paths: list = field(default_factory=list)

    def files(self):
        return [argument for path in self.paths for argument in ("--events", str(path))]


SETS = {
    "ml-100k": Set("ML-100K", [["ml-100k.inter"]], ["--format", "recbole"]),
    "online-retail": Set(
        "Online Retail",
        [["online-retail.csv", "Online Retail.csv", "OnlineRetail.csv"]],
        ["--format", "online-retail"],
    ),
    "ml-latest-small": Set("ml-latest-small", [["ratings.csv"]], ["--format", "movielens", "--ungrouped"]),
    "serenade": Set(
        "Serenade, known sessions",
        [["train.txt"], ["valid.txt"], ["test.txt"]],
        ["--format", "sessions", "--ungrouped", "--repeats", "allow"],
        "warm_recall",
    ),
}


def find(directory, names):
    """The first file of one of these names, packed or not."""
    for name in names:
        for ending in ("", ".gz"):
            for path in sorted(directory.rglob(name + ending)):
                return path
    return None


def locate(data, only):
    """The sets whose files are all there."""
    recbole = importlib.util.find_spec("recbole").submodule_search_locations[0]
    found = {}
    for key, one in SETS.items():
        place = Path(recbole) / "dataset_example" if key == "ml-100k" else data
        one.paths = [find(place, names) for names in one.names]
        if only and key not in only:
            continue
        if None in one.paths:
            print(f"left out: {key}, of which {one.names} are not all there", file=sys.stderr)
        else:
            found[key] = one
    return found


def plan(sets, ablation):
    """Every run: its key and the arguments of `kindred evaluate`."""
    runs = {}
    for key, one in sets.items():
        runs[key] = [*one.files(), *one.options, "--models", ",".join([*POPULAR_ALONE, *PERSONAL, "fused"])]
    if "online-retail" in sets:
        split = [*sets["online-retail"].files(), "--format", "online-retail", "--protocol", "split"]
        runs["split"] = [*split, "--models", ",".join(["popular", "popular-3d", *PERSONAL, "fused"])]
        # As batch programs have them: every item, whole histories, 128 factors, regularised as suits this set.
        batch = ["ease.items.max=4096", "user.history.max=5000"]
        batch += ["als.factors=128", "als.alpha=0.5", "als.lambda=10"]
        settings = [argument for setting in batch for argument in ("--set", f"recommender.{setting}")]
        runs["split-batch"] = [*split, "--models", "ease,als", *settings]
    if "ml-100k" in sets:
        one = sets["ml-100k"]
        models = ",".join(["popular", *PERSONAL, "fused"])
        runs["leave-last-out"] = [*one.files(), *one.options, "--protocol", "leave-last-out", "--models", models]
    if "serenade" in sets:
        train, _, test = sets["serenade"].paths
        files = ["--train", str(train), "--test", str(test), "--format", "sessions", "--repeats", "allow"]
        models = ",".join(["popular", *PERSONAL, "session-knn", "fused"])
        runs["next-item"] = [*files, "--protocol", "next-item", "--models", models]
    for source, names in SOURCES.items() if ablation else ():
        off = "recommender.disabled.models=" + ",".join(names)
        for key, one in sets.items():
            runs[f"{key} without {source}"] = [*one.files(), *one.options, "--set", off]
    return runs


def evaluate(binary, run, arguments):
    """The report, and in it the processor time that it took."""
    command = [binary, "evaluate", "--json", "--at", "10,20", *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{err.read().decode()}")
        report = json.load(out)
    report["processor_s"] = round(used.ru_utime + used.ru_stime, 1)
    print(f"{run}: {report['processor_s']} s of one processor", file=sys.stderr, flush=True)
    return report


class Results:
    """Reports by key of the run."""

    def __init__(self, reports):
        self.reports = reports

    def score(self, run, model, metric, at=10):
        """A number, or None if it was not measured."""
        for report in self.reports.get(run, {}).get("models", []):
            if report["model"] == model:
                return next(scores[metric] for scores in report["scores"] if scores["at"] == at)
        return None

    def missed(self):
        """What falls short of what must be reached, in words."""
        for (run, model, metric), least in LEAST.items():
            got = self.score(run, model, metric)
            if got is not None and got < least:
                yield f"{run}: {metric}@10 of {model} is {got:.4f}, not {least:.4f}"


def number(value, digits=4):
    return "" if value is None else f"{value:.{digits}f}".removeprefix("0")


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def bold(cells):
    return [f"**{cell}**" if cell else cell for cell in cells]


def prequential(results, sets):
    """Recall by model and set, under the reference figures."""
    sizes = [results.reports[key] for key in sets]
    rows = [["events; users; items", *(f"{r['learnt']:,}; {r['users']:,}; {r['items']:,}" for r in sizes)]]
    names = dict.fromkeys(name.split(" (")[0] for key in sets for name in REFERENCE[key])
    for name in names:
        found = [next((n for n in REFERENCE[key] if n.split(" (")[0] == name), None) for key in sets]
        cells = []
        for key, full in zip(sets, found):
            tuned = full.partition(" (")[2] if full else ""
            cells.append(number(REFERENCE[key].get(full)) + (f" ({tuned}" if tuned else ""))
        rows.append([f"reference: {name}", *cells])

    def best(key):
        scores = {name: results.score(key, name, sets[key].metric) for name in POPULAR_ALONE}
        name = max(scores, key=scores.get)
        return f"{number(scores[name])} ({name.removeprefix('popular-') if '-' in name else 'all time'})"

    rows.append(["`popular`", *(number(results.score(key, "popular", sets[key].metric)) for key in sets)])
    rows.append(["`popular-…`, the best", *(best(key) for key in sets)])
    for model in PERSONAL:
        rows.append([f"`{model}`", *(number(results.score(key, model, sets[key].metric)) for key in sets)])
    rows.append(bold(["`fused`", *(number(results.score(key, "fused", sets[key].metric)) for key in sets)]))
    rows.append(["`fused`, NDCG@10", *(number(results.score(key, "fused", "ndcg")) for key in sets)])
    rows.append(["`fused`, recall@20", *(number(results.score(key, "fused", "recall", 20)) for key in sets)])
    return table(["recall@10", *(one.title for one in sets.values())], rows)


def without(results, sets):
    """What each source adds: the default without it."""
    rows = [["nothing", *(number(results.score(key, "fused", one.metric)) for key, one in sets.items())]]
    for source in SOURCES:
        cells = []
        for key, one in sets.items():
            full = results.score(key, "fused", one.metric)
            less = results.score(f"{key} without {source}", "fused", one.metric)
            cells.append(f"{number(less)} ({less - full:+.4f})" if less is not None else "")
        rows.append([f"`{source}`" if source in PERSONAL else source, *cells])
    return table(["`fused` without", *(one.title for one in sets.values())], rows)


def batch(results):
    """The protocols that learn first."""
    rows = []
    for model in ["popular", "popular-3d", *PERSONAL, "ease", "als", "session-knn", "fused"]:
        run = "split-batch" if model in ("ease", "als") else "split"
        split = [results.score(run, model, metric) for metric in ("hit_rate", "ndcg")]
        last = [results.score("leave-last-out", model, metric) for metric in ("hit_rate", "ndcg")]
        after = [results.score("next-item", model, metric) for metric in ("hit_rate", "mrr")]
        after += [results.score("next-item", model, metric, 20) for metric in ("hit_rate", "mrr")]
        if any(value is not None for value in split + last + after):
            reference = " / ".join(number(value, 3) for value in SPLIT_REFERENCE.get(model, ()))
            cells = [f"`{model}`", *(number(value) for value in split), reference]
            cells += [number(value) for value in last + after]
            rows.append(bold(cells) if model == "fused" else cells)
    head = ["model", "`split`: hit@10", "NDCG@10", "reference", "`leave-last-out`: hit@10", "NDCG@10"]
    return table([*head, "`next-item`: hit@10", "MRR@10", "hit@20", "MRR@20"], rows)


def markdown(results, sets):
    parts = ["`prequential`:\n", prequential(results, sets)]
    if any(" without " in run for run in results.reports):
        parts += ["What each source adds, the others learning to do without it:\n", without(results, sets)]
    parts.append(
        "Learnt first, then asked: `split` of Online Retail, `leave-last-out` of ML-100K, `next-item` of Serenade's train "
        "and test:\n"
    )
    return "\n".join([*parts, batch(results)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--only", action="append", choices=SETS, help="a set; may be repeated")
    parser.add_argument("--without-ablation", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once")
    options = parser.parse_args()

    sets = locate(options.data, options.only)
    runs = plan(sets, not options.without_ablation)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        reports = pool.map(lambda run: evaluate(options.binary, *run), runs.items())
        results = Results(dict(zip(runs, reports)))
    text = markdown(results, sets)
    missed = list(results.missed())
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "accuracy.md").write_text(text, encoding="utf-8")
    everything = {"reports": results.reports, "reference": REFERENCE, "split_reference": SPLIT_REFERENCE}
    (options.out / "accuracy.json").write_text(json.dumps({**everything, "missed": missed}, indent=1), encoding="utf-8")
    print(text)
    print("\n".join(missed) if missed else "Everything that must be reached is.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
