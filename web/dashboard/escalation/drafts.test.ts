import { describe, expect, test } from "vitest";
import { afterSending, type Draft, edit } from "./drafts";
import { colleaguesAnswer, lastHumanPosition, mergeNewest, mergeOne } from "./messages";
import { fillReply, slashAt } from "./saved-reply-text";

const EMPTY: Draft = { text: "", idempotencyKey: "", seen: 0 };

describe("draft", () => {
  test("begun draft remembers the newest reply its author has seen", () => {
    const begun = edit(EMPTY, "H", 4);
    expect(begun.seen).toBe(4);
    expect(edit(begun, "Hi", 9).seen).toBe(4);
  });

  test("changed draft is another reply, and an emptied one is none", () => {
    const begun = edit(EMPTY, "H", 0);
    expect(edit(begun, "Hi", 0).idempotencyKey).not.toBe(begun.idempotencyKey);
    expect(edit(begun, "", 0)).toEqual(EMPTY);
  });

  test.each([
    ["Hello", ""],
    [" Hello \n", ""],
    ["Hello\n\nOne more thing", "One more thing"],
    ["Another text", "Another text"],
  ])("draft %j is %j after “Hello” was sent", (text, rest) => {
    const left = afterSending({ text, idempotencyKey: "1", seen: 0 }, "Hello", 4);
    expect(left.text).toBe(rest);
    expect(left.idempotencyKey).not.toBe("1");
  });
});

const message = (position: number, role: "USER" | "HUMAN" = "USER") => ({
  id: `msg_${position}`,
  conversationId: "conv",
  position,
  role,
  status: "DELIVERED" as const,
  content: "",
  kind: null,
  confidence: null,
  intents: [],
  createdAt: "",
  author: null,
});
const stretch = (...positions: number[]) => ({
  messages: positions.map((at) => message(at)),
  hasOlder: true,
  before: "x",
});

describe("stretch of messages", () => {
  test("stretch that overlaps the newest page grows", () => {
    expect(mergeNewest(stretch(1, 2, 3), stretch(3, 4)).messages.map(({ position }) => position)).toEqual([
      1, 2, 3, 4,
    ]);
  });

  test("stretch with a gap to the newest page is replaced by it", () => {
    expect(mergeNewest(stretch(1, 2), stretch(8, 9)).messages.map(({ position }) => position)).toEqual([
      8, 9,
    ]);
  });

  test("stretch takes the next message and refuses one after a gap", () => {
    expect(mergeOne(stretch(1, 2), message(3))?.messages).toHaveLength(3);
    expect(mergeOne(stretch(1, 2), message(4))).toBeUndefined();
  });

  test("newest reply by a person is found among later messages", () => {
    expect(lastHumanPosition([message(1), message(2, "HUMAN"), message(3)])).toBe(2);
  });

  test("member's own answer from elsewhere is no colleague's", () => {
    const answers = [
      { ...message(2, "HUMAN"), author: { id: "bea", name: "Bea", email: null } },
      { ...message(4, "HUMAN"), author: { id: "ada", name: "Ada", email: null } },
    ];
    expect(colleaguesAnswer(answers, 2, "ada")).toBeUndefined();
    expect(colleaguesAnswer(answers, 1, "ada")?.position).toBe(2);
    expect(colleaguesAnswer(answers, 2, "bea")?.position).toBe(4);
  });
});

describe("saved reply", () => {
  test("saved reply is asked for by a slash at the start of a word only", () => {
    expect(slashAt("Hello /ref", 10)).toEqual({ from: 6, to: 10, word: "ref" });
    expect(slashAt("and/or", 6)).toBeUndefined();
  });

  test("known placeholders of a saved reply are filled, and others stay", () => {
    expect(fillReply("{customer}, {member}, {other}", { customer: "A", member: "B", agent: "C" })).toBe(
      "A, B, {other}",
    );
  });
});
