"""Domains the public lists get wrong or leave out; a workspace may override (identity.md 7)."""

from typing import Final

PERSONAL_ADDED: Final = frozenset(
    [
        "hey.com",
        "pm.me",
        "protonmail.ch",
        "duck.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "privaterelay.appleid.com",
        "fastmail.com",
        "tutanota.com",
        "tuta.io",
        "skiff.com",
        "mailbox.org",
        "posteo.de",
        "gmx.de",
        "gmx.net",
        "web.de",
        "t-online.de",
        "comcast.net",
        "verizon.net",
        "btinternet.com",
        "sbcglobal.net",
        "googlemail.com",
    ]
)
"""Mailboxes anyone can have: of persons, of internet providers, and relays that hide them."""

PERSONAL_REMOVED: Final = frozenset({"telstra.com", "freenet.de", "comcast.com"})
"""Companies whose own staff mails from there; their subscribers mostly mail from elsewhere."""

SHARED_SUFFIXES: Final = frozenset(
    [
        "wordpress.com",
        "hubspotpagebuilder.com",
        "hs-sites.com",
        "wixsite.com",
        "squarespace.com",
        "webflow.io",
        "notion.site",
        "carrd.co",
        "godaddysites.com",
        "weebly.com",
        "blogspot.com",
        "myshopify.com",
        "github.io",
    ]
)
"""Hosts whose customers live on subdomains, beyond the public suffix list's private section."""

NOT_DOMAINS: Final = frozenset(
    [
        "linkedin.com",
        "facebook.com",
        "instagram.com",
        "twitter.com",
        "x.com",
        "linktr.ee",
        "youtube.com",
        "tiktok.com",
        "crunchbase.com",
    ]
)
"""Social and link-tree pages say where a company can be read about, not who it is."""

RELAYS: Final = frozenset(
    [
        "privaterelay.appleid.com",
        "relay.firefox.com",
        "mozmail.com",
        "duck.com",
        "simplelogin.com",
        "simplelogin.co",
        "anonaddy.com",
        "anonaddy.me",
        "addy.io",
        "appleid.com",
    ]
)
"""Their addresses stand for others (the services' own help pages)."""
