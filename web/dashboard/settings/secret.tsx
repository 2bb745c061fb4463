/** A secret that the server gives once. */

import { useState } from "react";
import { Button } from "../../ui/button";
import styles from "./settings.module.css";

export function Secret({ label, secret }: { label: string; secret: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className={styles.secret} role="status">
      <strong>{label}: shown this once</strong>
      <code>{secret}</code>
      <div>
        <Button
          icon={copied ? "check" : "copy"}
          onPress={async () => {
            try {
              await navigator.clipboard.writeText(secret);
              setCopied(true);
            } catch {
              // The text can be selected and copied by hand.
            }
          }}
        >
          {copied ? "Copied" : "Copy"}
        </Button>
      </div>
    </div>
  );
}
