/** What surrounds every screen: navigation, the connection line, keys, the command palette and notices. */

import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { Button as AriaButton } from "react-aria-components";
import { EscalationCountsDocument, SetAvailableDocument, SignOutDocument } from "../gql/operations";
import { forgetQueries } from "../graphiql/storage";
import { IconButton, Kbd } from "../ui/button";
import { Avatar, VisuallyHidden } from "../ui/feedback";
import { Icon, type IconName } from "../ui/icon";
import { Menu } from "../ui/overlay";
import { showError, Toasts } from "../ui/toast";
import { execute } from "./api";
import { appPath } from "./base";
import { keys, queryClient } from "./cache";
import { ConnectionLine, NewVersionNotice, StaleNotice } from "./connection-line";
import { forgetDrafts } from "./escalation/drafts";
import { KeysHelp } from "./keys-help";
import { listenForKeys, useKeys } from "./keys";
import { openWorkspaceFeed, useFeed } from "./live";
import { setNoticeMember } from "./notices";
import { setTitleCount, WindowTitle } from "./page";
import { Palette } from "./palette";
import { theme } from "./preferences";
import { useMay, useViewer } from "./session/viewer";
import styles from "./shell.module.css";
import { useStore } from "./store";

interface Destination {
  to: string;
  text: string;
  icon: IconName;
  key?: string;
  need?: "SETTINGS_READ" | "ADMIN" | "ANALYTICS_READ" | "CONVERSATIONS_READ";
}

const GROUPS: readonly { title: string; links: readonly Destination[] }[] = [
  {
    title: "Conversations",
    links: [
      { to: "/escalations", text: "Escalations", icon: "inbox", key: "g e" },
      {
        to: "/conversations",
        text: "All conversations",
        icon: "chat",
        key: "g c",
        need: "CONVERSATIONS_READ",
      },
      { to: "/saved-replies", text: "Saved replies", icon: "reply" },
    ],
  },
  {
    title: "Analytics",
    links: [{ to: "/analytics", text: "Escalations", icon: "chart", key: "g a", need: "ANALYTICS_READ" }],
  },
  {
    title: "Settings",
    links: [
      {
        to: "/settings/escalations",
        text: "Escalation rules",
        icon: "settings",
        key: "g s",
        need: "SETTINGS_READ",
      },
      { to: "/settings/slack", text: "Slack", icon: "plug", need: "SETTINGS_READ" },
      { to: "/settings/webhooks", text: "Webhooks", icon: "bolt", need: "SETTINGS_READ" },
      { to: "/settings/identity", text: "Customer identity", icon: "user", need: "SETTINGS_READ" },
      { to: "/deliveries", text: "Deliveries", icon: "send" },
      { to: "/team", text: "Team", icon: "users" },
      { to: "/api-keys", text: "API keys", icon: "key", need: "ADMIN" },
      { to: "/first-steps", text: "First steps", icon: "rocket", need: "SETTINGS_READ" },
    ],
  },
];

export function useDestinations() {
  const viewer = useViewer();
  return GROUPS.map((group) => ({
    ...group,
    links: group.links.filter(({ need }) => !need || viewer.scopes.includes(need)),
  })).filter((group) => group.links.length);
}

export function useCounts() {
  return useQuery({ queryKey: keys.counts, queryFn: () => execute(EscalationCountsDocument, {}) });
}

/** Move the focus into a new screen if the last one took it along. */
function useFocusOnScreen() {
  const shown = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  useEffect(() => {
    if (!document.activeElement || document.activeElement === document.body) {
      document.getElementById("main")?.focus({ preventScroll: true });
    }
  }, [shown]);
}

