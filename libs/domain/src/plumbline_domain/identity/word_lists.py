"""General words that say what a name is. Own lists; legal forms come from cleanco on top."""

from typing import Final

from cleanco.termdata import terms_by_country, terms_by_type

_ORDINARY: Final = frozenset(
    "and private unlimited as da pt ay ok ks kt kb et ij ep ent coop sp gp sem sep ei fa ud ec ev "
    "ee oe ba bl sd ad hf kf mb pp ps ik psu psi pse etat sal ans dat vat mv uk nl ca at ae eu sc pc cic hd".split()
)
"""Legal forms that are also words or initials; kept in names, where they tell companies apart."""

_MORE_FORMS: Final = (
    "gmbh & co kg, gmbh co kg, ug haftungsbeschrankt, haftungsbeschrankt, ug, e k, ek, ekfm, gbr, "
    "ohg, kg, ag, se, as, ab, oy, oyj, asa, aps, a s, sas, sasu, sarl, sa, srl, spa, sl, slu, "
    "bv, nv, vof, cv, inc, incorporated, corp, corporation, co, company, companies, llc, llp, lp, "
    "ltd, limited, plc, pllc, pty, pty ltd, pte, pte ltd, pvt, pvt ltd, private limited, sdn bhd, "
    "bhd, tbk, pt, kk, yk, gk, kabushiki kaisha, co ltd, nyrt, zrt, kft, bt, doo, dd, "
    "jsc, pjsc, ojsc, cjsc, pao, oao, ooo, zao, sro, spol, sp z o o, sp zoo, spk, sia, uab, eood, "
    "ood, ead, sca, scs, snc, scrl, bvba, sprl, aktiengesellschaft, gesellschaft mbh, mbh, "
    "sociedad anonima, societe anonyme, aktiebolag, aktieselskab, sa de cv, sab de cv, s a de c v, "
    "ltda, eireli, sapi de cv, public limited company, public company limited, pcl, l l c, kgaa, "
    "zhu shi hui she, you xian gong si, gu fen you xian gong si, zhushihuishe, youxiangongsi, "
    "gong si, jusighoesa, chusik hoesa, hui she"
)


def _forms() -> frozenset[str]:
    listed = [term for terms in terms_by_type.values() for term in terms]
    listed += [term for terms in terms_by_country.values() for term in terms]
    plain = {"".join(c if c.isalnum() else " " for c in term.replace(".", "")) for term in listed}
    plain = {" ".join(term.split()).lower() for term in plain if term.isascii()}
    found = {term for term in plain if len(term) > 1 and term not in _ORDINARY}
    return frozenset(found | {term.strip() for term in _MORE_FORMS.split(",")})


LEGAL_FORMS: Final = _forms()
"""Legal forms as folded words; `words` has already closed up `S.p.A.`."""

LONGEST_FORM: Final = max(form.count(" ") + 1 for form in LEGAL_FORMS)

FORM_GROUPS: Final = {
    word: group
    for group, listed in {
        "limited": "ltd limited pty pte pvt coltd co company llc gmbh bv srl sarl sl kft sro doo ug",
        "corporation": "inc incorporated corp corporation plc ag nv spa sa ab asa as oyj kk jsc",
        "partnership": "kg llp lp gmbhcokg vof snc ohg gbr",
    }.items()
    for word in listed.split()
}

WIDE_WORDS: Final = frozenset("group groupe gruppe grupo gruppo holding holdings".split())
"""Words that a company's own staff add or leave out."""

PLACES: Final = frozenset(
    "uk usa us america american north south east west europe european eu asia asian pacific apac "
    "emea latam africa middle east nordic nordics nordics iberia benelux dach baltic baltics "
    "england scotland wales ireland britain canada mexico brasil brazil argentina chile colombia "
    "peru france germany deutschland austria osterreich switzerland schweiz suisse italy italia "
    "spain espana portugal netherlands nederland belgium belgique belgie luxembourg denmark "
    "danmark sweden sverige norway norge finland suomi poland polska czech cesko slovakia hungary "
    "magyarorszag romania bulgaria greece turkey turkiye russia ukraine serbia croatia slovenia "
    "israel uae dubai emirates saudi arabia qatar egypt morocco nigeria kenya india pakistan "
    "bangladesh china japan korea taiwan singapore malaysia indonesia thailand vietnam philippines "
    "hongkong australia zealand international".split()
)
"""Countries and regions: `Leoni UK` is no spelling of `Leoni`, it may be its subsidiary."""

