"""What larger amounts cost, by arithmetic from measured rates: `.venv/bin/python tests/benchmarks/sizing.py` prints the tables of
docker/README.md.

Each rate stands here once, with where it was measured: a new measurement is one changed number and a new print. Standard library only.
"""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """per: what one unit of the value is."""

    value: float
    per: str
    source: str


INGEST = Rate(6_345_500 / 106.7, "rows a processor second in the Ingester", "DATA.md, 6,345,500 rows")
CHECKS = Rate(6_345_500 / (428.1 - 106.7), "rows a processor second in the other data nodes", "DATA.md, 6,345,500 rows")
TRAIN = Rate(3_771 / 2, "rows a processor second in training, an epoch", "RESULTS.md, `transformer`, two cores")
EPOCHS = Rate(3, "epochs of the preset `transformer`", "`pipelines/config/presets.py`")
ANSWER = Rate(0.00209, "processor seconds a request of one text, 8 clients", "SERVING.md")
LOGGED = Rate(434, "bytes a logged text", "2,000 articles of the demo, as `request_log.rows` writes them")
RATES = (INGEST, CHECKS, TRAIN, EPOCHS, ANSWER, LOGGED)

ROWS, REQUESTS = 63_455, 10  # AG News, retrained once a day; requests a second on average
SCALES = (("AG News, once a day", 1), ("10 times", 10), ("1,000 times", 1_000), ("internet scale", 100_000))
PEAK = 3  # servers are bought for this multiple of the mean
DAY = 86_400  # seconds


def costs(times: float) -> dict[str, float]:
    """Processor hours a day by part, servers' cores at the peak, and gigabytes of request log a day."""
    rows, requests = ROWS * times, REQUESTS * times
    hours = {
        "read": rows / INGEST.value / 3_600,
        "check": rows / CHECKS.value / 3_600,
        "train": rows * EPOCHS.value / TRAIN.value / 3_600,
    }
    return {
        "rows": rows,
        "requests": requests,
        **hours,
        "retrain": sum(hours.values()),
        "cores": requests * ANSWER.value * PEAK,
        "log": requests * DAY * LOGGED.value / 1e9,
    }


def number(value: float) -> str:
    """Two digits that count."""
    digits = float(f"{value:.2g}")
    return f"{digits:,.0f}" if digits >= 10 else f"{digits:,.1f}" if digits >= 1 else f"{digits:g}"


def tables() -> str:
    """Both tables as Markdown."""
    lines = ["| rate | measured in |", "|---|---|"]
    lines += [f"| {number(rate.value)} {rate.per} | {rate.source} |" for rate in RATES]
    lines += [
        "",
        "| a day | rows | requests/s | read, h | check, h | train, h | a retraining together, processor h | cores for `serve` | request log, GB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, times in SCALES:
        cost = costs(times)
        cells = [f"{cost['rows']:,.0f}", f"{cost['requests']:,.0f}"]
        cells += [number(cost[part]) for part in ("read", "check", "train", "retrain", "cores", "log")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(tables() + "\n")
