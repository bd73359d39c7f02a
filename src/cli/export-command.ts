import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import type { Host } from "../kernel/host.ts";
import { hostScript } from "../kernel/host-script.ts";
import { formatIpsetSave } from "../kernel/ipset/save.ts";
import { formatIpvsadmSave } from "../kernel/ipvs/ipvsadm-save.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { formatIptablesSave } from "../kernel/netfilter/save/format.ts";
import { formatNftRuleset } from "../kernel/nft/text/format.ts";
import { writeSnapshot } from "../world/snapshot-out.ts";
import type { World } from "../world/world.ts";
import { type Context, fail } from "./context.ts";
import { examples } from "./examples.ts";
import { findHost } from "./host-reference.ts";
import { invalid, ok, type Result } from "./result.ts";
import { loadSource } from "./source.ts";
import { explainUnwritten } from "./source-files.ts";
import { addSourceOptions, objectFlags, type SourceOptions, unbuiltOptions } from "./source-options.ts";

interface ExportOptions extends SourceOptions {
  readonly node: string;
  readonly format: string;
  readonly out?: string;
}

const FORMATS: Readonly<Record<string, (host: Host, world: World) => string>> = {
  "iptables-save": (host) => (host.iptables === null ? "" : formatIptablesSave(host.iptables)),
  "ip6tables-save": (host) => (host.ip6tables === null ? "" : formatIptablesSave(host.ip6tables)),
  ipset: (host) => formatIpsetSave(host.ipsets ?? []),
  nft: (host) => (host.nft === null ? "" : formatNftRuleset(host.nft)),
  ip: (host) => hostScript(host),
  ipvsadm: (host) => formatIpvsadmSave(host.ipvs?.services ?? []),
  snapshot: (host, world) => writeSnapshot(world, [host.name]),
};

const EXAMPLES = examples([
  ["export --node node1 --format iptables-save", "what iptables-restore takes"],
  ["export --node node1 --format nft", "what nft -f takes"],
  ["export --node node1 --format ip", "a script of ip and bridge commands for an empty network namespace"],
  ["export --node node2 --format snapshot", "one host in the form that -f reads"],
]);

/** `export --node N --format F`: a host's state as the kernel's own tools take it. */
export function exportCommand(context: Context): Command {
  const command = new Command("export").description(
    "print a host's state in a form that the kernel's own tools take",
  );
  return addSourceOptions(command)
    .requiredOption("--node <name>", "the host: its name, or any form that trace takes")
    .requiredOption("--format <format>", `${Object.keys(FORMATS).join(", ")}`)
    .option("--out <file>", "write to a file instead of stdout")
    .addHelpText("after", EXAMPLES)
    .action((options: ExportOptions) => run(context, options));
}

async function run(context: Context, options: ExportOptions): Promise<void> {
  const unbuilt = unbuiltOptions(options as unknown as Readonly<Record<string, unknown>>);
  if (unbuilt.length > 0) return fail(context, unbuilt);
  const format = formatOf(options.format);
  if (format.kind === "invalid") return fail(context, format.messages);
  const flags = objectFlags(options);
  if (flags.kind === "invalid") return fail(context, flags.messages);
  const source = await loadSource(options.filename ?? [], context.io, flags.value);
  if (source.kind === "invalid") return fail(context, source.messages);
  const { world, inventory } = source.value;
  const host = findHost(world, options.node, inventory);
  if (host.kind === "invalid")
    return fail(
      context,
      host.messages.map((message) => `--node: ${message}`),
    );
  const text = format.value(host.value, world);
  if (options.out === undefined) return context.io.write(text);
  try {
    await writeFile(options.out, text);
  } catch (error) {
    fail(context, [`--out ${options.out}: ${explainUnwritten(error)}`]);
  }
}

function formatOf(name: string): Result<(host: Host, world: World) => string> {
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format !== undefined) return ok(format);
  const known = Object.keys(FORMATS);
  return invalid(
    `--format: ${JSON.stringify(name)} is none of ${known.join(", ")}${suggestion(name, known)}`,
  );
}
