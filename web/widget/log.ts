/** The messages. An element stays as long as its message, so that a screen reader hears of each message once. */

import { formatTime } from "../text/dates";
import { formatMarkdown } from "../text/markdown";
import type { Message } from "./documents";
import type { Front } from "./front";
import type { QueuedMessage } from "./store";
import type { Texts } from "./texts/en";
import type { Actions, Model } from "./view";

/** The server takes no longer message. The field sends none, either, but a call of the page may. */
export const MAX_LENGTH = 20_000;

interface Entry {
  element: HTMLElement;
  author?: HTMLElement;
  meta?: HTMLElement;
  /** What `meta` shows. */
  state: string;
}

export interface Log {
  element: HTMLElement;
  /** Show the newest message at the next update: an element that leaves the page forgets where it was. */
  showEnd(): void;
  update(model: Model): void;
}

export function createLog({ h }: Front, texts: Texts, actions: Actions): Log {
  const entries = new Map<string, Entry>();
  const link = (text: string, onclick: () => void) => h("button", { className: "link", onclick }, text);
  const earlier = link(texts.earlier, actions.earlier);
  const loading = h("p", { className: "system" }, texts.loading);
  const element = h("div", { className: "log", onscroll: noteEnd }, loading);
  let atEnd = true;
  let first: Message | undefined;

  function bubble(side: string, author: string, content: (Node | string)[]): Entry {
    const name = h("p", { className: "author" }, author);
    const meta = h("p", { className: "meta" });
    const text = h("div", { className: "bubble", dir: "auto" }, ...content);
    const message = h("div", { className: `message ${side}`, part: "message" }, name, text, meta);
    return { element: message, author: name, meta, state: "" };
  }

  const format = (content: string) =>
    formatMarkdown<Node>(content, (tag, children, href) =>
      h(
        tag as "a",
        href ? { href, target: "_blank", rel: "noopener noreferrer nofollow" } : null,
        ...children,
      ),
    );

  function create(message: Message, author: string): Entry {
    const { role, content } = message;
    if (role === "SYSTEM") {
      const notice = h("p", { className: "system", dir: "auto" }, content);
      return { element: notice, state: "" };
    }
    return role === "USER" ? bubble("mine", author, [content]) : bubble("theirs", author, format(content));
  }

  function showMessages(model: Model): string[] {
    const { chat, language } = model;
    const seen = chat.state?.readPositions.team ?? 0;
    const lastOwn = chat.messages.findLast(({ role }) => role === "USER");
    let before = "";
    return chat.messages.map((message) => {
      const key = chat.keys.get(message.id) ?? message.id;
      const author = authorOf(message, texts);
      const entry = entries.get(key) ?? create(message, author);
      const isSeen = message === lastOwn && message.position <= seen;
      entries.set(key, entry);
      entry.author?.classList.toggle("hidden", message.role === "USER" || author === before);
      before = author;
      if (entry.meta) {
        entry.state = "";
        entry.meta.className = "meta";
        setText(entry.meta, formatTime(message.createdAt, language) + (isSeen ? ` · ${texts.seen}` : ""));
      }
      return key;
    });
  }

  function showQueued(message: QueuedMessage, { problem, status }: Model): string {
    const { key, text, failed } = message;
    const entry = entries.get(key) ?? bubble("mine", texts.you, [text]);
    const meta = entry.meta as HTMLElement;
    const waiting =
      problem === "RATE_LIMITED"
        ? texts.limited
        : problem || status === "offline"
          ? texts.queued
          : texts.sending;
    const state = failed ?? waiting;
    entries.set(key, entry);
    entry.author?.classList.add("hidden");
    if (state !== entry.state) {
      entry.state = state;
      meta.classList.toggle("failed", !!failed);
      meta.replaceChildren(failed ? (text.length > MAX_LENGTH ? texts.tooLong : texts.failed) : waiting);
      if (failed) {
        meta.append(
          link(texts.retry, () => actions.retry(key)),
          link(texts.discard, () => actions.discard(key)),
        );
      }
    }
    return key;
  }

  /** Remember whether the newest message is in view. A log that shrinks is not scrolled, so it stays there. */
  function noteEnd() {
    atEnd = element.scrollTop + element.clientHeight > element.scrollHeight - 60;
  }

  /** Remove the elements of other messages, and put those of the keys in order, moving none that is in its place. */
  function arrange(keys: string[]) {
    const kept = new Set(keys);
    for (const [key, entry] of entries) {
      if (!kept.has(key)) {
        entry.element.remove();
        entries.delete(key);
      }
    }
    let place = (element.firstChild as Node).nextSibling;
    for (const key of keys) {
      const node = (entries.get(key) as Entry).element;
      if (node === place) {
        place = place.nextSibling;
      } else {
        element.insertBefore(node, place);
      }
    }
  }

  function update(model: Model) {
    const { chat, hasConversation, greeting, queued } = model;
    // A conversation that has just begun continues what is shown already.
    const isLoading = hasConversation && !chat.loaded && !element.role;
    const top = isLoading ? loading : earlier;
    const height = element.scrollHeight;
    const isPrepended = first && chat.messages[0] !== first;
    const own = element.querySelectorAll(".mine").length;
    const keys = showMessages(model);
    for (const message of queued) {
      if (!chat.isDelivered(message)) {
        keys.push(showQueued(message, model));
      }
    }
    if (greeting && !isLoading) {
      const entry = entries.get("greeting") ?? bubble("theirs", texts.assistant, format(greeting));
      entries.set("greeting", entry);
      keys.unshift("greeting");
    }
    if (element.firstChild !== top) {
      element.firstChild?.replaceWith(top);
    }
    earlier.hidden = !chat.hasEarlier;
    arrange(keys);
    if (!isLoading && !element.role) {
      // Only now, so that nothing of the history is announced.
      Object.assign(element, { role: "log", ariaLabel: texts.log, tabIndex: 0 });
      element.setAttribute("aria-relevant", "additions");
    }
    first = chat.messages[0];
    if (isPrepended) {
      element.scrollTop += element.scrollHeight - height;
    } else if (atEnd || element.querySelectorAll(".mine").length > own) {
      element.scrollTop = element.scrollHeight;
    }
  }

  return {
    element,
    showEnd() {
      atEnd = true;
    },
    update,
  };
}

function authorOf({ role, author }: Message, texts: Texts): string {
  return role === "USER" ? texts.you : (author?.name ?? (role === "HUMAN" ? texts.team : texts.assistant));
}

/** Set a text if it is another one: a live region announces each change. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
