/** The elements of the panel. `update` shows a new state of the chat in them. */

import { formatTime } from "../text/dates";
import type { FormField, Status } from "./api";
import type { Chat } from "./chat";
import type { WidgetSettings } from "./documents";
import type { Front } from "./front";
import { createLog, MAX_LENGTH, setText } from "./log";
import type { QueuedMessage } from "./store";
import type { Texts } from "./texts/en";

export interface FormModel {
  fields: Record<string, FormField>;
  submit(values: Record<string, string | boolean>): void;
  cancel(): void;
}

export interface Actions {
  send(text: string): void;
  requestHuman(): void;
  type(text: string): void;
  retry(key: string): void;
  discard(key: string): void;
  earlier(): void;
  close(): void;
}

export interface Model {
  title: string;
  language: string | undefined;
  greeting: string | null | undefined;
  settings: WidgetSettings | undefined;
  chat: Chat;
  hasConversation: boolean;
  /** The page has named its visitor. */
  isNamed: boolean;
  status: Status;
  refused: string | undefined;
  isPhone: boolean;
  queued: readonly QueuedMessage[];
  problem: string | undefined;
  /** A person is being asked for. */
  asking: boolean;
  /** The form in place of the composer. */
  form: HTMLElement | undefined;
}

export interface View {
  element: HTMLElement;
  field: HTMLTextAreaElement;
  focus(): void;
  /** Show the newest message at the next update. */
  showEnd(): void;
  update(model: Model): void;
}

export function createView(front: Front, texts: Texts, actions: Actions): View {
  const { h, icon } = front;
  const log = createLog(front, texts, actions);
  const title = h("h2");
  const answering = h("p");
  const expected = h("p", { className: "expected" });
  const notice = h("p", { className: "notice", role: "status" });
  const typing = h("p", { className: "typing", ariaHidden: "true" });
  const human = h("button", { className: "human", onclick: actions.requestHuman });
  const field = h("textarea", {
    dir: "auto",
    ariaLabel: texts.write,
    placeholder: texts.write,
    oninput() {
      actions.type(field.value);
      field.setCustomValidity(field.value.length > MAX_LENGTH ? texts.tooLong : "");
      field.reportValidity();
    },
    onkeydown(event: KeyboardEvent) {
      // 229 is the key that Safari reports for the Enter that ends a composition.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
        event.preventDefault();
        composer.requestSubmit();
      }
    },
  });
  const send = h("button", { className: "icon send", ariaLabel: texts.send }, icon("M4 12h15M13 6l6 6-6 6"));
  const composer = h("form", { className: "composer", part: "composer", onsubmit: submit }, field, send);
  const signIn = h("p", { className: "system" }, texts.signIn);
  const footer = h("footer", null, human, signIn, composer);
  const close = h(
    "button",
    { className: "icon", ariaLabel: texts.close, onclick: actions.close },
    icon("M6 6l12 12M18 6L6 18"),
  );
  const element = h(
    "div",
    { className: "panel", part: "panel", role: "dialog", tabIndex: -1, onkeydown: onKey },
    h(
      "header",
      null,
      h(
        "div",
        { className: "heading" },
        title,
        h("div", { className: "answering", role: "status" }, answering, expected),
      ),
      close,
    ),
    notice,
    log.element,
    typing,
    footer,
  );

  function submit(event: Event) {
    event.preventDefault();
    if (field.value.trim()) {
      actions.send(field.value);
      field.value = "";
      actions.type("");
    }
    field.focus();
  }

  function onKey(event: KeyboardEvent) {
    if (event.key === "Escape" && !event.isComposing) {
      actions.close();
    } else if (event.key === "Tab" && element.ariaModal === "true") {
      // The panel is modal on a phone: the focus goes round in it.
      const stops = [...element.querySelectorAll<HTMLElement>(":enabled, a, [tabindex='0']")].filter(
        (stop) => stop.offsetParent,
      );
      const active = front.shadow.activeElement;
      const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
      if (active === from || (event.shiftKey && active === element)) {
        event.preventDefault();
        to?.focus();
      }
    }
  }

  function focus() {
    // On a phone the keyboard would cover what there is to read.
    (element.ariaModal || field.disabled ? element : field).focus();
  }

  /** Show the party that answers: the AI, nobody yet, or a person by name. */
  function showAnswering({ chat, settings, language }: Model) {
    const { state, messages } = chat;
    const escalation = state?.activeEscalation;
    let kind = "ai";
    let text = texts.assistant;
    let more = "";
    if (escalation?.status === "OPEN") {
      kind = "waiting";
      text = texts.waiting;
      more =
        settings?.opensAt && Date.parse(settings.opensAt) > Date.now()
          ? texts.openAt(formatTime(settings.opensAt, language))
          : (messages.findLast((message) => message.kind === "CONFIRMATION")?.content ?? "");
    } else if (state?.ai.state === "PAUSED") {
      const name =
        escalation?.assignee?.name ?? messages.findLast(({ role }) => role === "HUMAN")?.author?.name;
      // Without an escalation the AI is kept paused, and nobody has been asked.
      kind = escalation ? "person" : "waiting";
      text = !escalation ? texts.team : name ? texts.answering(name) : texts.person;
    }
    answering.className = kind;
    setText(answering, text);
    setText(expected, more);
  }

  /** Show the state of the connection, when it is not as it should be. */
  function showNotice({ status, settings, hasConversation, refused }: Model) {
    const known: Partial<Record<Status, string>> = texts;
    const isNew = status === "offline" && !settings && !hasConversation;
    const text = isNew ? texts.unreachable : (known[status] ?? "");
    notice.classList.toggle("refused", !!refused);
    setText(notice, refused ? `${text} ${refused}` : text);
  }

  function showFooter({ settings, chat, refused, hasConversation, isNamed, queued, asking, form }: Model) {
    const button = chat.state?.button ?? {
      visible: settings?.buttonVisibility === "ALWAYS",
      text: settings?.buttonText ?? "",
    };
    const mayWrite =
      hasConversation || isNamed || queued.length || settings?.anonymousConversations !== false;
    // A paused AI alone does not mean that a person has been asked.
    const isAsked = chat.state?.ai.state === "PAUSED" && !!chat.state.activeEscalation;
    human.hidden = !button.visible || !mayWrite || !!refused || isAsked;
    human.disabled = asking;
    setText(human, button.text);
    signIn.hidden = !!mayWrite;
    composer.hidden = !mayWrite;
    field.disabled = send.disabled = !!refused;
    const shown = form ?? footer;
    if (element.lastChild !== shown) {
      element.lastChild?.replaceWith(shown);
      shown.querySelector<HTMLElement>("input, textarea, select")?.focus();
    }
  }

  return {
    element,
    field,
    focus,
    showEnd: log.showEnd,
    update(model) {
      const { chat, isPhone } = model;
      const focused = element.querySelector<HTMLButtonElement>(":focus");
      setText(title, model.title);
      element.ariaLabel = model.title;
      element.ariaModal = isPhone ? "true" : null;
      showAnswering(model);
      showNotice(model);
      setText(typing, chat.typing ? texts.typing(chat.typing.name ?? texts.assistant) : "");
      showFooter(model);
      log.update(model);
      // A button that has done its work takes the focus out of the panel.
      if (focused && (focused.disabled || !focused.offsetParent)) {
        focus();
      }
    },
  };
}
