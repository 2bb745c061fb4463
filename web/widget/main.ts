/** The panel: what the loader fetches when the visitor opens the chat, or has a conversation already. */

import { repeat } from "../live/backoff";
import { ApiError, isFinal, request } from "../live/request";
import { type Chat, openChat } from "./chat";
import { openConnection, randomKey } from "./connection";
import { REQUEST_HUMAN, SUBMIT_FORM, WIDGET, type WidgetSettings } from "./documents";
import { trackLayout } from "./layout";
import type { FormFields, State, Status } from "./api";
import type { Front, PanelHandle } from "./front";
import { openOutbox } from "./outbox";
import { openStore, storageKey } from "./store";
import styles from "./styles.css?inline";
import { loadTexts } from "./texts";
import english from "./texts/en";
import { createView, type View } from "./view";

export function startPanel(front: Front): PanelHandle {
  const { options, root, launcher } = front;
  const name = storageKey(options.agent);
  let texts = english;
  let settings: WidgetSettings | undefined;
  let open = false;
  let closed = false;
  let refused: string | undefined;
  let unreachable = false;
  let asking = false;
  let identified = false;
  let isRestored = false; // The panel is open or closed as it was on the page before.
  let form: HTMLElement | undefined;
  let view: View | undefined;
  let followed: string | undefined;
  const ending = new AbortController();
  let scheduled = false;
  let before: { unread: number; status: Status } = { unread: 0, status: "idle" };

  front.addStyles(styles);

  const store = openStore(options.agent, options.storage, onStore);
  const connection = openConnection(front, store, reset);
  let chat = newChat();
  const outbox = openOutbox(
    name,
    store,
    async (message) => {
      await begin();
      await chat.deliver(message);
    },
    changed,
  );
  const layout = trackLayout(front, () => open, changed);

  function newChat(): Chat {
    return openChat(front, store, connection, {
      isWatched: () => open,
      onChange: changed,
      onStatus() {
        if (chat.status === "live") {
          outbox.flush();
        }
        changed();
      },
      onNewMessage({ id, role, content, author }) {
        front.emit("message", { id, role, content, author: author?.name ?? null });
        if (options.sound !== false && !(isSeen() && document.hasFocus())) {
          import("./sound").then(({ playOnce }) => playOnce(name, id)).catch(() => {});
        }
      },
      onError: report,
    });
  }

  // ------------------------------------------------------------------------------------- conversation

  const isSeen = () => open && document.visibilityState === "visible";

  /** A conversation that belongs to an identity is only for a page that has named its visitor. */
  function isUsable() {
    const { conversation, subject } = store.get();
    return !!conversation && (!subject || identified);
  }

  function follow() {
    if (isUsable() && !closed) {
      followed = store.get().conversation;
      chat.follow();
      if (!isRestored && store.get().open) {
        handle.open(false);
      }
      isRestored = true;
    }
  }

  /** Open the conversation, if there is none, and follow it. */
  async function begin() {
    if (!isUsable() && store.get().conversation) {
      if (front.identity) {
        await identify();
      } else {
        reset(false);
      }
    }
    await connection.ensure();
    store.persist();
    follow();
  }

  function reset(keepUnsent: boolean) {
    const unsent = keepUnsent ? store.get().outbox : [];
    store.clear();
    store.update((session) => Object.assign(session, { outbox: unsent, open }));
    if (unsent.length) {
      store.persist();
    }
    forget();
  }

  function forget() {
    followed = undefined;
    chat.close();
    chat = newChat();
    rebuild();
  }

  /** Another tab has changed the record. */
  function onStore() {
    if (followed && store.get().conversation !== followed) {
      forget();
    }
    follow();
    changed();
  }

  /** Repeat until it succeeds or cannot succeed. */
  function insist<T>(act: () => Promise<T>): Promise<T> {
    return repeat(act, (error) => closed || isFinal(error)).catch((error) => {
      report(error);
      throw error;
    });
  }

  function report(error: unknown) {
    const code = error instanceof ApiError ? error.code : "INTERNAL";
    const message = error instanceof Error ? error.message : "The live connection has ended.";
    front.emit("error", { code, message });
    if (code === "FORBIDDEN" && !refused) {
      refused = message;
      console.warn(`Baton: ${message}`);
      changed();
    }
  }

  async function loadSettings() {
    const variables = { agent: options.agent, language: options.lang };
    const ask = () => request<{ widget: WidgetSettings }>(`${front.base}graphql`, WIDGET, variables);
    try {
      const isOver = (error: unknown) => {
        unreachable = true;
        changed();
        return closed || isFinal(error);
      };
      settings = (await repeat(ask, isOver)).widget;
      unreachable = false;
      changed();
    } catch (error) {
      report(error);
    }
  }

  /** Show the conversation of a visitor that the page has named, who may have begun it elsewhere. */
  async function identify() {
    if (!front.identity && !store.get().subject) {
      return;
    }
    identified = false;
    await insist(async () => {
      await connection.identify();
      identified = !!front.identity;
      if (open && front.identity) {
        await connection.ensure();
      }
    });
    follow();
  }

  // ---------------------------------------------------------------------------------------- rendering

  function status(): Status {
    if (refused) {
      return "refused";
    }
    if (followed) {
      return chat.status;
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
    if (closed) {
      return;
    }
    if (isSeen() && chat.loaded) {
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
      type: (text) => chat.type(text),
      retry: outbox.retry,
      discard: outbox.discard,
      earlier: () => chat.showEarlier().catch(report),
      close: () => handle.close(),
    });
    if (!view.element.isConnected) {
      root.append(view.element);
    }
    view.update({
      title: options.title ?? texts.title,
      language: options.lang,
      greeting: options.greeting ?? settings?.greeting,
      settings,
      chat,
      hasConversation: !!followed,
      isNamed: !!front.identity,
      status: shown,
      refused,
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

  // ------------------------------------------------------------------------------------------ actions

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
        await begin();
        await connection.call(REQUEST_HUMAN, { key });
      });
      chat.wake();
    } finally {
      asking = false;
      changed();
    }
  }

  async function submitForm(name: string, given: FormFields) {
    const { fillIn } = await import("./form");
    const fields = await fillIn(front, texts, given, async (element) => {
      form = element;
      await handle.open();
      changed();
    });
    const key = randomKey();
    await insist(async () => {
      await begin();
      const input = { conversationId: store.get().conversation, form: name, fields, idempotencyKey: key };
      await connection.call(SUBMIT_FORM, { input });
    });
    chat.wake();
  }

  const handle: PanelHandle = {
    async open(focus = true) {
      if (!open) {
        open = true;
        store.update((session) => {
          session.open = true;
        });
        if (!settings) {
          loadSettings();
        }
        chat.wake();
        identify().catch(() => {});
        show();
        front.emit("open", {});
      }
      layout.apply();
      if (focus) {
        // On a phone the keyboard would cover what there is to read.
        (layout.isPhone() ? view?.element : view?.field)?.focus();
      }
    },
    async close() {
      if (open) {
        const hadFocus = view?.element.contains(front.shadow.activeElement);
        open = false;
        store.update((session) => {
          session.open = false;
        });
        show();
        layout.apply();
        if (hadFocus) {
          launcher.focus();
        }
        front.emit("close", {});
      }
    },
    identify,
    async start({ token }) {
      await insist(() => connection.start(token));
      store.persist();
      follow();
    },
    async update() {
      texts = await loadTexts(options.lang);
      rebuild();
      if (settings) {
        loadSettings();
      }
    },
    requestHuman,
    send,
    submitForm,
    state(): State {
      const ai = chat.state && (chat.state.ai.state === "ACTIVE" ? "active" : "paused");
      const conversationId = followed ?? null;
      return { open, unread: before.unread, status: status(), ai: ai ?? null, conversationId };
    },
    shutdown() {
      handle.close();
      closed = true;
      outbox.close();
      chat.close();
      layout.close();
      store.clear();
      store.close();
      ending.abort();
    },
  };

  const { signal } = ending;
  document.addEventListener("visibilitychange", () => isSeen() && changed(), { signal });
  window.addEventListener("online", () => outbox.flush(), { signal });
  loadTexts(options.lang).then((loadedTexts) => {
    texts = loadedTexts;
    rebuild();
  });
  identify().catch(() => {});
  follow();
  if (store.get().outbox.length) {
    outbox.flush();
  }
  return handle;
}
