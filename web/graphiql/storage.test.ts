import { expect, test } from "vitest";
import { withoutHeaders } from "./storage";

test("headers are left out at any depth", () => {
  const history = JSON.stringify({ queries: [{ query: "{ a }", headers: '{"Authorization":"x"}' }] });
  expect(withoutHeaders("graphiql:queries", history)).toBe('{"queries":[{"query":"{ a }","headers":null}]}');
  expect(withoutHeaders("graphiql:headers", '{"Authorization":"x"}')).toBe("");
});

test("the text of an editor stays as it is", () => {
  expect(withoutHeaders("graphiql:query", "{ viewer { kind } }")).toBe("{ viewer { kind } }");
});
