/** The QR code of an enrolment, loaded when a member enrols. */

import { QRCodeSVG } from "qrcode.react";

export function EnrolmentCode({ uri }: { uri: string }) {
  // Dark on light in every theme, with the margin that readers need.
  return <QRCodeSVG value={uri} size={176} marginSize={4} title="QR code for an authenticator app" />;
}
