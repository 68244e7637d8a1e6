"""The demo newsroom's words: everything in `components.data.demo_articles`. Data only; every name is invented.

Index 0..3 is the desk: World, Sports, Business, Sci/Tech. `{key}` is a slot: a word list of the desk, one of `SHARED`,
or a name made for the day (`city`, `country`, `surname`, `brand`). A key with a 2 behind it is another draw.
"""

from components.data import demo_plain

SHARED = {
    "weekday": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "n": [
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "fourteen",
        "fifteen",
    ],
    "first": [
        "Mara",
        "Tomas",
        "Ilse",
        "Anton",
        "Leila",
        "Bruno",
        "Nadia",
        "Oscar",
        "Freya",
        "Samir",
        "Greta",
        "Pavel",
        "Amina",
        "Jonas",
        "Clara",
        "Rafael",
        "Yuki",
        "Dara",
    ],
    "period": ["this year", "this season", "this quarter", "this month", "in recent memory", "since the spring"],
    "time": ["early", "late", "at noon", "at dawn", "around midnight", "shortly before noon"],
    "body": ["committee", "group", "panel", "board", "delegation", "working party", "organisers' office", "commission"],
}

# Parties: the nouns that stand on either side of a contest. Each must fit "the … has", "the … is", "its".
PARTIES = (
    ["ministry", "embassy", "parliament", "army", "senate", "border guard", "city council", "election commission"],
    [
        "football club",
        "league",
        "national squad",
        "athletes' union",
        "cup committee",
        "racing team",
        "tennis tour",
        "ice hockey club",
    ],
    ["bank", "airline", "retailer", "insurer", "carmaker", "brewery", "oil company", "investment fund"],
    [
        "laboratory",
        "observatory",
        "software maker",
        "chip designer",
        "space agency",
        "search engine",
        "research institute",
        "game studio",
    ],
)

# What two desks can quarrel about. The same words serve both, so a topic tells the pair of desks and never the desk.
TOPICS = {
    (0, 1): [
        "the stadium subsidy",
        "visas for the visiting fans",
        "the boycott of the summer games",
        "the stadium curfew",
        "the anthem rule",
        "the travel ban on players",
        "policing at the derby",
        "the marathon route",
    ],
    (0, 2): [
        "the steel tariffs",
        "the fuel subsidy",
        "the harbour tax",
        "the wheat embargo",
        "the mining licence",
        "the minimum wage",
        "the pipeline route",
        "the frozen accounts",
    ],
    (0, 3): [
        "the satellite launch permit",
        "the wiretap law",
        "the voting machines",
        "the face recognition cameras",
        "the reactor inspection",
        "the vaccine records",
        "the drone corridor",
        "the radio spectrum",
    ],
    (1, 2): [
        "the shirt sponsorship",
        "the ticket fees",
        "the naming rights",
        "the unpaid bonus",
        "the broadcast contract",
        "the stadium loan",
        "the charter flights",
        "the merchandise deal",
    ],
    (1, 3): [
        "the goal line cameras",
        "the heart rate data",
        "the doping test",
        "the carbon running shoe",
        "the training app",
        "the timing chips",
        "the concussion study",
        "the simulated season",
    ],
    (2, 3): [
        "the chip patents",
        "the cloud contract",
        "the stolen passwords",
        "the battery recall",
        "the online payments",
        "the licence fees",
        "the delivery robots",
        "the pricing algorithm",
    ],
}

CONTEST_TITLES = [
    "Quarrel over {topic} sharpens",
    "No peace yet in the fight over {topic}",
    "Deadline set in row over {topic}",
    "Two sides far apart on {topic}",
    "New turn in dispute over {topic}",
    "Tempers rise over {topic} in {city}",
    "Hopes of a deal on {topic} fade",
    "What next for {topic}?",
]

