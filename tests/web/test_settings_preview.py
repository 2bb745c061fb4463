"""The dashboard's preview of the confirmation, against the text that the server sends."""

import json
import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import orjson

from rules.business_hours import Weekday
from rules.customer_texts import DEFAULT_CONFIRMATION, confirmation_text
from tests.support.requirements import need

WEB = Path(__file__).parents[2] / "web"
# Reads settings from the standard input, and writes the preview of each.
PROGRAM = """
import { readFileSync } from "node:fs";
import { runnerImport } from "vite";
const load = async (name) => (await runnerImport(`./dashboard/settings/${name}.ts`)).module;
const { renderConfirmation } = await load("preview");
const { LocaleData } = await load("locale-data");
const languages = JSON.parse(readFileSync("../rules/locale_data.json", "utf8"));
let text = "";
for await (const part of process.stdin.setEncoding("utf8")) text += part;
const shown = JSON.parse(text).map(({ template, language, sla }) =>
  renderConfirmation(template, sla, language === null ? undefined : LocaleData.of(language, languages)));
console.log(JSON.stringify(shown));
"""
LANGUAGES = orjson.loads((WEB.parent / "rules/locale_data.json").read_bytes())
OTHER_TAGS = (
    "en",
    "en-GB",
    "de-AT",
    "pt-BR",
    "pt-PT",
    "zh-TW",
    "ar-EG",
    "AR",
    "tlh",
    "x",
    "de-x-__proto__",
    "",
)
TAGS = (*LANGUAGES["languages"], *LANGUAGES["aliases"], *OTHER_TAGS)
TIMES = ("00:00", "01:30", "08:00", "09:00", "11:00", "12:00", "13:00", "17:00", "18:45", "23:59")
TEMPLATES = (DEFAULT_CONFIRMATION, "Within {response_time}, {business_hours}: {response_time}.")


def test_preview_is_the_text_that_the_server_sends() -> None:
    need("node and the packages of web/", shutil.which("node") and (WEB / "node_modules/vite").exists())
    random = Random(20_261_130)
    given = [random_case(random) for _ in range(6_000)]
    command = ["node", "--input-type=module", "--eval", PROGRAM]
    ran = subprocess.run(
        command, cwd=WEB, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    sent = [text_of_server(case) for case in given]
    assert len(set(sent)) > 2_500
    for case, preview, text in zip(given, json.loads(ran.stdout), sent, strict=True):
        assert preview == text, case


def random_case(random: Random) -> dict[str, Any]:
    """Return a text and an `sla` as the dashboard reads it. Days often have the same intervals."""
    kinds = [random_intervals(random) for _ in range(random.choice((1, 1, 2, 3)))]
    week = [
        {"day": day.value, "opens": opens, "closes": closes}
        for day in Weekday
        if random.random() < 0.8
        for opens, closes in random.choice(kinds)
    ]
    random.shuffle(week)
    timezone = random.choice(("UTC", "Europe/Berlin", "America/New_York"))
    target = random.choice((1, 90, 120, 480, 510, 960, 1_440, 4_320, 6_060, 12_345))
    by_priority = [{"priority": "HIGH", "targetResponseMinutes": 60}]
    return {
        "template": random.choice(TEMPLATES),
        "language": random.choice((None, "de", "pl", "ar", *random.sample(TAGS, 6))),
        "sla": {
            "targetResponseMinutes": target,
            "defaultPriority": random.choice(("NORMAL", "NORMAL", "HIGH")),
            "targetsByPriority": by_priority,
            "businessHours": {
                "timezone": timezone,
                "week": week if random.random() < 0.97 else [],
                "holidays": random.choice(([], [{"date": "2026-12-24", "name": "Christmas Eve"}])),
                "holidayCalendar": random.choice((None, "DE")),
            },
        },
    }


def random_intervals(random: Random) -> list[tuple[str, str]]:
    """Return intervals of a day. They may overlap, touch, end on the next day, or be all day."""
    if random.random() < 0.2:
        return [("00:00", random.choice(("24:00", "00:00")))]
    count = random.choice((1, 1, 2, 3))
    return [(random.choice(TIMES), random.choice((*TIMES, "24:00"))) for _ in range(count)]


def text_of_server(case: dict[str, Any]) -> str:
    """Return the confirmation that the server posts for the default priority."""
    sla = case["sla"]
    target = 60 if sla["defaultPriority"] == "HIGH" else sla["targetResponseMinutes"]
    shown = sla["businessHours"]
    hours = {name: shown[name] for name in ("timezone", "week", "holidays")}
    hours["holiday_calendar"] = shown["holidayCalendar"]
    return confirmation_text(case["template"], target, hours, case["language"])
