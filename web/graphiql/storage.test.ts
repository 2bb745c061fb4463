import { expect, test } from "vitest";
import { withoutHeaders } from "./storage";

test("headers at any depth are not stored", () => {
  const history = JSON.stringify({ queries: [{ query: "{ a }", headers: '{"Authorization":"x"}' }] });
  expect(withoutHeaders("graphiql:queries", history)).toBe('{"queries":[{"query":"{ a }","headers":null}]}');
  expect(withoutHeaders("graphiql:headers", '{"Authorization":"x"}')).toBe("");
});

test("text of an editor is stored as it is", () => {
  expect(withoutHeaders("graphiql:query", "{ viewer { kind } }")).toBe("{ viewer { kind } }");
});
