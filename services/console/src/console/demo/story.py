"""The story: each step is a fact in Stripe (or HubSpot) and what HubSpot must show for it."""

from collections.abc import Callable
from dataclasses import dataclass

from console.demo.hero import Hero
from console.demo.matching import Matching
from console.demo.others import Others
from console.demo.stage import Stage, Step, Steps
from console.demo.trouble import Trouble
from console.demo.world import WrongValue


@dataclass(frozen=True, slots=True)
class Told:
    """One step as it went."""

    title: str
    fact: str
    shown: str
    milliseconds: float | None
    right: bool
    why: tuple[str, ...] = ()


class Story:
    """Plays the steps one after the other, and keeps what each showed."""

    def __init__(self, stage: Stage, tell: Callable[[Told], None]) -> None:
        self._stage = stage
        self._tell = tell
        self.hero = Hero(stage)
        self.others = Others(stage)
        self.matching = Matching(stage)
        self.told: list[Told] = []

    async def play(self) -> None:
        """Play every step; a wrong value is told and the story goes on."""
        for title, step in self._steps():
            try:
                told = self._as_told(title, await step())
            except WrongValue as wrong:
                told = Told(title, "", str(wrong), None, right=False)
            self.told.append(told)
            self._tell(told)

    def _steps(self) -> Steps:
        hero, others, matching = self.hero, self.others, self.matching
        trouble = Trouble(self._stage, hero)
        return [
            ("A person answers one of the questions", matching.answered),
            ("A customer signs up for a trial", hero.trial),
            ("The trial ends and the first payment arrives", hero.first_payment),
            ("The customer upgrades", hero.upgrade),
            ("Another customer pays for a year at once", others.annual),
            ("A customer pays in euros", others.euro),
            ("A customer comes with a coupon for one month", others.coupon),
            ("Stripe sends an old event late", trouble.late),
            ("The card fails at the renewal", hero.card_fails),
            ("The card is replaced and the payment recovers", hero.recovers),
            ("A payment is refunded in part", hero.refund),
            ("Stripe sends the same event five times", trouble.duplicate),
            ("The coupon ends by itself", others.coupon_ends),
            ("A customer pauses", others.pauses),
            ("The customer goes on", others.resumes),
            ("Sales creates a company after its customer", matching.late_company),
            ("A person overwrites the MRR in HubSpot", trouble.human_edit),
            ("HubSpot answers 429 for a while", trouble.too_many_requests),
            ("writeback is killed and comes back", trouble.killed),
            ("The customer cancels", hero.cancels),
        ]

    def _as_told(self, title: str, step: Step) -> Told:
        shown = self._shown(step.company)
        return Told(title, step.fact, shown, step.milliseconds, right=True, why=step.why)

    def _shown(self, company: str) -> str:
        values = self._stage.world.values(company)
        names = ("mrr", "plan", "payment_status", "state")
        return ", ".join(f"{name} {values.get(f'plumbline_{name}') or '-'}" for name in names)
