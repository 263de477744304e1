"""`python bench/identity_worlds.py --out DIR [--seed N] [--companies FILE]`: a second book.

Labelled, in the layout of the development book and apart from it: namesakes, branches, payers of
two to eight clients, personal mailboxes, typing errors, duplicates, freelancers, unknown providers.
"""

import argparse
import random
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

if __name__ == "__main__":  # the folder holds modules that other packages' names would find first
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.identity_trouble import save
from bench.identity_world_names import (
    FREE,
    PLACES,
    Company,
    bare_name,
    closed,
    invented,
    listed_companies,
    mailbox,
    person,
    root,
)
from bench.identity_world_typing import chosen, misspelt, without_form, written

ROLES = ("billing", "accounts", "ap", "invoices", "finance", "info", "office")
AGENCY_TAILS = ("Media", "Studio", "Collective", "Partners", "", "Ventures", "Works", "Consulting")
KEEPER_TAILS = ("Bookkeeping", "Accountants", "Tax", "Treuhand", "Boekhouding", "Finance", "")


@dataclass
class World:
    """A book being made; `records`, `customers` and `truth` are the rows of its files."""

    rng: random.Random
    pool: list[Company] = field(default_factory=list)
    records: list[dict[str, str]] = field(default_factory=list)
    customers: list[dict[str, str]] = field(default_factory=list)
    truth: list[dict[str, str]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    known: list[Company] = field(default_factory=list)
    """Companies with a record of their own."""

    def company(self, name: str = "") -> Company:
        """A company that nobody has used."""
        if self.pool and not name:
            return self.pool.pop()
        return invented(self.rng, self.taken, name=name)

    def record(self, company: Company, *, twin: bool = False) -> str:
        """Add a CRM record of `company`; a twin is entered a second time, differently."""
        rng = self.rng
        crm_id = str(40_000_000 + len(self.records))
        if not twin:
            for _ in range(rng.choice((0, 1, 1, 2, 3, 4))):
                company.people.append(person(rng))
                local = mailbox(rng, company.people[-1])
                own = f"{local}@{company.domain}"
                free = f"{local}{rng.randint(100, 9999)}@{rng.choice(FREE)}"
                company.contacts.append(own if rng.random() < 0.9 else free)
        name = written(rng, company, "crm") if twin or rng.random() < 0.3 else company.name
        luck = rng.random()
        host = company.domain if luck < 0.7 else f"https://www.{company.domain}/"
        self.records.append(
            {
                "crm_id": crm_id, "name": name, "domain": host if luck < 0.85 else "",
                "contact_emails": ";".join(company.contacts[: 1 if twin else 9]),
                "city": company.city if rng.random() < 0.4 else "",
                "country": company.country if rng.random() < 0.7 else "",
                "phone": company.phone if rng.random() < 0.5 else "",
                "parent_id": company.parent.record_ids[0] if company.parent else "",
                "created": str(1_500_000_000 + len(self.records)),
            }
        )  # fmt: skip
        company.record_ids.append(crm_id)
        return crm_id

    def customer(
        self, company: Company | None, email: str, name: str, expect: str, *, mail_op: str,
        name_op: str = "", trap: str = "", also: str = "",
    ) -> None:  # fmt: skip
        """Add a billing customer with its truth."""
        rng = self.rng
        known = company is not None and bool(company.record_ids)
        stripe_id = f"cus_w{rng.getrandbits(60):015x}"
        place = company is not None and rng.random() < 0.35
        self.customers.append(
            {
                "stripe_id": stripe_id, "email": email, "name": name,
                "address_city": company.city if company and place and rng.random() < 0.7 else "",
                "address_country": company.country if company and place else "",
                "phone": company.phone if company and rng.random() < 0.15 else "",
                "metadata": "", "created": "1600000000",
            }
        )  # fmt: skip
        self.truth.append(
            {
                "stripe_id": stripe_id, "entity_id": company.domain if company else stripe_id,
                "crm_ids": "|".join(company.record_ids) if company else "",
                "also_ok_crm_ids": also, "parent_crm_id": "",
                "expect": expect if known or also else "none", "evidence": "", "flags": "",
                "email_op": mail_op if known or also else f"orphan {mail_op}",
                "name_op": name_op, "trap_crm_id": trap,
            }
        )  # fmt: skip


NAME_OPS = (
    ("as_crm", 25), ("form", 13), ("person", 27), ("blank", 7), ("host", 3), ("junk", 2),
    ("place", 4), ("typo", 5), ("short", 6), ("order", 2), ("punct", 5), ("initials", 1),
)  # fmt: skip
MAIL_OPS = (
    ("contact", 28), ("domain", 36), ("personal", 11), ("changed", 3), ("regional", 4),
    ("related", 4), ("subdomain", 4), ("typo", 2), ("blank", 2), ("renamed", 2), ("other", 4),
)  # fmt: skip
STRONG = frozenset({"contact", "domain", "subdomain"})


def address(world: World, company: Company, kind: str, who: tuple[str, str]) -> str:
    """An address of someone of `company`."""
    rng = world.rng
    local = mailbox(rng, who) if rng.random() < 0.75 else rng.choice(ROLES)
    label, _, ending = company.domain.partition(".")
    hosts = {
        "domain": company.domain,
        "subdomain": f"{rng.choice(('mail', 'corp', 'eu', 'team'))}.{company.domain}",
        "regional": f"{label}.{rng.choice([p[2] for p in PLACES.values() if p[2] != ending])}",
        "related": rng.choice((f"get{label}.com", f"{label}hq.com", f"{label}-group.{ending}")),
        "typo": f"{misspelt(rng, label)}.{ending}",
        "renamed": f"{root(rng).lower()}{closed(bare_name(rng))[:3]}.com",
        "other": rng.choice(company.others) if company.others else company.domain,
    }
    if kind == "contact" and company.contacts:
        return rng.choice(company.contacts)
    if kind == "blank":
        return rng.choice(("", f"{rng.getrandbits(32):08x}@privaterelay.appleid.com"))
    if kind in ("personal", "changed"):
        luck = rng.random()
        firm = closed(without_form(company.name))[: rng.choice((10, 14, 18, 30))]
        firm += rng.choice(("", "", "", ".office", ".info", "-hq"))
        own = firm if luck < 0.25 else mailbox(rng, who)
        return f"{own}{rng.choice(('', rng.randint(10, 9999)))}@{rng.choice(FREE)}"
    return f"{local}@{hosts.get(kind, company.domain)}"


def expectation(mail_op: str, name_op: str) -> str:
    """What a careful person would do with this much."""
    named = name_op not in ("person", "blank", "junk")
    if mail_op in STRONG:
        return "link"
    if mail_op in ("regional", "related", "typo", "other"):
        return "link" if named and name_op not in ("typo", "short") else "review"
    return "review" if named else "unreachable"


def plain_customer(world: World, company: Company) -> None:
    """One ordinary customer of `company`."""
    rng = world.rng
    mail_op, name_op = chosen(rng, MAIL_OPS), chosen(rng, NAME_OPS)
    known = company.people and rng.random() < 0.3
    who = rng.choice(company.people) if known else person(rng)
    email = address(world, company, mail_op, who)
    name = " ".join(who) if name_op == "person" else written(rng, company, name_op)
    if mail_op == "contact" and not company.contacts:
        mail_op = "domain"
    if mail_op == "other" and not company.others:
        mail_op = "domain"
    world.customer(company, email, name, expectation(mail_op, name_op),
                   mail_op=mail_op, name_op=name_op)  # fmt: skip


def payer(world: World, *, keeper: bool, owned: bool) -> None:
    """An agency or bookkeeper paying for two to eight clients from its own domain."""
    rng = world.rng
    tail = rng.choice(KEEPER_TAILS if keeper else AGENCY_TAILS)
    own = invented(rng, world.taken, name=f"{root(rng)}{rng.choice(('', 'm', 'x'))} {tail}".strip())
    if owned:
        world.record(own)
        if rng.random() < 0.5:
            world.customer(own, f"{rng.choice(ROLES)}@{own.domain}", own.name, "link",
                           mail_op="payer")  # fmt: skip
    trap = own.record_ids[0] if owned else ""
    staff = [mailbox(rng, person(rng)) for _ in range(2)]
    for client in rng.sample(world.known, rng.randint(2, 8)):
        known = rng.random() < 0.75
        name_op = chosen(rng, (("as_crm", 50), ("form", 20), ("short", 8), ("typo", 7),
                               ("person", 10), ("blank", 5)))  # fmt: skip
        company = client if known else world.company()
        name = " ".join(person(rng)) if name_op == "person" else written(rng, company, name_op)
        if rng.random() < 0.06 and name:
            name = f"{name} c/o {own.name}"
        local = rng.choice((*staff, *ROLES[:3], closed(company.name)[:8] or "client"))
        expect = "unreachable" if name_op in ("person", "blank") else "review"
        world.customer(company, f"{local}@{own.domain}", name, expect,
                       mail_op="agency client" if owned else "hub client", name_op=name_op,
                       trap=trap)  # fmt: skip


def branch(world: World, parent: Company) -> None:
    """A subsidiary that mails from its parent's domain, with a record of its own or without."""
    rng = world.rng
    first = " ".join(parent.name.replace(",", "").split()[:2])
    tail = rng.choice(("UK", "Deutschland", "Iberia", "Nordic", "Digital", "Energy", "Services"))
    child = replace(parent, name=f"{first} {tail}", record_ids=[], contacts=[], aliases=())
    child.parent, own = parent, rng.random() < 0.7
    if own:
        child.domain = f"{closed(first)}-{tail.lower()}.com"
        world.record(child)
    mail = f"{mailbox(rng, person(rng))}@{parent.domain}"
    also = "" if own else "|".join(parent.record_ids)
    name_op = "as_crm" if rng.random() < 0.8 else "person"
    name = child.name if name_op == "as_crm" else " ".join(person(rng))
    if name_op == "person":
        also = "|".join(parent.record_ids)
    world.customer(child, mail, name, "review", mail_op="branch", name_op=name_op, also=also)


def provider(world: World) -> None:
    """A provider that no list knows: persons and small firms mail from it."""
    rng = world.rng
    host = f"{root(rng).lower()}net.{rng.choice(('nl', 'it', 'com'))}"
    for company in rng.sample(world.known, rng.randint(3, 7)):
        who = person(rng)
        name_op = rng.choice(("person", "as_crm", "form"))
        name = " ".join(who) if name_op == "person" else written(rng, company, name_op)
        expect = "unreachable" if name_op == "person" else "review"
        mail = f"{mailbox(rng, who)}@{host}"
        world.customer(company, mail, name, expect, mail_op="provider", name_op=name_op)


def freelancer(world: World) -> None:
    """A person who stands as a contact on two records and pays for one, or for himself."""
    rng = world.rng
    who = person(rng)
    mail = f"{mailbox(rng, who)}{rng.randint(1, 99)}@{rng.choice(FREE)}"
    for company in rng.sample(world.known, 2):
        row = next(r for r in world.records if r["crm_id"] == company.record_ids[0])
        row["contact_emails"] = ";".join(filter(None, (row["contact_emails"], mail)))
    luck = rng.random()
    name = company.name if luck < 0.4 else " ".join(who)
    world.customer(company if luck < 0.7 else None, mail, name,
                   "link" if luck < 0.4 else "review", mail_op="freelancer")  # fmt: skip


def generate(seed: int, size: int, companies: Path | None) -> World:
    """A book with about `size` customers."""
    rng = random.Random(seed)
    world = World(rng)
    if companies is not None:
        world.pool = listed_companies(companies)
        rng.shuffle(world.pool)
        world.taken = {company.domain for company in world.pool}
    for n in range(size * 5 // 4):
        namesake = rng.random() < 0.04 and bool(world.known)
        name = rng.choice(world.known).name.rpartition(" ")[0] if namesake else ""
        company = world.company(name)
        company.phone = f"+1 415 {rng.randint(200, 999)} {rng.randint(1000, 9999)}"
        if namesake and rng.random() < 0.5:
            plain_customer(world, company)  # not in the CRM, its namesake is
            continue
        world.record(company)
        if rng.random() < 0.06:
            world.record(company, twin=True)
        world.known.append(company)
        for _ in range(rng.choice((0, 0, 1, 1, 1)) if n % 25 else 3):
            plain_customer(world, company)
    for _ in range(size // 12):
        plain_customer(world, world.company())
    for _ in range(size // 250):
        for keeper in (True, False):
            payer(world, keeper=keeper, owned=True)
            payer(world, keeper=keeper, owned=False)
        provider(world)
        freelancer(world)
    for parent in rng.sample(world.known, size // 40):
        branch(world, parent)
    return world


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--companies", type=Path, help="CSV of companies instead of invented ones")
    asked = parser.parse_args()
    world = generate(asked.seed, asked.size, asked.companies)
    save(world, asked.out)
    print(f"{len(world.records)} records, {len(world.customers)} customers -> {asked.out}")


if __name__ == "__main__":
    main()
