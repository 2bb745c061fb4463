/** The screens and their addresses. */

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import type { ComponentType } from "react";
import { ErrorState, SkeletonLines } from "../ui/feedback";
import { appPath } from "./base";
import { loadPart } from "./lazy-part";
import { readListSearch } from "./escalations/search";
import { MissingPage } from "./page";
import { Session } from "./session/session";
import { Shell } from "./shell";

/** Return a screen that is loaded when it is opened, or when a pointer nears its link. */
function lazyScreen<Name extends string>(load: () => Promise<Record<Name, ComponentType>>, name: Name) {
  return lazyRouteComponent(loadPart(load, name), name);
}

const root = createRootRoute({ component: Outlet });

const invitation = createRoute({
  getParentRoute: () => root,
  path: "/invitation",
  component: lazyScreen(() => import("./session/accept-invitation"), "AcceptInvitationPage"),
});

const session = createRoute({ getParentRoute: () => root, id: "session", component: Session });
const shell = createRoute({
  getParentRoute: () => session,
  id: "shell",
  component: Shell,
});

const home = createRoute({
  getParentRoute: () => shell,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/escalations", replace: true });
  },
});

const escalations = createRoute({
  getParentRoute: () => shell,
  path: "/escalations",
  validateSearch: readListSearch,
  component: lazyScreen(() => import("./escalations/screen"), "EscalationsScreen"),
});

const escalation = createRoute({
  getParentRoute: () => shell,
  path: "/escalations/$escalationId",
  component: lazyScreen(() => import("./escalation/screen"), "EscalationScreen"),
});

const conversations = createRoute({
  getParentRoute: () => shell,
  path: "/conversations",
  validateSearch: (search: Record<string, unknown>): { view?: string; q?: string } => ({
    ...(typeof search["view"] === "string" && { view: search["view"] }),
    ...(typeof search["q"] === "string" && { q: search["q"] }),
  }),
  component: lazyScreen(() => import("./conversations/screen"), "ConversationsScreen"),
});

const conversation = createRoute({
  getParentRoute: () => shell,
  path: "/conversations/$conversationId",
  component: lazyScreen(() => import("./escalation/conversation-screen"), "ConversationScreen"),
});

const analytics = createRoute({
  getParentRoute: () => shell,
  path: "/analytics",
  validateSearch: (search: Record<string, unknown>): { days?: number; agent?: string } => ({
    ...(Number(search["days"]) > 0 && { days: Number(search["days"]) }),
    ...(typeof search["agent"] === "string" && { agent: search["agent"] }),
  }),
  component: lazyScreen(() => import("./analytics/screen"), "AnalyticsScreen"),
});

const readAgent = (search: Record<string, unknown>): { agent?: string } =>
  typeof search["agent"] === "string" ? { agent: search["agent"] } : {};

const settings = createRoute({
  getParentRoute: () => shell,
  path: "/settings/escalations",
  validateSearch: readAgent,
  component: lazyScreen(() => import("./settings/screen"), "SettingsScreen"),
});

const slack = createRoute({
  getParentRoute: () => shell,
  path: "/settings/slack",
  validateSearch: readAgent,
  component: lazyScreen(() => import("./settings/slack"), "SlackScreen"),
});

const webhooks = createRoute({
  getParentRoute: () => shell,
  path: "/settings/webhooks",
  validateSearch: readAgent,
  component: lazyScreen(() => import("./settings/webhooks"), "WebhooksScreen"),
});

const identity = createRoute({
  getParentRoute: () => shell,
  path: "/settings/identity",
  validateSearch: readAgent,
  component: lazyScreen(() => import("./settings/identity"), "IdentityScreen"),
});

const deliveries = createRoute({
  getParentRoute: () => shell,
  path: "/deliveries",
  validateSearch: (
    search: Record<string, unknown>,
  ): { status?: string; channel?: string; escalation?: string } =>
    Object.fromEntries(
      ["status", "channel", "escalation"].flatMap((name) =>
        typeof search[name] === "string" ? [[name, search[name]]] : [],
      ),
    ),
  component: lazyScreen(() => import("./deliveries/screen"), "DeliveriesScreen"),
});

const team = createRoute({
  getParentRoute: () => shell,
  path: "/team",
  component: lazyScreen(() => import("./team/screen"), "TeamScreen"),
});

const apiKeys = createRoute({
  getParentRoute: () => shell,
  path: "/api-keys",
  component: lazyScreen(() => import("./team/api-keys"), "ApiKeysScreen"),
});

const savedReplies = createRoute({
  getParentRoute: () => shell,
  path: "/saved-replies",
  component: lazyScreen(() => import("./team/saved-replies"), "SavedRepliesScreen"),
});

const profile = createRoute({
  getParentRoute: () => shell,
  path: "/profile",
  component: lazyScreen(() => import("./team/profile"), "ProfileScreen"),
});

const firstSteps = createRoute({
  getParentRoute: () => shell,
  path: "/first-steps",
  validateSearch: readAgent,
  component: lazyScreen(() => import("./start/screen"), "FirstStepsScreen"),
});

// Any other address, so that the navigation is shown, too.
const unknown = createRoute({ getParentRoute: () => shell, path: "$", component: NotFound });

function NotFound() {
  return (
    <MissingPage
      title="There is no such page"
      lead="The address may be mistyped, or what it showed is gone."
    />
  );
}

export const router = createRouter({
  routeTree: root.addChildren([
    invitation,
    session.addChildren([
      shell.addChildren([
        home,
        escalations,
        escalation,
        conversations,
        conversation,
        analytics,
        settings,
        slack,
        webhooks,
        identity,
        deliveries,
        team,
        apiKeys,
        savedReplies,
        profile,
        firstSteps,
        unknown,
      ]),
    ]),
  ]),
  basepath: appPath,
  defaultPreload: "intent",
  defaultPendingComponent: () => <SkeletonLines />,
  defaultPendingMs: 150,
  defaultErrorComponent: ({ error, reset }) => <ErrorState error={error} onRetry={reset} />,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
