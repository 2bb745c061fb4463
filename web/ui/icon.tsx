/** Icons of 16 by 16, drawn in lines. They are decoration: the control that holds one has the name. */

const PATHS = {
  inbox: "M2 9l2-6h8l2 6v4H2zM2 9h3.5c0 1.5 1 2.5 2.5 2.5S10.5 10.5 10.5 9H14",
  chat: "M2.5 3h11v8H7l-3 2.5V11H2.5z",
  chart: "M2.5 13.5h11M4.5 11V8M8 11V3.5M11.5 11V6",
  settings:
    "M2.5 4.5h7M13 4.5h.5M2.5 11.5H3M6.5 11.5h7M11 3a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3zM4.8 10a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3z",
  plug: "M6 2v3M10 2v3M4 5h8v3a4 4 0 0 1-8 0zM8 12v2.5",
  send: "M2.5 8L13.5 3l-3 10-3-4zM7.5 9l6-6",
  users:
    "M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M10.5 2.8a2.5 2.5 0 0 1 0 4.400M12 9.9c1.5.6 2.5 1.9 2.5 3.6",
  key: "M9.5 9.5a3.5 3.5 0 1 0-3-3L2 11v3h3v-2h2V9.8zM11 5h.01",
  reply: "M6.5 4L2.5 8l4 4M3 8h6c2.5 0 4.5 1.5 4.5 4.5",
  user: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14c0-3 2.5-4.5 5.5-4.5s5.5 1.5 5.5 4.5",
  rocket: "M6 10L4 8c1-3.5 4-6 9-6 0 5-2.5 8-6 9zM4 8L2 8.5 4 6.5M8 12l-.5 2 2-2M4 12l-1.5 1.5M10 6h.01",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6L14 14",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  check: "M3 8.5l3.5 3.5L13 4.5",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  down: "M4 6.5l4 4 4-4",
  left: "M10 3.5L5.5 8l4.5 4.5",
  right: "M6 3.5L10.5 8 6 12.5",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.5V8l2.5 1.5",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  hourglass: "M4 2h8M4 14h8M5 2v2.5L8 8l3-3.5V2M5 14v-2.5L8 8l3 3.5V14",
  bolt: "M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z",
  note: "M3 2.5h10v7.5L9.5 13.5H3zM13 10H9.5v3.5M5.5 5.5h5M5.5 8h3",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.200M8 13.300v1.200M1.5 8h1.200M13.300 8h1.200M3.400 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.300 11.7l-.9.9",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
  keyboard: "M1.5 4h13v8.5h-13zM4 7h.01M6.5 7h.01M9 7h.01M11.5 7h.01M5 10h6",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1 1H3zM6.8 14h2.400",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  plus: "M8 3v10M3 8h10",
  refresh: "M13 8a5 5 0 1 1-1.5-3.5L13 6M13 2.5V6H9.5",
  warning: "M8 2L1.5 13.5h13zM8 6.5v3.5M8 12h.01",
  filter: "M2 3.5h12M4.5 8h7M6.5 12.5h3",
  trash: "M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.7 6.5v4.5M9.300 6.5v4.5",
  spark: "M8 2l1.5 4.5L14 8l-4.5 1.5L8 14l-1.5-4.5L2 8l4.5-1.5z",
  exit: "M6.5 2.5h-4v11h4M10 5l3 3-3 3M13 8H6",
  download: "M8 2.5v7.5M4.5 7L8 10.5 11.5 7M2.5 13.5h11",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