STOP_WORDS: Final = frozenset("and the of for de la le les der die das und et y e a an".split())
"""Words that tell nothing apart; not part of a name's core unless nothing else is there."""

JUNK_NAMES: Final = frozenset(
    "test tests testing tester asdf asdfasdf qwerty foo bar foobar na none null nil unknown xxx xx "
    "x me self private customer client user name noname nobody anonymous undefined guest admin "
    "company mycompany mycompanyname companyname personal individual freelancer freelance tbd tba "
    "todo dummy sample example demo delete deleted abc abcd 123 1234 12345 nan empty blank default "
    "temp tmp misc other others various account billing invoice invoices accounting info sales "
    "office hello support new untitled keine kein inconnu ninguno".split()
)
"""A name that is nothing but these tells nothing; neither does one of a single letter."""

COMPANY_WORDS: Final = frozenset(
    "group groupe gruppe holding holdings technologies technology tech software systems system "
    "solutions services service consulting consultants consultancy partners associates agency "
    "media marketing studio studios design labs lab laboratories industries industrial "
    "manufacturing engineering construction builders building logistics transport transportation "
    "shipping airlines airways air bank banking finance financial capital investment investments "
    "insurance assurance energy power electric electronics oil gas petroleum mining minerals gold "
    "resources metals steel chemical chemicals pharma pharmaceuticals biotech therapeutics "
    "sciences health healthcare hospital clinic medical dental care foods food restaurant "
    "restaurants cafe coffee bakery brewing catering hotel hotels resort resorts travel tours "
    "retail stores store shop market markets supermarket fashion apparel clothing sports fitness "
    "gym school college university academy institute education council county city town borough "
    "district department authority agency government ministry police fire rescue ambulance trust "
    "foundation association society union club church cooperative corporation international "
    "global worldwide enterprises ventures trading trade import export products motors automotive "
    "auto cars plumbing heating roofing cleaning landscaping gardening painting interiors "
    "furniture flooring lighting solar security legal law attorneys architects realty properties "
    "property estate estates homes rentals photography video film films music records publishing "
    "press print printing books news network networks telecom communications mobile digital data "
    "cloud web internet online games gaming entertainment events textiles paper packaging plastics "
    "robotics aerospace aviation marine farms farm agro dairy meat seafood water waste recycling "
    "environmental cooperative gallery museum theatre cinema laundry pharmacy optics optical "
    "veterinary kitchen grill pizza burger bar pub wines spirits beverages cosmetics beauty salon "
    "spa toys jewelry jewellers computers computing semiconductor materials equipment supply "
    "tools machinery railway railways rail bus transit port post postal stadium park parks".split()
)
"""Trades and kinds of organisation: a name with one of them is no person's."""

HUB_WORDS: Final = frozenset(
    "bookkeeping bookkeepers bookkeeper accounting accountants accountancy accountant cpa cpas "
    "tax taxes payroll audit steuerberatung steuerberater steuerkanzlei buchhaltung treuhand "
    "buchfuhrung comptable comptables comptabilite fiduciaire contable contabilidad gestoria "
    "asesoria contabil contabilita commercialista commercialisti boekhouding administratiekantoor "
    "accountantskantoor redovisning regnskap revision agency agencies agentur agence agencia "
    "agenzia marketing advertising reseller outsourcing backoffice".split()
)
"""Trades that pay for others: their domain speaks less for a customer with another name."""

ROLES: Final = frozenset(
    "info billing accounts accounting finance admin office sales support hello contact it ap ar "
    "payments payment invoices invoice purchasing orders team mail ops service help hr legal "
    "buchhaltung rechnung compta facturation contabilidad administration accountspayable kontakt "
    "noreply webmaster postmaster".split()
)
"""Local parts that name a function, not a person."""
