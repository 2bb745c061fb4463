/** The parts that the loader and the panel share: types only, so that neither carries the other's code. */

import type { h, icon } from "./dom";
import type { Events, FormFields, Identity, Options, State } from "./api";

/** What the panel uses of the loader. */
export interface Front {
  options: Options;
  /** The server's address, with a slash at the end. */
  base: string;
  /** The element of the shadow root that holds everything. */
  root: HTMLElement;
  shadow: ShadowRoot;
  launcher: HTMLButtonElement;
  identity: Identity | undefined;
  emit<N extends keyof Events>(name: N, detail: Events[N]): void;
  /** Show on the launcher whether the panel is open, and what it does. */
  showState(state: { open: boolean; unread: number; label: string }): void;
  /** Making elements: given, so that the panel does not carry the functions again. */
  h: typeof h;
  icon: typeof icon;
  /** Add a style sheet to the shadow root. */
  addStyles(css: string): void;
}

/** What the loader uses of the panel. */
export interface PanelHandle {
  open(focus?: boolean): Promise<void>;
  close(): Promise<void>;
  identify(): Promise<void>;
  start(given: { token: string }): Promise<void>;
  update(): Promise<void>;
  requestHuman(): Promise<void>;
  send(text: string): Promise<void>;
  submitForm(name: string, fields: FormFields): Promise<void>;
  state(): State;
  /** End the panel. `forget`: the browser's storage, too. */
  shutdown(forget: boolean): void;
}
