import { goQuote } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { flag, object, objects, text } from "../json.ts";
import type { PluginCall } from "../plugin/plugin.ts";

/** What a configuration has the daemon say and ask for (`request` and `provide`). */
export interface DhcpOptions {
  /** Numbers of option 55, the parameter request list. */
  readonly requested: ReadonlySet<number>;
  /** Option 61, where the configuration provides one of its own. */
  readonly clientId: string | null;
}

const CLIENT_ID = 61;

const NUMBERS: Readonly<Record<string, number>> = {
  "dhcp-client-identifier": CLIENT_ID,
  "host-name": 12,
  routers: 3,
  "subnet-mask": 1,
  "user-class": 77,
  "vendor-class-identifier": 60,
};

/** What is asked for unless an item of `request` says otherwise. */
const USUAL = [3, 1];

export function readDhcpOptions({ config, args }: PluginCall): DhcpOptions {
  const ipam = object(config, "ipam");
  const given = new Map(args.split(";").map((pair) => pair.split("=", 2) as [string, string]));
  let clientId: string | null = null;
  for (const option of objects(ipam, "provide")) {
    const number = numberOf(text(option, "option"));
    const own = text(option, "value");
    const value = given.get(text(option, "fromArg")) ?? (own === "" ? null : own);
    if (number === CLIENT_ID && value !== null) clientId = value;
  }
  const request = objects(ipam, "request");
  const named = request.map((option) => numberOf(text(option, "option")));
  const usual = request.some((option) => flag(option, "skipDefault")) ? [] : USUAL;
  return { requested: new Set([...named, ...usual]), clientId };
}

/** A known name, or a number of one byte. */
function numberOf(option: string): number {
  const known = Object.hasOwn(NUMBERS, option) ? NUMBERS[option] : undefined;
  if (known !== undefined) return known;
  const number = /^\d+$/.test(option) ? Number(option) : Number.NaN;
  if (number <= 255) return number;
  const reason = Number.isNaN(number) ? "invalid syntax" : "value out of range";
  const quoted = goQuote(option);
  return fail(
    `Can not parse option ${quoted}: Can not parse option: strconv.ParseUint: parsing ${quoted}: ${reason}`,
  );
}
