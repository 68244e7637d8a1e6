"""`newsdesk help`: what `newsdesk --help` and `newsdesk COMMAND --help` print."""

import click

from pipelines.cli.command import Command


@click.command("help", cls=Command, example="newsdesk help data check", any_home=True)
@click.argument("names", nargs=-1, metavar="[COMMAND]")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> int:
    """Show all commands, or the help of one."""
    context = ctx.parent
    for name in names:
        if not isinstance(context.command, click.Group):
            raise click.UsageError(f"{context.command_path} has no commands of its own.", ctx)
        _, command, _ = context.command.resolve_command(context, [name])
        context = click.Context(command, info_name=name, parent=context)
    click.echo(context.get_help())
    return 0
