import type { Origin } from "../origin.ts";
import { isOvsReplyHeader, type OvsTextError } from "./dump-flows.ts";
import type { OvsBucket, OvsGroup } from "./open-vswitch.ts";
import { isWhole, splitList } from "./split-list.ts";

/** The text of `ovs-ofctl dump-groups` (lib/ofp-group.c), parsed and printed. */

export function parseOvsGroups(
  text: string,
  originOf: (line: number) => Origin,
): { readonly groups: readonly OvsGroup[]; readonly errors: readonly OvsTextError[] } {
  const groups: OvsGroup[] = [];
  const errors: OvsTextError[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const own = line.trim();
    if (own === "" || own.startsWith("#") || isOvsReplyHeader(own)) continue;
    const [, id, type, rest = ""] = /^group_id=(\d+),\s*type=(\w+),?(.*)$/.exec(own) ?? [];
    if (id === undefined || type === undefined || Number(id) > 0xffff_ff00 || !isWhole(rest)) {
      errors.push({
        line: i + 1,
        message: 'is no group: "group_id=1,type=select,bucket=…" is the form that is expected',
      });
      continue;
    }
    const [options = "", ...buckets] = rest.split(/,?bucket=/);
    groups.push({
      id: Number(id),
      type,
      options: options.replace(/,$/, ""),
      buckets: buckets.map(parseBucket),
      origin: originOf(i + 1),
    });
  }
  return { groups, errors };
}

/** `bucket_id:0,weight:100,actions=output:1`, in old form `weight:100,output:1`. */
function parseBucket(text: string): OvsBucket {
  const settings = new Map<string, string>();
  const [, before = text, said] = /^(.*?)(?:^|,)actions=(.*)$/.exec(text) ?? [];
  const actions: string[] = said === undefined ? [] : [said];
  for (const part of splitList(before)) {
    const [, name, value = ""] = /^(bucket_id|weight|watch_port|watch_group)[:=](.*)$/.exec(part) ?? [];
    if (name === undefined) actions.push(part);
    else settings.set(name, value);
  }
  return { settings, actions: actions.join(",") };
}

export function formatOvsGroups(groups: readonly OvsGroup[]): string {
  return groups
    .map(({ id, type, options, buckets }) => {
      const parts = [`group_id=${id},type=${type}`, ...(options === "" ? [] : [options])];
      const own = buckets.map(({ settings, actions }) => {
        const said = [...settings].map(([name, value]) => `${name}:${value}`);
        return `bucket=${[...said, `actions=${actions}`].join(",")}`;
      });
      return ` ${[...parts, ...own].join(",")}\n`;
    })
    .join("");
}
