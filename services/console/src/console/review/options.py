"""Options of the commands about matches."""

from typing import Annotated, Final

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Item = Annotated[str, typer.Argument(help="Id of an item, its beginning, or a customer's id.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides (default: the user).")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait for the matcher to take it.")
]
WAIT: Final = 10.0

Link = Annotated[
    str | None, typer.Option(metavar="RECORD", help="It is this record: its letter or id.")
]
NotThis = Annotated[
    list[str] | None,
    typer.Option("--not-this", metavar="RECORD", help="It is not this one; several, or all."),
]
Create = Annotated[bool, typer.Option("--create", help="Create a CRM record for it.")]
Agency = Annotated[bool, typer.Option("--agency", help="Its e-mail domain is an agency's.")]
Subsidiary = Annotated[
    str | None, typer.Option(metavar="RECORD", help="It is a subsidiary of this record.")
]
Split = Annotated[
    str | None, typer.Option(metavar="CUSTOMER", help="This customer is another company.")
]
KeepMerged = Annotated[bool, typer.Option("--keep-merged", help="The customers are one company.")]
Winner = Annotated[str | None, typer.Option(metavar="CUSTOMER", help="This one keeps the record.")]
NotDuplicate = Annotated[bool, typer.Option("--not-duplicate", help="They are two, not one.")]
Group = Annotated[bool, typer.Option("--group", help="Answer every item of the domain alike.")]
Force = Annotated[bool, typer.Option("--force", help="Take a record that is no candidate.")]
