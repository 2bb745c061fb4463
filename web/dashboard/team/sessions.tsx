/** The member's sessions: where they are signed in, and ending them. */

import { useQuery } from "@tanstack/react-query";
import { EndOtherSessionsDocument, EndSessionDocument, SessionsDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Badge, ErrorState, SkeletonLines } from "../../ui/feedback";
import { leaveRow } from "../../ui/rows";
import { showError, showToast } from "../../ui/toast";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { formatTime } from "../words";
import styles from "./team.module.css";

const SYSTEMS = ["Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux"];
const BROWSERS: [string, string][] = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
];

/** Name a user agent in a few words. */
export function userAgentInWords(userAgent: string | null | undefined): string {
  const text = userAgent ?? "";
  const browser = BROWSERS.find(([mark]) => text.includes(mark))?.[1];
  const system = SYSTEMS.find((name) => text.includes(name))?.replace("Mac OS X", "macOS");
  return browser && system ? `${browser} on ${system}` : text.slice(0, 60) || "Unknown program";
}

export function SessionList() {
  const { data, error, refetch } = useQuery({
    queryKey: keys.sessions,
    queryFn: () => execute(SessionsDocument, {}),
  });

  async function end(action: () => Promise<unknown>, done: string) {
    try {
      await action();
      showToast(done);
      queryClient.invalidateQueries({ queryKey: keys.sessions });
    } catch (failure) {
      showError(failure);
    }
  }

  const others = data?.sessions.some((session) => !session.current);
  return (
    <section className={styles.block} aria-label="Sessions">
      <h2>Sessions</h2>
      <p>Where you are signed in. End what you do not recognise, then change the password.</p>
      {!data ? (
        error ? (
          <ErrorState error={error} onRetry={refetch} />
        ) : (
          <SkeletonLines />
        )
      ) : (
        <ul className={styles.sessions}>
          {data.sessions.map((session) => (
            <li key={session.id}>
              <div>
                {userAgentInWords(session.userAgent)} {session.current && <Badge>This one</Badge>}
                <div className={styles.detail}>
                  {[
                    session.address,
                    session.method === "OIDC" && "signed in by the provider",
                    `last used ${formatTime(session.lastUsedAt)}`,
                  ]
                    .filter(Boolean)
                    .join(", ")}
                </div>
              </div>
              {!session.current && (
                <Button
                  look="quiet"
                  onPress={(press) => {
                    leaveRow(press);
                    return end(() => execute(EndSessionDocument, { id: session.id }), "The session is ended");
                  }}
                >
                  End
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
      {others && (
        <div>
          <Button
            onPress={() => end(() => execute(EndOtherSessionsDocument, {}), "The other sessions are ended")}
          >
            End all other sessions
          </Button>
        </div>
      )}
    </section>
  );
}
