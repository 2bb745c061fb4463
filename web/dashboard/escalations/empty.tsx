/** What the list shows in place of rows. */

import { EmptyState } from "../../ui/feedback";
import { type ListSearch, type Tab, tabOf } from "./search";

export function Empty({ search }: { search: ListSearch }) {
  const filtered = Object.keys(search).some((name) => name !== "tab" && name !== "sort");
  if (filtered) {
    return (
      <EmptyState icon="search" title="Nothing fits these filters">
        <p>Remove a filter, or look in All.</p>
      </EmptyState>
    );
  }
  const texts: Record<Tab, [string, string]> = {
    mine: [
      "Nothing is assigned to you",
      "Claim an escalation from Unassigned: open it, or press C on its row.",
    ],
    unassigned: ["Everything has an assignee", "New escalations appear here without reloading."],
    open: ["No customer waits", "New escalations appear here without reloading."],
    all: [
      "There are no escalations yet",
      "They appear when a customer asks for a person, or the AI is unsure.",
    ],
  };
  const [title, text] = texts[tabOf(search)];
  return (
    <EmptyState icon="inbox" title={title}>
      <p>{text}</p>
    </EmptyState>
  );
}
