"""`mrr explain` for people: every step of the arithmetic, with the rule that says so."""

import sys
from collections.abc import Iterator
from fractions import Fraction

from plumbline_domain.subscriptions import ENDED
from plumbline_domain.working import SubscriptionWorking
from plumbline_runtime.plain_text import printable

from console.explain.amounts import amount
from console.explain.answer import Answer, Part
from console.explain.compare import Compared, Reason, compared
from console.explain.lines import Worked, item_lines, item_title
from console.explain.sheet import Line, laid_out, table_of
from console.explain.words import counts_zero, missing, switch_words, value_words


def print_answer(answer: Answer, *, compare: bool) -> None:
    """One account on standard output, an empty line after it; no control codes of strangers."""
    lines = (printable(line) for line in answer_text(answer, compare=compare))
    sys.stdout.write("\n".join(lines) + "\n\n")


def answer_text(answer: Answer, *, compare: bool) -> Iterator[str]:
    """The lines of one account."""
    question = answer.question
    currency = "" if answer.currency is None else f", in {answer.currency.upper()}"
    yield answer.file
    yield f"policy {question.policy.name}, at {question.at:%Y-%m-%d %H:%M:%S} UTC{currency}"
    for part in answer.parts:
        yield ""
        yield from _subscription(part, answer)
    yield ""
    yield from laid_out(_total(answer))
    yield from _beside(answer)
    if compare and answer.account is not None:
        yield ""
        yield from comparison_text(answer)


def _subscription(part: Part, answer: Answer) -> Iterator[str]:
    working = part.contribution.working
    assert working is not None, "it was asked for"
    if working.items:
        yield f"subscription {part.seen.id}, {working.status}  [{working.rule}]"
    else:
        why = counts_zero(working.rule)
        yield f"subscription {part.seen.id}, {working.status}: zero, {why}  [{working.rule}]"
    yield from _planned_end(part)
    yield from _items(part, working, answer)
    if working.assumed:
        switches = ", ".join(working.assumed)
        yield f"  assumed, for {working.policy} states nothing: {switches}"


def _planned_end(part: Part) -> Iterator[str]:
    body = part.seen.body
    if body.status in ENDED or not (body.cancel_at_period_end or body.cancel_at):
        return
    when = "the end of its period" if body.cancel_at is None else f"{body.cancel_at:%Y-%m-%d}"
    yield f"  to be canceled at {when}"


def _items(part: Part, working: SubscriptionWorking, answer: Answer) -> Iterator[str]:
    assert answer.account is not None, "it has subscriptions"
    bodies = {item.item_id: item for item in part.seen.body.items}
    for item in working.items:
        book = answer.account.book
        body = bodies[item.item_id]
        whole = body.model_copy(update={"price": book.whole(body.price)})
        worked = Worked(whole, item, answer.currency or "", book, part.unsure)
        yield f"  {item_title(worked.item, worked.book)}"
        yield from laid_out(item_lines(worked), indent=4)


def _total(answer: Answer) -> Iterator[Line]:
    known = answer.standing
    if answer.error is not None:
        yield Line("MRR", f"none: {answer.error.name}, {answer.error.why}")
        yield Line("where", answer.error.where)
    elif answer.minor is None or answer.exact is None:
        yield Line("MRR", "incomplete: no number until this is known")
        for name in answer.missing:
            yield Line(name, missing(name))
    else:
        exact = answer.exact
        rounded = amount(Fraction(answer.minor), answer.currency or "")
        words = f"exactly {exact} minor units"
        yield Line("MRR", rounded + (f" ({words}, rounded once)" if exact != answer.minor else ""))
    if known is None:
        return
    yield Line("plan", known.plan.value or "none", "", known.plan.rule)
    yield Line("payment", known.payment.value, "", known.payment.rule)
    yield Line("state, stage", f"{known.where.state}, {known.where.stage}", "", known.where.rule)


def _beside(answer: Answer) -> Iterator[str]:
    if answer.account is None:
        return
    if answer.account.ignored:
        yield f"not looked at: {', '.join(answer.account.ignored)}"
    yield from (f"note: {note}" for note in answer.account.notes)


def comparison_text(answer: Answer) -> Iterator[str]:
    """The five policies side by side, then what is behind each difference."""
    found = compared(answer)
    asked = answer.question.policy.name
    rows = [(one.policy, _said(one.answer), _gap(one, answer)) for one in found]
    yield from table_of(("policy", "MRR", f"less or more than {asked}"), rows, right=1)
    for one in found:
        if one.reasons:
            yield ""
            yield one.policy
            yield from laid_out(_why(one, answer), indent=2)


def _why(one: Compared, answer: Answer) -> Iterator[Line]:
    yield from (_reason(reason, answer) for reason in one.reasons)
    # Each number is rounded once: as many minor units as there are reasons say nothing.
    if abs(one.together) > len(one.reasons):
        yield Line("together", "they act on each other", _signed(one.together, answer))


def _reason(reason: Reason, answer: Answer) -> Line:
    moved = "" if reason.moved is None else _signed(reason.moved, answer)
    words = f"{switch_words(reason.switch, reason.there)}, not {value_words(reason.here)}"
    return Line(f"switch {reason.switch}", words, moved, ", ".join(reason.rules))


def _said(answer: Answer) -> str:
    if answer.minor is None:
        return answer.status
    return amount(Fraction(answer.minor), answer.currency or "")


def _gap(one: Compared, answer: Answer) -> str:
    if not one.reasons:
        return "the same"
    return "not comparable" if one.moved is None else _signed(one.moved, answer)


def _signed(minor: int, answer: Answer) -> str:
    text = amount(Fraction(minor), answer.currency or "")
    return text if minor < 0 else f"+{text}"
