"""`baton demo`: the page of the sample shop, and a visitor who talks to the AI and then to a person."""

import html
import json
import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.baton_client import Caller, wait_for
from tests.support.baton_process import BatonProcess
from tests.support.widget_pages import Page, new_address

MESSAGES = """query($id: ID!) { conversation(id: $id) {
    messages { nodes { role content author { name } } } } }"""


@pytest.fixture(scope="module")
def printed() -> Iterator[Path]:
    """Run the demo and yield the file of what it prints, once that has the URL."""
    with tempfile.TemporaryDirectory(prefix="baton-demo-") as folder:
        Path(folder).chmod(0o755)
        log = Path(folder) / "demo.log"
        given = {"BATON_DATA_DIR": folder, "BATON_PORT": "0"}
        with log.open("wb") as output:
            process = BatonProcess("demo", environment=given, output=output)
        try:
            wait_for(lambda: _url_in(log.read_text()), "the demo to print its shop", 60)
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="module")
def demo(printed: Path) -> str:
    """Return the URL of the demo."""
    return str(_url_in(printed.read_text()))


def _url_in(text: str) -> str | None:
    printed = re.search(r"shop +(http://127\.0\.0\.1:\d+)/demo/shop", text)
    return printed[1] if printed else None


def agent_of(shop: httpx.Response) -> str:
    element = re.search(r'<script async src="/widget.js" data-agent="(agt_\w+)" nonce="([\w-]+)">', shop.text)
    assert element is not None
    return html.unescape(element[1])


def test_shop_has_the_widget_under_a_strict_policy(demo: str) -> None:
    first, second = (httpx.get(f"{demo}/demo/shop") for _ in range(2))
    assert agent_of(first) == agent_of(second)
    policy = first.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert first.text.count(f'nonce="{nonce}"') == first.text.count("nonce=") == 3
    assert nonce not in second.text
    assert "{{" not in first.text
    assert not re.search(r" (style|on\w+)=", first.text)


def test_simulated_calls_do_not_hide_how_to_sign_in(demo: str, printed: Path) -> None:
    key = json.loads((printed.parent / "demo.json").read_text())["api_key"]
    rows = "{ conversations(last: 1) { nodes { messages { nodes { role } } } } }"
    wait_for(
        lambda: "ASSISTANT" in str(Caller(demo, key).ask(rows)), "a simulated conversation with a reply", 60
    )
    assert "request.served" not in printed.read_text()


def roles(customer: Page, conversation: str) -> list[str]:
    nodes = customer.ask(MESSAGES, id=conversation)["conversation"]["messages"]["nodes"]
    return [message["role"] for message in nodes]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_visitor_of_the_shop_gets_an_answer_and_then_a_person(demo: str, host: str) -> None:
    agent = agent_of(httpx.get(f"{demo}/demo/shop"))
    page = Page(demo, None, demo.replace("127.0.0.1", host), new_address(), agent)
    opened = page.open()
    customer, conversation = page.customer(opened), opened["conversation"]["id"]
    customer.record(conversation, "USER", "Is the blue lamp available?")
    wait_for(lambda: roles(customer, conversation) == ["USER", "ASSISTANT"], "the AI's answer")
    customer.record(conversation, "USER", "Can I talk to a human please?")
    wait_for(lambda: "HUMAN" in roles(customer, conversation), "a person's answer", 40)


def test_page_of_another_origin_has_no_use_of_the_shops_agent(demo: str) -> None:
    agent = agent_of(httpx.get(f"{demo}/demo/shop"))
    page = Page(demo, None, "https://evil.example", new_address(), agent)
    assert page.refused()["extensions"]["code"] == "FORBIDDEN"
