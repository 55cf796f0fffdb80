"""The command line: the composition root over all rooms, a dispatcher and nothing else."""

import sys

import typer

from core.errors import TouchstoneError
from core.providers_file import known_providers, load_providers
from core.settings import load_settings, read_environment

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def touchstone() -> None:
    """Routes every prompt to the language model that answers best for its user."""


@app.command()
def check() -> None:
    """Read the settings and providers and say what they hold."""
    settings = load_settings()
    providers = load_providers(settings) or known_providers(read_environment(), {})
    print(f"settings: ok (listening at {settings.host}:{settings.port})")
    print(f"providers: {', '.join(p.name for p in providers) or 'none'}")


def main() -> None:
    """Console script: errors of ours are one line on stderr and exit code 1."""
    try:
        app()
    except TouchstoneError as exc:
        print(f"touchstone: {exc.message}", file=sys.stderr)
        sys.exit(1)
