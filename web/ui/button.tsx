/** Buttons and links that look like buttons. */

import { type ComponentProps, type ReactNode, useRef, useState } from "react";
import {
  Button as AriaButton,
  type ButtonProps as AriaButtonProps,
  type PressEvent,
  Tooltip,
  TooltipTrigger,
} from "react-aria-components";
import { isMisplaced, isSecondClick } from "./clicks";
import { Icon, type IconName } from "./icon";
import { showToast } from "./toast";
import styles from "./ui.module.css";

type Look = "plain" | "primary" | "danger" | "quiet";

export function buttonClass(look: Look = "plain", iconOnly = false): string {
  return [styles.button, look !== "plain" && styles[look], iconOnly && styles.icon].filter(Boolean).join(" ");
}

type Act = (press: PressEvent) => unknown;
type PressProps = Omit<AriaButtonProps, "className" | "style" | "children" | "onPress">;

/**
 * Return the props of a button whose presses do `act`. While a promise of it is not settled, the button is busy: it
 * keeps the focus, and does nothing. The second click of a double click does not begin the work again.
 */
function usePress(act: Act | undefined) {
  const [busy, setBusy] = useState(false);
  const works = useRef(false);

  function onPress(press: PressEvent) {
    if (isMisplaced(press)) {
      showToast("The first click changed what is under the pointer. Click again to use it.");
      return;
    }
    if (busy || (works.current && isSecondClick())) {
      return;
    }
    const work = act?.(press);
    works.current = work instanceof Promise;
    if (work instanceof Promise) {
      setBusy(true);
      void work.finally(() => setBusy(false));
    }
  }

  return { onPress, ...(busy && { "aria-disabled": true }) };
}

export interface ButtonProps extends PressProps {
  /** What a press does. The button is busy until a promise that it returns is settled. */
  onPress?: Act | undefined;
  look?: Look;
  icon?: IconName;
  /** The single key that does the same, shown on the button. */
  shortcut?: string;
  children: ReactNode;
}

export function Button({ look, icon, shortcut, onPress, children, ...rest }: ButtonProps) {
  const press = usePress(onPress);
  return (
    <AriaButton {...rest} {...press} className={buttonClass(look)}>
      {icon && <Icon name={icon} />}
      {children}
      {shortcut && <Kbd>{shortcut}</Kbd>}
    </AriaButton>
  );
}

export interface IconButtonProps extends PressProps {
  onPress?: Act | undefined;
  label: string;
  icon: IconName;
  look?: Look;
  shortcut?: string;
}

export function IconButton({ label, icon, look = "quiet", shortcut, onPress, ...rest }: IconButtonProps) {
  const press = usePress(onPress);
  return (
    <TooltipTrigger delay={500}>
      <AriaButton {...rest} {...press} aria-label={label} className={buttonClass(look, true)}>
        <Icon name={icon} />
      </AriaButton>
      <Tooltip className={styles.tooltip ?? ""} offset={6}>
        {label} {shortcut && <Kbd>{shortcut}</Kbd>}
      </Tooltip>
    </TooltipTrigger>
  );
}

export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className={styles.kbd} aria-hidden="true">
      {children}
    </kbd>
  );
}

export function LinkButton({
  look,
  icon,
  children,
  ...rest
}: ComponentProps<"a"> & { look?: Look; icon?: IconName }) {
  return (
    <a {...rest} className={buttonClass(look)}>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}
