/**
 * The part of the widget that every page load pays for: the launcher, and the functions that a page calls.
 *
 * Until the visitor opens the chat it stores and requests nothing, unless there is a conversation from before.
 */

import type { Baton, Calls, Events, Options } from "./api";
import { h, icon } from "./dom";
import type { Front, PanelHandle } from "./front";
import styles from "./launcher.css?inline";

declare const PANEL: string;

const LABELS: Record<string, [open: string, unreachable: string]> = {
  en: ["Open chat", "No connection …"],
  ar: ["فتح المحادثة", "لا يوجد اتصال …"],
  de: ["Chat öffnen", "Keine Verbindung …"],
  es: ["Abrir el chat", "Sin conexión …"],
  fr: ["Ouvrir le chat", "Pas de connexion …"],
};
const RIGHT_TO_LEFT = /^(ar|ckb|dv|fa|he|ps|sd|ug|ur|yi)\b/;
// The page's rules reach the host element only, and none is stronger than these.
const HOST = "all:initial;display:block;position:fixed;top:0;left:0;width:0;height:0;z-index:";

export function createBaton(base: string): Baton {
  const warned = new Set<string>();
  let options: Options = { agent: "" };
  let identity: Front["identity"];
  let host: HTMLElement | undefined;
  let front: Front | undefined;
  let note: HTMLElement | undefined;
  let observer: MutationObserver | undefined;
  let loading: Promise<PanelHandle> | undefined;
  let panel: PanelHandle | undefined;
  let isHidden = false; // The launcher.
  let asked = false; // The visitor waits for the panel.

  function emit<N extends keyof Events>(name: N, detail: Events[N]) {
    window.dispatchEvent(new CustomEvent(`baton:${name}`, { detail }));
  }

  function mount() {
    if (host || !options.agent) {
      return;
    }
    host = document.createElement("baton-widget");
    const shadow = host.attachShadow({ mode: "open" });
    const badge = h("span", { className: "badge", ariaHidden: "true" });
    note = h("p", { className: "note", role: "status" });
    const launcher = h(
      "button",
      {
        className: "launcher",
        hidden: isHidden,
        part: "launcher",
        ariaExpanded: "false",
        onclick: () => calls.toggle(),
      },
      icon("M4 5h16v11H9l-5 4z"),
      badge,
    );
    const root = h("div", null, launcher, note);
    shadow.append(root);
    // The page sees the host as the target of these events, and would take them for its own shortcuts.
    for (const name of ["keydown", "keyup", "keypress", "copy", "cut", "paste"]) {
      host.addEventListener(name, (event) => event.stopPropagation());
    }
    front = {
      options,
      base,
      root,
      shadow,
      launcher,
      identity,
      emit,
      h,
      icon,
      addStyles: (css) => addStyles(shadow, css),
      showState({ open, unread, label }) {
        launcher.ariaLabel = label;
        launcher.ariaExpanded = String(open);
        badge.textContent = unread ? String(unread) : "";
      },
    };
    addStyles(shadow, styles);
    apply();
    launcher.ariaLabel = labels()[0];
    observer = new MutationObserver(attach);
    observer.observe(document, { childList: true });
    attach();
    whenLoaded(() => {
      if (host && inStorage((storage, key) => storage.getItem(key))) {
        load();
      }
    });
    emit("ready", {});
  }

  /** Put the host next to the body, where it outlives a change of the body, and back when something removes it. */
  function attach() {
    const page = document.documentElement;
    if (host && host.parentNode !== page) {
      page?.append(host);
      observer?.observe(page, { childList: true });
    }
  }

  function addStyles(shadow: ShadowRoot, css: string) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets.push(sheet);
  }

  function unmount(forget: boolean) {
    panel?.shutdown(forget);
    observer?.disconnect();
    host?.remove();
    options = { ...options };
    host = front = panel = loading = identity = undefined;
  }

  function apply() {
    if (!host || !front) {
      return;
    }
    options.lang = languageOf(options.lang || document.documentElement.lang);
    const z = Number(options.z) || "var(--baton-z,2147483000)";
    host.style.cssText = `${HOST}${z}`.replace(/;|$/g, "!important;");
    front.root.lang = options.lang;
    front.root.dir = RIGHT_TO_LEFT.test(options.lang) ? "rtl" : "ltr";
    front.root.className = `root ${options.theme ?? ""} ${options.position ?? ""}`;
  }

  /** Return the launcher's texts, once there is one. */
  function labels() {
    return LABELS[(options.lang as string).split("-")[0] as string] ?? (LABELS.en as [string, string]);
  }

  /** Do something with the storages; where they are denied there is nothing in them. */
  function inStorage(act: (storage: Storage, key: string) => unknown) {
    try {
      return [localStorage, sessionStorage].some((storage) => act(storage, `baton:${options.agent}`));
    } catch {
      return false;
    }
  }

  async function start(mine: Front): Promise<PanelHandle> {
    for (let failures = 0; ; failures++) {
      try {
        // A browser may remember that a module could not be fetched.
        const module = await import(
          /* @vite-ignore */ `${base}widget/${PANEL}${failures ? `?${failures}` : ""}`
        );
        if (mine !== front) {
          throw new Error("Baton: shut down.");
        }
        (note as HTMLElement).textContent = "";
        panel = module.startPanel(mine) as PanelHandle;
        return panel;
      } catch (error) {
        if (mine !== front) {
          throw error;
        }
        if (note && asked) {
          note.textContent = labels()[1];
        }
        await new Promise((resolve) =>
          setTimeout(resolve, Math.random() * Math.min(20_000, 1000 * 2 ** failures)),
        );
      }
    }
  }

  async function load(): Promise<PanelHandle> {
    mount();
    if (!front) {
      throw new Error("Baton: no data-agent.");
    }
    return (loading ??= start(front));
  }

  const calls: Calls = {
    open: async () => {
      asked = true;
      return (await load()).open();
    },
    close: async () => panel?.close(),
    toggle: () => (panel?.state().open ? calls.close() : calls.open()),
    hide: async () => setHidden(true),
    show: async () => setHidden(false),
    boot: async (given) => {
      // The script may be run again: that changes nothing of a widget that is there.
      if (!host) {
        Object.assign(options, given);
      }
      // A task of its own: the page's own work comes in between.
      await new Promise((resolve) => setTimeout(resolve));
      mount();
    },
    identify: async (given) => {
      identity = given;
      mount();
      if (front) {
        front.identity = given;
      }
      await panel?.identify();
    },
    start: async (given) => (await load()).start(given),
    update: async (given) => {
      if (host && given.agent && given.agent !== options.agent) {
        // Another agent has conversations of its own. Those of this one are kept.
        unmount(false);
      }
      Object.assign(options, given);
      mount();
      apply();
      if (front && !panel) {
        front.launcher.ariaLabel = labels()[0];
      }
      await panel?.update();
    },
    requestHuman: async () => (await load()).requestHuman(),
    send: async (text) => (await load()).send(text),
    submitForm: async (name, fields) => (await load()).submitForm(name, fields),
    on: (name, listener) => {
      // What a listener throws is the page's, and not the widget's.
      const pass = (event: Event) => listener((event as CustomEvent).detail);
      window.addEventListener(`baton:${name}`, pass);
      return () => window.removeEventListener(`baton:${name}`, pass);
    },
    state: () => panel?.state() ?? { open: false, unread: 0, status: "idle", ai: null, conversationId: null },
    shutdown: async () => {
      unmount(true);
      // Without the panel the record is still there.
      inStorage((storage, key) => storage.removeItem(key));
    },
  };

  function setHidden(hidden: boolean) {
    isHidden = hidden;
    mount();
    if (front) {
      front.launcher.hidden = hidden;
    }
  }

  const baton = ((name: string, ...given: unknown[]) => {
    const call = calls[name as keyof Calls] as ((...given: unknown[]) => unknown) | undefined;
    if (call) {
      return call(...given);
    }
    if (!warned.has(name)) {
      warned.add(name);
      console.warn(`Baton: there is no call "${name}".`);
    }
  }) as Baton;
  return Object.assign(baton, calls);
}

/** Return a well-formed tag: the given one, which may be written like en_US, or else the browser's. */
function languageOf(given: string): string {
  for (const tag of [given.replace(/_/g, "-"), navigator.language]) {
    try {
      return Intl.getCanonicalLocales(tag)[0] as string;
    } catch {
      // A browser without a locale says C or en-US@posix.
    }
  }
  return "en";
}

function whenLoaded(act: () => void) {
  if (document.readyState === "complete") {
    setTimeout(act);
  } else {
    window.addEventListener("load", () => setTimeout(act));
  }
}
