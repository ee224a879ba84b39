"""What every Python client is put through: the same records, named steps, one line a step."""

import os
import random
import sys
import time

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
LARGE = random.Random(1).randbytes(450_000) + b"x" * 450_000
PATIENCE_S = 30
# An hour ago: records of long ago could be removed by retention at any moment.
BASE_MS = int(time.time() * 1000) - 3_600_000

bootstrap = sys.argv[1]
_run = "%s-%d" % (os.path.basename(sys.argv[0]).removesuffix(".py"), os.getpid())


def name(stem):
    """A topic or group that no other run uses."""
    return f"{_run}-{stem}"


def values(stem, count=100):
    return [f"{stem} {i} ".encode() * 10 for i in range(count)]


def same(got, expected):
    assert (
        got == expected
    ), f"got {len(got)}: {str(got)[:200]}; expected {len(expected)}: {str(expected)[:200]}"


def eventually(check):
    deadline = time.monotonic() + PATIENCE_S
    while not (result := check()):
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.05)
    return result


def run(*steps):
    """Runs the steps in order; a failure ends the program with its traceback."""
    for step in steps:
        began = time.monotonic()
        step()
        print(f"  ok {step.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
