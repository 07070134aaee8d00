"""The ledger: nothing paid twice, nothing lost that was flushed, nothing false read from what is damaged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.asking import Reply
from rayjob.llm.errors import RunStoppedError
from rayjob.llm.ledger import FAN_IN, HELD_S, Ledger
from rayjob.llm.ledger_admin import compact_ledger, list_entries, prune_ledger, total_ledger
from rayjob.llm.ledger_index import Place, list_segments, load_index
from rayjob.llm.ledger_lookup import GAP, group_places
from rayjob.llm.records import question_key, record_of, reply_of
from rayjob.llm.segments import DamagedError, decode_index, encode_record, encode_segment, iter_records, merge_segments
from rayjob.spec.models import ModelSpec
from tests.llm.rig import KEY, LocalFiles, ask_all, question, spec
from tests.llm_server import Fault, Script, serve, status

T = TypeVar("T")
MODEL = ModelSpec(model="openai/m", temperature=0.1)


def key_of(i: int) -> bytes:
    return question_key(question(str(i)), MODEL)


def record(i: int, step: str = "character") -> bytes:
    return record_of(Reply(f"answer {i}", step, "openai/m", prompt_tokens=10, completion_tokens=i, cost_usd=0.5))


def segment(*numbers: int) -> bytes:
    return encode_segment({key_of(i): encode_record(key_of(i), record(i)) for i in numbers})


async def fill(files: LocalFiles, path: str, numbers: range, step: str = "character") -> None:
    ledger = Ledger.open(files, path)
    for i in numbers:
        ledger.put(key_of(i), record(i, step))
    await ledger.close()


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger")


def test_what_was_put_is_found_at_once_and_after_reopening(path: str) -> None:
    async def main() -> None:
        files = LocalFiles()
        ledger = Ledger.open(files, path)
        assert await ledger.get(key_of(1)) is None
        ledger.put(key_of(1), record(1))
        assert await ledger.get(key_of(1)) == record(1)
        await ledger.flush()
        assert await ledger.get(key_of(1)) == record(1)
        await ledger.close()
        again = Ledger.open(files, path)
        assert (await again.get(key_of(1)), await again.get(key_of(2))) == (record(1), None)

    run(main())


def test_answers_are_durable_without_being_asked(path: str) -> None:
    async def main() -> int:
        ledger = Ledger.open(LocalFiles(), path, flush_s=0.01)
        ledger.put(key_of(1), record(1))
        for _ in range(300):
            await asyncio.sleep(0.01)
            if list_segments(LocalFiles(), path):
                break
        return len(load_index(LocalFiles(), path))

    assert run(main()) == 1


def test_others_see_what_was_written_since_they_opened(path: str) -> None:
    async def main() -> None:
        files = LocalFiles()
        reader = Ledger.open(files, path)
        await fill(files, path, range(5))
        assert await reader.refresh() == 5
        assert await reader.get(key_of(3)) == record(3)

    run(main())


def test_segments_merged_away_are_found_where_they_went(path: str) -> None:
    async def main() -> None:
        files = LocalFiles()
        await fill(files, path, range(5))
        await fill(files, path, range(5, 9))
        reader = Ledger.open(files, path)
        assert compact_ledger(files, path, resting_s=0).segments_after == 1
        assert [await reader.get(key_of(i)) for i in range(9)] == [record(i) for i in range(9)]

    run(main())


class SlowMerges(LocalFiles):
    """Whole segments, which only a merge reads, come once they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.through = threading.Event()

    def read_bytes(self, uri: str, offset: int = 0, length: int | None = None) -> bytes:
        assert length is not None or self.through.wait(30)
        return super().read_bytes(uri, offset, length)


