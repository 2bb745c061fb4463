/** The secret with which a back end proves who its visitors are: made here, shown once. */

import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { RotateIdentitySecretDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Banner, SkeletonLines } from "../../ui/feedback";
import { Dialog, DialogActions } from "../../ui/overlay";
import { showError } from "../../ui/toast";
import { execute } from "../api";
import { Page } from "../page";
import { useMay } from "../session/viewer";
import { formatFullTime } from "../words";
import { AgentPicker } from "./agent-picker";
import { Secret } from "./secret";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";
import { useAgent } from "./use-settings";

const route = getRouteApi("/session/shell/settings/identity");
/** How long the service accepts the secret before. */
const OVERLAP = 24 * 3_600_000;

export function IdentityScreen() {
  const { agent: wanted } = route.useSearch();
  const { agent, agents } = useAgent(wanted);
  return (
    <Page
      title="Customer identity"
      lead="Prove to the widget who its visitors are. Without proof they are shown as unverified."
      actions={<AgentPicker agents={agents} agent={agent} to="/settings/identity" />}
    >
      {agent ? <Identity key={agent.id} agentId={agent.id} /> : <SkeletonLines />}
    </Page>
  );
}

function Identity({ agentId }: { agentId: string }) {
  const isAdmin = useMay("ADMIN");
  const [confirming, setConfirming] = useState(false);
  const [made, setMade] = useState<{ secret: string; at: number }>();

  async function rotate() {
    setConfirming(false);
    try {
      const { rotateIdentitySecret } = await execute(RotateIdentitySecretDocument, { agentId });
      if (rotateIdentitySecret) {
        setMade({ secret: rotateIdentitySecret.secret, at: Date.now() });
      }
    } catch (error) {
      showError(error);
    }
  }

  return (
    <>
      <SettingsSection
        title="Identity secret"
        lead="Your back end signs a token for each signed-in customer with it. Keep it out of pages and apps."
      >
        {made && (
          <>
            <Secret label="Identity secret" secret={made.secret} />
            <Banner>
              The new secret is valid now. The one before it stays valid until{" "}
              {formatFullTime(new Date(made.at + OVERLAP).toISOString())}, so replace it in your back end
              until then. Any older one has ended.
            </Banner>
          </>
        )}
        {isAdmin ? (
          <div>
            <Button look={made ? "plain" : "primary"} icon="key" onPress={() => setConfirming(true)}>
              Make a new secret
            </Button>
          </div>
        ) : (
          <p>An admin can make a new secret.</p>
        )}
      </SettingsSection>
      <SettingsSection
        title="Tokens"
        lead="A JSON Web Token, HS256, with the secret as it is written. The page passes it to the widget."
      >
        <pre className={styles.code}>{`{
  "sub": "your own id of the customer",
  "aud": "${agentId}",
  "exp": ${"<at most 24 hours ahead, in seconds>"},
  "email": "customer@example.com"
}

Baton("identify", async () => token)`}</pre>
      </SettingsSection>
      <Dialog title="Make a new identity secret?" open={confirming} onClose={() => setConfirming(false)}>
        <p>
          The secret in use now stays valid for 24 hours. A secret before that ends immediately: tokens that
          were signed with it are refused.
        </p>
        <DialogActions>
          <Button onPress={() => setConfirming(false)}>Cancel</Button>
          <Button look="primary" onPress={rotate}>
            Make it
          </Button>
        </DialogActions>
      </Dialog>
    </>
  );
}
