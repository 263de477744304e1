"""How people write a company's name: shortened, misspelt, with a place, as a web address."""

import random

from bench.identity_world_names import PLACES, Company

FORMS = frozenset(form.lower() for forms, _, _ in PLACES.values() for form in forms.split())
JUNK = ("test", "n/a", "-", "Customer", "none", "me", "Company", "asdf")


def chosen(rng: random.Random, table: tuple[tuple[str, int], ...]) -> str:
    """An entry by weight."""
    return rng.choices([name for name, _ in table], [weight for _, weight in table])[0]


def misspelt(rng: random.Random, text: str) -> str:
    """One typing error: a letter lost, doubled, swapped or replaced."""
    if len(text) < 4:
        return text
    at = rng.randrange(1, len(text) - 1)
    return rng.choice(
        (
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
            text[:at] + rng.choice("aeiorstn") + text[at + 1 :],
        )
    )


def without_form(name: str) -> str:
    """The name without the legal form that ends it."""
    parts = name.split()
    return " ".join(parts[:-1]) if len(parts) > 1 and parts[-1].lower() in FORMS else name


def written(rng: random.Random, company: Company, kind: str) -> str:
    """The name of `company` as somebody types it."""
    bare = without_form(company.name)
    words = bare.split()
    if kind == "crm":
        kind = rng.choice(("form", "as_crm", "upper", "punct", "form"))
    if kind == "form":
        form = rng.choice(rng.choice(tuple(PLACES.values()))[0].split())
        return rng.choice((bare, bare, f"{bare} {form}"))
    if kind == "short":
        spoken = rng.choice(company.aliases) if company.aliases else ""
        return spoken or " ".join(words[: max(1, len(words) - 1)])
    others = {
        "blank": "",
        "initials": "".join(word[0] for word in words).upper() if len(words) > 2 else bare,
        "upper": bare.upper(),
        "host": rng.choice((company.domain, f"www.{company.domain}")),
        "junk": rng.choice(JUNK),
        "place": rng.choice((f"{bare} ({company.city})", f"{bare} - {company.city}")),
        "typo": misspelt(rng, bare),
        "order": " ".join((*words[1:], words[0])),
        "punct": rng.choice(
            (bare.replace("&", "and"), bare.replace(" ", "-"), f"{bare},", bare.replace(" ", "  "))
        ),
    }
    return others.get(kind, company.name)
