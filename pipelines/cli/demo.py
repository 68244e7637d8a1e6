"""`newsdesk demo FOLDER`: the demo's articles as files, or one day of them that drifted or was damaged on purpose."""

import argparse
import sys
from datetime import date


def run(args: argparse.Namespace) -> int:
    """Exit code: 0 written; 2 bad usage; 1 the folder holds something else."""
    from components.data import demo_corpus

    kind = "drifted" if args.drifted else "damaged" if args.damaged else ""
    more = {"seed": args.seed, **({} if args.articles is None else {"articles": args.articles})}
    try:
        if args.articles is not None and not 1 <= args.articles <= 10_000_000:
            raise ValueError(f"--articles must lie in 1..10000000. Received: --articles={args.articles}")
        if kind:
            day = date.fromisoformat(getattr(args, kind))
            target = args.folder / f"span={day}"
            if target.exists():
                raise FileExistsError(f"the day must be new. Received: {target} is there")
            make = demo_corpus.write_drifted_span if kind == "drifted" else demo_corpus.write_damaged_span
            print(make(args.folder, day, **more))
        else:
            print(demo_corpus.write(args.folder, **more))
    except (ValueError, FileExistsError) as error:
        print(f"newsdesk demo: {error}", file=sys.stderr)
        return 1 if isinstance(error, FileExistsError) else 2
    return 0
