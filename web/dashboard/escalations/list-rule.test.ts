import { describe, expect, test } from "vitest";
import { settle } from "./list-rule";

describe("settled list", () => {
  test("list that is not held is the server's", () => {
    expect(settle(["a", "b"], ["c", "a"], false)).toEqual({ ids: ["c", "a"], fresh: 0, gone: new Set() });
  });

  test("held list keeps every row in its place", () => {
    const { ids, fresh, gone } = settle(["a", "b", "c"], ["n", "c", "m", "a"], true);
    expect(ids).toEqual(["a", "b", "c"]);
    expect(fresh).toBe(2);
    expect([...gone]).toEqual(["b"]);
  });

  test("held list takes the rows that the server lists after the last one", () => {
    expect(settle(["a", "b"], ["a", "b", "c", "d"], true)).toEqual({
      ids: ["a", "b", "c", "d"],
      fresh: 0,
      gone: new Set(),
    });
  });

  test("held list that shows nothing yet is the server's", () => {
    expect(settle([], ["a"], true).ids).toEqual(["a"]);
  });
});
