/** Parts of the page that are loaded when they are needed. */

import { type ComponentType, useCallback, useEffect, useState } from "react";
import { Button } from "../ui/button";
import { EmptyState } from "../ui/feedback";
import { onLive } from "./live";
import { checkVersion, newVersion } from "./new-version";
import { useStore } from "./store";

/**
 * Return a function that loads a part, and never rejects: a tab outlives the build that it came from.
 *
 * A part that cannot be loaded is replaced by a notice. The rest of the page goes on.
 */
export function loadPart<Name extends string, Props>(
  load: () => Promise<Record<Name, ComponentType<Props>>>,
  name: Name,
): () => Promise<Record<Name, ComponentType<Props>>> {
  return async () => {
    try {
      return await load();
    } catch {
      await checkVersion();
      const Missing = (props: Props) => <MissingPart load={load} name={name} props={props} />;
      return { [name]: Missing } as Record<Name, ComponentType<Props>>;
    }
  };
}

interface MissingPartProps<Name extends string, Props> {
  load(): Promise<Record<Name, ComponentType<Props>>>;
  name: Name;
  props: Props;
}

function MissingPart<Name extends string, Props>({ load, name, props }: MissingPartProps<Name, Props>) {
  const [Part, setPart] = useState<ComponentType<Props>>();
  const replaced = useStore(newVersion);
  const retry = useCallback(async () => {
    try {
      const loaded = await load();
      setPart(() => loaded[name]);
    } catch {
      await checkVersion();
    }
  }, [load, name]);
  useEffect(() => onLive(retry), [retry]);
  if (Part) {
    return <Part {...(props as Props & object)} />;
  }

  return (
    <EmptyState icon="refresh" title={replaced ? "A new version is available" : "This could not be loaded"}>
      <p>
        {replaced
          ? "This part of the page belongs to the new version. Drafts are kept."
          : "The server did not send this part of the page."}
      </p>
      <Button icon="refresh" onPress={replaced ? () => location.reload() : retry}>
        {replaced ? "Reload" : "Try again"}
      </Button>
    </EmptyState>
  );
}
