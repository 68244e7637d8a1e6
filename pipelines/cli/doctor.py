"""`newsdesk doctor`: what is installed, reachable, in step, and what is wrong."""

import json
import sys
import warnings

import click

from pipelines.cli import options
from pipelines.cli.command import Command


@click.command("doctor", cls=Command, example="newsdesk doctor --repair", any_home=True)
@click.option("--repair", is_flag=True, help="repair what a crash left")
@options.line("repair, and release this line's lock from a run that showed no life for 15 minutes", name="--free")
@click.option("--stop-server", is_flag=True, help="stop the warm node server")
@options.as_json()
def command(repair, free, stop_server, as_json) -> int:
    """Check the installation and the state folder; name what is wrong and the command that repairs it.

    Exit code 1: something is wrong.
    """
    warnings.simplefilter("ignore", FutureWarning)  # of libraries, about Python's version
    from pipelines.operations import doctor
    from pipelines.runner import node_client

    if stop_server:
        print(f"node servers stopped: {node_client.stop() or 'none was running'}")
        return 0
    if repair or free:
        for done, message in doctor.repair([free] if free else []):
            print(f"{'fixed' if done else 'LEFT':<7}{message}", file=sys.stderr if as_json else sys.stdout)
    findings = [{"what": what, "ok": ok, "says": message} for what, ok, message in doctor.findings()]
    if as_json:
        print(json.dumps(findings, indent=1))
    else:
        for finding in findings:
            print(f"{'ok' if finding['ok'] else 'WRONG':<7}{finding['what']:<28} {finding['says']}")
    return 0 if all(finding["ok"] for finding in findings) else 1
