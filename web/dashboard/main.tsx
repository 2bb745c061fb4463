/** The dashboard's entry. */

import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./cache";
import { forgetUnownedDrafts } from "./escalation/drafts";
import { followTheme } from "./preferences";
import { keepIcon, registerTrustedTypes } from "./page-safety";
import { router } from "./router";

registerTrustedTypes();
followTheme();
keepIcon();
forgetUnownedDrafts();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
