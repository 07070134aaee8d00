"""Writes examples_reasoning/chains.jsonl: made-up chains of thought with two judgements each. Seeded: same twice.

Each problem is about a rate, a count and a remainder. A chain takes one of four approaches, in one of several wordings,
and in a third of the cases slips once: what it is about says nothing of either.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

ROWS, SEED, SLIPS = 360, 7, 1 / 3

#: What is counted, who counts it, what holds it.
TOPICS = (
    ("apples", "a grocer", "crates"), ("pages", "a student", "days"), ("litres", "a gardener", "tanks"),
    ("kilometres", "a courier", "trips"), ("bricks", "a mason", "pallets"), ("letters", "a clerk", "bags"),
    ("loaves", "a baker", "trays"), ("tickets", "a theatre", "counters"), ("shells", "a child", "buckets"),
    ("bolts", "a workshop", "boxes"),
)  # fmt: skip

WORDINGS = {
    "arithmetic": (
        "{each} in each of {count} {holders} makes {each} * {count} = {whole}. After giving away {away} there are "
        "{whole} - {away} = {left}. Adding the {extra} that came later, {left} + {extra} = {end}.",
        "First I multiply: {count} * {each} = {whole}. Then I subtract: {whole} - {away} = {left}. Finally I add: "
        "{left} + {extra} = {end}.",
        "The {holders} hold {count} times {each}, so {count} * {each} = {whole}. Taking {away} away leaves {whole} - "
        "{away} = {left}, and {extra} more gives {left} + {extra} = {end}.",
    ),
    "equation": (
        "Let x be the number of {things} at the end. Then x - {extra} = {count} * {each} - {away}, so x - {extra} = "
        "{left}, and solving for x gives x = {left} + {extra} = {end}.",
        "Call the unknown number x. The condition says x + {away} = {each} * {count} + {extra}. Hence x = {whole} + "
        "{extra} - {away}, which means x = {end}.",
        "We set up an equation. With n for what remains, n = {each} * {count} - {away} + {extra}. Substituting, n = "
        "{whole} - {away} + {extra}, therefore n = {end}.",
    ),
    "trial": (
        "Suppose it were {low}. Then before the last delivery there were {low} - {extra}, which is too few. Try "
        "{high}: too many. Try {end}: it fits {count} * {each} less {away} plus {extra}, so the answer is {end}.",
        "I guess {low} and check it against {whole} - {away} + {extra}: it is too small. I guess {high}: too large. "
        "Guessing {end} works.",
        "Could it be {high}? No, that is more than {whole} - {away} + {extra}. Could it be {low}? No, less. Could it "
        "be {end}? Yes, that one matches.",
    ),
    "backward": (
        "Working back from the end: the last thing that happened was that {extra} came in, before that {away} went "
        "out, and at the start there were {whole}. Undoing these in reverse, {end} - {extra} + {away} = {whole}, so the end "
        "is {end}.",
        "Start from the result. To have the result, {extra} must have been added to {left}. To have {left}, {away} "
        "must have been taken from {whole}. And {whole} is {count} of {each}. So the result is {end}.",
        "What do we need? The final number. It comes from {left} before the delivery, which comes from {whole} before "
        "the sale, which comes from {count} * {each}. Going back down the chain, {end}.",
    ),
}  # fmt: skip


def make_row(number: int, rng: random.Random) -> dict[str, object]:
    """One chain of thought, its question, its answer and the judgements."""
    things, who, holders = rng.choice(TOPICS)
    each, count, away, extra = rng.randint(3, 40), rng.randint(2, 12), rng.randint(1, 5), rng.randint(2, 30)
    true = each * count - away + extra
    slips = rng.random() < SLIPS
    whole = each * count + (rng.choice((-10, -1, 1, 10)) if slips else 0)
    approach = rng.choice(sorted(WORDINGS))
    end = whole - away + extra
    told = rng.choice(WORDINGS[approach]).format(
        things=things, holders=holders, each=each, count=count, away=away, extra=extra, whole=whole, left=whole - away,
        end=end, low=end - rng.randint(2, 9), high=end + rng.randint(2, 9),
    )  # fmt: skip
    question = (
        f"{who.capitalize()} has {count} {holders} with {each} {things} each. {away} {things} are given away, then "
        f"{extra} more arrive. How many {things} are there at the end?"
    )
    return {
        "id": f"chain-{number:03d}", "question": question, "cot": told, "answer": str(end), "approach": approach,
        "correct": end == true,
    }  # fmt: skip


def main() -> None:
    """Write the file."""
    rng = random.Random(SEED)
    rows = [json.dumps(make_row(number, rng)) for number in range(1, ROWS + 1)]
    target = Path(__file__).resolve().parent.parent / "examples_reasoning" / "chains.jsonl"
    target.write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"{len(rows)} chains in {target}")


if __name__ == "__main__":
    main()
