/** Buttons and links that look like buttons. */

import type { ComponentProps, ReactNode } from "react";
import {
  Button as AriaButton,
  type ButtonProps as AriaButtonProps,
  Tooltip,
  TooltipTrigger,
} from "react-aria-components";
import { Icon, type IconName } from "./icon";
import styles from "./ui.module.css";

type Look = "plain" | "primary" | "danger" | "quiet";

export function buttonClass(look: Look = "plain", iconOnly = false): string {
  return [styles.button, look !== "plain" && styles[look], iconOnly && styles.icon].filter(Boolean).join(" ");
}

export interface ButtonProps extends Omit<AriaButtonProps, "className" | "style"> {
  look?: Look;
  icon?: IconName;
  /** The single key that does the same, shown on the button. */
  shortcut?: string;
  children: ReactNode;
}

export function Button({ look, icon, shortcut, children, ...rest }: ButtonProps) {
  return (
    <AriaButton {...rest} className={buttonClass(look)}>
      {icon && <Icon name={icon} />}
      {children}
      {shortcut && <Kbd>{shortcut}</Kbd>}
    </AriaButton>
  );
}

export interface IconButtonProps extends Omit<AriaButtonProps, "className" | "style" | "children"> {
  label: string;
  icon: IconName;
  look?: Look;
  shortcut?: string;
}

export function IconButton({ label, icon, look = "quiet", shortcut, ...rest }: IconButtonProps) {
  return (
    <TooltipTrigger delay={500}>
      <AriaButton {...rest} aria-label={label} className={buttonClass(look, true)}>
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
