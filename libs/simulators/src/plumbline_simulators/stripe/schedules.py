"""Subscription schedules: phases that the clock puts into effect, release and cancellation.

What happens after the last phase (memory: Stripe names no status for it in its reference): with
`end_behavior` release the schedule is released and the subscription goes on; with cancel the
schedule is completed and the subscription ends.
"""

from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.customers import living_customer
from plumbline_simulators.stripe.endings import end_subscription
from plumbline_simulators.stripe.errors import StripeError, required, unknown_parameter
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.pauses import UPDATED
from plumbline_simulators.stripe.periods import DAY_SECONDS
from plumbline_simulators.stripe.phases import first_form, new_phases, phase_of, put_into_effect
from plumbline_simulators.stripe.planning import plan_subscription
from plumbline_simulators.stripe.store import Record
from plumbline_simulators.stripe.subscription_changes import running
from plumbline_simulators.stripe.subscriptions import create_subscription

NEXT_JOB, NOTICE_JOB = "next_phase", "expiring"
_NOTICE_SECONDS = 7 * DAY_SECONDS
_LIVING = ("not_started", "active")
_ENDS = ("cancel", "release")


def create_schedule(ledger: Ledger, params: Params) -> Record:
    """From a running subscription, or of phases that begin at `start_date`."""
    _check(params)
    name = read.text(params, "from_subscription")
    if name is not None:
        return _from_subscription(ledger, params, running(ledger, name))
    customer = living_customer(
        ledger, read.needed(params, "customer"), param="customer", status=400
    )
    now = ledger.now()
    begins = params.get("start_date")
    start = now if begins == "now" else read.integer(params, "start_date")
    if start is None:
        raise required("start_date")
    record = _blank(ledger, params, customer["id"])
    record["phases"] = new_phases(ledger, read.sequence(params, "phases"), start)
    ledger.create(record, "subscription_schedule.created")
    if start > now:
        ledger.store.plan_job(record["id"], NEXT_JOB, start)
        return record
    return _begin(ledger, record)


def _from_subscription(ledger: Ledger, params: Params, subscription: Record) -> Record:
    if subscription.get("schedule"):
        message = "You cannot migrate a subscription that is already attached to a schedule"
        raise StripeError(400, f"{message}: `{subscription['schedule']}`.")
    record = _blank(ledger, params, subscription["customer"])
    record["phases"] = [phase_of(subscription)]
    record |= {"status": "active", "subscription": subscription["id"]}
    record["current_phase"] = _current(record["phases"][0])
    ledger.create(record, "subscription_schedule.created")
    _attach(ledger, subscription, record)
    _plan(ledger, record)
    return record


def update_schedule(ledger: Ledger, name: str, params: Params) -> Record:
    """New phases hold from the one under way on; what changes in it takes effect now."""
    _check(params)
    before = _living(ledger, name)
    after = {**before, "metadata": read.merged_metadata(before["metadata"], params)}
    if "end_behavior" in params:
        after["end_behavior"] = read.choice(params, "end_behavior", _ENDS)
    if "phases" in params:
        start = before["phases"][0]["start_date"]
        after["phases"] = new_phases(ledger, read.sequence(params, "phases"), start)
    phase = _phase_at(after, ledger.now())
    after["current_phase"] = None if before["status"] != "active" else _current(phase)
    ledger.update(before, after, "subscription_schedule.updated")
    if after["status"] == "active":
        subscription = ledger.get("subscription", after["subscription"])
        if _effect(phase) != _effect(_phase_at(before, ledger.now())):
            put_into_effect(ledger, subscription, phase)
    else:
        ledger.store.plan_job(name, NEXT_JOB, after["phases"][0]["start_date"])
    _plan(ledger, after)
    return after


def release_schedule(ledger: Ledger, name: str, params: Params) -> Record:  # noqa: ARG001
    """The subscription goes on without it."""
    return _release(ledger, _living(ledger, name))


def cancel_schedule(ledger: Ledger, name: str, params: Params) -> Record:  # noqa: ARG001
    """Schedule and subscription end at once."""
    schedule = _living(ledger, name)
    if schedule["subscription"] is None:
        ledger.store.drop_jobs(name)
        after = {**schedule, "status": "canceled", "canceled_at": ledger.now()}
        return ledger.update(schedule, after, "subscription_schedule.canceled")
    subscription = ledger.get("subscription", schedule["subscription"])
    end_subscription(ledger, subscription, reason="cancellation_requested")
    return ledger.get("subscription_schedule", name)


