"""The vocabulary of requests for a person, by word class.

A class names the meaning of a word or its function in a request. A word without a class is OTHER. Common
misspellings are listed if the typo search in `tokens` does not find them.
"""

WORD_CLASSES = {
    # Parties: nouns that name the person or team wanted
    "HUMAN": (
        "human humans person persons individual individuals hooman hoomans being beings humn humam humen "
        "hman hmn persn prsn peson preson humanoid mortal"
    ),
    "AGENT": (
        "agent agents operator operators representative representatives rep reps csr csrs agnt aent "
        "agen agemt associate associates attendant attendants"
    ),
    # Agents of the team even with a possessive: "my advisor"
    "ADVISOR": "advisor advisors adviser advisers caseworker caseworkers",
    "BOSS": (
        "manager managers supervisor supervisors superior superiors boss bosses founder founders owner "
        "ceo director mgr superviser manger mangers leader leaders teamlead lead authorities higherup "
        "higherups seniors foreman chief"
    ),
    "EXPERT": (
        "specialist specialists consultant "
        "consultants technician technicians tech techie techy techs expert experts engineer engineers "
        "executive executives exec officer officers banker bankers teller tellers counselor counsellor "
        "clerk receptionist dispatcher nurse doctor pharmacist accountant broker underwriter adjuster "
        "coordinator planner concierge cashier salesman salesperson saleswoman professional "
        "professionals mechanic lawyer stylist vet veterinarian shopper handler handlers translator "
        "editor curator webmaster clerks receptionists dispatchers nurses doctors counselors "
        "counsellors accountants brokers underwriters adjusters coordinators planners cashiers "
        "paralegal paralegals solicitor solicitors attorney attorneys assessor assessors investigator "
        "investigators auditor auditors analyst analysts inspector inspectors official officials "
        "administrator administrators programmer programmers developer developers interpreter interpreters"
    ),
    # Roles of people who may belong to the team or not: "let me talk to the chef", but "find me a plumber".
    # `tokens` adds words with the endings of such roles.
    "ROLE": (
        "tutor tutors trainer trainers coach coaches instructor instructors lecturer lecturers professor "
        "professors principal headteacher headmaster matron midwife physio organiser organizer organisers "
        "organizers teacher teachers chef chefs cook waiter waitress porter porters doorman bellboy bellhop "
        "butler steward stewardess warden caretaker janitor housekeeper treasurer secretary chairman "
        "chairwoman president architect architects moderator moderators librarian purser captain pilot "
        "surveyor surveyors plumber electrician florist baker tailor fitter fitters installer installers "
        "decorator buyer surgeon dean registrar bursar councillor councilor mayor minister ombudsman "
        "facilitator mentor ranger guard bouncer promoter producer publisher designer designers agronomist "
        "valuer negotiator trustee paramedic practitioner physician gp actuary bailiff locksmith roofer "
        "gardener builder barber beautician groomer sommelier bartender barista"
    ),
    "STAFF": (
        "employee employees colleague colleagues coworker coworkers staff personnel staffer staffers "
        "worker workers member members assistant assistants teammate teammates workmate workmates memeber"
    ),
    "PEOPLE": (
        "people folks guy guys man woman dude lady gal chap ppl men women crew girls boys lads ladies bloke"
    ),
    "TEAM": "team teams department departments dept desk division departement center centre counter",
    "HOTLINE": (
        "hotline helpline helpdesk callcenter callcentre switchboard customerservice customercare livechat cs"
    ),
    "SOMEONE": (
        "someone somebody anyone anybody some1 any1 sum1 sumone sumbody smone sme1 smeone whoever whomever "
        "someoen somone sm1 smbdy smbody ne1 nebody"
    ),
    "NOBODY": "nobody noone everyone everybody",
    "ONE": "one ones",
    "BODY": "body",
    "ELSE": "else",
    "HIGHER": "higher",
    "ABOVE": "above",
    "HEAD": "head heads",
    "FURTHER": "further",
    "SERVICE": "service services svc",
    "BRANCH": "sales support care billing reception relations management",
    "AREA": (
        "technical parts claims returns fraud cancellation cancellations retention retentions "
        "complaints disputes collections warranty shipping payments refunds loans mortgage mortgages "
        "reservations bookings finance accounting accounts security maintenance dispatch repairs "
        "enrollment underwriting pharmacy lending escalations delivery loyalty baggage logistics "
        "onboarding hr credit card cards complaint account loan insurance pension dispute refund return "
        "claim booking payment order orders concerned relevant appropriate admissions "
        "housekeeping roadside legal shift floor front branch bank hotel"
    ),
    "CUSTOMER": (
        "customer costumer costomer custumer costumers cust customers client clients consumer store "
        "shop company duty user users guest guests passenger passengers student students patient patients "
        "tenant tenants resident residents citizen citizens visitor visitors"
    ),
    "VOICE": "voice voices",
    "PHONE": "phone telephone tele line",
    # Ways of billing or sending; never a party
    "MODE": "paperless paper electronic monthly annual yearly quarterly weekly fortnightly",
    "REAL": "real live actual proper living breathing physical genuine true authentic irl manual warm",
    "ADJECTIVE": (
        "senior competent qualified smarter smart better knowledgeable experienced different "
        "other right certified trained friendly nice good capable next first native local responsible male "
        "female normal regular more intelligent second top awesome proficient specific single old young "
        "dumb useless helpful new upper main alive"
    ),
    "LANGUAGE": "english spanish french german italian polish hindi chinese mandarin arabic portuguese",
    "BOT": (
        "bot bots robot robots chatbot chatbots machine machines computer computers ai automation "
        "algorithm recording recordings ivr chatgpt gpt"
    ),
    "AUTOMATIC": "automated virtual digital automatic artificial prerecorded scripted",
    # People outside the team
    "RELATIVE": (
        "wife husband friend friends mom mum mother dad father brother sister son daughter partner "
        "girlfriend boyfriend parents kids landlord roommate neighbor neighbour family spouse seller "
        "sellers driver drivers host courier vendor merchant recruiter therapist therapists "
        "dentist creator creators grandma priest strangers players alexa siri cortana"
    ),
    # Agents outside the team: an estate agent, the user agent
    "OTHER_TRADE": (
        "estate travel cleaning bleaching secret crane tour forklift task password device file "
        "window download campaign project asset session package modulo boolean monitoring "
        "undercover border literary sports"
    ),
    "LETTING": "letting",  # a letting agent is outside the team; "letting me" is permission
    # Actions
    "TALK": (
        "talk tallk talkk tslk talck sepak spaeak speal sepeak spesk speak chat converse tlk tlak takl "
        "spk spek speek speack communicate interact correspond spaek speka took tak tal talke spkea tok "
        "tolk spak"
    ),
    "CONFERENCE": "conference",
    "TALKTO": "talkto speakto",
    "HEAR": "hear",
    "WORD": "word natter chinwag conversation convo discussion dialogue dialog",
    # Qualities of speech: what a voice assistant is asked to change
    "SPEECH": "accent accents dialect tone pitch louder slower faster quieter softer deeper volume whisper",
    "DISCUSS": "discuss consult complain",
    "DEAL": "deal work engage",
    "TALKING": (
        "talking speaking chatting conversing dealing communicating interacting discussing explaining talkin"
    ),
    "MOVE": (
        "connect reconnect transfer forward redirect reroute switch conect conn conenct handover handoff"
    ),
    "MOVES": "transfers handoffs handovers",
    "PRESS": "press pressing",
    "PUT": "put",
    "TAKE": ("swap take bring loop go point turn route refer direct bounce bump pull push rope involve"),
    "HAND": "hand patch pass",
    "MOVED": (
        "connected transferred transfered forwarded redirected rerouted routed patched escalated "
        "referred switched passed handed directed"
    ),
    "MOVING": (
        "connecting transferring transfering forwarding escalating passing putting handing directing "
        "routing sending patching switching redirecting getting fetching bringing grabbing"
    ),
    "ESCALATE": "escalate",
    "REACH": "contact reach dial",
    "CALL": "call ring buzz calls rings",
    "BELL": "bell shout tinkle bells",
    "TOUCH": "touch hold ahold",
    "WRITE": "message text ping msg write",
    "CALLBACK": "callback callbacks",
    "GET": "arrange organise organize get give find grab fetch summon provide assign page",
    "SEND": "send",
    "GETME": "gimme getme giveme",
    "HOP": "hop jump",
    "START": "start begin open launch initiate use enter",
    "BYPASS": "skip bypass escape override",
    "HELPED": "assisted helped served attended",
    "REVIEWED": "answered looked handled reviewed checked dealt seen examined assessed",
    "CONTINUE": "continue proceed carry",
    "HELP": "hlep hepl hlp intervention interaction help assist assistance aid attention reply response",
    "HANDLE": (
        "handle look review read check answer join respond explain advise step intervene fix resolve "
        "solve understand understands know knows clarify guide investigate deals handles sort"
    ),
    # Request forms and their opposites
    "WANT": (
        "whant wnt want need wanna wana wnat wan wants needs gotta wish request demand require desire "
        "must requires wantto nned ned"
    ),
    "LIKE": "like love appreciate",
    "PREFER": "prefer rather",
    "MUCH": "much",
    "ASK": (
        "ask asking requesting insist insisting demanding looking trying hoping wanting needing "
        "attempting wishing requested tryna"
    ),
    "ASKED": "asked said wanted needed",
    "TOLD": "told",
    "OFFERED": "offered offering",
    "READY": "ready",
    "LET": "let lemme allow make",
    "LETS": "lets allows",
    "CAN": "cna acn cn can could may might would cud wud wld culd cld",
    "WILL": "will gonna going",
    "HAVE": "have has had got having hav hv",
    "HOW": "how",
    "WHO": "who whom",
    "WHERE": "where wheres",
    "WHAT": "what whats which whose",
    "WHY": "why",
    "POSSIBLE": "possible able possibility allowed",
    "WAY": "way ways chance option options",
    "NOT": (
        "dont wont not never doesnt didnt shouldnt couldnt wouldnt havent neednt isnt arent aint wasnt "
        "hasnt stop dnt hadnt avoid quit"
    ),
    "BOTHER": "bother",
    "CANT": "cant cannot",
    "WITHOUT": "without",
    "INSTEAD": "instead",
    "THAN": "than",
    "NO": "no",
    "NECESSARY": "necessary required mandatory obliged obligated compulsory forced",
    "IF": "if when whens whether before after once while whenever",
    "UNTIL": "unless until till",
    "HATE": "hate refuse sick tired done fed enough bored",
    "THINK": "think believe suppose guess feel hope",
    "DO": "do does did should shall",
    "WONDER": "wonder wondering mind",
    # Function words
    "I": "i we",
    "ID": "",  # "i'd", "we'd"
    "IDENTITY": "id wed",
    "IM": "im ive",
    "ILL": "ill",
    "ME": "me us myself",
    "YOU": "you u ya youre yall",
    "YOUR": "your ur yours",
    "MY": "my our mine",
    "THEY": "he she they it his their its theyre",
    "THEM": "them him her",
    "A": "a an another",
    "SOME": "some any",
    "THE": "the",
    "THIS": "this that these those",
    "TO": "to 2",
    "WITH": "with w wit wth wid wiv",
    "FOR": "for",
    "FROM": "from at in by on within",
    "OF": "of",
    "ABOUT": "about bout abt regarding re concerning",
    "THROUGH": "through thru over back out up off across onto into past",
    "IS": "is are am be was were r s",
    "BEEN": "been keep kept",
    "THERE": "there thr here around",
    "THERES": "theres",
    "THATS": "thats whos",
    "AVAILABLE": "available online free",
    "CHARGE": "charge authority",
    "LATER": (
        "tomorrow tonight night morning afternoon evening later monday tuesday wednesday thursday friday "
        "saturday sunday"
    ),
    "ZERO": "0 zero",
    # Past events and written statements
    "PAST": (
        "tried heard spoke talked chatted spoken reached hung promised emailed messaged came refused missed"
    ),
    "CALLED": "called contacted phoned rung",
    "SAY": (
        "say says states stated mentions reads tells policy policies terms according website mentioned "
        "article site instructions faq rules"
    ),
    "TELL": "tell",
    # Objects that can be handed over, and nouns that turn a role into an attribute: "agent number"
    "CASE": "case ticket issue query enquiry inquiry concern matter problem situation",
    "THING": (
        "link links email emails mail address name names hours info information details detail "
        "report form forms resources resource queue queues code fee fees tax price pricing prices job jobs "
        "salary cost costs version app system systems software license licence portal discount training "
        "commission plan plans meeting approval transcript history url button perfume "
        "book movie film song game "
        "photo specs lines times day days hour rights rate rates ratings rating survey feedback feature "
        "features string process record transaction transactions status update notes note "
        "position level levels tier script skills area room club node flow workflow intent "
        "webhook widget trigger"
    ),
    "SLOT": "appointment appointments slot slots time",
    # A number to call
    "DIGITS": "number numbers phonenumber",
    "MONEY": "money cash fund funds dollar dollars euro euros pound pounds bucks rupees usd eur gbp amount",
    # Ignored words
    "FILL": (
        "just really now actually even still also directly immediately nope nah "
        "asap today ok okay yes yeah yep well kindly again simply honestly obviously sure as soon "
        "possibly anymore already quickly quick away damn fucking fuckin freaking bloody goddamn fkn stupid "
        "literally straight rn "
        "only tho though sir madam bro omg wtf ffs lol um uh hmm hm oh maybe perhaps finally "
        "realy rly rlly actualy acutally defo pronto kinda kind luv mate "
        "such very alright too ugh ahead hell heck fuck earth especially"
    ),
    "GREETING": "hi hello hey hiya heya howdy hallo hullo greetings yo",
    "DEAR": "dear",
    "THANK": "thank thanks thx thnx thanx ty",
    "PLEASE": "please pls plz plse plss pleas plzz",
    # Clause boundaries
    "BREAK": "but so then because cuz cos coz since therefore nevermind however",
    "AND": "and or nor",
}

