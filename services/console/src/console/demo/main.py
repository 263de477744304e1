"""`plumbline demo`: the whole system on simulated vendors, a story, and what was right."""

import asyncio
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from plumbline_local.deployment import Deployment
from plumbline_local.pair import take_home
from plumbline_local.paths import Home, write_private
from plumbline_local.ports import keep_ports
from plumbline_local.run import read_run
from plumbline_schemas.outputs import DemoStep, DemoTold
from rich.markup import escape

from console.demo.book import companies, customers, hubspot_seed, stripe_seed
from console.demo.cases import CASES, wrong_in
from console.demo.check import Row, check_book
from console.demo.rates import write_rates
from console.demo.stage import Stage
from console.demo.story import Story, Told
from console.demo.world import (
    ACCESS_TOKEN,
    API_KEY,
    CLIENT_SECRET,
    WEBHOOK_SECRET,
    WORKSPACE,
    World,
    open_world,
)
from console.show import ERR, OUT, fail, print_json, table
from console.up import CANNOT_RUN, make_deployment, until_ready

MARKER = "demo.toml"
RIGHT, WRONG = "[green]ok[/green]   ", "[red]WRONG[/red]"
READY_SECONDS = 120.0
CONFIG = """# Written by `plumbline demo`.
[edge]
listen = "{listen}"

[workspace]
id = "{workspace}"
currency = "USD"
timezone = "Europe/Berlin"
clock = "stripe"

[connections.stripe]
kind = "stripe"
mode = "test"
api_key = "env:DEMO_STRIPE_API_KEY"
webhook_secrets = ["env:DEMO_STRIPE_WEBHOOK_SECRET"]
api_base = "{stripe}"

[connections.hubspot]
kind = "hubspot"
access_token = "env:DEMO_HUBSPOT_TOKEN"
client_secret = "env:DEMO_HUBSPOT_CLIENT_SECRET"
portal_id = "4242"
api_base = "{hubspot}"
rate_per_10_seconds = 190

[rates]
source = "file:{rates}"

[policies]
first_write = "auto"
"""


def run_demo(*, leave: bool, as_json: bool) -> int:
    """Play the demo; 0 when every value was right. Stays up until Ctrl-C unless `leave`."""
    if as_json:
        OUT.file = sys.stderr  # the narration; standard output holds one document
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "PLUMBLINE_CONFIG"):
        os.environ.pop(name, None)
    home = demo_home(Home.from_environment())
    os.environ["PLUMBLINE_HOME"] = str(home.root)
    stays = not leave and sys.stdin.isatty()
    try:
        told = asyncio.run(_demo(home, stays=stays))
    except CANNOT_RUN as error:
        fail(str(error))
        return 1
    if as_json:
        print_json(told)
    return 0 if told.right else 1


def demo_home(home: Home) -> Home:
    """The home itself when it is empty or an earlier demo's, else one beside it."""
    if home.root.exists() and any(home.root.iterdir()) and not (home.root / MARKER).exists():
        beside = Home(home.root.with_name(home.root.name + "-demo"))
        ERR.print(f"{home.root} holds a deployment: the demo uses {beside.root}")
        return beside
    return home


def start_afresh(home: Home) -> None:
    """End what an earlier demo left running and forget its data."""
    if read_run(home) is None:
        lock = take_home(home)
        try:
            for folder in (home.kafka, home.postgres, home.logs):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()


async def _demo(home: Home, *, stays: bool) -> DemoTold:
    await asyncio.to_thread(start_afresh, home)
    listen = f"127.0.0.1:{keep_ports(home, ('edge',))['edge']}"
    book = companies()
    people = customers(book)
    seeds = stripe_seed(people, int(time.time())), hubspot_seed(book)
    async with open_world(f"http://{listen}", *seeds) as world:
        world.homes |= {one.id: one.home for one in people if one.home is not None}
        deployment = deploy(home, world, listen)
        teller = Teller(world, deployment, stays=stays)
        await deployment.run(teller.tell_all)
        return teller.result()


def deploy(home: Home, world: World, listen: str) -> Deployment:
    """A deployment aimed at the simulated vendors, whose credentials go by environment."""
    place = write_config(home, world, listen)
    os.environ |= {
        "DEMO_STRIPE_API_KEY": API_KEY,
        "DEMO_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "DEMO_HUBSPOT_TOKEN": ACCESS_TOKEN,
        "DEMO_HUBSPOT_CLIENT_SECRET": CLIENT_SECRET,
    }
    return make_deployment(place, home, {"PLUMBLINE_TICK_SECONDS": "1"})


def write_config(home: Home, world: World, listen: str) -> Path:
    """The demo's configuration, kept in its home so that other commands find it."""
    place = home.root / MARKER
    text = CONFIG.format(
        listen=listen,
        rates=write_rates(home.root, datetime.now(UTC).date()),
        workspace=WORKSPACE,
        stripe=world.stripe.base_url,
        hubspot=world.hubspot.base_url,
    )
    write_private(place, text)
    return place


