"""What `mrr explain` reads: files, folders, lists, events, embedded objects; what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Folder = Callable[..., Path]


def test_files_are_told_apart_by_their_object_and_not_by_their_name(
    explain: Any, stripe: Any
) -> None:
    coupon = stripe.coupon()
    bare = stripe.discount("half")
    subscription = stripe.subscription(discounts=["di_1"])
    assert explain(subscription, bare, coupon, stripe.customer()).minor == 5000


def test_one_file_is_an_account_too(command: Any, stripe: Any, tmp_path: Path) -> None:
    file = tmp_path / "anything.txt"
    file.write_text(json.dumps(stripe.subscription()))
    done = command("mrr", "explain", file, "--json", "--at", "2026-01-10T12:00:00Z")
    assert (done.code, done.minor) == (0, 10000)


def test_a_list_holds_many_objects(explain: Any, stripe: Any) -> None:
    two = stripe.list(stripe.subscription(), stripe.subscription(id="sub_2"))
    assert explain(two).minor == 20000


def test_a_search_result_is_a_list(explain: Any, stripe: Any) -> None:
    found = stripe.list(stripe.subscription(), object="search_result")
    assert explain(found).minor == 10000


def test_an_event_holds_its_object(explain: Any, stripe: Any) -> None:
    assert explain(stripe.event(stripe.subscription())).minor == 10000


def test_of_several_events_about_one_object_the_newest_counts(explain: Any, stripe: Any) -> None:
    later = stripe.subscription(stripe.item(stripe.price(), quantity=3))
    found = explain(stripe.event(later, created=200), stripe.event(stripe.subscription(), 100))
    assert found.minor == 30000


def test_an_object_itself_counts_before_what_an_event_once_told(explain: Any, stripe: Any) -> None:
    old = stripe.event(stripe.subscription(status="trialing"))
    assert explain(old, stripe.subscription()).minor == 10000


def test_two_files_that_contradict_each_other_are_refused(explain: Any, stripe: Any) -> None:
    found = explain(stripe.subscription(), stripe.subscription(status="canceled"))
    assert found.code == 1
    assert found.only["error"]["name"] == "contradiction"
    assert "00.json" in found.only["error"]["where"]
    assert "01.json" in found.only["error"]["where"]


def test_the_same_object_twice_is_one_object(explain: Any, stripe: Any) -> None:
    assert explain(stripe.subscription(), stripe.subscription()).minor == 10000


def test_the_fuller_form_of_one_object_is_taken(explain: Any, stripe: Any) -> None:
    bare = stripe.subscription(discounts=["di_1"])
    expanded = stripe.subscription(discounts=[stripe.discount()])
    assert explain(bare, expanded).minor == 5000
    del bare["discounts"]


def test_a_subscription_inside_a_customer_is_found(explain: Any, stripe: Any) -> None:
    customer = stripe.customer(subscriptions=stripe.list(stripe.subscription()))
    assert explain(customer).minor == 10000


def test_a_file_counts_before_what_another_object_embeds(explain: Any, stripe: Any) -> None:
    old = stripe.subscription(stripe.item(stripe.price(), quantity=7))
    customer = stripe.customer(subscriptions=stripe.list(old))
    assert explain(customer, stripe.subscription()).minor == 10000


def test_an_embedded_invoice_tells_the_payment_status(explain: Any, stripe: Any) -> None:
    found = explain(stripe.subscription(latest_invoice=stripe.invoice()))
    assert found.only["payment_status"] == "paid"


def test_an_embedded_customer_brings_its_discount(explain: Any, stripe: Any) -> None:
    customer = stripe.customer(discount=stripe.discount(subscription=None))
    assert explain(stripe.subscription(customer=customer)).minor == 5000


def test_items_beyond_the_first_page_may_stand_in_a_list_of_their_own(
    explain: Any, stripe: Any
) -> None:
    items = [stripe.item(stripe.price(identity=f"price_{n}")) for n in range(12)]
    first = stripe.list(*items[:10], has_more=True)
    subscription = stripe.subscription(items=first)
    alone = explain(subscription).only
    assert (alone["status"], alone["missing"], alone["mrr"]) == (
        "incomplete",
        ["items:sub_1"],
        None,
    )


def test_the_last_page_of_items_makes_a_subscription_whole(explain: Any, stripe: Any) -> None:
    items = [stripe.item(stripe.price(identity=f"price_{n}")) for n in range(12)]
    subscription = stripe.subscription(items=stripe.list(*items[:10], has_more=True))
    assert explain(subscription, stripe.list(*items[10:])).minor == 120000


def test_a_page_that_is_not_the_last_leaves_it_open(explain: Any, stripe: Any) -> None:
    items = [stripe.item(stripe.price(identity=f"price_{n}")) for n in range(12)]
    subscription = stripe.subscription(items=stripe.list(*items[:10], has_more=True))
    found = explain(subscription, stripe.list(items[10], has_more=True)).only
    assert found["missing"] == ["items:sub_1"]


def test_kinds_that_say_nothing_about_mrr_are_left(explain: Any, stripe: Any) -> None:
    assert explain({"object": "balance", "livemode": True}, stripe.subscription()).minor == 10000


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""], ids=["with a mark", "without"])
def test_a_byte_order_mark_does_not_matter(explain: Any, stripe: Any, mark: bytes) -> None:
    assert explain(mark + json.dumps(stripe.subscription()).encode()).minor == 10000


def test_what_powershell_writes_is_read(explain: Any, stripe: Any) -> None:
    assert explain(json.dumps(stripe.subscription()).encode("utf-16")).minor == 10000


def test_what_a_mac_leaves_in_a_folder_is_left(command: Any, folder: Folder, stripe: Any) -> None:
    place = folder(stripe.subscription())
    (place / "._00.json").write_bytes(b"\x00\x05\x16\x07")
    (place / "notes.txt").write_text("nothing")
    assert command("mrr", "explain", place, "--json", "--at", "2026-01-10T12:00:00Z").minor == 10000


@pytest.mark.parametrize(
    ("content", "name", "where"),
    [
        ("{", "not_json", "00.json"),
        (b"\xff\xff\x00", "not_json", "00.json"),
        ("", "not_json", "00.json"),
        ("[" * 100_000, "too_deep", "00.json"),
        ("[]", "not_an_object", "00.json"),
        ("null", "not_an_object", "00.json"),
        ("12", "not_an_object", "00.json"),
        ("{}", "no_object_key", "00.json"),
        ('{"object": 3}', "no_object_key", "00.json"),
        ('{"object": "list"}', "not_a_list", "00.json: data"),
        ('{"object": "list", "data": [{"id": "x"}]}', "no_object_key", "00.json: data[0]"),
        ('{"object": "list", "data": ["sub_1"]}', "not_an_object", "00.json: data[0]"),
        ('{"object": "event", "data": {}}', "not_an_object", "00.json: data.object"),
        ('{"object": "subscription", "status": "active"}', "no_id", "00.json: id"),
        ('{"object": "balance"}', "nothing_to_explain", "00.json"),
        ('{"object": "list", "data": []}', "nothing_to_explain", "00.json"),
    ],
)
def test_what_cannot_be_read_is_a_named_error(
    explain: Any, content: str | bytes, name: str, where: str
) -> None:
    found = explain(content)
    assert found.code == 1
    assert found.only["error"]["name"] == name
    assert found.only["error"]["where"].endswith(where)
    assert (found.only["status"], found.only["mrr"], found.only["exact"]) == ("error", None, None)


def test_an_empty_folder_is_a_named_error(explain: Any) -> None:
    found = explain()
    assert (found.code, found.only["error"]["name"]) == (1, "empty_folder")


def test_a_folder_that_is_not_there_is_a_named_error(command: Any, tmp_path: Path) -> None:
    found = command("mrr", "explain", tmp_path / "nowhere", "--json")
    assert (found.code, found.only["error"]["name"]) == (1, "not_found")


def test_a_broken_value_is_named_with_file_and_place(explain: Any, stripe: Any) -> None:
    price = stripe.price() | {"unit_amount_decimal": "ten"}
    found = explain(stripe.list(stripe.subscription(stripe.item(price)))).only
    assert found["error"]["name"] == "untranslatable"
    assert found["error"]["where"].endswith(
        "00.json: data[0].items.data[0].price.unit_amount_decimal"
    )


def test_a_kind_that_is_no_word_is_no_object(explain: Any, stripe: Any) -> None:
    odd = stripe.subscription(metadata={"object": "price", "id": "x"}, extra={"object": {"a": []}})
    assert explain(odd).minor == 10000


def test_live_and_test_objects_do_not_mix(explain: Any, stripe: Any) -> None:
    found = explain(stripe.subscription(), stripe.customer(livemode=False))
    assert (found.code, found.only["error"]["name"]) == (1, "mixed_livemode")
    assert "00.json: livemode (live)" in found.only["error"]["where"]
    assert "01.json: livemode (test)" in found.only["error"]["where"]


def test_embedded_objects_of_the_other_mode_do_not_mix_either(explain: Any, stripe: Any) -> None:
    subscription = stripe.subscription(customer=stripe.customer(livemode=False))
    assert explain(subscription).only["error"]["name"] == "mixed_livemode"


def test_a_coupon_of_the_other_mode_beside_it_is_refused(explain: Any, stripe: Any) -> None:
    found = explain(stripe.subscription(), stripe.coupon(livemode=False))
    assert found.only["error"]["name"] == "mixed_livemode"


def test_test_mode_alone_is_explained(explain: Any, stripe: Any) -> None:
    item = stripe.item(stripe.price(livemode=False))
    assert explain(stripe.subscription(item, livemode=False)).minor == 10000


def test_several_accounts_give_a_line_each_in_the_order_given(
    command: Any, folder: Folder, stripe: Any
) -> None:
    one = folder(stripe.subscription(), name="z")
    broken = folder("{", name="m")
    two = folder(stripe.subscription(id="sub_2"), name="a")
    found = command("mrr", "explain", one, broken, two, "--json", "--at", "2026-01-10T12:00:00Z")
    assert [document["status"] for document in found.documents] == ["ok", "error", "ok"]
    assert found.code == 1