def test_answers_become_durable_while_a_merge_goes_on(path: str) -> None:
    async def main() -> None:
        files = SlowMerges()
        ledger = Ledger.open(files, path)
        for i in range(FAN_IN + 3):
            ledger.put(key_of(i), record(i))
            await asyncio.wait_for(ledger.flush(), 10)
        assert len(list_segments(files, path)) == FAN_IN + 3, "nothing is merged yet, and everything is durable"
        files.through.set()
        await ledger.close()
        assert len(list_segments(files, path)) == 4
        again = Ledger.open(files, path)
        assert [await again.get(key_of(i)) for i in range(FAN_IN + 3)] == [record(i) for i in range(FAN_IN + 3)]

    run(main())


def test_a_writer_merges_its_small_segments(path: str) -> None:
    async def main() -> None:
        files = LocalFiles()
        ledger = Ledger.open(files, path)
        for i in range(FAN_IN + 1):
            ledger.put(key_of(i), record(i))
            await ledger.flush()
        await ledger.close()
        assert len(list_segments(files, path)) == 2
        assert [await ledger.get(key_of(i)) for i in range(FAN_IN + 1)] == [record(i) for i in range(FAN_IN + 1)]

    run(main())


@given(cut=st.integers(0, 2000), flip=st.integers(0, 2000))
def test_damage_is_noticed_and_what_is_sound_survives(cut: int, flip: int) -> None:
    whole = segment(1, 2, 3)
    truth = dict(iter_records(whole))
    torn = whole[: cut % len(whole)]
    spoilt = bytearray(whole)
    spoilt[flip % len(whole)] ^= 0x41
    for damaged in (torn, bytes(spoilt)):
        try:
            found = dict(iter_records(damaged))
        except DamagedError:
            continue
        assert set(found.items()) <= set(truth.items())


def test_a_torn_segment_is_no_answer_and_no_error(path: str) -> None:
    files = LocalFiles()
    run(fill(files, path, range(3)))
    (uri,) = list_segments(files, path)
    Path(uri).write_bytes(Path(uri).read_bytes()[:40])
    (Path(path) / "0000000000001-x-0-0.seg").write_bytes(b"")

    async def main() -> None:
        ledger = Ledger.open(files, path)
        assert await ledger.get(key_of(1)) is None
        ledger.put(key_of(1), record(1))
        await ledger.close()
        assert await Ledger.open(files, path).get(key_of(1)) == record(1)

    run(main())


@given(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=5))
def test_merging_keeps_every_answer_once(groups: list[list[int]]) -> None:
    merged = merge_segments([segment(*numbers) for numbers in groups])
    assert sorted(key for key, _ in iter_records(merged)) == sorted({key_of(i) for group in groups for i in group})
    entries = decode_index(merged)
    assert list(entries["hi"]) == sorted(entries["hi"])


def test_keys_change_with_everything_that_changes_an_answer_and_nothing_else() -> None:
    base = question("x")
    same = [
        (base, MODEL.model_copy(update={"api_base": "http://elsewhere", "timeout_s": 3})),
        (question("x", step="b"), MODEL),
    ]
    other = [
        (question("y"), MODEL),
        (question("x", sample=1), MODEL),
        (question("x", schema={"type": "object"}), MODEL),
        (question("x", temperature=0.3), MODEL),
        (question("x", max_tokens=5), MODEL),
        (base, MODEL.model_copy(update={"model": "openai/n"})),
        (base, MODEL.model_copy(update={"params": {"seed": 1}})),
    ]
    assert {question_key(*asked) for asked in same} == {question_key(base, MODEL)}
    assert len({question_key(*asked) for asked in [(base, MODEL), *other]}) == len(other) + 1


def test_records_round_trip() -> None:
    reply = Reply(
        "text\ud800".encode("utf-8", "replace").decode(), "a", "m", 2, 5, 1, 3, 0.1, 2.0, logprobs=(("t", -0.5),)
    )
    back = reply_of(record_of(reply), "b")
    assert (back.text, back.step, back.logprobs, back.from_ledger, back.cost_usd) == (
        reply.text,
        "b",
        reply.logprobs,
        True,
        0,
    )


