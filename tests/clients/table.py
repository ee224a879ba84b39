"""What the programs say they checked, and the table that docs/compatibility.md shows of it.

A program prints one line for each scenario, indented by two spaces:

    client NAME VERSION     once, what is under test
    ok SCENARIO             it works; `ok SCENARIO: REMARK` where only part of it could be asked for
    no SCENARIO: REASON     this client cannot ask for it
    also SOMETHING          checked beyond the scenarios

Each scenario must be named exactly once: one that is silently left out is a failure. A duration in brackets at the
end of a line, `(0.3 s)`, is for the reader of the log.
"""

import re
from typing import NamedTuple

SCENARIOS = {
    "topics": "topics are created, listed and deleted",
    "codecs": "100 records in each of none, gzip, snappy, lz4 and zstd come back in order",
    "keys": "keys come back; an empty one is not a null one",
    "headers": "headers come back, repeated names and null values included",
    "nulls": "a null value (a tombstone) and an empty one come back as what they are",
    "large": "a value of 900,000 bytes",
    "resume": "a second member of a group goes on where the first committed",
    "rebalance": "a second member joins: each gets one of two partitions; it leaves: they go back",
    "consumer_protocol": "the same with the consumer protocol (KIP-848): the broker assigns",
    "admin": "partitions are added, configurations read and changed, groups listed, described and deleted",
    "idempotence": "an idempotent producer",
    "transactions": "read_committed sees what was committed, and nothing that was aborted",
    "transactional_offsets": "offsets sent to a transaction count once it commits, and only then",
    "times": "offsets by timestamp, first and last offsets",
    "delete_records": "records are deleted up to an offset",
}

BEGIN = "<!-- clients: written by `UPDATE_DOCS=1 tests/clients/run` -->\n"
END = "<!-- clients: end -->\n"


class Report(NamedTuple):
    """What one client's program said."""

    client: str
    passed: dict[str, str]  # scenario -> remark or ""
    left_out: dict[str, str]  # scenario -> reason
    also: list[str]


def parse(output: str) -> tuple[Report, list[str]]:
    """Gives the report and what is wrong with it."""
    client, passed, left_out, also, wrong = "", {}, {}, [], []
    for line in output.splitlines():
        found = re.fullmatch(r"  (client|ok|no|also) (.+?)(?: \(\d+\.\d s\))?", line)
        if not found:
            continue
        kind, text = found.groups()
        if kind == "client":
            client = text
        elif kind == "also":
            also.append(text)
        else:
            scenario, _, remark = text.partition(": ")
            if scenario not in SCENARIOS or scenario in passed or scenario in left_out:
                wrong.append(f"{scenario} is not a scenario, or was named before")
            if kind == "no" and not remark:
                wrong.append(f"no reason is given for leaving out {scenario}")
            (passed if kind == "ok" else left_out)[scenario] = remark
    wrong += [f"{one} was not mentioned" for one in SCENARIOS if one not in passed and one not in left_out]
    if not client:
        wrong.append("the client's name and version were not printed")
    return Report(client, passed, left_out, also), wrong


def lines(report: Report) -> list[str]:
    """A report's row in the table, and its line below it if there is something to say."""
    marks = ["✓" if one in report.passed else "–" for one in SCENARIOS]
    row = "| " + " | ".join([report.client, *marks]) + " |"
    reasons = {}
    for scenario in SCENARIOS:
        if scenario in report.left_out:
            reasons.setdefault(report.left_out[scenario], []).append(f"`{scenario}`")
    said = ["%s: %s" % (", ".join(which), reason) for reason, which in reasons.items()]
    said += [f"`{scenario}`: {remark}" for scenario, remark in sorted(report.passed.items()) if remark]
    if report.also:
        said.append("also " + ", ".join(report.also))
    return [row] + ([f"- **{report.client}**: " + "; ".join(said) + "."] if said else [])


def render(reports: list[Report]) -> str:
    """The part of the document between the two markers."""
    both = [lines(report) for report in reports]
    head = [
        "| client | " + " | ".join(f"`{one}`" for one in SCENARIOS) + " |",
        "|---|" + ":---:|" * len(SCENARIOS),
    ]
    meanings = [f"- `{scenario}`: {meaning}" for scenario, meaning in SCENARIOS.items()]
    said = [line[1] for line in both if len(line) > 1]
    parts = [
        [*head, *(line[0] for line in both)],
        ["The scenarios:"],
        meanings,
        ["What a client has no means to ask for, and what was checked besides:"],
        said,
    ]
    return "\n" + "\n\n".join("\n".join(part) for part in parts) + "\n\n"


def committed(document: str) -> str:
    """What the document says now."""
    return document.split(BEGIN, 1)[1].split(END, 1)[0]


def updated(document: str, reports: list[Report]) -> str:
    """The document with what was measured."""
    before, rest = document.split(BEGIN, 1)
    return before + BEGIN + render(reports) + END + rest.split(END, 1)[1]
