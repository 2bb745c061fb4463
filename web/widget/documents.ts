/** The GraphQL documents of the widget, and the types of their results. A test checks them against the schema. */

export type Role = "USER" | "ASSISTANT" | "HUMAN" | "SYSTEM";

export interface Message {
  id: string;
  position: number;
  role: Role;
  content: string;
  kind: "CONFIRMATION" | "TAKEN_OVER" | "HANDED_BACK" | null;
  createdAt: string;
  author: { name: string } | null;
}

export interface ConversationState {
  ai: { state: "ACTIVE" | "PAUSED" };
  button: { visible: boolean; text: string };
  activeEscalation: { status: "OPEN" | "IN_PROGRESS"; assignee: { name: string } | null } | null;
  readPositions: { customer: number; team: number };
}

export interface WidgetSettings {
  buttonText: string;
  buttonVisibility: "ALWAYS" | "AFTER_THRESHOLD" | "NEVER";
  greeting: string | null;
  online: boolean;
  opensAt: string | null;
  anonymousConversations: boolean;
}

export interface Started {
  conversation: { id: string };
  widgetToken: string;
}

const MESSAGE = "id position role content kind createdAt author { name }";
const STATE =
  "ai { state } button { visible text } activeEscalation { status assignee { name } } readPositions { customer team }";

export const WIDGET = `query Widget($agent: ID!, $language: String) {
  widget(agentId: $agent, language: $language) {
    buttonText buttonVisibility greeting online opensAt anonymousConversations } }`;

export const OPEN = `mutation Open($input: OpenConversationInput!) {
  openConversation(input: $input) { conversation { id } widgetToken } }`;

export const IDENTIFY = `mutation Identify($id: ID!, $identity: String!) {
  identifyCustomer(conversationId: $id, identity: $identity) { id } }`;

export const VIEWER = "query Viewer { viewer { conversation { id } } }";

export const RENEW = "mutation Renew($id: ID!) { refreshWidgetToken(conversationId: $id) }";

export const READ = `query Read($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  conversation(id: $id) { cursor ${STATE}
    messages(first: $first, after: $after, last: $last, before: $before) {
      nodes { ${MESSAGE} } pageInfo { hasNextPage endCursor hasPreviousPage startCursor } } } }`;

export const RECORD = `mutation Record($id: ID!, $text: String!, $key: String!) {
  recordMessage(input: { conversationId: $id, role: USER, content: $text, idempotencyKey: $key }) {
    message { ${MESSAGE} } } }`;

export const REQUEST_HUMAN = `mutation RequestHuman($id: ID!, $key: String) {
  requestHuman(conversationId: $id, idempotencyKey: $key) { created } }`;

export const MARK_READ = `mutation MarkRead($id: ID!, $position: Int!) {
  markRead(conversationId: $id, position: $position) { id } }`;

export const TYPING = `mutation Typing($id: ID!, $typing: Boolean!) {
  setTyping(conversationId: $id, typing: $typing) }`;

export const MESSAGES = `subscription Messages($id: ID!, $after: String) {
  messageAdded(conversationId: $id, after: $after) { cursor message { ${MESSAGE} } } }`;

export const UPDATES = `subscription Updates($id: ID!, $after: String) {
  conversationUpdated(conversationId: $id, after: $after) {
    cursor kind typing member { name } conversation { ${STATE} } } }`;
