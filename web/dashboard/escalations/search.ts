/** The list's filters, as they stand in the address. */

import type {
  EscalationFilter,
  EscalationOrder,
  EscalationStatus,
  EscalationTrigger,
  Priority,
  SlaStatus,
} from "../../gql/operations";

export const TABS = ["mine", "unassigned", "open", "all"] as const;
export type Tab = (typeof TABS)[number];

export const SORTS = {
  due: "DUE_ASC",
  priority: "PRIORITY_DESC",
  newest: "CREATED_DESC",
  oldest: "CREATED_ASC",
} as const;
export type Sort = keyof typeof SORTS;

export interface ListSearch {
  tab?: Tab;
  sort?: Sort;
  q?: string;
  priority?: Priority;
  sla?: SlaStatus;
  trigger?: EscalationTrigger;
  assignee?: string;
  agent?: string;
  status?: EscalationStatus;
}

const CHOICES: Record<string, readonly string[]> = {
  tab: TABS,
  sort: Object.keys(SORTS),
  priority: ["URGENT", "HIGH", "MEDIUM", "LOW"],
  sla: ["ON_TRACK", "AT_RISK", "BREACHED"],
  trigger: ["BUTTON", "PHRASE", "FORM", "LOW_CONFIDENCE", "TOOL_FAILURE", "TOPIC", "API", "TEAM_MEMBER"],
  status: ["OPEN", "IN_PROGRESS", "RESOLVED"],
};

/** Return what an address says about the list. Values that are not valid are left out. */
export function readListSearch(search: Record<string, unknown>): ListSearch {
  const result: Record<string, string> = {};
  for (const name of ["tab", "sort", "priority", "sla", "trigger", "status", "q", "assignee", "agent"]) {
    const value = search[name];
    if (value !== undefined && value !== "" && (!CHOICES[name] || CHOICES[name].includes(String(value)))) {
      result[name] = String(value);
    }
  }
  return result as ListSearch;
}

export function tabOf(search: ListSearch): Tab {
  return search.tab ?? "open";
}

export function sortOf(search: ListSearch): Sort {
  return search.sort ?? (tabOf(search) === "all" ? "newest" : "due");
}

/** Return the filter and order of the query for an address. */
export function listQuery(
  search: ListSearch,
  memberId: string | undefined,
): { filter: EscalationFilter; orderBy: EscalationOrder } {
  const tab = tabOf(search);
  const filter: EscalationFilter = {};
  if (tab !== "all") {
    filter.status = ["OPEN", "IN_PROGRESS"];
  }
  if (search.status) {
    filter.status = [search.status];
  }
  if (tab === "mine" && memberId) {
    filter.assigneeId = memberId;
  } else if (tab === "unassigned" || search.assignee === "none") {
    filter.unassigned = true;
  } else if (search.assignee) {
    filter.assigneeId = search.assignee;
  }
  if (search.priority) {
    filter.priority = [search.priority];
  }
  if (search.sla) {
    filter.slaStatus = [search.sla];
  }
  if (search.trigger) {
    filter.trigger = [search.trigger];
  }
  if (search.agent) {
    filter.agentId = search.agent;
  }
  if (search.q) {
    filter.search = search.q;
  }
  return { filter, orderBy: SORTS[sortOf(search)] };
}
