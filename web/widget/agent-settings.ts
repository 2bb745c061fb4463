/** What the service says about the AI agent of the page: read when the panel is opened first. */

import { repeat } from "../live/backoff";
import { isFinal, request } from "../live/request";
import { WIDGET, type WidgetSettings } from "./documents";
import type { Front } from "./front";

/** Read the settings, again and again while `onFailure` returns false and repeating may help. */
export async function readAgentSettings(
  { base, options }: Front,
  onFailure: () => boolean,
): Promise<WidgetSettings> {
  const variables = { agent: options.agent, language: options.lang };
  const ask = () => request<{ widget: WidgetSettings }>(`${base}graphql`, WIDGET, variables);
  return (await repeat(ask, (error) => onFailure() || isFinal(error))).widget;
}
