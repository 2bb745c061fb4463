import { describe, expect, test } from "vitest";
import { addressFor, refusalOf } from "./provider";

describe("provider", () => {
  test("provider's address has the way back as one parameter", () => {
    const provider = { name: "Acme", address: "https://baton.example/sign-in/oidc" };
    expect(addressFor(provider, "/escalations?q=a&b")).toBe(
      "https://baton.example/sign-in/oidc?path=%2Fescalations%3Fq%3Da%26b",
    );
  });

  test("refusal has words for each known reason, and shows none of a link", () => {
    expect(refusalOf("#sign-in-refused=no-member")).toContain("Ask your admin");
    expect(refusalOf("#sign-in-refused=call+0800")).toBe("Signing in failed. Try again.");
    expect(refusalOf("#sign-in-refused=constructor")).toBe("Signing in failed. Try again.");
    expect(refusalOf("")).toBeUndefined();
  });
});
