/** Search, filters and sorting. All of it stands in the address. */

import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { Button } from "../../ui/button";
import { Select } from "../../ui/field";
import { Icon } from "../../ui/icon";
import { useKeys } from "../keys";
import { useAgents, useMembers } from "../session/viewer";
import { PRIORITIES, PRIORITY, SLA, STATUS, TRIGGER } from "../words";
import styles from "./escalations.module.css";
import { type ListSearch, type Sort, sortOf, tabOf } from "./search";

const FILTERS = ["priority", "sla", "trigger", "assignee", "agent", "status"] as const;

export function Filters({ search }: { search: ListSearch }) {
  const navigate = useNavigate({ from: "/escalations" });
  const { data: members } = useMembers();
  const { data: agents } = useAgents();
  const used = FILTERS.filter((name) => search[name]).length;
  const [open, setOpen] = useState(used > 0);

  function change(values: Partial<Record<keyof ListSearch, string | undefined>>) {
    navigate({
      search: (old) => {
        const next = { ...old, ...values };
        return Object.fromEntries(Object.entries(next).filter(([, value]) => value)) as ListSearch;
      },
      replace: true,
    });
  }

  const any = (text: string) => ["", text] as const;
  return (
    <div className={styles.filters}>
      <SearchBox value={search.q ?? ""} onSearch={(q) => change({ q })} />
      <Button
        icon="filter"
        look={open ? "plain" : "quiet"}
        aria-expanded={open}
        onPress={() => setOpen(!open)}
      >
        Filter{used > 0 && ` (${used})`}
      </Button>
      <div className={styles.sort}>
        <Select
          label="Sort"
          hideLabel
          value={sortOf(search)}
          onValue={(sort: Sort) => change({ sort })}
          options={[
            ["due", "Due first"],
            ["priority", "Priority"],
            ["newest", "Newest"],
            ["oldest", "Oldest"],
          ]}
        />
      </div>
      {open && (
        <div className={styles.filterRow}>
          <Select
            label="Priority"
            value={search.priority ?? ""}
            onValue={(priority) => change({ priority })}
            options={[any("Any priority"), ...PRIORITIES.map((value) => [value, PRIORITY[value]] as const)]}
          />
          <Select
            label="SLA"
            value={search.sla ?? ""}
            onValue={(sla) => change({ sla })}
            options={[any("Any SLA status"), ...Object.entries(SLA)]}
          />
          <Select
            label="Trigger"
            value={search.trigger ?? ""}
            onValue={(trigger) => change({ trigger })}
            options={[any("Any trigger"), ...Object.entries(TRIGGER)]}
          />
          {tabOf(search) !== "mine" && tabOf(search) !== "unassigned" && (
            <Select
              label="Assignee"
              value={search.assignee ?? ""}
              onValue={(assignee) => change({ assignee })}
              options={[
                any("Anyone"),
                ["none", "No assignee"],
                ...(members?.members ?? []).map((member) => [member.id, member.name] as const),
              ]}
            />
          )}
          <Select
            label="Status"
            value={search.status ?? ""}
            onValue={(status) => change({ status })}
            options={[any("Any status"), ...Object.entries(STATUS)]}
          />
          {(agents?.agents.length ?? 0) > 1 && (
            <Select
              label="AI agent"
              value={search.agent ?? ""}
              onValue={(agent) => change({ agent })}
              options={[
                any("Any AI agent"),
                ...(agents?.agents ?? []).map((agent) => [agent.id, agent.name] as const),
              ]}
            />
          )}
          {used > 0 && (
            <Button
              look="quiet"
              onPress={() => change(Object.fromEntries(FILTERS.map((name) => [name, undefined])))}
            >
              Clear
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

function SearchBox({ value, onSearch }: { value: string; onSearch(text: string): void }) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const input = useRef<HTMLInputElement>(null);
  // What this box has asked for keeps its spaces, and what was typed since.
  const asked = useRef(value);
  useEffect(() => {
    if (value !== asked.current) {
      asked.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  useKeys([{ key: "/", text: "Search", group: "Escalations", run: () => input.current?.focus() }]);
  return (
    <div className={styles.search}>
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        aria-label="Search escalations"
        placeholder="Search words, names, ids"
        value={text}
        onChange={(event) => {
          const next = event.target.value;
          setText(next);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => {
            asked.current = next.trim();
            onSearch(asked.current);
          }, 250);
        }}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
    </div>
  );
}
