"""What the three command lines share: errors as text, figures as JSON."""

import json
from typing import Any

import click

from data.errors import CropcheckError


class Group(click.Group):
    """A click group that ends a `CropcheckError` with its message and exit status 1, without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except CropcheckError as error:
            raise click.ClickException(str(error)) from error


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def report(figures: dict, text: str, *, as_json: bool) -> None:
    """Print `figures` as one JSON object, or `text` for people."""
    click.echo(json.dumps(figures, ensure_ascii=False) if as_json else text)