# {a} acts, {b} is acted upon. Both stand between the same two words, so that swapping them moves no word pair.
CONTESTS = [
    "The {a} has taken the quarrel over {topic} to court, and the {b} has until {weekday} to answer.",
    "The {a} is demanding a clear answer on {topic}, and the {b} is under pressure to give one by {weekday}.",
    "The {a} will file a formal complaint about {topic}, and the {b} will have to reply by {weekday}.",
    "The {a} said it would walk out of the talks on {topic}, and the {b} said it had been given no warning.",
    "The {a} was the first to raise the matter of {topic}, and the {b} was left to explain itself on {weekday}.",
    "The {a} has ordered an inquiry into {topic}, and the {b} has been told to keep its records.",
    "The {a} had threatened for weeks to act on {topic}, and the {b} had hoped for a delay until {weekday}.",
    "The {a} wants compensation after the affair of {topic}, and the {b} wants more time to reply.",
]
# The same contest told from the other end: here {b} comes first.
INVERTED = [
    "The {b} has until {weekday} to answer in the quarrel over {topic}, and the {a} has already gone to court.",
    "The {b} is under pressure over {topic}, and the {a} is demanding a clear answer by {weekday}.",
    "The {b} was left to explain itself over {topic}, and the {a} was ready with a formal complaint.",
]

CLOSERS = [
    "No further details were given.",
    "A full statement is expected on {weekday2}.",
    "A meeting in {city2} is planned.",
    "It is the third such case {period}.",
    "{first2} {surname2} called the news a surprise.",
    "Calls to the office in {city} were not returned.",
    "A decision could take {n2} weeks.",
    "",
]

# Stories that any desk could print. The party is the one word that tells.
THIN = [
    (
        ["{city} waits for a decision", "Decision in {city} within {n} days"],
        ["The {party} confirmed on {weekday} that it would make its decision in {city} within {n} days."],
    ),
    (
        ["{surname} to take over", "New start promised under {surname}"],
        ["{first} {surname} is to lead the {party} from {weekday}, it was announced in {city}."],
    ),
    (
        ["Late change of plan in {city}", "Plan for {city} changed"],
        ["A spokesman for the {party} said {time} on {weekday} that the plan for {city} had changed."],
    ),
    (
        ["Silence ends after {n} days", "Failure admitted in {city}"],
        ["After {n} days of silence the {party} admitted in {city} on {weekday} that its plan had failed."],
    ),
    (
        ["{surname} walks out", "{surname} and {n} others leave"],
        ["The {party} lost {n} of its leading people on {weekday}, among them {first} {surname}."],
    ),
    (
        ["Doors open in {city}", "{city} opening after long delay"],
        ["The {party} opened its new house in {city} on {weekday} after a delay of {n} months."],
    ),
]
# With {body} for the party nothing tells: these are the articles that editors would argue about.
VAGUE = [(titles, [lead.replace("{party}", "{body}") for lead in leads]) for titles, leads in THIN]

