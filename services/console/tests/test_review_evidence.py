"""What the review list says for and against an answer."""

from console.review.shared import least_alike
from console.review.show import evidence_lines
from plumbline_domain.identity.duplicates import duplicate_sentence
from plumbline_domain.identity.profile import Party, Profile, customer_profile
from plumbline_schemas.attention_details import Candidate, Evidence
from plumbline_schemas.ids import ExternalKey
from plumbline_schemas.review_outputs import ReviewItem


def customer(number: int, name: str, email: str) -> Profile:
    return customer_profile(Party(f"stripe/customer/cus_{number}", name=name, emails=(email,)))


def evidence(sentence: str, weight: float) -> Evidence:
    return Evidence(code="x", sentence=sentence, weight=weight)


def item(**facts: object) -> ReviewItem:
    plain = {
        "id": "7kq2me", "workspace": "acme", "kind": "review_match", "subject": "cus_1",
        "summary": "?", "opened_at": "2026-03-01T00:00:00Z", "age_seconds": 1, "group": None,
        "mrr": None,
    }  # fmt: skip
    return ReviewItem.model_validate(plain | facts)


def test_of_several_customers_the_least_alike_are_told() -> None:
    same = customer(1, "Brantov Robotics", "a@brantov.example")
    also = customer(2, "Brantov Robotics GmbH", "b@brantov.example")
    odd = customer(3, "Quilmark Dairy", "c@brantov.example")
    found = least_alike([same, also, odd])
    assert found is not None
    assert "stripe/customer/cus_3" in (found.one, found.other)
    alike = least_alike([same, also])
    assert alike is not None
    assert alike.score > found.score
    assert "both have the domain brantov.example" in map(duplicate_sentence, alike.evidence)
    assert least_alike([same]) is None


def test_each_candidate_is_a_line_with_its_heaviest_evidence() -> None:
    candidate = Candidate(
        record=ExternalKey("acme/hubspot/company/900"),
        name="Brantov",
        probability=0.66,
        evidence=(evidence("light", 0.2), evidence("against", -1.0), evidence("for it", 4.0)),
    )
    assert evidence_lines(item(candidates=(candidate,))) == [
        "900 Brantov, likely 66%: + for it; - against"
    ]


def test_evidence_about_customers_is_a_line_a_piece() -> None:
    told = item(evidence=(evidence("names differ", -2.0), evidence("one domain", 3.0)))
    assert evidence_lines(told) == ["+ one domain", "- names differ"]
