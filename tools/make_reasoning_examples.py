"""Writes examples_reasoning/ and examples_choice/: made-up chains of thought with judgements. Seeded: same twice.

Each problem is about a rate, a count and a remainder. A chain takes one of four approaches, in one of several wordings,
and in a third of the cases slips once: what it is about says nothing of either.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

ROWS, QUESTIONS, SEED, SLIPS = 360, 80, 7, 1 / 3
QUESTION = (
    "{who} has {count} {holders} with {each} {things} each. {away} {things} are given away, then {extra} more arrive. "
    "How many {things} are there at the end?"
)

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
        "out, and at the start there were {whole}. Undoing these in reverse, {end} - {extra} + {away} = {whole}, so "
        "the end is {end}.",
        "Start from the result. To have the result, {extra} must have been added to {left}. To have {left}, {away} "
        "must have been taken from {whole}. And {whole} is {count} of {each}. So the result is {end}.",
        "What do we need? The final number. It comes from {left} before the delivery, which comes from {whole} before "
        "the sale, which comes from {count} * {each}. Going back down the chain, {end}.",
    ),
}  # fmt: skip


def make_row(number: int, rng: random.Random) -> dict[str, object]:
    """One chain of thought, its question, its answer and the judgements."""
    problem = make_problem(rng)
    chain = make_chain(problem, rng, rng.random() < SLIPS)
    return {"id": f"chain-{number:03d}", "question": say(problem), **chain}


def make_problem(rng: random.Random) -> dict[str, object]:
    """What is given."""
    things, who, holders = rng.choice(TOPICS)
    each, count, away, extra = rng.randint(3, 40), rng.randint(2, 12), rng.randint(1, 5), rng.randint(2, 30)
    return {
        "things": things, "who": who, "holders": holders, "each": each, "count": count, "away": away, "extra": extra,
    }  # fmt: skip


def say(problem: dict[str, object]) -> str:
    """The question."""
    told = QUESTION.format(**problem)
    return told[0].upper() + told[1:]


def make_chain(problem: dict[str, object], rng: random.Random, slips: bool) -> dict[str, object]:
    """One way to the answer, right or with a slip."""
    each, count, away, extra = (int(str(problem[name])) for name in ("each", "count", "away", "extra"))
    true = each * count - away + extra
    whole = each * count + (rng.choice((-10, -1, 1, 10)) if slips else 0)
    approach = rng.choice(sorted(WORDINGS))
    end = whole - away + extra
    told = rng.choice(WORDINGS[approach]).format(
        **problem, whole=whole, left=whole - away, end=end, low=end - rng.randint(2, 9), high=end + rng.randint(2, 9)
    )
    return {"cot": told, "answer": str(end), "approach": approach, "correct": end == true}


def judged(number: int, rng: random.Random) -> list[dict[str, object]]:
    """Two right and two slipped chains of one question, for training."""
    problem = make_problem(rng)
    chains = [make_chain(problem, rng, slips) for slips in (False, False, True, True)]
    rng.shuffle(chains)
    known = {"qid": f"q{number:03d}", "question": f"({number}) {say(problem)}"}
    return [{**known, "model": f"m{place}", **chain} for place, chain in enumerate(chains)]


def to_choose(number: int, rng: random.Random) -> dict[str, object]:
    """A question with three candidates, one of them right; `right` says which."""
    problem = make_problem(rng)
    chains = [make_chain(problem, rng, slips) for slips in (False, True, True)]
    rng.shuffle(chains)
    candidates = [
        {"id": "abc"[place], "reasoning": chain["cot"], "answer": chain["answer"]} for place, chain in enumerate(chains)
    ]
    right = next("abc"[place] for place, chain in enumerate(chains) if chain["correct"])
    return {"id": f"choose-{number:03d}", "question": say(problem), "candidates": candidates, "right": right}


def main() -> None:
    """Write the files."""
    rng = random.Random(SEED)
    write("examples_reasoning/chains.jsonl", [make_row(number, rng) for number in range(1, ROWS + 1)])
    write("examples_choice/train.jsonl", [row for number in range(1, QUESTIONS + 1) for row in judged(number, rng)])
    write("examples_choice/choose.jsonl", [to_choose(number, rng) for number in range(1, 41)])


def write(name: str, rows: list[dict[str, object]]) -> None:
    """One JSON object a line."""
    target = Path(__file__).resolve().parent.parent / name
    target.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    print(f"{len(rows)} rows in {target}")


if __name__ == "__main__":
    main()