def test_places_near_each_other_are_read_together() -> None:
    places = [Place("a", 0, 10), Place("a", 20, 10), Place("a", 30 + 2 * GAP, 10), Place("b", 0, 10)]
    assert [len(group) for group in group_places(places)] == [2, 1, 1]


async def put_many(ledger: Ledger) -> None:
    for i in range(5000):
        ledger.put(key_of(i % 7), record(i % 7))
        await asyncio.sleep(0.001)


def test_a_full_disk_stops_the_run_and_loses_nothing_when_it_clears(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rayjob.llm.ledger.WRITES_TO_GIVE_UP", 2)

    async def main() -> None:
        files = LocalFiles()
        files.broken = True
        ledger = Ledger.open(files, path, flush_s=0.001)
        with pytest.raises(RunStoppedError, match="No space left"):
            await put_many(ledger)
        with pytest.raises(OSError, match="No space"):
            await ledger.close()
        files.broken = False
        await ledger.close()
        assert await Ledger.open(files, path).get(key_of(3)) == record(3)

    run(main())


class SilentFiles(LocalFiles):
    """A storage that answers no write, which takes it two minutes to say."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.writes = 0
        self.over = threading.Event()

    def clock(self) -> float:
        return self.now_s

    def write_atomic(self, uri: str, data: bytes) -> None:
        self.writes += 1
        assert self.over.wait(10)
        self.now_s += 120.0
        raise OSError("no answer")


def test_a_silent_storage_stops_the_run_and_nobody_waits_for_it_twice(path: str) -> None:
    async def main() -> None:
        files = SilentFiles()
        ledger = Ledger(files, path, load_index(files, path), flush_s=60, clock=files.clock)
        ledger.put(key_of(1), record(1))
        waiting = [asyncio.create_task(ledger.flush()) for _ in range(5)]
        await asyncio.sleep(0)  # all of them ask before the write fails
        files.over.set()
        waited = await asyncio.gather(*waiting, return_exceptions=True)
        assert ([str(error) for error in waited], files.writes) == (["no answer"] * 5, 1)
        with pytest.raises(RunStoppedError, match="cannot be written: no answer"):
            await ledger.ready()
        with pytest.raises(RunStoppedError, match="cannot be written: no answer"):
            ledger.put(key_of(2), record(2))

    run(main())


def test_nothing_more_is_paid_for_while_answers_do_not_become_durable(path: str) -> None:
    async def main() -> None:
        files, now = LocalFiles(), [0.0]
        ledger = Ledger(files, path, load_index(files, path), flush_s=0.05, clock=lambda: now[0])
        files.broken = True
        ledger.put(key_of(1), record(1))
        await ledger.ready()  # it is young yet
        now[0] = HELD_S + 1
        held = asyncio.create_task(ledger.ready())
        assert not (await asyncio.wait([held], timeout=0.05))[0]
        files.broken = False
        await asyncio.wait_for(held, 5)
        await ledger.close()
        assert await Ledger.open(files, path).get(key_of(1)) == record(1)

    run(main())


# -- through the client


def test_a_second_run_pays_nothing(path: str) -> None:
    files = LocalFiles()
    with serve(Script(answer=lambda body: '{"n": 1}')) as provider:
        models = {"worker": spec(provider, price={"input_usd_per_mtok": 1.0})}
        questions = [question(str(i)) for i in range(20)]
        first, _ = ask_all(models, *questions, ledger=lambda: Ledger.open(files, path))
        second, client = ask_all(models, *questions, ledger=lambda: Ledger.open(files, path))
        assert provider.outcomes.total() == 20
    assert [outcome[0] for outcome in first] == [outcome[0] for outcome in second]  # type: ignore[index]
    assert all(outcome[1].from_ledger and outcome[1].cost_usd == 0 for outcome in second)  # type: ignore[index]
    assert client.counters.from_ledger == {"worker": 20}
    assert all(KEY.encode() not in Path(uri).read_bytes() for uri in list_segments(files, path))


def test_the_same_question_at_the_same_time_is_paid_once(path: str) -> None:
    with serve(Script(latency_s=0.05)) as provider:
        ask_all({"worker": spec(provider)}, *[question()] * 10, ledger=lambda: Ledger.open(LocalFiles(), path))
        assert provider.outcomes.total() == 1


def test_failures_and_unread_answers_are_not_entered(path: str) -> None:
    files = LocalFiles()
    script = Script(answer=lambda body: "{}" if "good sample" in body["messages"][-1]["content"] else "no JSON")
    with serve(script) as provider:
        models = {"worker": spec(provider)}
        ask_all(models, question("bad one"), question("good sample"), ledger=lambda: Ledger.open(files, path))
    assert [entry.text for entry in list_entries(files, path)] == ["{}"]


def test_a_repaired_answer_is_entered_under_the_first_question(path: str) -> None:
    files = LocalFiles()
    with serve(Script(faults=[Fault("malformed")])) as provider:
        models = {"worker": spec(provider)}
        for _ in range(2):
            ask_all(models, question(), ledger=lambda: Ledger.open(files, path))
        assert provider.outcomes.total() == 2


def test_an_entry_that_no_longer_parses_is_asked_again(path: str) -> None:
    files = LocalFiles()

    async def enter() -> None:
        ledger = Ledger.open(files, path)
        ledger.put(question_key(question(), ModelSpec(model="openai/scripted")), record_of(Reply("old format")))
        await ledger.close()

    run(enter())
    with serve() as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, question(), ledger=lambda: Ledger.open(files, path))
        assert provider.outcomes.total() == 1
    assert not isinstance(outcomes[0], BaseException)


# -- looking after it


def test_totals_prune_and_compact(path: str) -> None:
    files = LocalFiles()
    run(fill(files, path, range(10)))
    run(fill(files, path, range(5, 15), step="capability"))
    totals = total_ledger(files, path)
    assert {key: total.answers for key, total in totals.items()} == {
        ("capability", "openai/m"): 5, ("character", "openai/m"): 10,
    }  # fmt: skip
    assert totals["character", "openai/m"].cost_usd == 5.0
    outcome = compact_ledger(files, path, resting_s=0)
    assert (outcome.kept, outcome.removed, outcome.segments_after) == (15, 5, 1)
    assert compact_ledger(files, path).kept == 0  # nothing old enough, nothing small enough
    damaged, note = Path(path, "0-torn.seg"), Path(path, "batches", "a.batch.json")
    note.parent.mkdir()
    note.write_bytes(b"no segment, and not counted as one")
    damaged.write_bytes(b"RJL1 torn")
    outcome = prune_ledger(files, path, lambda entry: entry.step != "capability", resting_s=0)
    assert (outcome.damaged, damaged.exists(), outcome.segments_before) == ([str(damaged)], True, 2)
    assert (outcome.kept, outcome.removed) == (10, 5)
    assert {entry.step for entry in list_entries(files, path)} == {"character"}


def test_a_model_that_stands_in_for_two_votes_twice(tmp_path: Path) -> None:
    """The second was answered by the first's answer: two models of one opinion, whatever it was."""
    with serve() as provider:
        one = spec(provider, model="openai/one", fallback="both")
        models = {"one": one, "two": spec(provider, model="openai/two", fallback="both"), "both": spec(provider)}
        asked = [question(model=name, voter=place) for place, name in enumerate(("one", "two"))]
        refused = {"openai/one", "openai/two", "one", "two"}
        provider.script.refuse = lambda body: status(400, "no") if body["model"] in refused else None
        outcomes, _ = ask_all(models, *asked, ledger=lambda: Ledger.open(LocalFiles(), str(tmp_path)))
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes)
    assert [body["model"] for body in provider.bodies].count("scripted") == 2
