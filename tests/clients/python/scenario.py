"""What the Python clients' programs share: records to send, comparisons, and the lines that ../table.py reads."""

import os
import random
import sys
import time
import traceback

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
LARGE = random.Random(1).randbytes(450_000) + b"x" * 450_000
# Keys and values that are easily mistaken for one another.
ODD = [(None, b""), (b"", b"v"), (b"k", None), (b"", None), (None, b"v")]
PATIENCE_S = 30
# An hour ago: records of long ago could be removed by retention at any moment.
BASE_MS = int(time.time() * 1000) - 3_600_000

bootstrap = sys.argv[1]
_run = "-".join([os.path.basename(sys.argv[0]).removesuffix(".py"), *sys.argv[2:], str(os.getpid())])


def name(stem):
    """A topic or group that no other run uses."""
    return f"{_run}-{stem}"


def values(stem, count=100):
    return [f"{stem} {i} ".encode() * 10 for i in range(count)]


def same(got, expected):
    assert got == expected, f"got {str(got)[:300]}; expected {str(expected)[:300]}"


def eventually(check):
    deadline = time.monotonic() + PATIENCE_S
    while not (result := check()):
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.05)
    return result


def run(client, steps, without=None, also=None):
    """Runs functions named after their scenarios; what one gives back is a remark on it.

    `without`: {reason: [scenario, ...]} that this client cannot ask for; such a function is not called.
    `also`: {what it checks: function} beyond the scenarios.
    A failure ends the program with its traceback, whatever threads a client has left.
    """
    print(f"  client {client}")
    reasons = {scenario: reason for reason, scenarios in (without or {}).items() for scenario in scenarios}
    steps = {step.__name__: step for step in steps if step.__name__ not in reasons}
    wanted = os.environ.get("SCENARIOS", " ".join(steps)).split()
    for kind, functions in (("ok", {k: v for k, v in steps.items() if k in wanted}), ("also", also or {})):
        for scenario, step in functions.items():
            began = time.monotonic()
            try:
                remark = step()
            except BaseException:
                traceback.print_exc()
                sys.stdout.flush()
                os._exit(1)
            said = f"{scenario}: {remark}" if remark else scenario
            print(f"  {kind} {said} ({time.monotonic() - began:.1f} s)", flush=True)
    for scenario, reason in reasons.items():
        print(f"  no {scenario}: {reason}")
