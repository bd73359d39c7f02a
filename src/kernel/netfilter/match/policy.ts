import type { Masked } from "../../../address/masked.ts";
import type { Negatable } from "../rule.ts";
import { formatMaskedBrief, readMasked } from "../save/address.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { hex } from "../save/number.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Was the packet, or will it be, transformed by IPsec, and how (net/netfilter/xt_policy.c)? */
export interface PolicyMatch extends Match {
  readonly kind: "policy";
  readonly direction: "in" | "out";
  readonly policy: "none" | "ipsec";
  /** All transformations, in order, not just some. */
  readonly strict: boolean;
  readonly elements: readonly PolicyElement[];
}

/** One transformation. */
export interface PolicyElement {
  readonly reqid: Negatable<number> | null;
  readonly spi: Negatable<number> | null;
  readonly protocol: Negatable<(typeof PROTOCOLS)[number]> | null;
  readonly mode: Negatable<(typeof MODES)[number]> | null;
  readonly tunnelDst: Negatable<Masked> | null;
  readonly tunnelSrc: Negatable<Masked> | null;
}

const PROTOCOLS = ["ah", "esp", "ipcomp"] as const;
const MODES = ["transport", "tunnel"] as const;
/** `XT_POLICY_MAX_ELEM` */
const MAX_ELEMENTS = 4;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const noElement = (): Mutable<PolicyElement> => ({
  reqid: null,
  spi: null,
  protocol: null,
  mode: null,
  tunnelDst: null,
  tunnelSrc: null,
});

export const policy: MatchModule<PolicyMatch> = {
  kind: "policy",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<PolicyMatch> = {
      kind: "policy",
      direction: "in",
      policy: "none",
      strict: false,
      elements: [],
    };
    let directed = false;
    let named = false;
    const elements = [noElement()];
    // --next begins another element, whose options may then be given again.
    do {
      if (elements.length > MAX_ELEMENTS) reader.fail(`at most ${MAX_ELEMENTS} elements are allowed`);
      const element = elements.at(-1) as Mutable<PolicyElement>;
      let isMore = false;
      reader.options(
        {
          "--dir": () => {
            directed = true;
            match.direction = reader.oneOf(["in", "out"]);
          },
          "--pol": () => {
            named = true;
            match.policy = reader.oneOf(["none", "ipsec"]);
          },
          "--strict": () => {
            match.strict = true;
          },
          ...elementOptions(reader, element),
          "--next": () => {
            isMore = true;
          },
        },
        () => isMore,
      );
      if (!isMore) break;
      elements.push(noElement());
    } while (!reader.done);
    if (!directed || !named) reader.fail("it needs --dir and --pol");
    const isEmpty = elements.length === 1 && Object.values(elements[0] as object).every((v) => v === null);
    if (!isEmpty) match.elements = elements;
    if (match.policy === "none" && match.strict) reader.fail("--pol none has no --strict");
    if (elements.length > 1 && !match.strict) reader.fail("--next needs --strict");
    for (const element of match.strict && match.policy === "ipsec" ? elements : []) {
      if (Object.values(element).every((value) => value === null))
        reader.fail("--strict needs --reqid, --spi, --proto, --mode, --tunnel-src or --tunnel-dst");
      const isTunnel = element.mode?.value === "tunnel" && !element.mode.invert;
      if (!isTunnel && (element.tunnelSrc !== null || element.tunnelDst !== null))
        reader.fail("--tunnel-src and --tunnel-dst need --mode tunnel");
    }
    return match;
  },

  format: ({ direction, policy: name, strict, elements }) =>
    optionText(
      `--dir ${direction} --pol ${name}`,
      strict && "--strict",
      elements.map(formatElement).join(" --next "),
    ),

  /** Nothing here is encrypted. */
  compile: ({ policy: name }) => ({ test: () => name === "none" }),
};

function elementOptions(
  reader: ArgumentReader,
  element: Mutable<PolicyElement>,
): Readonly<Record<string, () => void>> {
  return {
    "--reqid": () => {
      element.reqid = { invert: reader.negated(), value: reader.uint(0xffffffff) };
    },
    "--spi": () => {
      element.spi = { invert: reader.negated(), value: reader.uint(0xffffffff) };
    },
    "--proto": () => {
      element.protocol = { invert: reader.negated(), value: reader.oneOf(PROTOCOLS) };
    },
    "--mode": () => {
      element.mode = { invert: reader.negated(), value: reader.oneOf(MODES) };
    },
    "--tunnel-dst": () => {
      element.tunnelDst = { invert: reader.negated(), value: readMasked(reader) };
    },
    "--tunnel-src": () => {
      element.tunnelSrc = { invert: reader.negated(), value: readMasked(reader) };
    },
  };
}

function formatElement({ reqid, spi, protocol, mode, tunnelDst, tunnelSrc }: PolicyElement): string {
  return optionText(
    negatableText("--reqid", reqid, String),
    negatableText("--spi", spi, hex),
    negatableText("--proto", protocol, String),
    negatableText("--mode", mode, String),
    negatableText("--tunnel-dst", tunnelDst, formatMaskedBrief),
    negatableText("--tunnel-src", tunnelSrc, formatMaskedBrief),
  );
}
