/** A form that the page asks the visitor to fill in. Fetched when it is needed. */

import type { FormField, FormFields } from "./api";
import type { Front } from "./front";
import styles from "./form.css?inline";
import type { Session } from "./session";
import type { Texts } from "./texts/en";

type Values = Record<string, string | boolean>;

const styled = new WeakSet<ShadowRoot>();
let current: HTMLElement | undefined;
let cancel: (() => void) | undefined;

/** Not with the other documents: they are in the panel, which this file is fetched after. */
const SUBMIT_FORM = `mutation SubmitForm($input: SubmitFormInput!) { submitForm(input: $input) { created } }`;

/** Ask the visitor for the fields that are asked, and submit all. `show` shows a form, or none. */
export async function submit(
  front: Front,
  session: Session,
  texts: Texts,
  input: { form: string; fields: FormFields; idempotencyKey: string },
  show: (form: HTMLElement | undefined) => Promise<void>,
): Promise<void> {
  const fields = await fillIn(front, texts, input.fields, show);
  await session.insist(async () => {
    await session.begin();
    const conversationId = session.store.get().conversation;
    await session.connection.call(SUBMIT_FORM, { input: { ...input, fields, conversationId } });
  });
  session.chat.wake();
}

/** Return the fields with the visitor's answers in place of those that are asked. */
async function fillIn(
  front: Front,
  texts: Texts,
  given: FormFields,
  show: (form: HTMLElement | undefined) => Promise<void>,
): Promise<Record<string, unknown>> {
  const asked = Object.entries(given).filter(([, field]) => typeof field === "object" && field);
  if (!asked.length) {
    return given;
  }
  if (!styled.has(front.shadow)) {
    styled.add(front.shadow);
    front.addStyles(styles);
  }
  cancel?.();
  const fields = Object.fromEntries(asked) as Record<string, FormField>;
  let form: HTMLElement | undefined;
  const answers = new Promise<Values>((resolve, reject) => {
    const drop = () => reject(new Error("The form was cancelled."));
    cancel = drop;
    form = createForm(front.h, fields, texts, (values) => (values ? resolve(values) : drop()));
  });
  current = form;
  await show(form);
  try {
    return { ...given, ...(await answers) };
  } finally {
    if (current === form) {
      current = undefined;
      await show(undefined);
    }
  }
}

/** Return the form. `done` gets the values, or nothing when the visitor cancels. */
function createForm(
  h: Front["h"],
  fields: Record<string, FormField>,
  texts: Texts,
  done: (values?: Values) => void,
): HTMLElement {
  const labels = Object.entries(fields).map(([name, field]) =>
    h(
      "label",
      null,
      h("span", null, field.label, field.required && h("b", { ariaHidden: "true" }, " *")),
      createControl(h, name, field),
    ),
  );
  const form = h(
    "form",
    {
      className: "form",
      onsubmit(event: Event) {
        event.preventDefault();
        done(valuesOf(form, fields));
      },
    },
    ...labels,
    h(
      "div",
      { className: "buttons" },
      h("button", { type: "button", className: "link", onclick: () => done() }, texts.cancel),
      h("button", { className: "primary" }, texts.submit),
    ),
  );
  return form;
}

function createControl(
  h: Front["h"],
  name: string,
  { type = "text", required = false, options = [], value = "" }: FormField,
) {
  const common = { name, required, dir: "auto" };
  if (type === "textarea") {
    return h("textarea", { ...common, rows: 3, value });
  }
  if (type === "select") {
    const choices = ["", ...options].map((option) => h("option", { selected: option === value }, option));
    return h("select", common, ...choices);
  }
  return h("input", type === "checkbox" ? { ...common, type, checked: !!value } : { ...common, type, value });
}

function valuesOf(form: HTMLFormElement, fields: Record<string, FormField>): Values {
  const data = new FormData(form);
  return Object.fromEntries(
    Object.entries(fields).map(([name, { type }]) => [
      name,
      type === "checkbox" ? data.has(name) : String(data.get(name) ?? ""),
    ]),
  );
}
