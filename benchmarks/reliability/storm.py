"""A provider that takes a third of what is asked and fails in seven ways: throughput, refusals, what became of rows.

    python -m benchmarks.reliability.storm --rows 1500 --rpm 1200 [--told]

5 % 429, 3 % 500, 1 % hang, 1 % dropped connections, 2 % malformed, 1 % truncated, 1 % filtered; three times the rpm is
demanded (concurrency = 3 x rpm / 60 s at 1 s latency). The provider counts a sliding minute. `--told`: the spec names
the rpm; else it is learned.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from tests.engine.rig import make_job, provider
from tests.llm_server import Provider

STORM = {"429": 0.05, "500": 0.03, "hang": 0.01, "drop": 0.01, "malformed": 0.02, "truncated": 0.01, "filtered": 0.01}
NAMED = {"timeout", "overload", "server", "connection", "unparsable", "truncated", "filtered"}


def rates(server: Provider, rpm: int, ramp_s: float) -> dict[str, float]:
    """Taken calls against the limit, after the ramp and over all; the share refused for the limit."""
    first, last = server.first, max(server.ok_at)
    refused = [at - first for at in server.over_rate_at]
    taken = server.outcomes.total() - len(refused)
    late = [at for at in refused if at > ramp_s]
    ok_late = [at for at in server.ok_at if at - first > ramp_s]
    span = last - first
    lost = 1 - sum(share for kind, share in STORM.items())
    return {
        "seconds": round(span, 1),
        "calls": server.outcomes.total(),
        "taken a minute / rpm": round(taken / span * 60 / rpm, 3),
        "answers a minute after the ramp / what the storm leaves of rpm": round(
            len(ok_late) / max(1.0, span - ramp_s) * 60 / (rpm * lost), 3
        ),
        "refused for the limit, all": round(len(refused) / server.outcomes.total(), 4),
        "refused for the limit, after the ramp": round(len(late) / max(1, len(late) + len(ok_late)), 4),
    }


def main() -> None:
    """One run through the storm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--rpm", type=int, default=1200)
    parser.add_argument("--told", action="store_true")
    parser.add_argument("--ramp", type=float, default=60.0)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rayjob-storm-"))
    with provider(latency_s=1.0, sigma=0.4, rpm=args.rpm, storm=STORM) as (server, _):
        job = make_job(folder, server.url, args.rows, concurrency=3 * args.rpm // 60)
        job.sets.append("models.worker.timeout_s=15")
        job.sets += [f"models.worker.limits.rpm={args.rpm}"] if args.told else []
        code = job.run(timeout_s=1200).code
        found = rates(server, args.rpm, args.ramp)
    kinds = Counter(job.column("failures", "kind"))
    uids = job.uids()
    print(
        f"exit {code}, {len(uids)} of {args.rows} rows, each once: {set(uids.values()) == {1}}, failures {dict(kinds)}"
    )
    print(f"outcomes {dict(server.outcomes)}")
    for name, value in found.items():
        print(f"{name}: {value}")
    shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(not (len(uids) == args.rows and set(kinds) <= NAMED))


if __name__ == "__main__":
    main()
