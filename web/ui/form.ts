/** Sending a form. */

import { type FormEvent, useRef } from "react";
import { isSecondClick } from "./clicks";

/**
 * Return a form's handler. A second press of its button is ignored while the first one is being sent, and if it is
 * the second click of a double click.
 */
export function useSubmit(send: (form: HTMLFormElement) => Promise<void>) {
  const sending = useRef(false);
  const sent = useRef(false);
  return async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (sending.current || (sent.current && isSecondClick())) {
      return;
    }
    sending.current = true;
    sent.current = true;
    try {
      await send(event.currentTarget);
    } finally {
      sending.current = false;
    }
  };
}
