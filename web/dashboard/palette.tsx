/** The command palette: every screen, every command of this screen, and a search in the escalations. */

import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Picker, type PickerOption } from "../ui/picker";
import { scopes } from "./keys";
import { theme } from "./preferences";
import { useDestinations } from "./shell";
import { useStore } from "./store";

export function Palette({ open, onClose }: { open: boolean; onClose(): void }) {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const destinations = useDestinations();
  const commands = useStore(scopes)
    .flatMap((scope) => scope.bindings)
    .filter((binding) => binding.group !== "Everywhere" && binding.group !== "Move");

  const options: PickerOption[] = [
    ...commands.map((binding) => ({
      id: `command ${binding.key} ${binding.text}`,
      text: binding.text,
      shortcut: binding.key.length === 1 ? binding.key.toUpperCase() : binding.key,
      // The palette gives the focus back first.
      run: () => setTimeout(binding.run),
    })),
    ...destinations.flatMap((group) =>
      group.links.map((link) => ({
        id: link.to,
        text: link.text,
        note: group.title,
        icon: link.icon,
        shortcut: link.key?.toUpperCase(),
        run: () => {
          navigate({ to: link.to });
        },
      })),
    ),
    {
      id: "profile",
      text: "Profile and notices",
      icon: "user",
      run: () => void navigate({ to: "/profile" }),
    },
    { id: "light", text: "Light theme", icon: "sun", run: () => theme.set("light") },
    { id: "dark", text: "Dark theme", icon: "moon", run: () => theme.set("dark") },
    { id: "auto", text: "Theme of the device", icon: "sun", run: () => theme.set("auto") },
    ...(text.trim()
      ? [
          {
            id: "search",
            text: `Search escalations for ${text.trim()}`,
            icon: "search" as const,
            run: () => void navigate({ to: "/escalations", search: { tab: "all", q: text.trim() } }),
          },
        ]
      : []),
  ];
  return (
    <Picker
      label="Find or do"
      placeholder="Type a command, a screen or words to search for"
      options={options}
      open={open}
      onSearch={setText}
      onClose={() => {
        setText("");
        onClose();
      }}
    />
  );
}
