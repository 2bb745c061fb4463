/** Shows the screens to a signed-in member, and the sign-in form to everybody else. */

import { Outlet } from "@tanstack/react-router";
import { ErrorState, SkeletonLines } from "../../ui/feedback";
import { isCode } from "../api";
import { useStore } from "../store";
import { SignInAgain, SignInPage } from "./sign-in";
import { signedOut } from "./state";
import { useViewerQuery, ViewerContext } from "./viewer";

export function Session() {
  const { data, error, refetch } = useViewerQuery();
  const ended = useStore(signedOut);
  if (!data) {
    if (isCode(error, "UNAUTHENTICATED") || ended) {
      return <SignInPage />;
    }
    return error ? <ErrorState error={error} onRetry={refetch} /> : <SkeletonLines />;
  }
  const { member } = data.viewer;
  return (
    <ViewerContext value={data.viewer}>
      <Outlet />
      {ended && <SignInAgain memberId={member?.id} email={member?.email ?? undefined} />}
    </ViewerContext>
  );
}
