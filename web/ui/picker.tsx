/** A dialog with a search box and a list: the command palette, and the choice of an assignee or a priority. */

import {
  Autocomplete,
  Dialog as AriaDialog,
  Input,
  Menu,
  MenuItem,
  Modal,
  ModalOverlay,
  TextField,
  useFilter,
} from "react-aria-components";
import { Kbd } from "./button";
import { isSecondClick } from "./clicks";
import { Icon, type IconName } from "./icon";
import styles from "./picker.module.css";
import ui from "./ui.module.css";

export interface PickerOption {
  id: string;
  text: string;
  note?: string | undefined;
  icon?: IconName;
  shortcut?: string | undefined;
  checked?: boolean;
  run(): void;
}

export interface PickerProps {
  label: string;
  placeholder: string;
  options: readonly PickerOption[];
  open: boolean;
  onClose(): void;
  onSearch?(text: string): void;
}

export function Picker({ label, placeholder, options, open, onClose, onSearch }: PickerProps) {
  const { contains } = useFilter({ sensitivity: "base" });
  return (
    <ModalOverlay
      className={ui.overlay ?? ""}
      isOpen={open}
      // The second click of a double click on what opened it is outside.
      onOpenChange={(isOpen) => !isOpen && !isSecondClick() && onClose()}
      isDismissable
    >
      <Modal className={ui.modal ?? ""} data-size="wide">
        <AriaDialog aria-label={label} className={styles.dialog ?? ""}>
          <Autocomplete filter={contains}>
            <TextField
              aria-label={label}
              autoFocus
              className={styles.field ?? ""}
              {...(onSearch && { onChange: onSearch })}
            >
              <Icon name="search" />
              <Input placeholder={placeholder} className={styles.input ?? ""} />
            </TextField>
            {/* The options have no focus of their own, so the region that scrolls is a tab stop. */}
            <div className={styles.list} tabIndex={0}>
              <Menu
                aria-label={label}
                className={styles.items ?? ""}
                items={options}
                renderEmptyState={() => <p className={styles.empty}>Nothing fits.</p>}
              >
                {(option) => (
                  <MenuItem
                    id={option.id}
                    textValue={`${option.text} ${option.note ?? ""}`}
                    className={ui.menuItem ?? ""}
                    onAction={() => {
                      onClose();
                      option.run();
                    }}
                  >
                    {option.icon && <Icon name={option.icon} />}
                    <span className={ui.grow}>{option.text}</span>
                    {option.note && <span className={ui.menuNote}>{option.note}</span>}
                    {option.checked && <Icon name="check" />}
                    {option.shortcut && <Kbd>{option.shortcut}</Kbd>}
                  </MenuItem>
                )}
              </Menu>
            </div>
          </Autocomplete>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