# Words that look like a typo of a known word, and are none
NOT_TYPOS = frozenset(
    """
    accounts associated contract advised advises advisory assists automate charting chanting cheating colleges
    collages
    consulate constant constants conversion conversions conversations electives employed employer employers
    escalade executes forwards huang humana humane hunan hyman manage managed manages manger parson pearse
    pearson pease perron persona personas persson pierson pleads pleased pleaser pleases prison receptions
    redirects robbo roost roots router serviced servile simeone family assembly supply butterfly multiply
    anomaly reply italy sneaking socialist socialists spanking sparking specials specialise specialises
    speciality specialty supervise supervised supervises supervisory supports tacking tailing taking takings
    tanking tasking technica machin machina machined manchin assisi
    """.split()  # noqa: SIM905
)

# Words that are recognised with a typo in them: long enough, and important
TYPO_TOLERANT = tuple(
    """
    human humans person agent agents operator operators representative representatives manager managers
    supervisor supervisors superior advisor advisors adviser specialist specialists associate consultant
    technician technicians executive executives employee employees colleague colleagues department
    departments someone somebody anyone anybody service services customer customers support speaking talking
    chatting connect transfer forward redirect escalate contact please connected transferred redirected
    forwarded escalated callback assistance assistant assist chatbot chatbots machine machines robot robots
    receptionist reception counsellor counselor engineer engineers conversation helpdesk hotline automated
    appointment available
    """.split()  # noqa: SIM905
)
