/** Shows the screens to a signed-in member, and the sign-in form to everybody else. */

import { Outlet } from "@tanstack/react-router";
import { useEffect } from "react";
import { CurrentViewerDocument } from "../../gql/operations";
import { keepQueriesOf } from "../../graphiql/storage";
import { ErrorState } from "../../ui/feedback";
import ui from "../../ui/ui.module.css";
import { execute, isCode } from "../api";
import { useStore } from "../store";
import { useRepeat } from "./repeat";
import { SignInAgain, SignInPage } from "./sign-in";
import { signedOut } from "./state";
import { useViewerQuery, ViewerContext } from "./viewer";

/** Load a page that the browser has kept again, if another member or nobody is signed in meanwhile. */
function useReturn(memberId: string | undefined) {
  useEffect(() => {
    const check = async ({ persisted }: PageTransitionEvent) => {
      if (persisted && memberId && (await readMemberId(memberId)) !== memberId) {
        location.reload();
      }
    };
    window.addEventListener("pageshow", check);
    return () => window.removeEventListener("pageshow", check);
  }, [memberId]);
}

/** Return who is signed in, or the member who was if the server does not say. */
async function readMemberId(before: string): Promise<string | undefined> {
  try {
    return (await execute(CurrentViewerDocument, {})).viewer.member?.id;
  } catch (error) {
    return isCode(error, "UNAUTHENTICATED") ? undefined : before;
  }
}

export function Session() {
  const query = useViewerQuery();
  const { data, error, refetch } = query;
  const { failure, repeats } = useRepeat(query);
  const ended = useStore(signedOut);
  const memberId = data?.viewer.member?.id;
  useReturn(memberId);
  useEffect(() => {
    if (memberId) {
      keepQueriesOf(memberId);
    }
  }, [memberId]);
  if (!data) {
    if (isCode(error, "UNAUTHENTICATED") || ended) {
      return <SignInPage />;
    }
    // Before that, the page itself says that it loads.
    return (
      failure && (
        <main>
          <h1 className={ui.visuallyHidden}>Baton</h1>
          <ErrorState error={failure} onRetry={refetch} repeats={repeats} />
        </main>
      )
    );
  }
  const { member } = data.viewer;
  return (
    <ViewerContext value={data.viewer}>
      <Outlet />
      {ended && <SignInAgain memberId={member?.id} email={member?.email ?? undefined} />}
    </ViewerContext>
  );
}
