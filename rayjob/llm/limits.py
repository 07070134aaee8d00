"""The governor: shares out what a provider allows among all actors of all runs. Pure; the engine makes it a Ray actor.

One `exchange` serves many questions: a client reports what happened, and gets slots (calls in flight) and permits
(starts) for the time until its next report. A client that is not heard of for CLIENT_TTL_S holds nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce

from rayjob.llm.breaker import Breaker
from rayjob.llm.buckets import HEADROOM, Bucket
from rayjob.llm.budget import Budget
from rayjob.llm.errors import Signal
from rayjob.llm.exchange import Grant, Outcome, Report
from rayjob.llm.pacing import Pace
from rayjob.spec.models import BudgetSpec, LimitsSpec, ModelSpec

CLIENT_TTL_S = 20.0
DENIALS_TO_STOP = 5
#: A client whose permits ran out asks again after this, or it would ask for every single call.
LEAST_WAIT_S = 0.05


def limit_key(spec: ModelSpec) -> str:
    """What shares one limit: the same model, at the same place, under the same key."""
    batch = "+batch" if spec.mode == "batch" else ""
    return f"{spec.model}@{spec.api_base or ''}#{spec.api_key_env or ''}{batch}"


def limits_of(models: Mapping[str, ModelSpec]) -> dict[str, LimitsSpec]:
    """The limits by key; where two models of a spec share a key, the stricter of each."""
    limits: dict[str, LimitsSpec] = {}
    for spec in models.values():
        key = limit_key(spec)
        own = LimitsSpec(concurrency=spec.batch.requests) if spec.mode == "batch" else spec.limits
        limits[key] = stricter(limits[key], own) if key in limits else own
    return limits


def stricter(one: LimitsSpec, other: LimitsSpec) -> LimitsSpec:
    """The smaller of each limit; one that is given beats one that is not."""
    rpm = min((x for x in (one.rpm, other.rpm) if x is not None), default=None)
    tpm = min((x for x in (one.tpm, other.tpm) if x is not None), default=None)
    return LimitsSpec(
        concurrency=min(one.concurrency, other.concurrency),
        rpm=rpm,
        tpm=tpm,
        give_up_s=min(one.give_up_s, other.give_up_s),
    )


@dataclass(slots=True)
class _Client:
    report: Report
    slots: int
    seen_at: float

    @property
    def held(self) -> int:
        return max(self.slots, self.report.in_flight)


class Lane:
    """Everything about one limit key."""

    def __init__(self, limits: LimitsSpec, now: float) -> None:
        self.limits = limits
        self.pace = Pace(limits.concurrency, now)
        self.breaker = Breaker(limits.give_up_s)
        self.requests = _fill_at(None, limits.rpm, now)
        self.tokens = _fill_at(None, limits.tpm, now)
        self.learned: Bucket | None = None
        self.clients: dict[str, _Client] = {}
        self.stop: tuple[str, str] | None = None
        self._denied = 0
        self._rate_bound_at = float("-inf")

    def forgive(self) -> None:
        """Another run begins here: old stops are forgotten."""
        self.stop, self._denied = None, 0
        self.breaker = Breaker(self.limits.give_up_s)

    def limit(self, limits: LimitsSpec) -> None:
        """These limits count from now on; where there is more room than before, the pace grows into it."""
        self.limits = limits
        self.pace.flight.most = limits.concurrency
        self.pace.flight.value = min(self.pace.flight.value, limits.concurrency)

    def hear(self, report: Report, now: float) -> None:
        """Takes in a client's report."""
        gone = [name for name, client in self.clients.items() if now - client.seen_at > CLIENT_TTL_S]
        for name in gone:
            del self.clients[name]
        self.requests = _fill_at(self.requests, self.limits.rpm, now)
        self.tokens = _fill_at(self.tokens, self.limits.tpm, now)
        before = self.clients.get(report.client)
        self.clients[report.client] = _Client(report, before.slots if before else 0, now)
        self.pace.start(report.started, now)
        for outcome in report.outcomes:
            self._absorb(outcome, now)
        in_flight = self.in_flight()
        self.pace.grow(in_flight, rate_binds=now - self._rate_bound_at < 1.0, now=now)
        self._follow_learned_rate(now)
        if self.breaker.given_up(now):
            self.stop = ("connection", f"no answer from the provider for {self.limits.give_up_s:.0f} s")

    def in_flight(self) -> int:
        """Calls in flight, as last reported by all clients."""
        return sum(client.report.in_flight for client in self.clients.values())

    def share_slots(self, name: str, now: float) -> int:
        """This client's part of the concurrency: max-min fair by demand, and never what another still holds."""
        cap = self.pace.concurrency(now)
        demand = {n: c.report.in_flight + c.report.waiting for n, c in self.clients.items()}
        held = sum(client.held for n, client in self.clients.items() if n != name)
        # An idle client keeps nothing from the others.
        fair = _fill(cap, {n: d for n, d in demand.items() if d}, turn=int(now))[name] if demand[name] else 0
        self.clients[name].slots = max(0, min(fair, cap - held))
        return self.clients[name].slots

    def permit(self, report: Report, now: float) -> tuple[int, float, bool]:
        """(starts, wait_s, hold) as far as breaker, pause and rates go."""
        if now < self.pace.paused_until:
            return 0, self.pace.paused_until - now, True
        # No more than will be used soon: permits that pile up while slots are short would all be used at once later.
        soon = max(0, self.clients[report.client].slots - report.in_flight) + 2 * max(2, report.started) - report.stock
        want = report.waiting if self.breaker.is_open else report.want  # a probe is for a call that is there
        calls, wait_s = self.breaker.allow(max(0, min(want, soon)), now)
        if calls == 0 and self.breaker.is_open:
            return 0, wait_s, True
        waiting = max(1, sum(1 for client in self.clients.values() if client.report.waiting))
        for bucket, each in ((self.requests, 1.0), (self.tokens, report.est_tokens), (self.learned, 1.0)):
            if bucket is None or calls == 0:
                continue
            fitting = -(-bucket.starts(each, now) // waiting)
            if fitting < calls:
                calls = fitting
                wait_s = max(wait_s, LEAST_WAIT_S, bucket.wait_s(each))
                self._rate_bound_at = now if bucket is self.learned else self._rate_bound_at
        return calls, wait_s, False

    def take(self, report: Report, calls: int) -> None:
        """Books permits that were given, against the rates and (as the client's stock) the budget."""
        self.clients[report.client].report = replace(report, stock=report.stock + calls, outcomes=(), started=0)
        for bucket, each in ((self.requests, 1.0), (self.tokens, report.est_tokens), (self.learned, 1.0)):
            if bucket is not None:
                bucket.take(calls * each)

    def _absorb(self, outcome: Outcome, now: float) -> None:
        if self.tokens is not None:
            self.tokens.take(outcome.tokens_over)
        self._denied = self._denied + 1 if outcome.signal == Signal.DENIED else 0
        if self._denied >= DENIALS_TO_STOP:
            self.stop = (outcome.kind, f"{DENIALS_TO_STOP} calls in a row were denied: {outcome.message}")
        began = now - outcome.latency_s
        if outcome.signal == Signal.OK:
            self.pace.accept(outcome.latency_s, now)
            self.breaker.succeed(began)
        elif outcome.signal == Signal.REFUSED:
            self.pace.refuse(outcome.retry_after_s, self.in_flight(), now)
            self.breaker.succeed(began)
        elif outcome.signal == Signal.FAILED:
            self.breaker.fail(began, now)
            if outcome.kind == "timeout":
                self.pace.time_out(self.in_flight(), now)

    def _follow_learned_rate(self, now: float) -> None:
        per_s = self.pace.rate.value
        if per_s == float("inf"):
            return
        if self.learned is None:
            self.learned = Bucket(per_s, now)
        self.learned.available(now)
        self.learned.per_s = per_s

    def snapshot(self, now: float) -> dict[str, object]:
        """The lane as `watch` and the metrics show it."""
        rate = self.pace.rate.value
        return {
            "concurrency": self.pace.concurrency(now),
            "in_flight": self.in_flight(),
            "waiting": sum(client.report.waiting for client in self.clients.values()),
            "clients": len(self.clients),
            "learned_rpm": None if rate == float("inf") else round(rate * 60.0, 1),
            "cuts": self.pace.cuts,
            "paused_s": round(max(0.0, self.pace.paused_until - now), 1),
            "broken": self.breaker.is_open,
            "latency_s": self.pace.slowness.median_s,
            "stop": self.stop,
        }


class Governor:
    """All lanes and the budgets of all runs. `now` is any clock that only goes forward, the same in every call."""

    def __init__(self, limits: Mapping[str, LimitsSpec], budgets: Mapping[str, BudgetSpec] | None = None) -> None:
        self._asked: dict[str, Mapping[str, LimitsSpec]] = {"": dict(limits)}
        self._limits = dict(limits)
        self._lanes: dict[str, Lane] = {}
        self._budgets = {run: Budget(spec) for run, spec in (budgets or {}).items()}

    def join(
        self, limits: Mapping[str, LimitsSpec], run: str = "", budget: BudgetSpec | None = None, spent_usd: float = 0.0
    ) -> None:
        """A run begins or goes on: its limits count where they are stricter, its budget is its own.

        spent_usd: what it has spent of the budget so far.
        What had stopped a run before (a key that was denied, a provider that was down) is tried again.
        """
        self._asked[run] = dict(limits)
        self._agree(limits)
        for key in limits.keys() & self._lanes.keys():
            self._lanes[key].forgive()
        self._budgets.pop(run, None)
        if budget is not None:
            self._budgets[run] = Budget(budget, spent_usd)

    def leave(self, run: str) -> None:
        """A run's stage is over: its limits bind nobody else any more."""
        self._agree(self._asked.pop(run, {}))

    def _agree(self, keys: Iterable[str]) -> None:
        """The strictest of what the runs here ask for; where none is left, what was is kept."""
        for key in keys:
            asked = [limits[key] for limits in self._asked.values() if key in limits]
            if asked:
                self._limits[key] = reduce(stricter, asked)
                if key in self._lanes:
                    self._lanes[key].limit(self._limits[key])

    def exchange(self, report: Report, now: float) -> Grant:
        """Takes a client's report and says what it may do next."""
        lane = self._lanes.get(report.key)
        if lane is None:
            lane = self._lanes[report.key] = Lane(self._limits.get(report.key, LimitsSpec()), now)
        lane.hear(report, now)
        budget = self._budgets.get(report.run)
        if budget is not None:
            budget.settle(f"{report.client} {report.key}", report.spent_usd)
        slots = lane.share_slots(report.client, now)
        calls, wait_s, hold = lane.permit(report, now)
        if budget is not None:
            fitting = budget.affordable(calls, report.est_usd, self._reserved_usd(report.run, now))
            wait_s = max(wait_s, LEAST_WAIT_S * 4) if fitting < min(calls, report.waiting) else wait_s
            calls = fitting
        lane.take(report, calls)
        state = budget.state() if budget else Grant().budget
        stop = ("budget", f"{budget.spent_usd:.2f} USD are spent") if budget and state.stop else lane.stop
        return Grant(slots, calls, wait_s, hold, stop, state)

    def snapshot(self, now: float) -> dict[str, object]:
        """Every lane by key, and every budget by run."""
        lanes = {key: self._lanes[key].snapshot(now) for key in sorted(self._lanes)}
        budgets = {
            run: {
                "spent_usd": round(budget.spent_usd, 6),
                "reserved_usd": round(self._reserved_usd(run, now), 6),
                "state": budget.state().in_words,
            }
            for run, budget in sorted(self._budgets.items())
        }
        return {"lanes": lanes, "budgets": budgets}

    def _reserved_usd(self, run: str, now: float) -> float:
        # A client that fell silent holds nothing, in lanes too that nobody speaks of any more: what it left there would
        # keep the last questions of a budget waiting for ever.
        clients = (client for lane in self._lanes.values() for client in lane.clients.values())
        reports = (client.report for client in clients if now - client.seen_at <= CLIENT_TTL_S)
        return sum((report.in_flight + report.stock) * report.est_usd for report in reports if report.run == run)


def _fill_at(bucket: Bucket | None, a_minute: float | None, now: float) -> Bucket | None:
    """The bucket at this rate, made where there was none."""
    if a_minute is None:
        return None
    per_s = a_minute * HEADROOM / 60.0
    if bucket is None:
        return Bucket(per_s, now)
    if bucket.per_s != per_s:
        bucket.available(now)
        bucket.per_s = per_s
    return bucket


def _fill(cap: int, demand: Mapping[str, int], turn: int) -> dict[str, int]:
    """Max-min fair shares of `cap` whole slots; what demand leaves is spread too, remainders go round by `turn`."""
    share = dict.fromkeys(demand, 0)
    left, hungry = cap, sorted(demand)
    while left > 0 and hungry:
        each = left // len(hungry)
        if each == 0:
            break
        for name in hungry:
            part = min(each, demand[name] - share[name])
            share[name] += part
            left -= part
        hungry = [name for name in hungry if share[name] < demand[name]]
    names = hungry or sorted(demand)
    extra, remainder = divmod(left, len(names))
    for i, name in enumerate(names):
        share[name] += extra + (1 if (i + turn) % len(names) < remainder else 0)
    return share
