// What a report says of one direction.

import { number, t } from "../text/index.js";
import { intervalText } from "./interval.js";
import { signed } from "../text/index.js";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The figures of the candidate that was chosen, if one was. */
export function chosenFigures(direction) {
  const chosen = direction.chosen;
  return chosen && direction.candidates?.find((figures) => same(figures.candidate, chosen));
}

/** The lesser advantage: over popularity, or over the target's own model. */
export function gainOf(direction) {
  const figures = chosenFigures(direction);
  if (!figures) return null;
  const both = [figures.over_popularity, figures.over_target_only];
  return both.sort((a, b) => a.low - b.low)[0];
}

export const isServed = (direction) => direction.verdict === "passed";

/** Whether a direction is served and why not, in words. */
export function verdictText(direction) {
  const kind = direction.chosen ? t(`bridge.${direction.chosen.kind}`) : "";
  const values = { kind, people: number(direction.people), needed: number(direction.needed ?? 0) };
  return t(`verdict.${direction.verdict}`, values);
}

/** What a bridge of a direction would bring, for someone whose consent it lacks. */
export function promiseText(direction, from, to) {
  if (!direction) return t("promise.unjudged", { from, to });
  const gain = intervalText(gainOf(direction), signed);
  const people = number(direction.people);
  return t(isServed(direction) ? "promise.served" : "promise.none", { from, to, gain, people });
}
