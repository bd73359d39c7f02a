import type { Target, TargetModule } from "./target.ts";

/** Set the packet's priority, which traffic control reads as a class (net/netfilter/xt_CLASSIFY.c). */
export interface ClassifyTarget extends Target {
  readonly kind: "CLASSIFY";
  readonly major: number;
  readonly minor: number;
}

export const classify: TargetModule<ClassifyTarget> = {
  kind: "CLASSIFY",
  needsConntrack: false,

  parse(reader) {
    let target: ClassifyTarget | null = null;
    reader.options({
      "--set-class": () => {
        const text = reader.word("a class such as 0001:0010");
        const parts = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text);
        if (parts === null)
          reader.failValue(`${JSON.stringify(text)} is no class: write two hexadecimal numbers, 0001:0010`);
        const [, major = "0", minor = "0"] = parts ?? [];
        target = { kind: "CLASSIFY", major: Number.parseInt(major, 16), minor: Number.parseInt(minor, 16) };
      },
    });
    if (target === null) reader.fail("--set-class is missing");
    return target ?? { kind: "CLASSIFY", major: 0, minor: 0 };
  },

  format: ({ major, minor }) => `--set-class ${hex4(major)}:${hex4(minor)}`,
};

function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}
