"""The real binary as a child process: free ports, a data directory of its own, captured log, limits everywhere."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20

_READY = re.compile(r"kindred ready kafka=(\S+) http=(\S+)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ALARM = re.compile(r"\b(ERROR|WARN|panicked at)\b")


class KindredProcess:
    """One data directory, and at most one running broker on it.

    The first start picks free ports; later starts reuse them, so that clients find the broker again.
    """

    def __init__(self, binary, directory, settings=None, kafka_port=0):
        self.binary = Path(binary)
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.settings = dict(settings or {})
        self.kafka_listen = f"127.0.0.1:{kafka_port}"
        self.http_listen = "127.0.0.1:0"
        self.process = None
        self.starts = 0
        self.announced = []

    # -- life cycle ---------------------------------------------------------------------------------

    def command(self):
        options = {
            "listeners": f"PLAINTEXT://{self.kafka_listen}",
            "http.listen": self.http_listen,
            "log.dirs": str(self.data),
            **self.settings,
        }
        return [
            str(self.binary),
            "serve",
            *(part for key, value in options.items() for part in ("--set", f"{key}={value}")),
        ]

    def start(self):
        assert self.process is None, "already running"
        self.starts += 1
        with open(self.log_path(self.starts), "wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=clean_environment(),
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            ready = _READY.search(self.log_text())
            if ready:
                self.kafka_listen, self.http_listen = ready.groups()
                return self
            code = self.process.poll()
            assert code is None, f"ended with {code} before it was ready:\n{self.log_text()}"
            time.sleep(0.005)
        raise AssertionError(f"not ready after {READY_TIMEOUT_S} s:\n{self.log_text()}")

    def terminate(self, with_signal=signal.SIGTERM):
        """Stops gracefully and returns the exit code."""
        process, self.process = self.process, None
        process.send_signal(with_signal)
        try:
            return process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(
                f"still running {STOP_TIMEOUT_S} s after {with_signal!r}:\n{self.log_text()}"
            ) from None

    def kill(self):
        """kill -9: no last words, no flushing."""
        process, self.process = self.process, None
        process.kill()
        process.wait()

    def close(self):
        """Stops what still runs, then fails if any start logged an ERROR or WARN that no test announced."""
        if self.process is not None:
            code = self.terminate()
            assert code == 0, f"exit code {code} after SIGTERM:\n{self.log_text()}"
        alarms = self.unannounced_alarms()
        assert not alarms, "unannounced in the broker's log:\n" + "\n".join(alarms)

    # -- what it said -------------------------------------------------------------------------------

    def log_path(self, start):
        return self.directory / f"stderr-{start}.log"

    def log_text(self):
        """What the latest start has logged so far."""
        return _COLOUR.sub("", self.log_path(self.starts).read_text(encoding="utf-8", errors="replace"))

    def announce(self, pattern):
        """Lets lines matching `pattern` be ERROR or WARN."""
        self.announced.append(re.compile(pattern))

    def unannounced_alarms(self):
        lines = []
        for start in range(1, self.starts + 1):
            text = _COLOUR.sub("", self.log_path(start).read_text(encoding="utf-8", errors="replace"))
            lines += [line for line in text.splitlines() if _ALARM.search(line)]
        return [line for line in lines if not any(pattern.search(line) for pattern in self.announced)]

    @property
    def bootstrap(self):
        return self.kafka_listen

    @property
    def url(self):
        return f"http://{self.http_listen}"


def clean_environment():
    """The environment without settings of a developer's own broker."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KINDRED_")}
