import type { Target, TargetModule } from "./target.ts";

/** Carry a security mark between packet and connection (net/netfilter/xt_CONNSECMARK.c). Nothing here asks for it. */
export interface ConnsecmarkTarget extends Target {
  readonly kind: "CONNSECMARK";
  readonly mode: "save" | "restore";
}

export const connsecmark: TargetModule<ConnsecmarkTarget> = {
  kind: "CONNSECMARK",
  needsConntrack: true,

  parse(reader) {
    let mode: ConnsecmarkTarget["mode"] | null = null;
    const set = (value: ConnsecmarkTarget["mode"]) => () => {
      if (mode !== null) reader.fail("--save and --restore exclude each other");
      mode = value;
    };
    reader.options({ "--save": set("save"), "--restore": set("restore") });
    if (mode === null) reader.fail("it needs --save or --restore");
    return { kind: "CONNSECMARK", mode: mode ?? "save" };
  },

  format: ({ mode }) => `--${mode}`,
};
