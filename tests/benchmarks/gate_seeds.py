"""Equal retrains by seeds that chose none of the gate's limits, as a section of `tests/benchmarks/GATE.md`.

    .venv/bin/python tests/benchmarks/gate_seeds.py --source FOLDER [--preset bag] [--first 9] [--last 16] [--train]

`seed_spread` was chosen on the seeds 1 to 8 of `bag`; here others stand before the same rules. Models are those of `make bench-gate`; with
`--train` the seeds that are missing are trained and kept there.
"""

import argparse
import statistics
import sys
from datetime import datetime, timezone

import gate_page
import gate_pairs
import measure
from gate import HERE, Bench, rows_of


def main() -> int:
    """Exit code 0; 1 where fewer than two models are there."""
    parser = argparse.ArgumentParser(description="Equal retrains by seeds that chose no limit.")
    parser.add_argument("--source", required=True)
    parser.add_argument("--preset", default="bag")
    parser.add_argument("--first", type=int, default=9)
    parser.add_argument("--last", type=int, default=16)
    parser.add_argument("--train", action="store_true")
    args = parser.parse_args()
    bench = Bench(args.source, kept=not args.train)
    models = {seed: bench.answers(args.preset, "equal", seed) for seed in range(args.first, args.last + 1)}
    models = {seed: one for seed, one in models.items() if one is not None}
    if len(models) < 2:
        print(f"two models or more must be kept. Received: {len(models)} in {bench.work}", file=sys.stderr)
        return 1
    rows, machine = rows_of(bench), measure.machine()
    outcome = gate_pairs.all_pairs(rows, args.preset, gate_pairs.EQUAL, list(models.values()), list(models.values()))
    today = str(datetime.now(timezone.utc).date())
    differences = [100 * abs(loss) for loss in outcome.losses]
    text = "\n".join([
        gate_page.FRESH_SEEDS, "",
        f"    .venv/bin/python tests/benchmarks/gate_seeds.py --source FOLDER --preset {args.preset} --first {args.first} --last {args.last} --train", "",
        f"{today}, {machine['processor']}, {machine['cores']} cores, Python {machine['python']}; seeds "
        f"{', '.join(map(str, models))}, `seed_spread` {rows.limits['seed_spread']:g}, chosen on seeds 1 to 8. The root mean square of the differences "
        f"in accuracy is {statistics.mean(one**2 for one in differences) ** 0.5:.2f} points, the largest {max(differences):.2f}.", "",
        gate_page.SPREAD_HEAD, gate_pairs.spread(rows, args.preset, list(models.values()), today), "",
        gate_page.HEAD, gate_pairs.line(outcome, today),
    ])  # fmt: skip
    gate_page.replace_section(HERE / "GATE.md", gate_page.FRESH_SEEDS, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
