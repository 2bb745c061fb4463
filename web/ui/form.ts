/** Sending a form. */

import { type FormEvent, useRef } from "react";

/** Return a form's handler. A second press of its button is ignored while the first one is being sent. */
export function useSubmit(send: (form: HTMLFormElement) => Promise<void>) {
  const sending = useRef(false);
  return async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (sending.current) {
      return;
    }
    sending.current = true;
    try {
      await send(event.currentTarget);
    } finally {
      sending.current = false;
    }
  };
}