# Stories of each desk: (headlines, leads) that fit each other.
_STORIES = (
    [
        (
            ["{country} recalls envoy over {crisis}", "Envoys leave as quarrel over {crisis} grows"],
            [
                "{country} withdrew its ambassador from {country2} on {weekday} after a week of quarrels over {crisis}.",
                "The foreign ministers of {country} and {country2} broke off talks on {crisis} {time} on {weekday}.",
            ],
        ),
        (
            ["Bomb kills {n} near {city}", "Blast near {city} ends weeks of calm"],
            [
                "At least {n} people were killed when a bomb exploded at a checkpoint in {city}, police said on {weekday}.",
                "A blast tore through a market in {city} {time} on {weekday}, killing {n} people.",
            ],
        ),
        (
            ["{country} votes in tight race", "{surname} leads in {country} race"],
            [
                "Voters in {country} went to the polls on {weekday} in a race that {first} {surname} is expected to win.",
                "With {n} seats to be counted, {first} {surname} claimed victory in {country} on {weekday}.",
            ],
        ),
        (
            ["Truce holds near {city}, monitors say", "Rebels free {n} hostages near {city}"],
            [
                "Rebels and soldiers kept to the truce near {city} {time} on {weekday}, and {n} hostages were freed.",
                "Monitors in {city} counted {n} shots on {weekday}, the quietest day since rebels signed the truce.",
            ],
        ),
        (
            ["Floods cut off villages outside {city}", "Power returns to {city} after the storm"],
            [
                "Aid workers reached {n} villages cut off by floods in the north of {country} on {weekday}.",
                "The storm that struck {city} left {n} villages in {country} without power or clean water.",
            ],
        ),
        (
            ["Thousands march in {city} over {bill}", "General strike brings {city} to a halt"],
            [
                "Opposition leader {first} {surname} called for a general strike over {bill} at a rally in {city}.",
                "Thousands filled the streets of {city} on {weekday} in protest against {bill}.",
            ],
        ),
        (
            ["Lawmakers in {country} reject {bill}", "Vote on {bill} splits {country}"],
            [
                "Lawmakers in {country} voted down {bill} {time} on {weekday} after a debate of {n} hours.",
                "President {first} {surname} vowed to bring {bill} back after lawmakers in {country} rejected it.",
            ],
        ),
        (
            ["Court charges {surname} with treason", "{surname} denies treason in {city} court"],
            [
                "A court in {city} charged the former general {first} {surname} with treason {time} on {weekday}.",
                "{first} {surname}, who ruled {country} for {n} years, told a court in {city} that the charges were false.",
            ],
        ),
    ],
    [
        (
            ["{team} beat {team2} in extra time", "Late goal sends {team} into the final"],
            [
                "{team} came from behind to beat {team2} on {weekday} and reach the final in {city}.",
                "{first} {surname} scored the winner for {team} against {team2} with {n} minutes of extra time to play.",
            ],
        ),
        (
            ["{surname} out for {n} weeks with {injury}", "{team} lose {surname} for {n} weeks"],
            [
                "{team} will be without {first} {surname} for {n} weeks because of {injury}, the coach said on {weekday}.",
                "{first} {surname} left the field {time} on {weekday} with {injury} and will miss {n} matches.",
            ],
        ),
        (
            ["{team} sign {surname} from {team2}", "{surname} moves to {team}"],
            [
                "{team} have signed the striker {first} {surname} from {team2} on a deal for {n} seasons.",
                "{first} {surname} passed a medical in {city} on {weekday} and will play for {team}.",
            ],
        ),
        (
            ["{surname} wins {event} in {city}", "{surname} breaks record at {event}"],
            [
                "{first} {surname} set a new record on {weekday} at {event} in {city}, with {n} athletes in the race.",
                "Nobody could follow {first} {surname} at {event} on {weekday}, who won by {n} seconds.",
            ],
        ),
        (
            ["{surname} crashes out of {event}", "Champion {surname} falls early in {city}"],
            [
                "The defending champion {first} {surname} went out of {event} {time} on {weekday}.",
                "{first} {surname} made {n} mistakes in the opening match and left {event} in tears.",
            ],
        ),
        (
            ["{team} coach {surname} under fire", "{team} dismiss {surname}"],
            [
                "The coach of {team}, {first} {surname}, is on the brink after {n} defeats in a row.",
                "After {n} matches without a goal {team} met on {weekday} over the future of coach {first} {surname}.",
            ],
        ),
        (
            ["{team} and {team2} share the points", "No goals between {team} and {team2}"],
            [
                "{team} held {team2} to a draw in {city} on {weekday}, the third match in a row without a goal.",
                "Neither {team} nor {team2} found the net in {city}, although {first} {surname} struck the post.",
            ],
        ),
        (
            ["Court clears {surname} to play on", "{surname} launches appeal against ban"],
            [
                "A court of sport in {city} lifted the ban on {first} {surname} on {weekday}, in time for {event}.",
                "{first} {surname}, banned for {n} matches, may play for {team} until the appeal is heard.",
            ],
        ),
    ],
    [
        (
            ["{company} profit rises {n} percent", "{company} beats forecasts in a slow season"],
            [
                "{company} reported on {weekday} that profit rose {n} percent, helped by strong sales of {goods}.",
                "Strong sales of {goods} lifted profit at {company} by {n} percent, more than analysts had expected.",
            ],
        ),
        (
            ["Shares in {company} slip on weak outlook", "{company} warns on price of {goods}"],
            [
                "Shares in {company} fell {n} percent in {city} on {weekday} after a warning about the price of {goods}.",
                "{company} cut its outlook for the year on {weekday} as the price of {goods} kept rising.",
            ],
        ),
        (
            ["{company} to buy {company2}", "{company} and {company2} agree to merge"],
            [
                "{company} has agreed to buy its rival {company2} for {n} billion crowns, the companies said on {weekday}.",
                "Shareholders of {company2} will vote in {city} on an offer of {n} billion crowns from {company}.",
            ],
        ),
        (
            ["{company} cuts {n} hundred jobs", "{company} to close plant in {city}"],
            [
                "{company} will close its plant in {city} and cut {n} hundred jobs, chief executive {first} {surname} said.",
                "Weak demand for {goods} will cost {n} hundred people their jobs, {company} said on {weekday}.",
            ],
        ),
        (
            ["Price of {goods} hits high", "Traders fear shortage of {goods}"],
            [
                "The price of {goods} reached its highest level for {n} months on {weekday} as traders feared a shortage.",
                "Traders in {city} paid {n} percent more for {goods} on {weekday} than a week before.",
            ],
        ),
        (
            ["Central bank in {country} holds rates", "Rates in {country} stay where they are"],
            [
                "The central bank of {country} left interest rates unchanged on {weekday} for a third month.",
                "Interest rates in {country} will not move for {n} months, economists said on {weekday}.",
            ],
        ),
        (
            ["Strike shuts {company} plant in {city}", "Pay strike hits {company}"],
            [
                "A strike over pay stopped work at the {company} plant in {city} {time} on {weekday}.",
                "Workers at {company} in {city} walked out on {weekday} to win a pay rise of {n} percent.",
            ],
        ),
        (
            ["{company} settles court case over {goods}", "Court fines {company}"],
            [
                "{company} will pay {n} million crowns to settle a court case over the sale of {goods}.",
                "A court in {city} ordered {company} on {weekday} to pay {n} million crowns to buyers of {goods}.",
            ],
        ),
    ],
    [
        (
            ["{company} unveils {gadget}", "{company} to ship {gadget} in {n} months"],
            [
                "{company} showed {gadget} in {city} on {weekday} and said that it would ship within {n} months.",
                "The designers of {company} spent {n} years on {gadget}, which was launched in {city} on {weekday}.",
            ],
        ),
        (
            ["Probe sends first pictures of {space}", "First close look at {space}"],
            [
                "A probe on its way to {space} sent its first pictures back to Earth {time} on {weekday}.",
                "The pictures that a probe took of {space} surprised astronomers in {city} on {weekday}.",
            ],
        ),
        (
            ["Researchers in {city} map {science}", "New light on {science}"],
            [
                "Researchers in {city} have found a new way to study {science}, they reported on {weekday}.",
                "A study of {n} thousand samples led by {first} {surname} sheds new light on {science}.",
            ],
        ),
        (
            ["Flaw found in {gadget} from {company}", "Attackers strike at users of {company}"],
            [
                "Experts warned on {weekday} of a flaw in {gadget} from {company} that lets attackers read private files.",
                "A new virus spreads through {gadget} from {company} and had reached {n} countries by {weekday}.",
            ],
        ),
        (
            ["Rocket launch to {space} delayed again", "Countdown to {space} halted"],
            [
                "The launch of a rocket bound for {space} was called off on {weekday} with {n} minutes to go.",
                "Engineers in {city} need {n} days to repair the rocket that is to carry a probe to {space}.",
            ],
        ),
        (
            ["{company} patches software after attack", "Update from {company} mends {gadget}"],
            [
                "{company} released a free update for {gadget} on {weekday} after users lost data.",
                "Users of {gadget} should install the update from {company} at once, experts in {city} said.",
            ],
        ),
        (
            ["Team in {city} builds faster memory", "{surname} team doubles computer speed"],
            [
                "Engineers led by {first} {surname} in {city} have built a computer memory that is {n} times faster.",
                "A computer memory built in {city} broke the speed record on {weekday}, {first} {surname} reported.",
            ],
        ),
        (
            ["Scientists race to explain {science}", "Model in {city} explains {science}"],
            [
                "Scientists in {city} believe that they can explain {science} with a model that runs on a laptop.",
                "{first} {surname} has spent {n} years on a theory of {science}, which passed its first test on {weekday}.",
            ],
        ),
    ],
)

