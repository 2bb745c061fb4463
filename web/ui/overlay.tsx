/** Dialogs and menus. */

import { type ReactNode, useEffect, useRef } from "react";
import {
  Dialog as AriaDialog,
  Menu as AriaMenu,
  Header,
  Heading,
  MenuItem,
  MenuSection,
  MenuTrigger,
  Modal,
  ModalOverlay,
  Popover,
} from "react-aria-components";
import { Button, IconButton, Kbd } from "./button";
import { isSecondClick } from "./clicks";
import { restoreFocus } from "./focus";
import { Icon, type IconName } from "./icon";
import styles from "./ui.module.css";

export interface DialogProps {
  title: string;
  open: boolean;
  onClose(): void;
  children: ReactNode;
  size?: "normal" | "wide";
  /** Closing needs a decision in the dialog: no Escape, no click outside. */
  required?: boolean;
}

/** Give the focus back to what opened the dialog. It may be gone, and React Aria does not always succeed. */
function useOpener(open: boolean) {
  const opener = useRef<Element>(null);
  // Here the dialog has not taken the focus yet.
  opener.current = open ? (opener.current ?? document.activeElement) : null;
  useEffect(() => {
    const element = opener.current;
    return open ? () => restoreFocus(element) : undefined;
  }, [open]);
}

export function Dialog({ title, open, onClose, children, size = "normal", required = false }: DialogProps) {
  useOpener(open);
  return (
    <ModalOverlay
      className={styles.overlay ?? ""}
      isOpen={open}
      // The second click of a double click on what opened it is outside.
      onOpenChange={(isOpen) => !isOpen && !isSecondClick() && onClose()}
      isDismissable={!required}
      isKeyboardDismissDisabled={required}
    >
      <Modal className={styles.modal ?? ""} data-size={size}>
        <AriaDialog className={styles.dialog ?? ""}>
          <div className={styles.dialogHead}>
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            {!required && <IconButton label="Close" icon="close" onPress={onClose} />}
          </div>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={styles.actions}>{children}</div>;
}

interface ConfirmDialogProps {
  title: string;
  /** What happens then. */
  children: ReactNode;
  /** The text of the button that does it. */
  button: string;
  onClose(): void;
  onConfirm(): void;
}

/** Ask before something that cannot be undone. */
export function ConfirmDialog({ title, children, button, onClose, onConfirm }: ConfirmDialogProps) {
  return (
    <Dialog title={title} open onClose={onClose}>
      <p>{children}</p>
      <DialogActions>
        <Button onPress={onClose}>Cancel</Button>
        <Button
          look="danger"
          onPress={() => {
            onClose();
            onConfirm();
          }}
        >
          {button}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

export interface MenuEntry {
  id: string;
  text: string;
  icon?: IconName;
  note?: string | undefined;
  shortcut?: string;
  danger?: boolean;
  disabled?: boolean;
  checked?: boolean;
  onSelect(): void;
}

export interface MenuProps {
  /** The button that opens the menu: a Button of this kit. */
  trigger: ReactNode;
  label: string;
  entries: readonly MenuEntry[];
  heading?: string;
  open?: boolean;
  onOpenChange?(open: boolean): void;
}

export function Menu({ trigger, label, entries, heading, open, onOpenChange }: MenuProps) {
  const items = entries.map((entry) => (
    <MenuItem
      key={entry.id}
      id={entry.id}
      textValue={entry.text}
      className={styles.menuItem ?? ""}
      isDisabled={entry.disabled ?? false}
      data-danger={entry.danger || undefined}
      onAction={entry.onSelect}
    >
      {entry.icon && <Icon name={entry.icon} />}
      <span className={styles.grow}>
        {entry.text}
        {entry.note && <span className={styles.menuNote}> {entry.note}</span>}
      </span>
      {entry.checked && <Icon name="check" />}
      {entry.shortcut && <Kbd>{entry.shortcut}</Kbd>}
    </MenuItem>
  ));
  return (
    <MenuTrigger {...(open !== undefined && { isOpen: open })} {...(onOpenChange && { onOpenChange })}>
      {trigger}
      <Popover className={styles.popover ?? ""} placement="bottom end">
        <AriaMenu aria-label={label} className={styles.menu ?? ""}>
          {heading ? (
            <MenuSection>
              <Header className={styles.menuNote ?? ""} style={{ padding: "6px 8px" }}>
                {heading}
              </Header>
              {items}
            </MenuSection>
          ) : (
            items
          )}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}
