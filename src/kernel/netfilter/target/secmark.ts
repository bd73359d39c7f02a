import type { Target, TargetModule } from "./target.ts";

/** Give the packet a security context, for SELinux to judge by (net/netfilter/xt_SECMARK.c). */
export interface SecmarkTarget extends Target {
  readonly kind: "SECMARK";
  readonly context: string;
}

export const secmark: TargetModule<SecmarkTarget> = {
  kind: "SECMARK",
  needsConntrack: false,

  parse(reader) {
    let context: string | null = null;
    reader.options({
      "--selctx": () => {
        context = reader.word("a security context");
      },
    });
    if (context === null) reader.fail("--selctx is missing");
    return { kind: "SECMARK", context: context ?? "" };
  },

  format: ({ context }) => `--selctx ${context}`,
};
