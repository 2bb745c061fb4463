/** The frame of a screen that scrolls as a whole. */

import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import styles from "./shell.module.css";
import { createStore, useStore } from "./store";

const titleCount = createStore(0);
const pageTitle = createStore("");

/** Put the number of escalations that wait for the member into the window's title. */
export function setTitleCount(count: number) {
  titleCount.set(count);
}

export function useTitle(title: string) {
  useEffect(() => pageTitle.set(title), [title]);
}

/** Keep the window's title. Rendered once. */
export function WindowTitle() {
  const count = useStore(titleCount);
  const title = useStore(pageTitle);
  useEffect(() => {
    document.title = `${count ? `(${count}) ` : ""}${title ? `${title} · ` : ""}Baton`;
  }, [count, title]);
  return null;
}

export interface PageProps {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, lead, actions, children }: PageProps) {
  useTitle(title);
  return (
    <div className={styles.scroll}>
      <div className={styles.page}>
        <header className={styles.pageHead}>
          <div>
            <h1>{title}</h1>
            {lead && <p>{lead}</p>}
          </div>
          {actions}
        </header>
        {children}
      </div>
    </div>
  );
}

/** The screen for an address under which there is nothing. */
export function MissingPage({ title, lead }: { title: string; lead: string }) {
  return (
    <Page title={title} lead={lead}>
      <Link to="/escalations">Go to the escalations</Link>
    </Page>
  );
}
