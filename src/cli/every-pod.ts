import { Inventory } from "../inventory/inventory.ts";
import { splitDestination } from "./destination.ts";
import { splitKind } from "./host-reference.ts";
import type { Question } from "./question.ts";
import { invalid, ok, type Result } from "./result.ts";

/** `--all-pods`: a question for each pod of the workloads that FROM and TO name, each with each. */
export function everyPodOf(question: Question, inventory: Inventory | null): Result<readonly Question[]> {
  if (inventory === null) return invalid("--all-pods: the source holds no Kubernetes objects");
  const from = podsNamed(question.from, inventory);
  const { place, portText, protoText } = splitDestination(question.to);
  const to = podsNamed(place, inventory);
  const messages = [from, to].flatMap((each) => (each.kind === "invalid" ? each.messages : []));
  if (from.kind === "invalid" || to.kind === "invalid") return invalid(...messages);
  if (from.value === null && to.value === null)
    return invalid("--all-pods: neither FROM nor TO names a workload, such as deploy/NAME");
  const rest = `${portText === null ? "" : `:${portText}`}${protoText === null ? "" : `/${protoText}`}`;
  const senders = from.value ?? [question.from];
  const targets = to.value?.map((pod) => `${pod}${rest}`) ?? [question.to];
  const pairs = senders.flatMap((sender) => targets.map((target) => ({ from: sender, to: target })));
  return ok(pairs.map((pair, i) => ({ ...question, ...pair, id: `q${i + 1}` })));
}

/** `pod/NAMESPACE/NAME` for each pod of a workload; null where no workload is named. */
function podsNamed(text: string, inventory: Inventory): Result<readonly string[] | null> {
  const split = splitKind(text);
  if (split === null || !Inventory.namesPods(split.kind)) return ok(null);
  const found = inventory.podsOf(split.kind, split.parts);
  return found.kind === "ok"
    ? ok(found.value.map((key) => `pod/${key}`))
    : invalid(`${text}: ${found.message}`);
}
