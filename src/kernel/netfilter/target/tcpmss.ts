import type { Target, TargetModule } from "./target.ts";

/** Set the segment size a SYN announces (net/netfilter/xt_TCPMSS.c). */
export interface TcpmssTarget extends Target {
  readonly kind: "TCPMSS";
  /** `clamp`: no more than the path's MTU leaves. */
  readonly mss: number | "clamp";
}

export const tcpmss: TargetModule<TcpmssTarget> = {
  kind: "TCPMSS",
  needsConntrack: false,

  parse(reader) {
    let mss: TcpmssTarget["mss"] | null = null;
    const set = (value: TcpmssTarget["mss"]) => {
      if (mss !== null) reader.fail("--set-mss and --clamp-mss-to-pmtu exclude each other");
      mss = value;
    };
    reader.options({
      "--set-mss": () => set(reader.uint(65495)),
      "--clamp-mss-to-pmtu": () => set("clamp"),
    });
    if (mss === null) reader.fail("it needs --set-mss or --clamp-mss-to-pmtu");
    return { kind: "TCPMSS", mss: mss ?? 0 };
  },

  format: ({ mss }) => (mss === "clamp" ? "--clamp-mss-to-pmtu" : `--set-mss ${mss}`),
};