def next_phase(ledger: Ledger, schedule: Record) -> None:
    """The clock's job at a phase's end, or at the start of a schedule."""
    if schedule["status"] == "not_started":
        _begin(ledger, schedule)
        return
    if schedule["status"] != "active":
        return
    now = ledger.now()
    if now < schedule["phases"][-1]["end_date"]:
        phase = _phase_at(schedule, now)
        after = {**schedule, "current_phase": _current(phase)}
        put_into_effect(ledger, ledger.get("subscription", schedule["subscription"]), phase)
        ledger.update(schedule, after, "subscription_schedule.updated")
        _plan(ledger, after)
    elif schedule["end_behavior"] == "release":
        _release(ledger, schedule)
    else:
        ended = {**schedule, "status": "completed", "completed_at": now, "current_phase": None}
        ledger.update(schedule, ended, "subscription_schedule.completed")
        subscription = ledger.get("subscription", schedule["subscription"])
        end_subscription(ledger, subscription, reason="cancellation_requested")


def expiring(ledger: Ledger, schedule: Record) -> None:
    """A week before the last phase ends."""
    if schedule["status"] == "active":
        ledger.emit("subscription_schedule.expiring", schedule)


def _check(params: Params) -> None:
    """What is not simulated is refused, so that nobody believes it had an effect."""
    for name in ("default_settings", "pause_schedules"):
        if params.get(name):
            raise unknown_parameter(name)


def _begin(ledger: Ledger, schedule: Record) -> Record:
    phase = schedule["phases"][0]
    made = create_subscription(ledger, first_form(phase, schedule["customer"]))
    after = {
        **schedule,
        "status": "active",
        "subscription": made["id"],
        "current_phase": _current(phase),
    }
    ledger.update(schedule, after, "subscription_schedule.updated")
    _attach(ledger, ledger.get("subscription", made["id"]), after)
    _plan(ledger, after)
    return after


def _attach(ledger: Ledger, subscription: Record, schedule: Record) -> None:
    ledger.update(subscription, {**subscription, "schedule": schedule["id"]}, UPDATED)


def _release(ledger: Ledger, schedule: Record) -> Record:
    ledger.store.drop_jobs(schedule["id"])
    after = {
        **schedule,
        "status": "released",
        "released_at": ledger.now(),
        "released_subscription": schedule["subscription"],
        "subscription": None,
        "current_phase": None,
    }
    ledger.update(schedule, after, "subscription_schedule.released")
    if schedule["subscription"] is not None:
        subscription = ledger.get("subscription", schedule["subscription"])
        ledger.update(subscription, {**subscription, "schedule": None}, UPDATED)
    return after


def _plan(ledger: Ledger, schedule: Record) -> None:
    """The next change; the subscription's own jobs of that instant come after it."""
    if schedule["status"] != "active":
        return
    name, now = schedule["id"], ledger.now()
    ledger.store.plan_job(name, NEXT_JOB, _phase_at(schedule, now)["end_date"])
    notice = schedule["phases"][-1]["end_date"] - _NOTICE_SECONDS
    if notice > now:
        ledger.store.plan_job(name, NOTICE_JOB, notice)
    plan_subscription(ledger, ledger.get("subscription", schedule["subscription"]))


def _phase_at(schedule: Record, instant: int) -> Record:
    """The phase that holds the instant; before all of them the first, after them the last."""
    begun = [phase for phase in schedule["phases"] if phase["start_date"] <= instant]
    found: Record = begun[-1] if begun else schedule["phases"][0]
    return found


def _current(phase: Record) -> Record:
    return {"start_date": phase["start_date"], "end_date": phase["end_date"]}


def _effect(phase: Record) -> tuple[object, object]:
    return phase["items"], phase["discounts"]


def _living(ledger: Ledger, name: str) -> Record:
    schedule = ledger.get("subscription_schedule", name)
    if schedule["status"] not in _LIVING:
        message = f"You cannot change a subscription schedule that is {schedule['status']}."
        raise StripeError(400, message)
    return schedule


def _blank(ledger: Ledger, params: Params, customer: str) -> Record:
    return {
        "object": "subscription_schedule",
        "id": ledger.ids.next("sub_sched"),
        "created": ledger.now(),
        "customer": customer,
        "subscription": None,
        "status": "not_started",
        "end_behavior": read.choice(params, "end_behavior", _ENDS) or "release",
        "phases": [],
        "current_phase": None,
        "metadata": read.merged_metadata({}, params),
    }
