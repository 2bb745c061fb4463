/** A table of counts under a heading. */

import type { ReactNode } from "react";
import ui from "../../ui/ui.module.css";
import styles from "./analytics.module.css";

export type Cells = readonly (string | number)[];

interface BreakdownProps {
  title: string;
  head: readonly string[];
  rows: readonly Cells[];
}

export function Breakdown({ title, head, rows }: BreakdownProps) {
  return (
    <BreakdownTable title={title} head={head}>
      {rows.map((row) => (
        <tr key={String(row[0])}>
          {row.map((cell, index) => (
            <td key={head[index]} data-num={index ? "" : undefined}>
              {cell}
            </td>
          ))}
        </tr>
      ))}
    </BreakdownTable>
  );
}

/** The heading and the head of the table; the rows are the children. */
export function BreakdownTable({
  title,
  head,
  children,
}: {
  title: string;
  head: readonly string[];
  children: ReactNode[];
}) {
  return (
    <div className={styles.breakdown}>
      <h2>{title}</h2>
      {children.length === 0 ? (
        <p>None in this period.</p>
      ) : (
        <div className={ui.tableWrap}>
          <table className={ui.table}>
            <thead>
              <tr>
                {head.map((name, index) => (
                  <th key={name} scope="col" data-num={index ? "" : undefined}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>{children}</tbody>
          </table>
        </div>
      )}
    </div>
  );
}
