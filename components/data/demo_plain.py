"""Plain news words of each desk, as people type them: subjects, in the plural and the singular, and what they do. Data only."""

_PLURAL = (
    ["presidents", "prime ministers", "diplomats", "troops", "rebels", "soldiers", "voters", "protesters", "refugees", "world leaders",
     "governments", "lawmakers", "militants", "hostages", "inspectors", "ministers", "generals", "opposition parties", "peace talks",
     "police"],
    ["players", "strikers", "goalkeepers", "fans", "coaches", "teams", "champions", "runners", "swimmers", "defenders", "tennis stars",
     "football clubs", "basketball players", "golfers", "cyclists", "boxers", "athletes", "rugby players", "pitchers", "referees"],
    ["stocks", "shares", "oil prices", "investors", "markets", "banks", "companies", "profits", "sales", "airlines", "retailers",
     "house prices", "interest rates", "exports", "carmakers", "bonds", "traders", "consumers", "factories", "shareholders"],
    ["scientists", "astronomers", "researchers", "satellites", "robots", "computers", "engineers", "programmers", "hackers",
     "mobile phones", "internet users", "astronauts", "telescopes", "space probes", "web sites", "computer chips", "laboratories",
     "physicists", "biologists", "developers"],
)  # fmt: skip
_SINGULAR = (
    ["the president", "the prime minister", "the government", "a diplomat", "the army", "a rebel leader", "the parliament", "a minister",
     "the opposition", "the United Nations", "a soldier", "the king"],
    ["the striker", "the goalkeeper", "the coach", "the team", "the champion", "the captain", "a sprinter", "the football club",
     "a tennis player", "the home side", "the quarterback", "the midfielder"],
    ["the bank", "the airline", "the company", "the stock market", "the oil price", "the dollar", "a retailer", "the economy",
     "the chief executive", "an investor", "inflation", "the carmaker"],
    ["a scientist", "the spacecraft", "a telescope", "the software", "a computer", "a robot", "the satellite", "an astronaut",
     "a new phone", "the search engine", "a researcher", "the web site"],
)  # fmt: skip
# The first word of each is the verb.
_ACTS = (
    ["meet the president", "sign a peace treaty", "cross the border", "vote in the election", "attack the capital", "flee the war",
     "reject the ceasefire", "call for sanctions", "go to the polls", "protest against the government", "march for democracy",
     "hold talks in parliament", "free a hostage", "kill civilians in a bomb attack", "bury the victims of the earthquake",
     "visit the embassy", "send troops to the border", "face a vote in parliament", "leave the peace talks", "accuse the rebels"],
    ["win the match", "score a goal", "lose the final", "sign for United", "beat the champion", "save a penalty", "take the gold medal",
     "reach the final", "play in the league", "win the title", "lead the tournament", "hit a home run", "return from injury",
     "qualify for the Olympics", "break the world record", "join the team", "win the race", "draw the game", "lift the cup",
     "train for the season"],
    ["slide on Wall Street", "fall on inflation", "rise as oil hits a record", "climb after the merger", "drop with the dollar",
     "grow despite the recession", "cut jobs", "report a loss", "beat earnings forecasts", "rally as interest rates fall",
     "slump in the quarter", "pay more tax", "raise prices", "file for bankruptcy", "bid for a rival", "slip as profits fall",
     "worry about the economy", "expect a rate cut", "sell shares", "lose money on the stock market"],
    ["discover a new planet", "launch a spacecraft", "find water on Mars", "study the climate", "build a faster computer",
     "run on new software", "steal passwords online", "fix a security bug", "orbit the earth", "test artificial intelligence",
     "search the web", "sequence DNA", "land on the moon", "download music from the internet", "write code", "send data to the cloud",
     "photograph a black hole", "detect a computer virus", "measure gravity", "update the browser"],
)  # fmt: skip


def _third(act: str) -> str:
    """What one subject does: `win the race` to `wins the race`."""
    verb, _, rest = act.partition(" ")
    if verb[-1] == "y" and verb[-2] not in "aeo":
        verb = f"{verb[:-1]}ies"
    else:
        verb += "es" if verb.endswith(("s", "x", "ch", "sh", "go")) else "s"
    return f"{verb} {rest}".strip()


WORDS = tuple(
    {"many": many, "one": one, "act": acts, "does": [_third(act) for act in acts]}
    for many, one, acts in zip(_PLURAL, _SINGULAR, _ACTS)
)
# Stories of any desk: (headlines, leads).
STORIES = [
    (
        ["{city}: {many} {act}", "Why {many} {act}", "On {weekday} {many} {act} as {one} {does}"],
        ["In {city} {many} {act} and {one} {does}, {first} {surname} said on {weekday}.", "Once more {many} {act}, while {many2} {act2}."],
    ),
    (
        ["How {one} {does}", "{weekday} in {city}: {one} {does}", "In {city} {one} {does} as {many} {act}"],
        ["For the first time {period} {one} {does}, and {many} {act}.", "After {n} weeks {one} {does} while {one2} {does2}."],
    ),
]  # fmt: skip
