/** The panel: what the loader fetches when the visitor opens the chat, or has a conversation already. */

import { readAgentSettings } from "./agent-settings";
import type { FormFields, State, Status } from "./api";
import { randomKey } from "./connection";
import { REQUEST_HUMAN, type WidgetSettings } from "./documents";
import type { Front, PanelHandle } from "./front";
import { trackLayout } from "./layout";
import { openSession } from "./session";
import styles from "./styles.css?inline";
import { loadTexts } from "./texts";
import english from "./texts/en";
import { createView, type View } from "./view";

export function startPanel(front: Front): PanelHandle {
  const { options, root, launcher } = front;
  let texts = english;
  let settings: WidgetSettings | undefined;
  let isStale = true;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unreachable = false;
  let open = false;
  let asking = false;
  let form: HTMLElement | undefined;
  let opener: HTMLElement | null = null;
  let view: View | undefined;
  const ending = new AbortController();
  const { signal } = ending;
  let scheduled = false;
  let before: { unread: number; status: Status } = { unread: 0, status: "idle" };

  front.addStyles(styles);
  const session = openSession(front, {
    isOpen: () => open,
    onChange: changed,
    onReplaced: rebuild,
    onRestored: () => handle.open(false),
  });
  const { store, outbox, insist } = session;
  const layout = trackLayout(front, () => open, changed, signal);

  async function loadSettings() {
    isStale = false;
    try {
      settings = await readAgentSettings(front, () => {
        unreachable = true;
        changed();
        return session.closed;
      });
      clearTimeout(timer);
      if (settings.opensAt) {
        const left = Date.parse(settings.opensAt) - Date.now();
        // A browser's clock may be ahead, and a longer timer would end immediately.
        timer = setTimeout(expire, Math.min(left > 0 ? left : 60_000, 2_000_000_000));
      }
    } catch (error) {
      isStale = true;
      session.refused = (error as Error).message;
      session.report(error);
    }
    changed();
  }

  /** The team is back: read the settings again, now or when the panel is opened. */
  function expire() {
    isStale = true;
    if (open) {
      loadSettings();
    }
  }

  function status(): Status {
    if (session.refused) {
      return "refused";
    }
    if (session.followed) {
      return session.chat.status;
    }
    return settings ? "live" : unreachable ? "offline" : open ? "connecting" : "idle";
  }

  function changed() {
    if (!scheduled) {
      scheduled = true;
      queueMicrotask(show);
    }
  }

  function show() {
    scheduled = false;
    if (session.closed) {
      return;
    }
    const chat = session.chat;
    if (session.isSeen() && chat.loaded) {
      chat.markRead();
    }
    const now = { unread: chat.unread(), status: status() };
    const label = open ? texts.close : now.unread ? `${texts.open}: ${texts.unread(now.unread)}` : texts.open;
    front.showState({ open, unread: now.unread, label });
    if (now.unread !== before.unread) {
      front.emit("unread", { count: now.unread });
    }
    if (now.status !== before.status) {
      front.emit("status", { status: now.status });
    }
    before = now;
    if (open) {
      showPanel(now.status);
    } else {
      view?.element.remove();
    }
  }

  function showPanel(shown: Status) {
    view ??= createView(front, texts, {
      send,
      requestHuman: () => requestHuman().catch(() => {}),
      type: (text) => session.chat.type(text),
      retry: outbox.retry,
      discard: outbox.discard,
      earlier: () => insist(session.chat.showEarlier).catch(() => {}),
      close: () => handle.close(),
    });
    if (!view.element.isConnected) {
      root.append(view.element);
      view.showEnd();
    }
    view.update({
      title: options.title ?? texts.title,
      language: options.lang,
      greeting: options.greeting ?? settings?.greeting,
      settings,
      chat: session.chat,
      hasConversation: !!session.followed,
      isNamed: !!front.identity,
      status: shown,
      refused: session.refused,
      isPhone: layout.isPhone(),
      queued: store.get().outbox,
      problem: outbox.problem(),
      asking,
      form,
    });
  }

  /** Make the elements again, in another language or for another conversation. What is being written stays. */
  function rebuild() {
    const draft = view?.field.value ?? "";
    const hadFocus = view?.element.contains(front.shadow.activeElement);
    view?.element.remove();
    view = undefined;
    show();
    const field = (view as View | undefined)?.field;
    if (field) {
      field.value = draft;
      if (hadFocus) {
        field.focus();
      }
    }
  }

  async function translate() {
    texts = await loadTexts(options.lang);
    rebuild();
  }

  async function send(text: string) {
    if (text.trim()) {
      outbox.add(text.trim());
    }
  }

  async function requestHuman() {
    const key = randomKey();
    asking = true;
    changed();
    try {
      await insist(async () => {
        await session.begin();
        await session.connection.call(REQUEST_HUMAN, { key });
      });
      session.chat.wake();
    } finally {
      asking = false;
      changed();
    }
  }

  async function submitForm(name: string, fields: FormFields) {
    const { submit } = await import("./form");
    const input = { form: name, fields, idempotencyKey: randomKey() };
    await submit(front, session, texts, input, async (element) => {
      form = element;
      await handle.open();
      changed();
    });
  }

  const handle: PanelHandle = {
    async open(focus = true) {
      if (!open) {
        open = true;
        opener = document.activeElement as HTMLElement;
        store.update({ open });
        if (isStale) {
          loadSettings();
        }
        session.chat.wake();
        session.identify().catch(() => {});
        show();
        front.emit("open", {});
      }
      layout.apply();
      if (focus) {
        view?.focus();
      }
    },
    async close() {
      if (open) {
        const hadFocus = view?.element.contains(front.shadow.activeElement);
        open = false;
        store.update({ open });
        show();
        layout.apply();
        if (hadFocus) {
          ((launcher.hidden && opener) || launcher).focus();
        }
        front.emit("close", {});
      }
    },
    identify: session.identify,
    async start({ token }) {
      await insist(() => session.connection.start(token));
      store.persist();
      session.follow();
    },
    async update() {
      await translate();
      if (settings) {
        loadSettings();
      }
    },
    requestHuman,
    send,
    submitForm,
    state(): State {
      const ai = (session.chat.state?.ai.state.toLowerCase() ?? null) as State["ai"];
      return { open, unread: before.unread, status: status(), ai, conversationId: session.followed ?? null };
    },
    shutdown(forget) {
      handle.close();
      session.close();
      if (forget) {
        store.clear();
      }
      ending.abort();
    },
  };

  document.addEventListener("visibilitychange", () => session.isSeen() && changed(), { signal });
  window.addEventListener("online", () => outbox.flush(), { signal });
  translate();
  session.identify().catch(() => {});
  session.follow();
  if (store.get().outbox.length) {
    outbox.flush();
  }
  return handle;
}
