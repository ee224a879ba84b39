"""Off-policy estimates on the sample of the Open Bandit Dataset against those of `obp`, the program it comes with.

The log is of items drawn at random; the way to be judged gives each position the items that Thompson sampling showed there, as
often as it did. OFF_POLICY names the built example `off_policy`; `tests/exactness/run` sees to that.
"""

import csv
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import types
from collections import Counter
from pathlib import Path

import numpy
import pytest

OBP = Path(importlib.util.find_spec("obp").submodule_search_locations[0])


def estimators():
    """obp's estimators without what the rest of it imports; of torch they use the name of a type."""
    torch = types.ModuleType("torch")
    torch.Tensor = type("Tensor", (), {})
    sys.modules.setdefault("torch", torch)
    package = types.ModuleType("obp.ope")
    package.__path__ = [str(OBP / "ope")]
    sys.modules.setdefault("obp.ope", package)
    return importlib.import_module("obp.ope.estimators")


def rows(policy):
    with open(OBP / "dataset" / "obd" / policy / "all" / "all.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield (
                int(row["position"]) - 1,
                int(row["item_id"]),
                int(row["click"]),
                float(row["propensity_score"]),
            )


@pytest.fixture(scope="module")
def log():
    logged = list(rows("random"))
    items = 1 + max(item for _, item, _, _ in logged)
    shown = Counter((position, item) for position, item, _, _ in rows("bts"))
    judged = numpy.array([[shown[position, item] for position in range(3)] for item in range(items)], float)
    judged /= judged.sum(axis=0)
    clicks = Counter((position, item) for position, item, click, _ in logged if click)
    seen = Counter((position, item) for position, item, _, _ in logged)
    guess = [[(clicks[p, i] + 0.1) / (seen[p, i] + 20) for p in range(3)] for i in range(items)]
    return logged, judged, numpy.array(guess)


def ours(log, with_guess):
    logged, judged, guess = log
    brings = (judged * guess).sum(axis=0)
    lines = ["reward,propensity,probability" + (",guess,guess_judged" if with_guess else "")]
    for position, item, click, propensity in logged:
        line = f"{click},{propensity!r},{float(judged[item, position])!r}"
        more = f",{float(guess[item, position])!r},{float(brings[position])!r}" if with_guess else ""
        lines.append(line + more)
    command = [os.environ["OFF_POLICY"]]
    text = "\n".join(lines)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_estimates_are_those_of_obp(log):
    logged, judged, guess = log
    theirs = estimators()
    position, action, reward, pscore = (numpy.array(column) for column in zip(*logged, strict=True))
    n = len(logged)
    told = {
        "reward": reward,
        "action": action,
        "pscore": pscore,
        "position": position,
        "action_dist": numpy.broadcast_to(judged, (n, *judged.shape)),
    }
    rewards = numpy.broadcast_to(guess, (n, *guess.shape))
    expected = {
        "ips": theirs.InverseProbabilityWeighting().estimate_policy_value(**told),
        "snips": theirs.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**told),
        "dr": theirs.DoublyRobust().estimate_policy_value(**told, estimated_rewards_by_reg_model=rewards),
    }
    found = ours(log, with_guess=True)
    assert found["rounds"] == n
    for name, value in expected.items():
        assert value > 0 and found[name]["value"] == pytest.approx(value, rel=1e-9), name


def test_without_guesses_dr_is_ips(log):
    found = ours(log, with_guess=False)
    assert found["dr"] == found["ips"] and found["snips"]["value"] != found["ips"]["value"]
    # The sample is of 38 clicks in 10,000 rounds: what was done and what is judged are worth about as much.
    mean = sum(click for _, _, click, _ in log[0]) / len(log[0])
    assert abs(found["snips"]["value"] - mean) < 4 * found["snips"]["error"]
