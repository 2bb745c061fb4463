import { describe, expect, test } from "vitest";
import type { ReasonSamplesQuery, ReasonSamplesQueryVariables } from "../../gql/operations";
import { readSamples, searchOf } from "./samples";

const SCOPE = { agentId: "agt_1", from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z" };

/** Answer with pages of escalations with these reasons, and note what is asked. */
function pagesOf(...pages: string[][]) {
  const asked: ReasonSamplesQueryVariables[] = [];
  const read = async (variables: ReasonSamplesQueryVariables): Promise<ReasonSamplesQuery> => {
    const reasons = pages[asked.length] ?? [];
    asked.push(variables);
    const node = (reason: string, index: number) => ({
      id: `esc_${asked.length}_${index}`,
      reason,
      detail: null,
      confidence: null,
      createdAt: "",
      conversation: {
        customer: { name: null, email: null, externalId: null },
        messages: { nodes: [] },
      },
    });
    return {
      escalations: {
        nodes: reasons.map(node),
        pageInfo: { hasNextPage: asked.length < pages.length, endCursor: `after ${asked.length}` },
      },
    };
  };
  return { read, asked };
}

describe("samples of a reason", () => {
  test("trigger, AI agent and period choose the samples of Baton's own reasons", async () => {
    const { read, asked } = pagesOf(
      ["low_confidence", "low_confidence", "low_confidence"],
      ["low_confidence"],
    );
    const samples = await readSamples(SCOPE, { reason: "low_confidence", trigger: "LOW_CONFIDENCE" }, read);
    expect(samples).toHaveLength(3);
    const filter = {
      agentId: SCOPE.agentId,
      createdFrom: SCOPE.from,
      createdTo: SCOPE.to,
      trigger: ["LOW_CONFIDENCE"],
    };
    expect(asked).toEqual([{ filter, first: 3, after: null }]);
  });

  test("caller's reason is searched, and only equal reasons are samples", async () => {
    const { read, asked } = pagesOf(["refund late", "refund"], ["refund", "Refund", "refund"], ["refund"]);
    const samples = await readSamples(SCOPE, { reason: "refund", trigger: "API" }, read);
    expect(samples.map(({ id }) => id)).toEqual(["esc_1_1", "esc_2_0", "esc_2_2"]);
    expect(asked.map(({ filter, after }) => [filter.search, after])).toEqual([
      ["refund", null],
      ["refund", "after 1"],
    ]);
  });

  test("search for a rare reason ends after five pages", async () => {
    const { read, asked } = pagesOf(...Array.from({ length: 9 }, () => ["another"]));
    expect(await readSamples(SCOPE, { reason: "rare", trigger: "API" }, read)).toEqual([]);
    expect(asked).toHaveLength(5);
  });

  test("search has no ids and no signs, and what the API takes at most", () => {
    expect(searchOf("order – esc_01hzy3v7k8f9g0h1j2k3m4n5p6 is late")).toBe("order is late");
    expect(searchOf("1 2 3 4 5 6 7 8 9")).toBe("1 2 3 4 5 6 7 8");
    expect([...(searchOf("𠮷".repeat(300)) ?? "")]).toHaveLength(200);
    expect(searchOf("???")).toBeUndefined();
  });
});
