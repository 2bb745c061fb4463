/** A priority as bars, with its name for screen readers. */

import type { Priority } from "../../gql/operations";
import { PRIORITY } from "../words";

const BARS: Record<Priority, number> = { LOW: 1, MEDIUM: 2, HIGH: 3, URGENT: 3 };

export function PriorityIcon({ priority }: { priority: Priority }) {
  const urgent = priority === "URGENT";
  return (
    <span
      role="img"
      aria-label={`Priority ${PRIORITY[priority]}`}
      title={PRIORITY[priority]}
      style={{ display: "inline-flex" }}
    >
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        {urgent ? (
          <>
            <rect x="1.5" y="1.5" width="13" height="13" rx="3.5" fill="var(--danger)" />
            <path d="M8 4.5v4.2M8 11.3v.1" stroke="var(--surface)" strokeWidth="1.8" strokeLinecap="round" />
          </>
        ) : (
          [0, 1, 2].map((bar) => (
            <rect
              key={bar}
              x={2.5 + bar * 4}
              y={9.5 - bar * 3}
              width="2.6"
              height={4 + bar * 3}
              rx="1"
              fill={bar < BARS[priority] ? "var(--text-2)" : "var(--line)"}
            />
          ))
        )}
      </svg>
    </span>
  );
}
