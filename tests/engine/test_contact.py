"""An actor's contact with the governor: totals are told as they are then, and a governor that is gone does no harm."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from rayjob.engine.contact import Contact
from rayjob.engine.tally import Tally
from rayjob.llm.exchange import Grant, Report


@dataclass
class Method:
    """What `handle.method` is of a Ray actor: `remote` gives something to await."""

    remote: Any


@dataclass
class ScriptedGovernor:
    """Answers `note` by a script, an exception in it is raised; keeps what it was told."""

    script: list[str | Exception]
    grant: Grant = field(default_factory=Grant)
    told: list[tuple[str, Tally]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.heard = asyncio.Event()
        self.note, self.exchange = Method(self._note), Method(self._exchange)

    async def _note(self, run: str, client: str, tally: Tally) -> str:
        self.told.append((run, replace(tally)))
        self.heard.set()
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _exchange(self, report: Report) -> Grant:
        return self.grant


def test_what_was_missed_is_in_the_next_telling_and_the_first_reason_stays() -> None:
    governor, tally = ScriptedGovernor([ConnectionError("it restarts"), "", "budget: spent", "another"]), Tally()

    def fill() -> None:
        tally.calls += 10

    async def run() -> list[str]:
        contact, seen = Contact(governor, "run-1", tally, fill), []
        for _ in range(4):
            await contact.tell()
            seen.append(contact.draining)
        return seen

    assert asyncio.run(run()) == ["", "", "budget: spent", "budget: spent"]
    assert [(run, told.calls) for run, told in governor.told] == [("run-1", calls) for calls in (10, 20, 30, 40)]


def test_what_stopped_the_gate_is_told_unless_the_actor_says_why_itself() -> None:
    governor = ScriptedGovernor(["", ""], Grant(stop=("auth", "5 calls in a row were denied")))

    async def run(tally: Tally) -> None:
        contact = Contact(governor, "run-1", tally, lambda: None)
        await asyncio.gather(contact.gate.acquire("key"), return_exceptions=True)
        await contact.tell()
        await contact.gate.close()

    for own in ("", "auth: embedding by 'e' failed"):
        asyncio.run(run(Tally(stop=own)))
    expected = ["auth: 5 calls in a row were denied", "auth: embedding by 'e' failed"]
    assert [told.stop for _, told in governor.told] == expected


def test_it_tells_by_itself_once_begun() -> None:
    async def run() -> list[tuple[str, Tally]]:
        governor = ScriptedGovernor([""])
        contact = Contact(governor, "run-1", Tally(calls=3), lambda: None)
        contact.begin()
        await asyncio.wait_for(governor.heard.wait(), 5)
        return governor.told

    assert asyncio.run(run()) == [("run-1", Tally(calls=3))]
