"""The messages of the simulated people of `baton demo`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """A customer's message, and the AI's reply with its confidence in percent."""

    customer: str
    answer: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Story:
    """One customer's conversation. `ending` is its escalation: `button`, `form`, `tool` or `api`.

    The others escalate by their messages: a request in words, a topic, an uncertain reply.
    """

    name: str
    email: str
    turns: tuple[Turn, ...]
    ending: str | None = None


STORIES = (
    Story(
        "Jane Miller",
        "jane@example.com",
        (
            Turn("Hi, where is my parcel?", "It left our warehouse yesterday and should arrive today.", 93),
            Turn(
                "It says delivered, but there is nothing here", "Please look with your neighbours first.", 71
            ),
            Turn("I did. Can I talk to a human please?", "Of course.", 88),
        ),
    ),
    Story(
        "Omar Haddad",
        "omar@example.com",
        (
            Turn("Do you ship to Norway?", "Yes, within 4 to 6 working days.", 96),
            Turn("Great, thank you!", "You are welcome. Anything else?", 97),
        ),
    ),
    Story(
        "Li Wei",
        "li@example.com",
        (
            Turn("My invoice has two different tax rates", "I am not sure why that is.", 31),
            Turn("Could somebody explain it?", "Let me see.", 42),
        ),
    ),
    Story(
        "Sofia Rossi",
        "sofia@example.com",
        (
            Turn("I was charged twice for order 4471", "I can see one payment of 59 EUR.", 64),
            Turn("This is a chargeback case if nobody refunds me", "I understand.", 60),
        ),
    ),
    Story(
        "Noah Brown",
        "noah@example.com",
        (Turn("Please change my delivery address", "I will change it for you now.", 84),),
        ending="tool",
    ),
    Story(
        "Amina Diallo",
        "amina@example.com",
        (Turn("How do I reset my password?", "Use “Forgot password” on the sign-in page.", 95),),
        ending="button",
    ),
    Story(
        "Tom Becker",
        "tom@example.com",
        (Turn("I would like an offer for 200 chairs", "Our team makes offers for more than 50.", 77),),
        ending="form",
    ),
    Story(
        "Yuki Tanaka",
        "yuki@example.com",
        (Turn("Is the blue lamp in stock?", "Yes, 14 of them.", 98),),
        ending="api",
    ),
)

HUMAN_REPLIES = (
    "Hello, this is Ada from the team. Let me look into it for you.",
    "Ada here. Sorry for the trouble, I am checking right now.",
    "Hi, you are talking to Ada, a real person. Give me a moment, please.",
)
HUMAN_ENDINGS = ("All done. Is there anything else?", "That is settled now. Thank you for your patience!")

GREETING = "Hello! Ask about delivery, returns, payment or our chairs. A person is a button away."

# What the AI recognises in the words of a visitor of the shop page.
_ANSWERS = (
    (("deliver", "ship", "parcel", "arrive"), "We deliver within 2 to 4 working days, for 5 EUR.", 92.0),
    (("return", "refund", "exchange"), "You can return everything within 30 days, free of charge.", 88.0),
    (("pay", "invoice", "card", "paypal"), "You can pay by card, by PayPal or by invoice.", 90.0),
    (("stock", "available", "chair", "lamp", "sofa"), "Yes, it is in stock and can be sent today.", 94.0),
    (("price", "cost", "discount"), "The prices are those on this page. There are no discounts now.", 81.0),
    (("open", "hours", "address"), "Our shop in Vienna is open from Monday to Saturday, 10 to 18.", 86.0),
    (("hello", "hey", "good"), "Hello! What can I do for you?", 97.0),
    (("thank", "bye"), "You are welcome!", 97.0),
)
_NO_ANSWER = Turn("", "I do not know that. Press “Talk to a human” and a person will answer you.", 58)


def answer_to(said: str) -> Turn:
    """Return the reply to a visitor of the shop page, chosen by the words that it contains."""
    words = [word.strip(".,;:!?") for word in said.lower().split()]
    for beginnings, answer, confidence in _ANSWERS:
        if any(word.startswith(beginnings) for word in words):
            return Turn(said, answer, confidence)
    return _NO_ANSWER
