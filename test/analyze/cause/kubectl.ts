import { shellWords } from "../../../src/cli/step/shell-words.ts";

/** An object as YAML or JSON has it. */
export interface Plain {
  kind?: unknown;
  metadata?: unknown;
  spec?: unknown;
  data?: unknown;
  name?: unknown;
  namespace?: unknown;
  port?: unknown;
  op?: unknown;
  path?: unknown;
  value?: unknown;
  [key: string]: unknown;
}

/**
 * Does to a list of objects what a `kubectl patch` or `kubectl scale` would: as the API server, by rules of its own (strategic
 * merge by the key `port`, RFC 6902), not by what wrote the command.
 */
export function kubectl(objects: readonly Plain[], line: string): Plain[] {
  const read = shellWords(line);
  if (read.kind === "invalid") throw new Error(read.messages.join("; "));
  const [tool, , namespace, verb, kind, name, ...options] = read.value;
  if (tool !== "kubectl") throw new Error(`no kubectl command: ${line}`);
  let found = 0;
  const changed = objects.map((object) => {
    const metadata = object.metadata as Plain;
    const isMeant =
      String(object.kind).toLowerCase() === kind &&
      metadata.name === name &&
      (metadata.namespace ?? "default") === namespace;
    if (!isMeant) return object;
    found++;
    return verb === "scale" ? scaled(object, options) : patched(object, options);
  });
  if (found !== 1) throw new Error(`${found} objects for ${line}`);
  return changed;
}

function scaled(object: Plain, options: readonly string[]): Plain {
  const replicas = Number(/^--replicas=(\d+)$/.exec(options[0] ?? "")?.[1]);
  return { ...object, spec: { ...(object.spec as Plain), replicas } };
}

function patched(object: Plain, options: readonly string[]): Plain {
  const patch: unknown = JSON.parse(options[options.indexOf("-p") + 1] as string);
  return options.includes("--type=json")
    ? (patch as Plain[]).reduce(jsonPatched, object)
    : (merged(object, patch) as Plain);
}

function merged(before: unknown, patch: unknown): unknown {
  if (Array.isArray(patch)) {
    const list = [...((before as Plain[] | undefined) ?? [])];
    for (const item of patch as Plain[]) {
      const at = list.findIndex(({ port }) => port === item.port);
      if (at < 0) list.push(item);
      else list[at] = merged(list[at], item) as Plain;
    }
    return list;
  }
  if (typeof patch !== "object" || patch === null) return patch;
  const result: Plain = { ...((before as Plain | undefined) ?? {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

function jsonPatched(object: Plain, { op, path, value }: Plain): Plain {
  const copy = structuredClone(object);
  const keys = String(path).slice(1).split("/");
  const last = keys.pop() as string;
  const parent = keys.reduce<unknown>((each, key) => (each as Plain)[key], copy);
  if (Array.isArray(parent) && last === "-" && op === "add") parent.push(value);
  else if (op === "replace" && (parent as Plain)[last] !== undefined) (parent as Plain)[last] = value;
  else throw new Error(`${op} ${path} does not fit`);
  return copy;
}
