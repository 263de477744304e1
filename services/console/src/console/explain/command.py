"""`plumbline mrr explain`: read, ask, print, one account a FILE."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from plumbline_runtime.plain_text import printable

from console.explain.account import Account, account_of
from console.explain.answer import Answer, Question, ask, currencies, shared_currency
from console.explain.document import document
from console.explain.files import read_account
from console.explain.options import read_currency, read_policy, read_rates, read_time
from console.explain.trouble import BadInput, UsageError


class Asked(NamedTuple):
    """The command line as it was typed."""

    files: Sequence[Path]
    policy: str | None
    currency: str | None
    rates: Path | None
    at: str | None
    config: Path | None
    as_json: bool
    compare: bool


def run_explain(asked: Asked) -> int:
    """Print every account's answer; 1 when one of them is an error, 2 for wrong usage."""
    try:
        currency = read_currency(asked.currency)
        question = Question(
            read_policy(asked.policy, asked.config), read_rates(asked.rates), read_time(asked.at)
        )
        answers = [_answer(file, question, currency) for file in asked.files]
    except UsageError as error:
        sys.stderr.write(f"error: {printable(str(error))}\n")
        return 2
    show = _printer(asked)
    for answer in answers:
        show(answer)
    return 1 if any(answer.error for answer in answers) else 0


def _answer(file: Path, question: Question, currency: str | None) -> Answer:
    name = str(file)
    try:
        account = account_of(read_account(file), question.at)
    except BadInput as error:
        return Answer(name, question, error=error)
    wanted = currency or shared_currency(account)
    if wanted is not None:
        return ask(name, account, question, wanted)
    return _without_currency(name, account, question)


def _without_currency(name: str, account: Account, question: Question) -> Answer:
    """What is wrong with the objects is said first; else the command line lacks a currency."""
    found = sorted(currencies(account))
    answer = ask(name, account, question, next(iter(found), "usd"))
    if answer.error is not None:
        return answer
    which = f"its subscriptions are in {', '.join(found).upper()}" if found else "it names none"
    raise UsageError(f"--currency: {name} has no currency of its own ({which}); name one")


def _printer(asked: Asked) -> Callable[[Answer], None]:
    """People's output needs modules that scripts need not wait for."""
    if asked.as_json:
        return _print_compared_document if asked.compare else _print_document
    from console.explain.show import print_answer

    return lambda answer: print_answer(answer, compare=asked.compare)


def _print_document(answer: Answer) -> None:
    sys.stdout.write(json.dumps(document(answer)) + "\n")


def _print_compared_document(answer: Answer) -> None:
    from console.explain.compare import comparison_document

    sys.stdout.write(
        json.dumps({**document(answer), "compare": comparison_document(answer)}) + "\n"
    )