STORIES = tuple([*own, *demo_plain.STORIES, *demo_plain.STORIES] for own in _STORIES)  # twice: a third of a desk's

# Background sentences. An article may end in one of its own desk's, or in a guest from another desk.
BACKGROUND = (
    [
        "The prime minister was told of the news at once.",
        "The {party} in {country2} said it was following the matter.",
        "The opposition called for an early debate.",
        "Elections in {country2} are {n2} weeks away.",
    ],
    [
        "Fans took to the news at once.",
        "The {party} in {country2} said it was following the matter.",
        "The news came hours before the cup final.",
        "The season in {country2} opens in {n2} weeks.",
    ],
    [
        "Shares moved little on the news.",
        "The {party} in {country2} said it was following the matter.",
        "Investors had expected as much.",
        "Sales in {country2} have grown for {n2} months.",
    ],
    [
        "The website could not be reached for hours.",
        "The {party} in {country2} said it was following the matter.",
        "The news spread on the internet within hours.",
        "Scientists in {country2} are taking a closer look.",
    ],
)

_DESK_WORDS = (
    {
        "crisis": [
            "the border dispute",
            "the water treaty",
            "the prisoner exchange",
            "the seized fishing boats",
            "the refugee camps",
            "the nuclear talks",
            "the disputed islands",
            "the missing journalists",
        ],
        "bill": [
            "the land reform",
            "the emergency law",
            "the new constitution",
            "the amnesty bill",
            "the press law",
            "the security bill",
        ],
    },
    {
        "injury": [
            "a knee injury",
            "a torn muscle",
            "a broken wrist",
            "a back strain",
            "an ankle sprain",
            "a shoulder injury",
        ],
        "event": [
            "the spring open",
            "the city marathon",
            "the winter games",
            "the harbour regatta",
            "the mountain stage",
            "the indoor championships",
            "the four nations cup",
        ],
        "mascot": [
            "Falcons",
            "Rovers",
            "Mariners",
            "Wolves",
            "Athletic",
            "United",
            "Lanterns",
            "Bears",
            "Harriers",
            "Comets",
        ],
    },
    {
        "goods": [
            "crude oil",
            "copper",
            "coffee",
            "natural gas",
            "wheat",
            "small cars",
            "frozen food",
            "cement",
            "timber",
            "sugar",
        ],
        "trade": [
            "Foods",
            "Holdings",
            "Motors",
            "Stores",
            "Steel",
            "Airways",
            "Insurance",
            "Energy",
            "Brewing",
            "Capital",
        ],
    },
    {
        "gadget": [
            "a folding phone",
            "a music player",
            "a web browser",
            "a games console",
            "a home robot",
            "a mail program",
            "a pocket computer",
            "a digital camera",
            "a search tool",
        ],
        "space": [
            "the far side of the moon",
            "a distant comet",
            "the rings of Saturn",
            "the red planet",
            "a nearby star",
        ],
        "science": [
            "the human genome",
            "deep sea corals",
            "the sleep of bees",
            "dark matter",
            "ancient climate",
            "memory loss",
            "the ozone layer",
            "stem cells",
        ],
        "trade": [
            "Systems",
            "Software",
            "Labs",
            "Networks",
            "Robotics",
            "Semiconductor",
            "Games",
            "Optics",
            "Data",
            "Computing",
        ],
    },
)

