/** Who is signed in. */

import { useQuery } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import {
  AgentsDocument,
  CurrentViewerDocument,
  type CurrentViewerQuery,
  MembersDocument,
  type Scope,
} from "../../gql/operations";
import { execute } from "../api";
import { keys } from "../cache";

export function useViewerQuery() {
  return useQuery({
    queryKey: keys.viewer,
    queryFn: () => execute(CurrentViewerDocument, {}),
    staleTime: Number.POSITIVE_INFINITY,
    // The page repeats it itself, for as long as it takes.
    retry: false,
  });
}

export const ViewerContext = createContext<CurrentViewerQuery["viewer"] | undefined>(undefined);

/** Return the signed-in team member's view of the workspace. */
export function useViewer() {
  const viewer = useContext(ViewerContext);
  if (!viewer) {
    throw new Error("There is no viewer here.");
  }
  return viewer;
}

export function useMay(scope: Scope): boolean {
  return useViewer().scopes.includes(scope);
}

export function useAgents() {
  return useQuery({ queryKey: keys.agents, queryFn: () => execute(AgentsDocument, {}), staleTime: 300_000 });
}

export function useMembers() {
  return useQuery({ queryKey: keys.members, queryFn: () => execute(MembersDocument, {}), staleTime: 60_000 });
}
