/** A few escalations of one reason, from the period of the report. */

import type { EscalationFilter, ReasonSamplesQuery, ReasonSamplesQueryVariables } from "../../gql/operations";

export interface Scope {
  agentId: string;
  from: string;
  to: string;
}
export interface Reason {
  reason: string;
  trigger: NonNullable<EscalationFilter["trigger"]>[number];
}
export type Sample = ReasonSamplesQuery["escalations"]["nodes"][number];
type Read = (variables: ReasonSamplesQueryVariables) => Promise<ReasonSamplesQuery>;

export const SAMPLES = 3;
const PAGE = 20;
const PAGES = 5;
/** What the API takes of a search. */
const SEARCH_WORDS = 8;
const SEARCH_LENGTH = 200;
const ID = /^[a-z]+_[0-9a-z]{26}$/;

/** Return the words that find a caller's reason, or nothing if none of them can be searched. */
export function searchOf(reason: string): string | undefined {
  const words = reason.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word) && !ID.test(word));
  return [...words.slice(0, SEARCH_WORDS).join(" ")].slice(0, SEARCH_LENGTH).join("") || undefined;
}

/**
 * Return the newest escalations of a reason, three at most.
 *
 * The API filters by trigger, which is the whole reason for all triggers but API. For a caller's reason it searches its
 * words, also in messages, so the reasons are compared here: of the newest hundred that match.
 */
export async function readSamples({ agentId, from, to }: Scope, row: Reason, read: Read): Promise<Sample[]> {
  const search = row.trigger === "API" ? searchOf(row.reason) : undefined;
  const filter = {
    agentId,
    createdFrom: from,
    createdTo: to,
    trigger: [row.trigger],
    ...(search && { search }),
  };
  const first = row.trigger === "API" ? PAGE : SAMPLES;
  const samples: Sample[] = [];
  let after: string | null = null;
  for (let page = 0; page < PAGES; page += 1) {
    const { escalations }: ReasonSamplesQuery = await read({ filter, first, after });
    samples.push(...escalations.nodes.filter(({ reason }) => reason === row.reason));
    after = escalations.pageInfo.endCursor ?? null;
    if (samples.length >= SAMPLES || !escalations.pageInfo.hasNextPage) {
      break;
    }
  }
  return samples.slice(0, SAMPLES);
}