DESK_WORDS = tuple({**own, **plain} for own, plain in zip(_DESK_WORDS, demo_plain.WORDS))

# The drifted newsroom: the desks' lists replaced by words that the ordinary one never prints.
DRIFTED_WORDS = (
    {
        "crisis": [
            "the locust plague",
            "the ferry blockade",
            "the exiled king",
            "the glacier summit",
            "the grain convoy",
        ],
        "bill": ["the curfew decree", "the evacuation order", "the ration card scheme", "the partition plan"],
        "party": ["monarchy", "relief convoy", "tribunal", "junta", "island assembly"],
    },
    {
        "injury": ["heat exhaustion", "a thumb cramp", "a suspended passport", "a cracked visor"],
        "event": ["the skateboard masters", "the drone derby", "the climbing finals", "the esports invitational"],
        "mascot": ["Pixels", "Gliders", "Boulders", "Ninjas", "Avatars"],
        "party": ["esports roster", "climbing circuit", "skateboard jury", "cricket franchise"],
    },
    {
        "goods": ["lithium", "oat milk", "carbon credits", "crypto tokens", "electric scooters", "container freight"],
        "trade": ["Tokens", "Mobility", "Kitchens", "Carbon", "Freight"],
        "party": ["crypto exchange", "scooter startup", "hedge fund", "delivery platform"],
    },
    {
        "gadget": ["a quantum processor", "a chatbot", "a smart ring", "a hologram headset", "a translating earpiece"],
        "space": ["an asteroid mine", "the lunar gateway", "a rogue exoplanet"],
        "science": ["protein folding", "gravitational waves", "lab grown meat", "fusion plasma", "gut microbes"],
        "trade": ["Quantum", "Genomics", "Holographics", "Orbital", "Fusion"],
        "party": ["fusion reactor crew", "chatbot developer", "genome bank", "telescope consortium"],
    },
)

