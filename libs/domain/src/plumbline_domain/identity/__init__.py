"""Who is who: from what a billing customer and a CRM record hold to link, review or none.

Read in this order: `text` and `hosts` (what is written), `domain_classes`, `names`, `numbers`
(what it means), `profile` (one side, normalised), `keys` and `index` (how candidates are found),
`compare` and `evidence` (what speaks for a pair), `weights`, `portrait` (whose domain it is),
`decide`, `explain`. `exact` is what the matcher still uses: identifiers and exact domains.
"""
