/** The widget's interface for pages. `widget.d.mts` is made from this file. */

export interface Options {
  /** The AI agent's id, agt_…. */
  agent: string;
  /** BCP 47 tag; the page's `lang` when left out. */
  lang?: string;
  theme?: "auto" | "light" | "dark";
  position?: "start" | "end";
  /** Where the conversation is kept. */
  storage?: "local" | "session" | "none";
  /** The z-index of the widget. */
  z?: number;
  /** Shown in place of the greeting of the agent's settings. */
  greeting?: string;
  /** The heading of the panel. */
  title?: string;
  /** Kept with the conversation that is opened. Not verified. */
  metadata?: Record<string, unknown>;
  customer?: { externalId?: string; email?: string; name?: string };
  /** A short sound for a new message. */
  sound?: boolean;
}

/** A JSON Web Token that names the visitor, or a function that fetches one. */
export type Identity = string | (() => string | Promise<string>);

export type Status = "idle" | "connecting" | "live" | "reconnecting" | "offline" | "refused";

export interface State {
  open: boolean;
  unread: number;
  status: Status;
  /** Whether the AI may answer; null before there is a conversation. */
  ai: "active" | "paused" | null;
  conversationId: string | null;
}

/** A field of a form that the visitor fills in. */
export interface FormField {
  label: string;
  type?: "text" | "email" | "tel" | "number" | "date" | "textarea" | "select" | "checkbox";
  required?: boolean;
  options?: string[];
  value?: string;
}

export type FormFields = Record<string, FormField | string | number | boolean | null>;

export interface Events {
  ready: Record<string, never>;
  open: Record<string, never>;
  close: Record<string, never>;
  message: { id: string; role: string; content: string; author: string | null };
  unread: { count: number };
  status: { status: Status };
  error: { message: string; code: string };
}

/** `Baton("open")` and `Baton.open()` are the same. Calls before the script has loaded are queued. */
export interface Baton {
  <N extends keyof Calls>(name: N, ...given: Parameters<Calls[N]>): ReturnType<Calls[N]>;
  open: Calls["open"];
  close: Calls["close"];
  toggle: Calls["toggle"];
  hide: Calls["hide"];
  show: Calls["show"];
  boot: Calls["boot"];
  identify: Calls["identify"];
  start: Calls["start"];
  update: Calls["update"];
  requestHuman: Calls["requestHuman"];
  send: Calls["send"];
  submitForm: Calls["submitForm"];
  on: Calls["on"];
  state: Calls["state"];
  shutdown: Calls["shutdown"];
}

export interface Calls {
  /** Open the panel. */
  open(): Promise<void>;
  /** Close the panel. */
  close(): Promise<void>;
  toggle(): Promise<void>;
  /** Hide the launcher. */
  hide(): Promise<void>;
  show(): Promise<void>;
  /** Set the options and show the launcher; only for pages that load the module. */
  boot(options: Options): Promise<void>;
  /** Name the visitor. A function is called again whenever a new token is needed. */
  identify(identity: Identity): Promise<void>;
  /** Continue a conversation that your back end started, with its widget token. */
  start(given: { token: string }): Promise<void>;
  /** Change options while the widget runs. */
  update(options: Partial<Options>): Promise<void>;
  /** Ask for a person, like the button. */
  requestHuman(): Promise<void>;
  /** Send a message as the visitor. */
  send(text: string): Promise<void>;
  /** Submit a form. Fields with a label are asked of the visitor, the others are sent as they are. */
  submitForm(name: string, fields: FormFields): Promise<void>;
  /** Listen to an event, and return a function that ends it. */
  on<N extends keyof Events>(name: N, listener: (detail: Events[N]) => void): () => void;
  state(): State;
  /** Forget the visitor: storage, connection and elements. Call it when the visitor signs out. */
  shutdown(): Promise<void>;
}