class Teller:
    """Narrates; `right` once everything was told and every value held."""

    def __init__(self, world: World, deployment: Deployment, *, stays: bool) -> None:
        self._world = world
        self._deployment = deployment
        self._stage = Stage(world, deployment)
        self._stays = stays
        self._began = time.monotonic()
        self.right = False
        self._ready_seconds: float | None = None
        self._told: list[Told] = []

    def result(self) -> DemoTold:
        """What was told, for scripts."""
        steps = [
            DemoStep(
                title=one.title,
                fact=one.fact,
                shown=one.shown,
                milliseconds=one.milliseconds,
                right=one.right,
            )
            for one in self._told
        ]
        return DemoTold(right=self.right, ready_seconds=self._ready_seconds, steps=steps)

    async def tell_all(self) -> None:
        """First walk, story, the whole book; then leave or stay."""
        OUT.print(
            f"\n[bold]Plumbline's demo[/bold]: {len(customers(companies()))} customers in a "
            f"simulated Stripe, "
            f"{len(companies())} companies in a simulated HubSpot.\n"
        )
        if not await until_ready(self._deployment, READY_SECONDS):
            fail("not ready in time; see the logs in " + str(self._deployment.home.logs))
            self._deployment.request_stop()
            return
        took = self._ready_seconds = time.monotonic() - self._began
        OUT.print(f"Kafka, PostgreSQL and every service ready after {took:.1f} s.")
        await self._stage.settled()
        first = await self._check("After the first walk of both books")
        cases = self._cases()
        story = Story(self._stage, self._tell)
        asked = await self._questions(story)
        OUT.print("\n[bold]The story[/bold] (milliseconds from the fact to HubSpot's value)\n")
        await story.play()
        await self._stage.settled()
        last = await self._check("After the story")
        self._summary(story.told)
        self.right = all(told.right for told in story.told) and first and cases and asked and last
        verdict = "[green]every value is right[/green]" if self.right else "[red]WRONG VALUES[/red]"
        OUT.print(f"\n{verdict}\n")
        if self._stays:
            self._invite(story)
        else:
            self._deployment.request_stop()

    def _tell(self, told: Told) -> None:
        self._told.append(told)
        mark = RIGHT if told.right else WRONG
        took = "" if told.milliseconds is None else f"{told.milliseconds:.0f} ms"
        OUT.print(f"{mark} [bold]{escape(told.title)}[/bold]")
        if told.fact:
            OUT.print(f"        Stripe   {escape(told.fact)}")
        OUT.print(f"        HubSpot  {escape(told.shown)}   [cyan]{took}[/cyan]")
        for line in told.why:
            OUT.print(f"        why      [dim]{escape(line)}[/dim]")

    def _cases(self) -> bool:
        """What is hard to match, each as it must be."""
        right = True
        for case in CASES:
            wrong = list(wrong_in(case, self._world))
            right = right and not wrong
            OUT.print(f"{RIGHT if not wrong else WRONG} {escape(case.title)}")
            for line in wrong:
                OUT.print(f"        {escape(line)}")
        return right

    async def _questions(self, story: Story) -> bool:
        """What Plumbline asks a person instead of guessing: exactly the two of the book."""
        items = await story.matching.asked()
        right = story.matching.as_wanted(items)
        mark = f"[{'green' if right else 'red'}]{len(items)} to review[/]"
        OUT.print(f"What is not sure is asked, not guessed (plumbline review list): {mark}")
        for item in items:
            first, *candidates = story.matching.in_words(item)
            OUT.print(f"    {escape(first)}")
            for line in candidates:
                OUT.print(f"            {escape(line)}")
        return right

    async def _check(self, title: str) -> bool:
        rows = await check_book(self._world)
        wrong = [row for row in rows if not row.right]
        written = sum(1 for row in rows if row.customers)
        OUT.print(
            f"{escape(title)}: {len(rows)} companies checked against Stripe, {written} with a "
            f"customer, [{'red' if wrong else 'green'}]{len(wrong)} wrong[/]"
        )
        if wrong:
            table("Wrong", ["company", "customers", "wanted", "shown"], map(_cells, wrong))
        return not wrong

    def _summary(self, told: list[Told]) -> None:
        table(
            "What was checked",
            ["step", "ms", "right"],
            [
                (
                    one.title,
                    "" if one.milliseconds is None else f"{one.milliseconds:.0f}",
                    "yes" if one.right else "NO",
                )
                for one in told
            ],
        )

    def _invite(self, story: Story) -> None:
        home = self._deployment.home.root
        prefix = "" if home == Path(".plumbline").resolve() else f"PLUMBLINE_HOME={home} "
        OUT.print("It goes on running until Ctrl-C. Try in a second terminal:")
        left = story.matching.left
        commands = [
            "status",
            "accounts search juniper",
            f"accounts why {story.others.european} mrr",
            f"accounts why {story.hero.customer} ltv",
            "review list",
            *([] if left is None else [f"review show {left.id}"]),
        ]
        for command in commands:
            OUT.print(f"    {prefix}.venv/bin/plumbline {command}")


def _cells(row: Row) -> tuple[str, str, str, str]:
    return (row.company, ", ".join(row.customers), str(row.wanted), str(row.shown))