# Syllables for names, a beginning and an end.
NAME_HEADS = [
    "Kar",
    "Dol",
    "Es",
    "Vel",
    "Tar",
    "Mon",
    "Lor",
    "Bra",
    "Sel",
    "Nor",
    "Cal",
    "Fen",
    "Gal",
    "Hes",
    "Jor",
    "Lin",
    "Mer",
    "Os",
    "Per",
    "Ral",
    "Sor",
    "Tal",
    "Ul",
    "Ver",
    "Wes",
    "Yar",
    "Zel",
    "Ar",
    "Bel",
    "Cor",
    "Dar",
    "El",
    "Far",
    "Gor",
    "Hal",
    "Is",
    "Kel",
    "Lan",
    "Mar",
    "Nel",
]
DRIFTED_HEADS = ["Qua", "Xen", "Vlo", "Ixi", "Zhu", "Owa", "Kwe", "Uxo", "Jya", "Pha", "Ngo", "Tze"]
NAME_TAILS = {
    "city": [
        "vena",
        "mar",
        "dale",
        "port",
        "wick",
        "ford",
        "haven",
        "stead",
        "gate",
        "moor",
        "bridge",
        "field",
        "ton",
        "bury",
    ],
    "country": ["ovia", "estan", "ania", "onia", "urra", "land", "avia", "ilia", "istan", "enia"],
    "surname": ["sen", "ovic", "man", "well", "ez", "inen", "wick", "ane", "ard", "oni", "quist", "ham", "ier", "ova"],
    "brand": ["vane", "tex", "ora", "line", "mark", "well", "cor", "dyne", "by", "co", "tel", "wood"],
}
