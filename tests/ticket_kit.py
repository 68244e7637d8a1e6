"""Support tickets of eight teams: a second task, in a form that no line of the repository has."""

import random

TEAMS = ("billing", "delivery", "login", "returns", "hardware", "network", "account", "press")
WORDS = {team: [f"{team}{number}" for number in range(12)] for team in TEAMS}


def tickets(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """(team, text) of support tickets, the teams in turn; the words of a team tell it."""
    rng = random.Random(seed)
    common = ["please", "help", "since", "Monday", "the", "order", "cannot", "find"]
    made = []
    for at in range(count):
        team = TEAMS[at % len(TEAMS)]
        words = [*rng.sample(WORDS[team], 5), *rng.sample(common, 5)]
        rng.shuffle(words)
        made.append((team, " ".join(words)))
    return made


def write_tickets(folder, count: int = 1_200):
    """A tab-separated file with three lines before its rows, two remarks and the columns' names."""
    folder.mkdir(parents=True)
    rows = [f"{at}\t{team}\t{text}\n" for at, (team, text) in enumerate(tickets(count))]
    (folder / "export.tsv").write_text(
        "# Support tickets\n# exported in November\nnumber\tteam\tbody\n" + "".join(rows)
    )
    return folder
