import { builtinModules } from "node:module";
import { posix } from "node:path";
import jsTokens, { type Token } from "js-tokens";
import { BROWSER_SAFE_ROOMS, KERNEL_ONLY_ROOMS, levelOf } from "./rooms.ts";

/**
 * Checks one source file against the order of rooms. It reads tokens, so comments and formatting do not matter;
 * type-only imports count like any other, because they tie rooms together just as well.
 */

export type Violation = { readonly path: string; readonly line: number; readonly rule: string };

/** `path` is relative to the project, with forward slashes: `src/kernel/route/lookup.ts`. */
export function checkSource(path: string, text: string): Violation[] {
  const room = roomOf(path);
  if (room === undefined || levelOf(room) === undefined) {
    return [{ path, line: 1, rule: "every file under src is in a room of the order" }];
  }
  const tokens = meaningfulTokens(text);
  const violations = importsOf(tokens).flatMap(({ specifier, line }) => {
    const rule = brokenImportRule(path, room, specifier);
    return rule === undefined ? [] : [{ path, line, rule }];
  });
  if (KERNEL_ONLY_ROOMS.includes(room)) {
    for (const { token, line } of tokens) {
      const word = kubernetesWordIn(token);
      if (word !== undefined) violations.push({ path, line, rule: `${room} knows no Kubernetes: "${word}"` });
    }
  }
  return violations;
}

function brokenImportRule(path: string, room: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) {
    const module = specifier.replace(/^node:/, "").split("/")[0] ?? "";
    const isNode = specifier.startsWith("node:") || builtinModules.includes(module);
    return isNode && BROWSER_SAFE_ROOMS.includes(room)
      ? `${room} must run in a browser and may not import ${specifier}`
      : undefined;
  }
  const target = posix.join(posix.dirname(path), specifier);
  const targetRoom = roomOf(target);
  if (targetRoom === undefined) return `${specifier} leaves src`;
  if (targetRoom === room) return undefined;
  const own = levelOf(room);
  const other = levelOf(targetRoom);
  if (own === undefined || other === undefined) return `${targetRoom} is no room of the order`;
  if (other === own) return `${room} and ${targetRoom} are peers and may not import one another`;
  return other > own ? `${room} may not import ${targetRoom}, a lower room` : undefined;
}

function roomOf(path: string): string | undefined {
  const [top, room, file] = path.split("/");
  return top === "src" && file !== undefined ? room : undefined;
}

type PlacedToken = { readonly token: Token; readonly line: number };

function meaningfulTokens(text: string): PlacedToken[] {
  const placed: PlacedToken[] = [];
  let line = 1;
  for (const token of jsTokens(text)) {
    if (!/Comment|WhiteSpace|LineTerminator/.test(token.type)) placed.push({ token, line });
    line += token.value.split("\n").length - 1;
  }
  return placed;
}

/** The module names after `from`, `import` and `import(`. */
function importsOf(tokens: readonly PlacedToken[]): { specifier: string; line: number }[] {
  return tokens.flatMap(({ token, line }, i) => {
    if (token.type !== "StringLiteral") return [];
    const before = tokens[i - 1]?.token.value;
    const opener = before === "(" ? tokens[i - 2]?.token.value : before;
    const isImport = opener === "import" || (opener === "from" && before === "from");
    return isImport ? [{ specifier: token.value.slice(1, -1), line }] : [];
  });
}

/**
 * Names only Kubernetes has. The kernel's own words stay free: a network namespace, an nftables ingress hook,
 * an IPVS virtual service, a node of a tree.
 */
const KUBERNETES_WORDS: readonly RegExp[] = [
  /kube|k8s/i,
  /(?<!Virtual|virtual )(?<![A-Za-z])Services?(?![a-z])/,
  /(?<=[a-z])(?<!Virtual|virtual)Services?(?![a-z])/,
  /(?<![A-Za-z])[Pp]ods?(?![a-z])/,
  /(?<=[a-z])Pods?(?![a-z])/,
  /endpoint/i,
  /deployment|daemon_?set|replica_?set|stateful_?set|config_?map/i,
  /network_?policy|node_?port|load_?balancer/i,
  // CLUSTERIP in capitals is a target of netfilter's own (ipt_CLUSTERIP).
  /cluster_?[iI][pP](?![vV])/,
  /Cluster_?IP(?!v)/,
  /calico|flannel|cilium|coredns/i,
];

function kubernetesWordIn(token: Token): string | undefined {
  if (token.type === "Punctuator" || token.type === "NumericLiteral") return undefined;
  for (const word of KUBERNETES_WORDS) {
    const found = word.exec(token.value);
    if (found !== null) return found[0];
  }
  return undefined;
}
