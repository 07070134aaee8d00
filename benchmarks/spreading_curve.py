"""results.jsonl of spreading.py as one SVG: labels bought against accuracy and accepted share, a dot a run.

python benchmarks/spreading_curve.py OUT/results.jsonl docs/spreading.svg
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from pathlib import Path

LINES = {
    "accepted": ("#1f77b4", "accepted, threshold from the audit"),
    "best": ("#9ecae1", "largest share at 95 %, found with the truth"),
    "accuracy": ("#2ca02c", "accuracy of all rows not bought"),
    "precision": ("#d62728", "precision of the accepted"),
}


def place(share: float, value: float) -> tuple[float, float]:
    return 60 + 520 * math.log(share / 0.01) / math.log(20), 330 - 300 * value


def draw(runs: list[dict[str, float]]) -> str:
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 620 440" font-family="sans-serif" font-size="12">']
    parts.append('<rect width="620" height="440" fill="#fff"/>')
    for value in (0, 0.25, 0.5, 0.75, 0.95, 1):
        y = place(0.01, value)[1]
        dash = ' stroke-dasharray="4 3"' if value == 0.95 else ""
        parts.append(f'<path d="M60 {y:.0f}H580" stroke="#ccc"{dash}/><text x="20" y="{y + 4:.0f}">{value:.0%}</text>')
    shares = sorted({run["share"] for run in runs})
    parts.extend(f'<text x="{place(share, 0)[0] - 8:.0f}" y="348">{share:.0%}</text>' for share in shares)
    parts.append('<text x="270" y="366">labels bought</text>')
    for number, (name, (colour, what)) in enumerate(LINES.items()):
        parts.append(draw_line(runs, name, colour))
        x, y = 60 + 290 * (number % 2), 392 + 20 * (number // 2)
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 16}" y="{y}">{what}</text>')
    return "\n".join([*parts, "</svg>", ""])


def draw_line(runs: list[dict[str, float]], name: str, colour: str) -> str:
    """Dots of all runs, a line through their means; precision only where something was accepted."""
    by_share: dict[float, list[float]] = defaultdict(list)
    for run in runs:
        if name != "precision" or run["accepted"]:
            by_share[run["share"]].append(run[name])
    means = [place(share, sum(found) / len(found)) for share, found in sorted(by_share.items())]
    dots = [place(share, value) for share, found in by_share.items() for value in found]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in means)
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in dots)
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>{marks}'


if __name__ == "__main__":
    results = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    Path(sys.argv[2]).write_text(draw([run for run in results if run["way"] == "rayjob"]))