export function Shell() {
  const viewer = useViewer();
  const [menuOpen, setMenuOpen] = useState(false);
  const [dialog, setDialog] = useState<"palette" | "keys">();
  const path = useLocation({ select: (location) => location.pathname });
  const navigate = useNavigate();
  const destinations = useDestinations();
  const { data: counts } = useCounts();

  useFeed(openWorkspaceFeed, "workspace");
  useEffect(listenForKeys, []);
  useEffect(() => setNoticeMember(viewer.member?.id), [viewer.member?.id]);
  useEffect(() => setMenuOpen(false), [path]);
  useFocusOnScreen();
  const waiting = counts ? counts.escalationCounts.mine + counts.escalationCounts.unassigned : 0;
  useEffect(() => setTitleCount(waiting), [waiting]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setDialog("palette");
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  useKeys([
    { key: "?", text: "Show the keys", group: "Everywhere", run: () => setDialog("keys") },
    ...destinations
      .flatMap((group) => group.links)
      .filter((link) => link.key)
      .map((link) => ({
        key: link.key as string,
        text: `Go to ${link.to === "/analytics" ? "analytics" : link.text.toLowerCase()}`,
        group: "Everywhere",
        run: () => navigate({ to: link.to }),
      })),
  ]);

  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        Skip to the content
      </a>
      <header className={styles.topbar}>
        <IconButton
          label={menuOpen ? "Close the menu" : "Open the menu"}
          icon="menu"
          onPress={() => setMenuOpen(!menuOpen)}
        />
        <strong className={styles.brandName}>{viewer.workspace.name}</strong>
        <ConnectionLine />
      </header>
      {menuOpen && (
        <button
          type="button"
          className={styles.scrim}
          aria-label="Close the menu"
          onClick={() => setMenuOpen(false)}
        />
      )}
      <nav className={styles.side} data-open={menuOpen} aria-label="Main">
        <div className={styles.brand}>
          <Icon name="spark" size={18} />
          <span className={styles.brandName}>{viewer.workspace.name}</span>
        </div>
        <button type="button" className={styles.find} onClick={() => setDialog("palette")}>
          <Icon name="search" />
          <span>Find or do</span>
          <Kbd>{/Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘K" : "Ctrl K"}</Kbd>
        </button>
        {destinations.map((group) => (
          <div key={group.title}>
            <div className={styles.group}>{group.title}</div>
            <ul>
              {group.links.map((link) => (
                <li key={link.to}>
                  <Link to={link.to} className={styles.link} activeOptions={{ includeSearch: false }}>
                    <Icon name={link.icon} />
                    {link.text}
                    {link.to === "/escalations" && waiting > 0 && (
                      <span className={styles.count} title="Yours and unassigned">
                        {waiting}
                      </span>
                    )}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ))}
        <div className={styles.foot}>
          <ConnectionLine />
          <MemberMenu onKeys={() => setDialog("keys")} />
        </div>
      </nav>
      <main id="main" tabIndex={-1} className={styles.main}>
        <NewVersionNotice />
        <StaleNotice />
        <Outlet />
      </main>
      <Palette open={dialog === "palette"} onClose={() => setDialog(undefined)} />
      <KeysHelp open={dialog === "keys"} onClose={() => setDialog(undefined)} />
      <Toasts />
      <WindowTitle />
    </div>
  );
}

function MemberMenu({ onKeys }: { onKeys(): void }) {
  const { member } = useViewer();
  const navigate = useNavigate();
  const chosen = useStore(theme);
  const maySet = useMay("ESCALATIONS_WRITE");
  if (!member) {
    return null;
  }

  async function setAvailable(available: boolean) {
    try {
      await execute(SetAvailableDocument, { id: member?.id as string, available });
      queryClient.invalidateQueries({ queryKey: keys.viewer });
      queryClient.invalidateQueries({ queryKey: keys.members });
    } catch (error) {
      showError(error);
    }
  }

  async function signOut() {
    try {
      await execute(SignOutDocument, {});
    } catch {
      // The session may have ended before; the page is left either way.
    }
    forgetDrafts(member?.id ?? "");
    forgetQueries();
    // The browser may keep the page, and show it again without asking the server.
    window.addEventListener("pageshow", () => location.reload());
    location.assign(appPath);
  }

  return (
    <Menu
      label="Your account"
      trigger={
        <AriaButton className={styles.member ?? ""}>
          <VisuallyHidden>Your account: </VisuallyHidden>
          <Avatar name={member.name} />
          <span className={styles.memberName}>{member.name}</span>
          <span className={styles.count}>{member.available ? "Available" : "Away"}</span>
        </AriaButton>
      }
      entries={[
        ...(maySet
          ? [
              {
                id: "available",
                text: member.available ? "Set yourself away" : "Set yourself available",
                icon: "bell" as const,
                onSelect: () => setAvailable(!member.available),
              },
            ]
          : []),
        {
          id: "profile",
          text: "Profile and notices",
          icon: "user",
          onSelect: () => navigate({ to: "/profile" }),
        },
        { id: "keys", text: "Keyboard", icon: "keyboard", shortcut: "?", onSelect: onKeys },
        ...(["auto", "light", "dark"] as const).map((value) => ({
          id: value,
          text: { auto: "Theme of the device", light: "Light theme", dark: "Dark theme" }[value],
          icon: value === "dark" ? ("moon" as const) : ("sun" as const),
          checked: chosen === value,
          onSelect: () => theme.set(value),
        })),
        { id: "sign-out", text: "Sign out", icon: "exit", onSelect: signOut },
      ]}
    />
  );
}
