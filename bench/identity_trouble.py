"""`python bench/identity_trouble.py --out DIR [--seed N]`: a book of payers for others.

Agencies and bookkeepers with a CRM record of their own, bookkeepers' domains that no record owns,
holdings whose subsidiaries mail from the parent's domain, among plain companies. Every word is
invented here, every domain ends in `.example`; the layout is that of the shared books.
"""

import argparse
import csv
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":  # the folder holds modules that other packages' names would find first
    sys.path[0] = str(Path(__file__).resolve().parent.parent)


def listed(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


STARTS = listed(
    "bran col dor fen gal hul jor kel lom mur nav orl pel quin rud sol tam ulv wex yar zin "
)
MIDDLES = listed("a e i o u ar en il or un")
ENDS = listed("beck cott dale fold gard holm kamp lund mark nesse rick stad tov vale wick zen ")
TRADES = listed("Bakery Roofing Dental Robotics Logistics Design Software Clinic Textiles Foods ")
FIRST = listed("Ilka Bram Odile Tjark Runa Mirek Zofia Ansel Petra Goran Laura James")
FORMS = ("", "", " Ltd", " GmbH", " Inc", " LLC", " S.r.l.")
AGENCIES = ("Media", "Studio", "Digital", "Works", "Partners", "Collective")
KEEPERS = ("Bookkeeping", "Accountants", "Steuerberatung", "Tax Services", "Back Office")


@dataclass
class Trouble:
    """A book being made."""

    rng: random.Random
    records: list[dict[str, str]] = field(default_factory=list)
    customers: list[dict[str, str]] = field(default_factory=list)
    truth: list[dict[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def word(self) -> str:
        """A fresh invented word."""
        while True:
            found = "".join(map(self.rng.choice, (STARTS, MIDDLES, ENDS))).capitalize()
            if self.rng.random() < 0.4:
                found = f"{found} {self.rng.choice(STARTS)}{self.rng.choice(ENDS)}".title()
            if found not in self.names:
                self.names.add(found)
                return found

    def person(self) -> str:
        """A person's name."""
        last = f"{self.rng.choice(STARTS)}{self.rng.choice(ENDS)}".capitalize()
        return f"{self.rng.choice(FIRST)} {last}"

    def record(self, name: str, domain: str, parent: str = "") -> str:
        """Add a CRM record; returns its id."""
        crm_id = f"{9_000_000 + len(self.records)}"
        contact = f"{self.person().split()[1].lower()}@{domain}" if self.rng.random() < 0.7 else ""
        self.records.append(
            {
                "crm_id": crm_id, "name": name, "domain": domain, "contact_emails": contact,
                "city": "", "country": self.rng.choice(("", "DE", "US", "GB")), "phone": "",
                "parent_id": parent, "created": str(1_500_000_000 + len(self.records)),
            }
        )  # fmt: skip
        return crm_id

    def customer(
        self, name: str, email: str, right: str, expect: str, *, trap: str = "", note: str = "",
        also: str = "",
    ) -> None:  # fmt: skip
        """Add a billing customer with its truth; `note` is the kind of trouble."""
        stripe_id = f"cus_{self.rng.getrandbits(60):015x}"
        self.customers.append(
            {
                "stripe_id": stripe_id, "email": email, "name": name, "address_city": "",
                "address_country": "", "phone": "", "metadata": "", "created": "1600000000",
            }
        )  # fmt: skip
        self.truth.append(
            {
                "stripe_id": stripe_id, "entity_id": f"E{right or stripe_id}", "crm_ids": right,
                "also_ok_crm_ids": also, "parent_crm_id": "", "expect": expect, "evidence": "",
                "flags": "", "email_op": note, "name_op": "", "trap_crm_id": trap,
            }
        )  # fmt: skip

    def called(self, name: str) -> str:
        """What a client's customer is called: mostly the company, else a person or nothing."""
        luck = self.rng.random()
        if luck < 0.65:
            return name
        return self.person() if luck < 0.9 else ""


def domain_of(name: str) -> str:
    """`Bran Beck Media` is branbeckmedia.example."""
    return "".join(filter(str.isalnum, name.lower())) + ".example"


def plain(book: Trouble, *, with_customer: bool) -> tuple[str, str]:
    """A company with a record; (name, record id)."""
    name = f"{book.word()} {book.rng.choice(TRADES)}{book.rng.choice(FORMS)}"
    bare = name.rpartition(" ")[0] if name.endswith(FORMS[2:]) else name
    crm_id = book.record(name, domain_of(bare))
    if with_customer:
        person = book.person()
        mail = f"{person.split()[0].lower()}@{domain_of(bare)}"
        book.customer(book.rng.choice((name, bare, person, "")), mail, crm_id, "link", note="plain")
    return name, crm_id


def payer(book: Trouble, kinds: tuple[str, ...], *, owned: bool, known_share: float) -> None:
    """An agency or bookkeeper that pays for 3 to 12 clients from its own domain."""
    name = f"{book.word()} {book.rng.choice(kinds)}"
    domain = domain_of(name)
    own = book.record(name, domain) if owned else ""
    if owned:
        book.customer(name, f"office@{domain}", own, "link", note="payer itself")
    note = "agency client" if owned else "hub client"
    for _ in range(book.rng.randint(4, 12)):
        mail = f"{book.rng.choice(('billing', 'ap', 'clients', 'invoices'))}@{domain}"
        known = book.rng.random() < known_share
        client, crm_id = plain(book, with_customer=False) if known else (f"{book.word()}", "")
        called = book.called(client)
        expect = "none" if not crm_id else "review" if called == client else "unreachable"
        book.customer(called, mail, crm_id, expect, trap=own, note=note)


def holding(book: Trouble) -> None:
    """A parent whose subsidiaries, with records of their own, mail from the parent's domain."""
    name = book.word()
    domain = domain_of(name)
    parent = book.record(f"{name} Holding AG", domain)
    for trade in book.rng.sample(TRADES, 2):
        child = f"{name} {trade}"
        crm_id = book.record(child, domain_of(child), parent)
        book.customer(child, f"{book.person().split()[1].lower()}@{domain}", crm_id, "review",
                      note="subsidiary")  # fmt: skip


def generate(seed: int, size: int) -> Trouble:
    """A book with about `size` plain companies and a twentieth as many payers."""
    book = Trouble(random.Random(seed))
    for _ in range(size):
        plain(book, with_customer=book.rng.random() < 0.7)
    for _ in range(size // 50):
        payer(book, AGENCIES, owned=True, known_share=0.8)
        payer(book, KEEPERS, owned=True, known_share=0.6)
        payer(book, KEEPERS, owned=False, known_share=0.6)
        holding(book)
    return book


def save(book: Trouble, folder: Path) -> None:
    """Write the book's files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"crm": book.records, "stripe": book.customers, "truth": book.truth}
    for name, lines in files.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=1000)
    asked = parser.parse_args()
    book = generate(asked.seed, asked.size)
    save(book, asked.out)
    print(f"{len(book.records)} records, {len(book.customers)} customers -> {asked.out}")


if __name__ == "__main__":
    main()
