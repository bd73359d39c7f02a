import type { ArgumentReader } from "../save/arguments.ts";
import { optionText } from "../save/option-text.ts";
import type { Target, TargetModule } from "./target.ts";

/** Say how a packet is to be tracked, before conntrack sees it (net/netfilter/xt_CT.c). */
export interface CtTarget extends Target {
  readonly kind: "CT";
  readonly notrack: boolean;
  readonly helper: string | null;
  readonly timeout: string | null;
  /** In the order they are printed; none: all. */
  readonly ctEvents: readonly string[];
  readonly expEvents: readonly string[];
  /** null: zone 0, which is not printed. */
  readonly zone: CtZone | null;
}

export interface CtZone {
  /** `mark`: the packet's mark is the zone. */
  readonly id: number | "mark";
  readonly direction: "both" | "orig" | "reply";
}

const CT_EVENTS = [
  "new",
  "related",
  "destroy",
  "reply",
  "assured",
  "protoinfo",
  "helper",
  "mark",
  "natseqinfo",
  "secmark",
] as const;
const EXP_EVENTS = ["new"] as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const ct: TargetModule<CtTarget> = {
  kind: "CT",
  /** But not with `--notrack`, which returns before asking for it: `needsConntrack` knows. */
  needsConntrack: true,

  parse(reader) {
    const target: Mutable<CtTarget> = {
      kind: "CT",
      notrack: false,
      helper: null,
      timeout: null,
      ctEvents: [],
      expEvents: [],
      zone: null,
    };
    const zone = (direction: CtZone["direction"]) => () => {
      if (target.zone !== null) reader.fail("only one of --zone, --zone-orig and --zone-reply is allowed");
      const text = reader.word("a zone, a number or the word mark");
      const id = text === "mark" ? text : reader.uintOf(text, 0xffff);
      target.zone = id === 0 ? null : { id, direction };
    };
    reader.options({
      "--notrack": () => {
        target.notrack = true;
      },
      "--helper": () => {
        target.helper = reader.word("the name of a helper");
      },
      "--timeout": () => {
        target.timeout = reader.word("the name of a timeout policy");
      },
      "--ctevents": () => {
        target.ctEvents = readEvents(reader, CT_EVENTS);
      },
      "--expevents": () => {
        target.expEvents = readEvents(reader, EXP_EVENTS);
      },
      "--zone": zone("both"),
      "--zone-orig": zone("orig"),
      "--zone-reply": zone("reply"),
    });
    return target;
  },

  format: ({ notrack, helper, timeout, ctEvents, expEvents, zone }) =>
    optionText(
      notrack && "--notrack",
      helper !== null && `--helper ${helper}`,
      timeout !== null && `--timeout ${timeout}`,
      ctEvents.length > 0 && `--ctevents ${ctEvents.join(",")}`,
      expEvents.length > 0 && `--expevents ${expEvents.join(",")}`,
      zone && `--zone${zone.direction === "both" ? "" : `-${zone.direction}`} ${zone.id}`,
    ),
};

function readEvents(reader: ArgumentReader, known: readonly string[]): string[] {
  const wanted = reader.word("a list of events").split(",");
  for (const name of wanted) {
    if (!known.includes(name))
      reader.failValue(`${JSON.stringify(name)} is no event: write ${known.join(", ")}`);
  }
  return known.filter((name) => wanted.includes(name));
}
