"""`greenroom storage`: the store seen and kept by an operator."""

import typer

from greenroom.cli.storage_reading import export, sql, stats
from greenroom.cli.storage_upkeep import compact, purge, verify

program = typer.Typer(help="Read, check and tidy the store.", no_args_is_help=True)

program.command("stats")(stats)
program.command("sql")(sql)
program.command("export")(export)
program.command("verify")(verify)
program.command("compact")(compact)
program.command("purge")(purge)
