import type { PortModel } from "./model.ts";
import { comparePorts, compareText, type ServicePort } from "./service-ports.ts";
import { between, lowerBound, spliceOf } from "./splice.ts";

/** What was made of a port, with the port. */
export interface OfPort {
  readonly model: PortModel;
}

/** All ports of the Services of which one came, went or changed, itself or its endpoints: those a partial sync writes. */
export function changedPorts<T extends OfPort>(now: readonly T[], before: readonly T[]): ReadonlySet<T> {
  return new Set(changedServices(now, before).flatMap((port) => ofService(now, port)));
}

/** A port that went changes its Service, and so its other ports too. */
function changedServices<T extends OfPort>(now: readonly T[], before: readonly T[]): readonly ServicePort[] {
  const splice = spliceOf(before, now);
  const middle = between(now, splice);
  const old = between(before, splice);
  const changed = new Map<string, ServicePort>();
  const note = ({ port }: PortModel): unknown => changed.set(`${port.namespace}/${port.service}`, port);
  let i = 0;
  let j = 0;
  while (i < middle.length || j < old.length) {
    const a = middle[i]?.model;
    const b = old[j]?.model;
    const order = a === undefined ? 1 : b === undefined ? -1 : a === b ? 0 : comparePorts(a.port, b.port);
    if (order === 0 && a !== undefined && b !== undefined) {
      if (a !== b && inputsOf(a) !== inputsOf(b)) note(a);
      i++;
      j++;
    } else if (order < 0 && a !== undefined) {
      note(a);
      i++;
    } else if (b !== undefined) {
      note(b);
      j++;
    }
  }
  return [...changed.values()];
}

/** The ports of a Service, some twice, by the order of names: `ns/svc`, and `ns/svc:port`, between which others may stand. */
function ofService<T extends OfPort>(ports: readonly T[], { namespace, service }: ServicePort): T[] {
  const found: T[] = [];
  for (const first of [`${namespace}/${service}`, `${namespace}/${service}:`]) {
    let at = lowerBound(ports, ({ model }) => compareText(model.port.name, first) < 0);
    for (let one = ports[at]; one !== undefined; one = ports[++at]) {
      const { port } = one.model;
      if (port.service !== service || port.namespace !== namespace) break;
      found.push(one);
    }
  }
  return found;
}

function inputsOf({ port, endpoints }: PortModel): string {
  return JSON.stringify([port, endpoints.endpoints, [...endpoints.copies]], (name, value: unknown) =>
    name === "origin" ? undefined : value,
  );
}
