"""Half of what `rayjob plan` estimates as the budget: where the run stops, and what the rest costs under a new budget.

python -m benchmarks.reliability.half --rows 600 --in-flight 50
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.engine.rig import START, Job, make_job, provider

PRICE = "models.worker.price={input_usd_per_mtok: 100, output_usd_per_mtok: 1000}"
COST = re.compile(r"^cost: \$([\d.,]+)", re.MULTILINE)


def estimate_usd(job: Job) -> float:
    """What `rayjob plan` says the run will cost."""
    command = [*START, "plan", str(job.folder / "spec.yaml"), "--set", PRICE]
    found = COST.search(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found, "the plan names a cost"
    return float(found[1].replace(",", ""))


def main() -> None:
    """Half, then the rest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--in-flight", type=int, default=50)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rayjob-half-"))
    with provider(latency_s=1.0, sigma=0.4) as (server, paid):
        job = make_job(folder, server.url, args.rows, args.in_flight)
        estimated = estimate_usd(job)
        job.sets.append(PRICE)
        first = job.run(sets=[f"budget={{usd: {estimated / 2}}}"], timeout_s=300)
        spent, calls, rows = job.manifest()["cost_usd"], paid.total(), len(job.uids())
        flying = args.in_flight * spent / calls
        print(f"estimate ${estimated:.2f}, budget ${estimated / 2:.2f}: exit {first.code}, spent ${spent:.2f}")
        print(f"{calls} calls, {rows} rows committed; {args.in_flight} calls in flight cost ${flying:.2f}")
        rest = job.run(sets=["budget={usd: 1000000}"], timeout_s=300)
    whole, uids = job.manifest()["cost_usd"], job.uids()
    print(f"a new budget: exit {rest.code}, {len(uids)} rows, ${whole:.2f} in all, paid twice {paid.twice}")
    held = (first.code, rest.code) == (3, 0) and spent <= estimated / 2 + flying
    held = held and (paid.twice, paid.total(), len(uids), set(uids.values())) == (0, 2 * args.rows, args.rows, {1})
    shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
